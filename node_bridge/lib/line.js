'use strict'

const sodium = require('sodium-universal')
const { answer, NOTHING } = require('./bulk-answer')
const { MAX_BULK_BLOCKS, MAX_BULK_WAITING } = require('./limits')
const frames = require('./line-frames')

const IDLE_MS = 30000

/**
 * The serving end of one line: a peer's program asks here for blocks of logs whose keys it knows,
 * beside the connection that it got the line's secret from; it ends when that one does.
 */
class Line {
  constructor(socket, { token, secret, connection }, store, log) {
    this.socket = socket
    this.connection = connection
    this.store = store
    this.log = log
    this._token = token
    this._in = new frames.Sealed(frames.directionKey(secret, 'reader'))
    this._out = new frames.Sealed(frames.directionKey(secret, 'server'))
    this._rest = Buffer.alloc(0)
    this._todo = []
    this._answering = false
    this._ondrain = null
    this._counted = [0, 0]
    this._onleave = () => this.destroy()
    connection.once('close', this._onleave)
    socket.setNoDelay(true)
    socket.setTimeout(IDLE_MS, () => this.destroy())
    socket.on('data', (data) => this._ondata(data))
    socket.on('drain', () => this._drained())
    socket.on('error', () => {})
    socket.on('close', () => this._onclose())
  }

  destroy() {
    this.socket.destroy()
  }

  _ondata(data) {
    this._rest = this._rest.byteLength === 0 ? data : Buffer.concat([this._rest, data])
    try {
      this._requests()
    } catch (err) {
      this.log.info('a line was ended', { host: this.connection.host, error: err.message })
      this.destroy()
    }
  }

  _requests() {
    while (this._rest.byteLength >= 4) {
      const size = this._rest.readUInt32LE()
      if (size <= frames.TAG_BYTES || size > frames.MAX_REQUEST) throw new Error('A frame too large')
      if (this._rest.byteLength < 4 + size) return
      const content = this._in.open(this._rest.subarray(4, 4 + size))
      this._rest = this._rest.subarray(4 + size)
      if (this._todo.length >= MAX_BULK_WAITING) throw new Error('Too many requests')
      this._todo.push(frames.readRequest(content, MAX_BULK_BLOCKS))
    }
    if (this._answering) return
    this._answering = true
    this._answerAll()
      .catch((err) => this.log.warn('a line failed', { error: err.message }))
      .finally(() => (this._answering = false))
  }

  // the next answer is read from the store while one is on its way
  async _answerAll() {
    let next = this._next()
    while (next !== null && !this.socket.destroyed) {
      const { id, values, beside } = await next
      next = this._next()
      if (this.socket.destroyed) break
      this.socket.cork()
      const parts = frames.replyParts({ id, values, beside })
      for (const part of this._out.seal(parts)) this.socket.write(part)
      this.socket.uncork()
      this._count()
      if (this.socket.writableNeedDrain) await new Promise((resolve) => (this._ondrain = resolve))
      if (next === null) next = this._next()
    }
  }

  _next() {
    if (this._todo.length === 0) return null
    const request = this._todo.shift()
    return this._answer(request).then(
      ({ values, beside }) => ({ id: request.id, values, beside }),
      () => ({ id: request.id, ...NOTHING })
    )
  }

  async _answer(request) {
    const core = this.store.cores.get(Buffer.from(request.log).toString('hex'))
    if (!core || core.internal === null) return NOTHING
    const proof = frames.proveKey(core.key, this._token)
    if (!sodium.sodium_memcmp(proof, Buffer.from(request.proof))) return NOTHING
    const reply = await answer(core, request)
    for (const value of reply.values) core.gave(value.byteLength, this.connection.stream)
    return reply
  }

  // its bytes are the connection's
  _count() {
    const now = [this.socket.bytesRead, this.socket.bytesWritten]
    this.connection.lineBytesIn += now[0] - this._counted[0]
    this.connection.lineBytesOut += now[1] - this._counted[1]
    this._counted = now
  }

  _drained() {
    const ondrain = this._ondrain
    this._ondrain = null
    if (ondrain !== null) ondrain()
  }

  _onclose() {
    this._count()
    this.connection.off('close', this._onleave)
    this._todo = []
    this._drained()
  }
}

module.exports = { Line }
