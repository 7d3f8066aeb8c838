'use strict'

const Protomux = require('protomux')
const messages = require('./bulk-messages')
const { isWriteFailure } = require('./errors')
const { answer, NOTHING } = require('./bulk-answer')
const { check } = require('./range-proof')
const { storeBlocks } = require('./store-blocks')
const { BULK_BYTES, MAX_BULK_WAITING } = require('./limits')

const PROTOCOL = 'tradercast-bulk/1'
const QUICK_MS = 100 // an answer that takes less lets the next ones be larger
const SLOW_MS = 400 // and one that takes more, smaller

/**
 * Many blocks of one log in one message with one proof, beside Hypercore's own channel to the same
 * peer: that one takes about ten times the work for each block.
 *
 * A peer is served what it is served by Hypercore, of the logs whose key it has shown to know.
 * What is wrong here is no strike against the peer: the blocks are asked for again by Hypercore's
 * channel, which says which of them is wrong.
 */
class BulkChannel {
  constructor(core, peer) {
    this.core = core
    this.peer = peer
    this.usable = true
    this.batchBytes = BULK_BYTES[0] // to ask for at once
    this.progressMs = 0 // when the last answer came, or was first waited for
    this.intervalMs = 0 // between two answers, at most, of late
    this._asked = new Map() // id -> {blocks, roots, …, resolve}
    this._nextId = 1
    this._todo = [] // requests of the peer
    this._answering = false
    this._ondrain = null
    this._channel = Protomux.from(peer.stream).createChannel({
      protocol: PROTOCOL,
      id: core.discoveryKey,
      messages: [
        { encoding: messages.request, autoBatch: false, onmessage: (m) => this._onrequest(m) },
        { encoding: messages.reply, autoBatch: false, onmessage: (m) => this._onreply(m) }
      ],
      onclose: () => this._onclose(),
      ondrain: () => this._ondrained()
    })
    if (this._channel === null) this.usable = false
    else this._channel.open()
  }

  close() {
    if (this._channel !== null) this._channel.close()
  }

  /** How many requests have no answer yet. */
  get waiting() {
    return this._asked.size
  }

  /** What is asked for, by whomever, as {blocks, answer}. */
  underWay() {
    return this._asked.values()
  }

  /**
   * Asks for blocks, and gives this as {blocks, answer}: the answer is how many of them came, were
   * right and are stored, the first ones.
   */
  request(blocks) {
    const { fork, length, roots } = this.core.state
    if (!this.usable) return { blocks, answer: Promise.resolve(0) }
    const id = this._nextId++
    const asked = { blocks, fork, length, roots, at: Date.now(), resolve: null, answer: null }
    asked.answer = new Promise((resolve) => (asked.resolve = resolve))
    if (this._asked.size === 0) this.progressMs = asked.at
    this._asked.set(id, asked)
    this._channel.messages[0].send({ id, fork, length, blocks })
    return asked
  }

  async _onreply({ id, values, beside }) {
    const asked = this._asked.get(id)
    if (asked === undefined) return
    const now = Date.now()
    this.intervalMs = Math.max(now - this.progressMs, this.intervalMs / 2)
    this.progressMs = now
    const stored = await this._store(asked, values, beside)
    this._asked.delete(id)
    asked.resolve(stored)
  }

  async _store({ blocks, fork, length, roots, at }, values, beside) {
    if (values.length === 0) return 0
    const { core, peer } = this
    const came = blocks.slice(0, values.length)
    const nodes = values.length <= blocks.length && check(length, roots, came, values, beside)
    if (!nodes) return this._distrust('blocks that are not the log’s')
    let bytes = 0
    for (const value of values) bytes += value.byteLength
    this._pace(bytes, Date.now() - at)
    try {
      if (!(await storeBlocks(core.internal, fork, came, values, nodes))) return 0
    } catch (err) {
      if (isWriteFailure(err)) core.emit('write-failure', err)
      return this._distrust(err.message)
    }
    came.forEach((block, i) => core.took(block, values[i], peer.stream))
    return came.length
  }

  _pace(bytes, ms) {
    this.core.pacing.took(this.peer, bytes, ms)
    const [least, most] = BULK_BYTES
    if (ms < QUICK_MS) this.batchBytes = Math.min(most, 2 * this.batchBytes)
    else if (ms > SLOW_MS) this.batchBytes = Math.max(least, this.batchBytes / 2)
  }

  _distrust(why) {
    this.usable = false
    this.core.log.warn('a bulk reply was not used', { key: this.core.key, reason: why })
    return 0
  }

  _onrequest(request) {
    if (this._todo.length >= MAX_BULK_WAITING) throw new Error('Too many bulk requests')
    this._todo.push(request)
    if (this._answering) return
    this._answering = true
    this._answerAll()
      .catch((err) => this.core.log.warn('a bulk reply failed', { error: err.message }))
      .finally(() => (this._answering = false))
  }

  async _answerAll() {
    while (this._todo.length > 0 && this.usable) {
      if (!this._channel.drained) await new Promise((resolve) => (this._ondrain = resolve))
      const request = this._todo.shift()
      const { values, beside } = await this._answer(request).catch(() => NOTHING)
      if (this.usable) this._channel.messages[1].send({ id: request.id, values, beside })
    }
  }

  async _answer(request) {
    const reply = await answer(this.core, request)
    for (const value of reply.values) this.core.gave(value.byteLength, this.peer.stream)
    return reply
  }

  _ondrained() {
    const ondrain = this._ondrain
    this._ondrain = null
    if (ondrain !== null) ondrain()
  }

  _onclose() {
    this.usable = false
    this._todo = []
    this._ondrained()
    for (const { resolve } of this._asked.values()) resolve(0)
    this._asked.clear()
  }
}

/** Lets a peer open the channel of any log that is replicated with it. */
function acceptBulk(stream, store) {
  Protomux.from(stream).pair({ protocol: PROTOCOL }, (id) => {
    const core = id && store.cores.get(id.toString('hex'))
    if (!core || core.internal === null) return
    const peer = core.internal.replicator.peers.find((p) => p.stream === stream)
    if (peer) core.bulk(peer)
  })
}

module.exports = { BulkChannel, acceptBulk }
