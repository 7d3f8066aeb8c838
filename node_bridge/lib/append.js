'use strict'

const { BridgeError } = require('./errors')

/**
 * Appends `blocks` to `core` if its end is exactly at `expectLength`, and makes them durable.
 *
 * Returns {length, appended}. The log of a writer may be extended by its sibling at any moment, so
 * the condition is checked again under Hypercore's own lock (maxLength), and only its hook after a
 * real append tells the two outcomes apart: a refused append also resolves with the length.
 */
async function append(core, wal, keyPair, blocks, expectLength) {
  if (blocks.length === 0) throw new BridgeError('BAD_REQUEST', 'There is nothing to append')
  return core.exclusive(async () => {
    checkWritable(core, keyPair)
    const stands = () => ({ length: core.state.length, appended: false })
    if (core.state.length !== expectLength || core.contiguousLength !== expectLength)
      return stands()

    const end = expectLength + blocks.length
    let appended = false
    const postappend = () => {
      appended = true
    }
    await core.session.append(blocks, { keyPair, maxLength: end, postappend })
    if (!appended) return stands()

    await wal.sync()
    const [last] = await core.blocks([end - 1])
    if (last === null || !last.equals(blocks[blocks.length - 1])) {
      throw new BridgeError(
        'WRITE_FAILED',
        'Block ' + (end - 1) + ' does not read back as it was written'
      )
    }
    return { length: end, appended: true }
  })
}

function checkWritable(core, keyPair) {
  if (keyPair === null)
    throw new BridgeError('NOT_WRITABLE', 'This handle was opened without a signer')
  if (core.frozen)
    throw new BridgeError(
      'CONFLICT',
      'A second signed version of this log exists; nothing more is appended'
    )
  if (core.internal.header.hints.recovering > 0) {
    throw new BridgeError(
      'RECOVERING',
      'The store lost its newest writes when it was opened; check the end of the log first'
    )
  }
}

module.exports = { append }
