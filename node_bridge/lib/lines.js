'use strict'

const c = require('compact-encoding')
const crypto = require('hypercore-crypto')
const Protomux = require('protomux')
const { Line } = require('./line')
const { PREFACE_BYTES, TOKEN_BYTES, HEAD } = require('./line-frames')

const PROTOCOL = 'tradercast-line/1'

/**
 * Lines: further sockets of a connection, over which a peer's program takes blocks itself.
 *
 * Each side tells the other one token, by which such a socket is known, and a secret, by which it is
 * sealed, and the next ones when these were used.
 */
class Lines {
  constructor(store, log) {
    this.store = store
    this.log = log
    this._offers = new Map() // token, hex -> {token, secret, connection}, what we told
    this._told = new WeakMap() // connection -> {token, secret}, what its peer told us
    this._channels = new WeakMap()
  }

  /** Tells the peer of an open connection how to open a line, and hears the same from it. */
  add(connection) {
    const channel = Protomux.from(connection.stream).createChannel({
      protocol: PROTOCOL,
      messages: [{ encoding: c.raw, onmessage: (told) => this._ontold(connection, told) }]
    })
    if (channel === null) return
    channel.open()
    this._channels.set(connection, channel)
    connection.once('close', () => this._withdraw(connection))
    this._offer(connection)
  }

  /** A line to a peer as {token, secret}; null if it has told none since the last. */
  to(connection) {
    const told = this._told.get(connection) || null
    this._told.delete(connection)
    return told
  }

  /** Takes a socket by its first bytes; null if they are nobody's. */
  accept(socket, preface) {
    const id = preface.subarray(HEAD.byteLength).toString('hex')
    const offer = this._offers.get(id)
    if (offer === undefined) return null
    this._offers.delete(id)
    this._offer(offer.connection)
    return new Line(socket, offer, this.store, this.log)
  }

  _offer(connection) {
    const token = crypto.randomBytes(TOKEN_BYTES)
    const secret = crypto.randomBytes(32)
    this._offers.set(token.toString('hex'), { token, secret, connection })
    this._channels.get(connection).messages[0].send(Buffer.concat([token, secret]))
  }

  _ontold(connection, told) {
    if (told.byteLength !== TOKEN_BYTES + 32) return
    const copy = Buffer.from(told)
    const [token, secret] = [copy.subarray(0, TOKEN_BYTES), copy.subarray(TOKEN_BYTES)]
    this._told.set(connection, { token, secret })
  }

  _withdraw(connection) {
    for (const [id, offer] of this._offers)
      if (offer.connection === connection) this._offers.delete(id)
  }
}

/**
 * The first bytes of a socket, when they are those of a line; null when they are anything else,
 * and then they are put back.
 */
function preface(socket, timeoutMs) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), timeoutMs)
    const done = (found) => {
      clearTimeout(timer)
      socket.off('readable', look)
      socket.off('close', gone)
      resolve(found)
    }
    const gone = () => done(null)
    let held = Buffer.alloc(0)
    const look = () => {
      const bytes = socket.read()
      if (bytes === null) return
      held = Buffer.concat([held, bytes])
      const line = held.subarray(0, HEAD.byteLength).equals(HEAD.subarray(0, held.byteLength))
      if (line && held.byteLength < PREFACE_BYTES) return
      const rest = line ? held.subarray(PREFACE_BYTES) : held
      if (rest.byteLength > 0) socket.unshift(rest)
      done(line ? held.subarray(0, PREFACE_BYTES) : null)
    }
    socket.on('readable', look)
    socket.on('close', gone)
  })
}

module.exports = { Lines, preface }
