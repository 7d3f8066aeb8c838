'use strict'

const { EventEmitter } = require('events')
const fs = require('fs/promises')
const { BridgeError } = require('./errors')

/**
 * Watches the free space under the store: a full disk breaks RocksDB until it is opened again, so
 * nothing is written below `minFree` bytes.
 *
 * Events: 'full' and 'ok' with {free, min_free}.
 */
class Disk extends EventEmitter {
  constructor(dir, { minFree, intervalMs, statfs = fs.statfs }) {
    super()
    this.setMaxListeners(0)
    this.dir = dir
    this.minFree = minFree
    this.intervalMs = intervalMs
    this.low = false
    this.free = null
    this.total = null
    this._statfs = statfs
    this._timer = null
  }

  async start() {
    await this.look()
    this._timer = setInterval(() => this.look().catch(() => {}), this.intervalMs)
    this._timer.unref()
  }

  stop() {
    clearInterval(this._timer)
  }

  async look() {
    const { bavail, bsize, blocks } = await this._statfs(this.dir)
    this.free = bavail * bsize
    this.total = blocks * bsize
    const low = this.free < this.minFree
    const changed = low !== this.low
    this.low = low
    if (changed) this.emit(low ? 'full' : 'ok', this._numbers())
    return { ...this._numbers(), total: this.total, low }
  }

  /** Throws DISK_FULL when there is no room to write. */
  check() {
    if (!this.low) return
    throw new BridgeError(
      'DISK_FULL',
      'Only ' + mib(this.free) + ' are free on the disk of the store, and ' + mib(this.minFree) +
        ' must stay free',
      this._numbers()
    )
  }

  _numbers() {
    return { free: this.free, min_free: this.minFree }
  }
}

function mib(bytes) {
  return Math.floor(bytes / 1048576) + ' MiB'
}

module.exports = { Disk }
