'use strict'

const { EventEmitter } = require('events')
const net = require('net')
const crypto = require('hypercore-crypto')
const { BridgeError } = require('./errors')
const { Bans } = require('./bans')
const { acceptBulk } = require('./bulk-channel')
const { Gate } = require('./gate')
const { Connection } = require('./connection')
const { limitFrames } = require('./frame-size')
const { Lines, preface } = require('./lines')
const { dropStalled } = require('./stalled')

const DEFAULTS = {
  handshake_ms: 10000,
  half_open_per_ip: 32,
  per_ip: 64,
  total: 256,
  idle_ms: 30000,
  stalled_ms: 20000
}

/**
 * The connections of one node: listens, dials, checks keys, and hands each good connection to the
 * store.
 *
 * Events: 'peer-open' (Connection), 'peer-close' (Connection, reason), 'invalid' ({core,
 * connection, …}).
 */
class Swarm extends EventEmitter {
  constructor(store, log) {
    super()
    this.store = store
    this.log = log
    this.lines = new Lines(store, log)
    this.keyPair = null
    this.connections = new Map() // id -> Connection, those that are open
    this.closedTotals = {
      peers: 0,
      bytes_in: 0,
      bytes_out: 0,
      blocks_in: 0,
      block_bytes_in: 0,
      blocks_out: 0,
      block_bytes_out: 0
    }
    this._pending = new Set() // handshakes under way
    this._unknown = new Set() // sockets that have sent nothing yet
    this._byKey = new Map()
    this._byStream = new WeakMap()
    this._bans = new Bans()
    this._nextId = 1
    this._starting = Promise.resolve()
    this._reset()
    store.on('core', (core) => this._watch(core))
  }

  get started() {
    return this.keyPair !== null
  }

  _reset() {
    this.keyPair = null
    this._dialling = new Map() // host and port -> promise of the connection
    this._server = null
    this._asked = null
    this._allow = null
    this._limits = { ...DEFAULTS }
    this._gate = new Gate(this._limits)
    this._timer = null
  }

  /** Starts, or extends what runs: idempotent. Returns {public_key, host?, port?}. */
  start(opts) {
    const run = this._starting.then(() => this._start(opts))
    this._starting = run.catch(() => {})
    return run
  }

  async _start({ seed, listen = null, allow = null, limits = {} }) {
    const keyPair = crypto.keyPair(seed)
    const fresh = !this.started
    if (this.started && !this.keyPair.publicKey.equals(keyPair.publicKey)) {
      throw new BridgeError('BAD_REQUEST', 'The swarm runs with another key')
    }
    const move = this._mustMove(listen)
    if (fresh) {
      this._limits = { ...DEFAULTS, ...limits }
      this._gate = new Gate(this._limits)
      this._timer = setInterval(() => dropStalled(this, this._limits.stalled_ms), 500)
      this._timer.unref()
    }
    if (allow !== null) this._allow = new Set(allow.map((key) => key.toString('hex')))
    this.keyPair = keyPair
    if (move || (this._server === null && listen !== null)) {
      try {
        await this._listen(listen)
      } catch (err) {
        if (fresh) await this.stop()
        throw err
      }
    }
    return { public_key: keyPair.publicKey, ...this.address }
  }

  /** {host, port} it listens on, or an empty object. */
  get address() {
    const address = this._server && this._server.address()
    return address ? { host: address.address, port: address.port } : {}
  }

  // Who asks for any port takes what there is, and gives way to who asks for a certain one.
  _mustMove(listen) {
    if (this._server === null || listen === null || listen.port === 0) return false
    const { host, port } = this.address
    if (listen.host === host && listen.port === port) return false
    if (this._asked.port === 0) return true
    throw new BridgeError('PORT_IN_USE', 'This node listens on ' + host + ':' + port + ' already')
  }

