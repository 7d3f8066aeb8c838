'use strict'

const { BridgeError } = require('./errors')
const { CREDITS, MAX_CREDITS } = require('./limits')

/** One request under way: its cancellation, and for a stream its credits. */
class Request {
  constructor(client, id) {
    this.client = client
    this.id = id
    this.credits = CREDITS
    this._abort = null
    this._wake = null
  }

  /** Aborted when the client cancels or leaves. */
  get signal() {
    if (this._abort === null) this._abort = new AbortController()
    return this._abort.signal
  }

  get cancelled() {
    return this._abort !== null && this._abort.signal.aborted
  }

  cancel(code = 'CANCELLED', message = 'The client cancelled the request') {
    if (this.cancelled) return
    this.signal
    this._abort.abort(new BridgeError(code, message))
    this.wake()
  }

  grant(n) {
    this.credits = Math.min(MAX_CREDITS, this.credits + n)
    this.wake()
  }

  wake() {
    const wake = this._wake
    this._wake = null
    if (wake !== null) wake()
  }

  /** Throws what the request was cancelled with. */
  check() {
    if (this.cancelled) throw this._abort.signal.reason
  }

  get ready() {
    return this.credits > 0 && this.client.writable
  }

  /** Resolves once an item may be sent: there is a credit and the client reads its answers. */
  async turn() {
    this.check()
    while (!this.ready) {
      await new Promise((resolve) => {
        this._wake = resolve
        if (!this.client.writable) this.client.onceWritable(() => this.wake())
      })
      this.check()
    }
  }

  /** Sends one item, in its turn. */
  async item(value) {
    await this.turn()
    this.credits--
    this.client.send([4, this.id, value])
  }
}

module.exports = { Request }
