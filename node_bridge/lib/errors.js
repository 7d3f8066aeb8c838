'use strict'

/** An error that a client may see: a code of docs/BRIDGE.md, a sentence, and further fields. */
class BridgeError extends Error {
  constructor(code, message, fields = {}) {
    super(message)
    this.name = 'BridgeError'
    this.code = code
    this.fields = fields
  }
}

/** Whether the store refused a write (a full or broken disk), as RocksDB reports it. */
function isWriteFailure(err) {
  return (
    !!err &&
    (err.code === 'WRITE_FAILED' ||
      err.code === 'ENOSPC' ||
      /batch was not applied|no space left/i.test(err.message || ''))
  )
}

/** Any thrown thing as the map that goes into an error frame. */
function describe(err) {
  if (err instanceof BridgeError) return { ...err.fields, code: err.code, message: err.message }
  if (isWriteFailure(err))
    return { code: 'WRITE_FAILED', message: 'The store refused a write: ' + err.message }
  const stored =
    !!err && (err.name === 'HypercoreError' || /mismatch|corrupt|io error/i.test(err.message))
  const code = stored ? 'STORE' : 'INTERNAL'
  return { code, message: String((err && err.message) || err).slice(0, 500) }
}

module.exports = { BridgeError, isWriteFailure, describe }
