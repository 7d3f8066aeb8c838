'use strict'

const fs = require('fs/promises')
const path = require('path')

/**
 * Makes appends durable: Hypercore's own end in the page cache.
 *
 * A write-ahead log may be rotated in the middle of an append, and after a power cut RocksDB stops at
 * the first hole in the oldest log, so every log file that may still hold unsynced bytes is synced:
 * the one in use and all that were in use since the last round, those of other cores' blocks
 * included. A file that is gone was flushed to tables, which RocksDB syncs before it deletes it.
 */
class Wal {
  constructor(dir, datasync = datasyncFile) {
    this.dir = dir
    this._datasync = datasync
    this._clean = 0 // files below this number are on the disk to the last byte
    this._known = new Set() // files whose directory entry is
    this._next = null // the round that has not begun
    this._running = Promise.resolve()
  }

  /**
   * Resolves when everything written before this call is on the disk. Calls that wait for the round
   * under way share the next one.
   */
  sync() {
    if (this._next === null) {
      const round = this._running.then(() => {
        this._next = null
        return this._round()
      })
      this._next = round
      this._running = round.catch(() => {})
    }
    return this._next
  }

  async _round() {
    const logs = (await fs.readdir(this.dir))
      .map((name) => ({ name, number: /^\d+\.log$/.test(name) ? parseInt(name, 10) : -1 }))
      .filter(({ number }) => number >= this._clean)
      .sort((a, b) => a.number - b.number)
    for (const { name } of logs) await this._datasync(path.join(this.dir, name))
    if (logs.some(({ name }) => !this._known.has(name))) await this._datasync(this.dir)
    this._known = new Set(logs.map(({ name }) => name))
    if (logs.length > 0) this._clean = logs[logs.length - 1].number // the one in use grows on
  }
}

async function datasyncFile(file) {
  let handle
  try {
    handle = await fs.open(file, 'r')
  } catch (err) {
    if (err.code === 'ENOENT') return
    throw err
  }
  try {
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

module.exports = { Wal }
