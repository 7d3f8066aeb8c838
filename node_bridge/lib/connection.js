'use strict'

const { EventEmitter } = require('events')
const SecretStream = require('@hyperswarm/secret-stream')

/**
 * One encrypted connection to a peer, from the TCP socket up.
 *
 * Events: 'open' after the Noise handshake, 'close' (reason) once, whether it opened or not.
 */
class Connection extends EventEmitter {
  constructor(id, socket, { initiator, keyPair, host, port, handshakeMs, idleMs }) {
    super()
    this.id = id
    this.initiator = initiator
    this.host = host
    this.port = port
    this.connectedMs = null
    this.opened = false
    this.closed = false
    this.reason = null
    this.counters = { blocks_in: 0, block_bytes_in: 0, blocks_out: 0, block_bytes_out: 0 }
    this.lineBytesIn = 0 // of lines, beside the socket's own
    this.lineBytesOut = 0
    this.invalid = 0
    this.socket = socket
    this.stream = new SecretStream(initiator, socket, { keyPair })

    this._timer = setTimeout(() => this.destroy('handshake timeout'), handshakeMs)
    socket.setNoDelay(true)
    this.stream.on('connect', () => this._onconnect(idleMs))
    this.stream.on('error', (err) => this._because(err.message))
    this.stream.on('close', () => this._onclose())
    socket.on('close', () => this.stream.destroy())
  }

  get publicKey() {
    return this.stream.remotePublicKey
  }

  /** Ends the connection; `reason` is what 'close' and peer.close say. */
  destroy(reason) {
    this._because(reason)
    this.stream.destroy()
    this.socket.destroy()
  }

  info() {
    return {
      peer: this.id,
      public_key: this.publicKey,
      host: this.host,
      port: this.port,
      inbound: !this.initiator,
      connected_ms: this.connectedMs,
      bytes_in: this.socket.bytesRead + this.lineBytesIn,
      bytes_out: this.socket.bytesWritten + this.lineBytesOut,
      ...this.counters,
      invalid: this.invalid
    }
  }

  _onconnect(idleMs) {
    if (this.closed || this.opened) return
    clearTimeout(this._timer)
    this.opened = true
    this.connectedMs = Date.now()
    this.stream.setTimeout(idleMs)
    this.emit('open')
  }

  _because(reason) {
    if (this.reason === null) this.reason = String(reason)
  }

  _onclose() {
    if (this.closed) return
    this.closed = true
    clearTimeout(this._timer)
    this._because(this.opened ? 'closed by the peer' : 'closed during the handshake')
    this.emit('close', this.reason)
  }
}

module.exports = { Connection }