  async _listen(listen) {
    if (net.isIP(listen.host) === 0)
      throw new BridgeError('BAD_ADDRESS', listen.host + ' is not an IP address')
    const server = net.createServer((socket) => this._oninbound(socket))
    const before = this._server
    this._server = server
    try {
      await new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(listen.port, listen.host, resolve)
      })
    } catch (err) {
      this._server = before
      if (err.code === 'EADDRINUSE')
        throw new BridgeError('PORT_IN_USE', 'Port ' + listen.port + ' is in use')
      throw new BridgeError('BAD_ADDRESS', 'Can not listen on ' + listen.host + ': ' + err.message)
    }
    if (before !== null) before.close()
    this._asked = listen
    server.on('error', (err) => this.log.warn('listening failed', { error: err.message }))
  }

  async stop() {
    const server = this._server
    const all = [...this._pending, ...this.connections.values()]
    clearInterval(this._timer)
    this._reset()
    for (const connection of all) connection.destroy('the swarm was stopped')
    for (const socket of this._unknown) socket.destroy()
    if (server !== null) await new Promise((resolve) => server.close(resolve))
  }

  /**
   * Connects and checks the key; resolves with the Connection that is in use to this peer, which
   * may be an older one, or one that somebody else has begun to make.
   */
  async dial({ host, port, publicKey = null, timeoutMs = 10000, signal }) {
    if (!this.started) throw new BridgeError('NOT_STARTED', 'The swarm is not started')
    if (publicKey !== null) {
      if (this._bans.has(publicKey))
        throw new BridgeError('BANNED', 'This peer is banned for invalid blocks')
      const known = this._byKey.get(publicKey.toString('hex'))
      if (known) return known
    }
    // one address is one peer: a second connection would end the first on the other side, whatever
    // key somebody announced for it
    const address = host + ' ' + port
    const there = this._dialledTo(host, port) || this._dialling.get(address)
    if (there) return expect(await there, publicKey)
    const dialling = this._dial({ host, port, publicKey, timeoutMs, signal })
    this._dialling.set(address, dialling)
    try {
      return await dialling
    } finally {
      if (this._dialling.get(address) === dialling) this._dialling.delete(address)
    }
  }

  _dialledTo(host, port) {
    for (const connection of this.connections.values()) {
      if (connection.initiator && connection.host === host && connection.port === port)
        return connection
    }
    return null
  }

  async _dial({ host, port, publicKey, timeoutMs, signal }) {
    const place = this._gate.enter(host)
    if (place === null)
      throw new BridgeError('LIMIT', 'There are too many connections to ' + host + ', or in all')
    const socket = net.connect({ host, port })
    const connection = this._connect(socket, true, { host, port, place, timeoutMs })
    const onabort = () => connection.destroy('cancelled')
    signal.addEventListener('abort', onabort)
    try {
      return await new Promise((resolve, reject) => {
        connection.once('open', () => {
          try {
            resolve(this._admit(connection, publicKey))
          } catch (err) {
            reject(err)
            connection.destroy(err.message)
          }
        })
        connection.once('close', (reason) =>
          reject(
            new BridgeError(
              'CONNECT_FAILED',
              'No connection to ' + host + ' port ' + port + ': ' + reason
            )
          )
        )
      })
    } finally {
      signal.removeEventListener('abort', onabort)
    }
  }

  /** Ends the connection with this number or key. */
  drop({ peer, publicKey }) {
    const connection = publicKey
      ? this._byKey.get(publicKey.toString('hex'))
      : this.connections.get(peer)
    if (!connection) return false
    connection.destroy('dropped')
    return true
  }

  connectionOf(stream) {
    return this._byStream.get(stream)
  }

  _oninbound(socket) {
    const host = (socket.remoteAddress || '').replace(/^::ffff:/, '')
    const place = this._gate.enter(host)
    if (place === null) {
      socket.on('error', () => {})
      return socket.destroy()
    }
    const port = socket.remotePort || 0
    socket.on('error', () => {})
    this._unknown.add(socket)
    preface(socket, this._limits.handshake_ms).then((found) => {
      this._unknown.delete(socket)
      if (socket.destroyed || !this.started) {
        place.leave()
        return socket.destroy()
      }
      if (found === null) return this._onpeer(socket, { host, port, place })
      socket.once('close', () => place.leave())
      if (this.lines.accept(socket, found) === null) socket.destroy()
      else place.ready()
    })
  }

  _onpeer(socket, { host, port, place }) {
    const connection = this._connect(socket, false, { host, port, place })
    connection.once('open', () => {
      try {
        this._admit(connection, null)
      } catch (err) {
        this.log.info('inbound peer refused', { host, error: err.message })
        connection.destroy(err.message)
      }
    })
  }

  _connect(socket, initiator, { host, port, place, timeoutMs = this._limits.handshake_ms }) {
    const { idle_ms: idleMs } = this._limits
    const opts = { initiator, keyPair: this.keyPair, host, port, handshakeMs: timeoutMs, idleMs }
    const connection = new Connection(this._nextId++, socket, opts)
    this._pending.add(connection)
    connection.once('open', () => place.ready())
    connection.once('close', (reason) => {
      place.leave()
      this._pending.delete(connection)
      this._leave(connection, reason)
    })
    return connection
  }

  // Everything that must hold before the first byte of a log moves. Throws, or returns the
  // connection to use.
  _admit(connection, expected) {
    const { publicKey } = connection
    expect(connection, expected)
    if (publicKey.equals(this.keyPair.publicKey))
      throw new BridgeError('WRONG_KEY', 'This is the node itself', { public_key: publicKey })
    if (this._bans.has(publicKey))
      throw new BridgeError('BANNED', 'This peer is banned for invalid blocks')
    const id = publicKey.toString('hex')
    if (!connection.initiator && this._allow !== null && !this._allow.has(id))
      throw new BridgeError('DENIED', 'This key is not allowed')
    const other = this._byKey.get(id)
    if (other) {
      if (!this._prefers(connection, other)) {
        connection.destroy('another connection to this peer stays')
        return other
      }
      other.destroy('replaced by a newer connection')
    }
    this._pending.delete(connection)
    this._byKey.set(id, connection)
    this.connections.set(connection.id, connection)
    this._byStream.set(connection.stream, connection)
    limitFrames(connection.stream)
    acceptBulk(connection.stream, this.store)
    this.lines.add(connection)
    this.store.replicate(connection.stream)
    this.emit('peer-open', connection)
    return connection
  }

  // Both sides must keep the same one of two: the newer of two in one direction, else the one that
  // the greater key dialled.
  _prefers(fresh, other) {
    if (fresh.initiator === other.initiator) return true
    const greater = Buffer.compare(this.keyPair.publicKey, fresh.publicKey) > 0
    return fresh.initiator === greater
  }

  _leave(connection, reason) {
    if (!this.connections.delete(connection.id)) return
    const id = connection.publicKey.toString('hex')
    if (this._byKey.get(id) === connection) this._byKey.delete(id)
    const info = connection.info()
    for (const name of Object.keys(this.closedTotals))
      this.closedTotals[name] += name === 'peers' ? 1 : info[name]
    this.emit('peer-close', connection, reason)
  }

  _watch(core) {
    const count = (blocks, bytes) => (byteLength, stream) => {
      const connection = this._byStream.get(stream)
      if (!connection) return
      connection.counters[blocks]++
      connection.counters[bytes] += byteLength
    }
    core.on('in', count('blocks_in', 'block_bytes_in'))
    core.on('out', count('blocks_out', 'block_bytes_out'))
    core.on('invalid', (err, index, stream) => {
      const connection = this._byStream.get(stream)
      if (!connection) return
      connection.invalid++
      const { count, banned } = this._bans.strike(connection.publicKey)
      this.emit('invalid', { core, connection, index, count, banned, message: err.message })
      if (banned) connection.destroy('banned for invalid blocks')
    })
  }
}

function expect(connection, key) {
  const { publicKey } = connection
  if (key === null || publicKey.equals(key)) return connection
  throw new BridgeError('WRONG_KEY', 'The peer has another key than was announced', {
    public_key: publicKey
  })
}

module.exports = { Swarm }
