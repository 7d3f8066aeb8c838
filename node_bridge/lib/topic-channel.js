'use strict'

const c = require('compact-encoding')
const crypto = require('hypercore-crypto')
const Protomux = require('protomux')
const sodium = require('sodium-universal')
const { MAX_NOTE, MAX_NOTES } = require('./limits')

const PROTOCOL = 'tradercast/1'
const BURST = 192 // notes a peer may send at once
const PER_SECOND = 64 // and after that

/** The channel's id: says nothing about the root to those who do not know it. */
function topicId(root) {
  const out = Buffer.alloc(32)
  sodium.crypto_generichash_batch(out, [Buffer.from('tradercast/1 topic'), root])
  return out
}

/** What shows, on this one connection, that a side knows the root. */
function proveRoot(root, handshakeHash, initiator) {
  const out = Buffer.alloc(32)
  sodium.crypto_generichash_batch(
    out,
    [handshakeHash, Buffer.from(initiator ? 'initiator' : 'responder')],
    root
  )
  return out
}

/**
 * The notes of one topic on one connection. Nothing is sent or taken before the other side's proof
 * was checked.
 */
class TopicChannel {
  constructor(topic, connection, { onnote, onclose, now = Date.now }) {
    this.topic = topic
    this.stream = connection.stream
    this.received = [] // the peer's newest notes
    this._onnote = onnote
    this._onclose = onclose
    this._now = now
    this._channel = null
    this._proven = false
    this._sent = new Set() // notes the peer was sent before
    this._tokens = BURST
    this._filled = now()
  }

  open() {
    const mux = Protomux.from(this.stream)
    mux.pair({ protocol: PROTOCOL, id: this.topic.id }, () => this._create(mux))
    this._create(mux)
  }

  _create(mux) {
    const channel = mux.createChannel({
      protocol: PROTOCOL,
      id: this.topic.id,
      handshake: c.fixed32,
      messages: [{ encoding: c.raw, onmessage: (data) => this._onmessage(data) }],
      onopen: (proof) => this._onopen(proof),
      onclose: () => this._onchannelclose(channel)
    })
    if (channel === null) return
    this._channel = channel
    channel.open(proveRoot(this.topic.root, this.stream.handshakeHash, this.stream.isInitiator))
  }

  destroy() {
    const mux = Protomux.from(this.stream)
    mux.unpair({ protocol: PROTOCOL, id: this.topic.id })
    if (this._channel !== null) this._channel.close()
  }

  /** Sends those of the topic's notes that this peer has not had. */
  send() {
    if (!this._proven) return
    const notes = this.topic.notes()
    const current = new Set()
    for (const note of notes) {
      const id = crypto.hash(note).toString('hex')
      current.add(id)
      if (!this._sent.has(id)) this._channel.messages[0].send(note)
    }
    this._sent = current
  }

  _onopen(proof) {
    const expected = proveRoot(this.topic.root, this.stream.handshakeHash, !this.stream.isInitiator)
    if (!sodium.sodium_memcmp(proof, expected)) return this._refuse('it does not know the root')
    this._proven = true
    this.send()
  }

  _onmessage(data) {
    if (!this._proven) return
    if (data.byteLength > MAX_NOTE) return this._refuse('a note is too large')
    if (!this._spend()) return this._refuse('too many notes')
    const note = Buffer.from(data)
    this.received.push(note)
    if (this.received.length > MAX_NOTES) this.received.shift()
    this._onnote(note)
  }

  _spend() {
    const now = this._now()
    this._tokens = Math.min(BURST, this._tokens + ((now - this._filled) * PER_SECOND) / 1000)
    this._filled = now
    if (this._tokens < 1) return false
    this._tokens--
    return true
  }

  _refuse(reason) {
    this._onclose(reason)
    this.destroy()
  }

  _onchannelclose(channel) {
    if (this._channel !== channel) return
    this._channel = null
    this._proven = false
    this._sent.clear()
    this.received = []
  }
}

module.exports = { TopicChannel, topicId, proveRoot }
