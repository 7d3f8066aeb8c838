'use strict'

const BitInterlude = require('hypercore/lib/bit-interlude')

/**
 * Puts blocks and Merkle nodes that were checked against the roots of `fork` into a core, in one
 * write; what Hypercore does block by block. False if the core has another fork by now.
 *
 * This leans on the insides of the pinned version of hypercore (Core._verifyShared);
 * test/bulk.test.js fails when they move.
 */
async function storeBlocks(internal, fork, blocks, values, nodes) {
  const { state, replicator } = internal
  await state.mutex.lock()
  try {
    if (state.fork !== fork || internal.header.frozen) return false
    const tx = state.createWriteBatch()
    const bits = new BitInterlude()
    blocks.forEach((block, i) => {
      tx.putBlock(block, values[i])
      bits.setRange(block, block + 1, true)
    })
    for (const node of nodes) tx.putTreeNode(node)
    const ranges = bits.flush(tx, internal.bitfield)
    await state.flush()
    replicator.cork()
    for (const { start, end, value } of ranges) {
      internal._setBitfieldRanges(start, end, value)
      internal.updateContiguousLength({ start, length: end - start, drop: false })
      replicator.onhave(start, end - start, false)
    }
    replicator.uncork()
    if (internal.hintsChanged) await internal.flushHints()
    return true
  } finally {
    state._unlock()
  }
}

module.exports = { storeBlocks }
