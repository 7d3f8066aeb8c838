'use strict'

const fs = require('fs/promises')
const net = require('net')
const path = require('path')
const { Client } = require('./client')
const { Disk } = require('./disk')
const { Store } = require('./store')
const { Swarm } = require('./swarm')
const { Topics } = require('./topics')
const { Wal } = require('./wal')
const { coreMethods } = require('./methods-core')
const { swarmMethods } = require('./methods-swarm')
const { processMethods } = require('./methods-process')
const { forwardEvents } = require('./events')
const { versions } = require('./versions')
const { PROTOCOL } = require('./limits')

/** A failure to start, with the exit code that says which. */
class StartError extends Error {
  constructor(message, exitCode) {
    super(message)
    this.exitCode = exitCode
  }
}

const CLOSE_MS = 3000 // a store that does not close is as safe as after a kill

const EXIT = { FAILED: 1, USAGE: 2, SERVED: 3, STORE_HELD: 4, UNWRITABLE: 5 }

/**
 * The process: the store, the swarm, and the socket that programs attach to.
 *
 * `onend(exitCode)` is called once, after everything was closed.
 */
class Sidecar {
  constructor(
    { dataDir, socketPath, lingerMs = 5000, minFree = 128 * 1024 * 1024, diskCheckMs = 5000 },
    log,
    onend
  ) {
    this.dataDir = dataDir
    this.socketPath = socketPath
    this.lingerMs = lingerMs
    this.log = log
    this.startedMs = Date.now()
    this.clients = new Set()
    this.store = new Store(path.join(dataDir, 'store'), log)
    this.disk = new Disk(dataDir, { minFree, intervalMs: diskCheckMs })
    this.swarm = new Swarm(this.store, log)
    this.topics = new Topics(this.swarm, log)
    this._onend = onend
    this._server = null
    this._described = null // what we wrote about ourselves
    this._linger = null
    this._ending = null
    this._broken = false // the store refused a write
  }

  async start() {
    await fs.mkdir(this.dataDir, { recursive: true, mode: 0o700 })
    await this._claimSocket()
    try {
      await this.store.open()
    } catch (err) {
      const held = /lock/i.test(err.message) && !/permission/i.test(err.message)
      throw new StartError(
        'The store can not be opened: ' + err.message,
        held ? EXIT.STORE_HELD : EXIT.FAILED
      )
    }
    await this.disk.start()
    const wal = new Wal(this.store.rocks.path)
    const onwritefailure = (err) => this.broken(err)
    this.methods = {
      ...coreMethods({ store: this.store, swarm: this.swarm, disk: this.disk, wal, onwritefailure }),
      ...swarmMethods(this),
      ...processMethods(this)
    }
    forwardEvents(this)
    this.disk.on('ok', () => {
      if (this._broken) this.end(EXIT.UNWRITABLE) // RocksDB writes again only after it was opened anew
    })
    await this._listen()
    await this._describe()
    this._lingerMaybe()
    this.log.info('listening', { socket: this.socketPath })
  }

  hello() {
    return {
      protocol: PROTOCOL,
      pid: process.pid,
      started_ms: this.startedMs,
      versions: versions()
    }
  }

  broadcast(name, data, { droppable = false, to = null } = {}) {
    for (const client of this.clients)
      if (to === null || to(client)) client.event(name, data, droppable)
  }

  /**
   * The store refused a write: it is read-only until opened anew. With room on the disk that is
   * done at once, else when there is room.
   */
  async broken(err) {
    if (this._broken) return
    this._broken = true
    this.log.error('the store refused a write', { error: err.message })
    this.broadcast('write.failed', { message: err.message })
    const { low } = await this.disk.look().catch(() => ({ low: false }))
    if (!low) setTimeout(() => this.end(EXIT.UNWRITABLE), 500)
  }

  /** Closes everything in order; several calls are one. */
  end(exitCode = 0) {
    if (this._ending === null) this._ending = this._end(exitCode)
    return this._ending
  }

  async _end(exitCode) {
    this.log.info('ending', { exit_code: exitCode })
    clearTimeout(this._linger)
    this.disk.stop()
    if (this._server !== null) this._server.close() // also removes the socket
    if (await this._owns()) await fs.rm(this._file, { force: true })
    for (const client of [...this.clients]) client.destroy()
    await this.swarm.stop()
    const closing = this.store
      .close()
      .catch((err) => this.log.warn('closing the store failed', { error: err.message }))
    let timer
    const patience = new Promise((resolve) => (timer = setTimeout(resolve, CLOSE_MS)))
    await Promise.race([closing, patience])
    clearTimeout(timer)
    this._onend(exitCode)
  }

  // A socket file that nobody answers on is left over from a process that was killed.
  async _claimSocket() {
    if (Buffer.byteLength(this.socketPath) > 107)
      throw new StartError('The socket path is over 107 bytes', EXIT.USAGE)
    if (await answers(this.socketPath))
      throw new StartError('Another sidecar serves ' + this.socketPath, EXIT.SERVED)
    await fs.rm(this.socketPath, { force: true })
  }

  async _listen() {
    const server = net.createServer((socket) => this._onclient(socket))
    const mask = process.umask(0o177)
    try {
      await new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(this.socketPath, resolve)
      })
    } finally {
      process.umask(mask)
    }
    server.on('error', (err) => this.log.error('the socket failed', { error: err.message }))
    this._server = server
  }

  get _file() {
    return path.join(this.dataDir, 'sidecar.json')
  }

  async _describe() {
    const temporary = this._file + '.' + process.pid
    const text = JSON.stringify({ ...this.hello(), socket: this.socketPath })
    await fs.writeFile(temporary, text, { mode: 0o600 })
    await fs.rename(temporary, this._file)
    this._described = text
  }

  /** Whether the data directory still says that we serve it: it may be another of the same name. */
  async _owns() {
    if (this._described === null) return false
    return this._described === (await fs.readFile(this._file, 'utf8').catch(() => ''))
  }

  // Whoever made the directory anew needs the socket: our store is a deleted one.
  async _endIfDisowned() {
    if (this._described === null || (await this._owns())) return
    this.log.warn('the data directory was removed', { data_dir: this.dataDir })
    this.end(0)
  }

  _onclient(socket) {
    clearTimeout(this._linger)
    this._endIfDisowned()
    const client = new Client(socket, this.methods, this.log, () => {
      this.clients.delete(client)
      this._lingerMaybe()
    })
    this.clients.add(client)
  }

  _lingerMaybe() {
    clearTimeout(this._linger)
    if (this.clients.size > 0 || this._ending !== null) return
    this._linger = setTimeout(() => this.end(0), this.lingerMs)
  }
}

function answers(socketPath) {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

module.exports = { Sidecar, StartError, EXIT }
