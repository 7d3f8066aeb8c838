'use strict'

/** A client's hold on a core; with the key pair if the client gave the signer. */
class Handle {
  constructor(core, keyPair) {
    this.core = core
    this.keyPair = keyPair
    this._closed = false
  }

  info() {
    return this.core.info()
  }

  close() {
    if (this._closed) return
    this._closed = true
    this.core.release()
  }
}

module.exports = { Handle }
