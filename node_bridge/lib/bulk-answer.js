'use strict'

const { needed } = require('./range-proof')
const { BULK_BYTES } = require('./limits')

const NOTHING = { values: [], beside: [] }

/**
 * The first of some blocks of a log as {values, beside}: as many as are held and fit into one
 * reply, and the nodes that prove them under the roots of `length`; none where that can not be done.
 *
 * No less than one fits: a block is never larger than a message.
 */
async function answer(core, { fork, length, blocks }) {
  const { state } = core
  if (core.frozen || fork !== state.fork || length > state.length) return NOTHING
  const absent = blocks.findIndex((block) => !core.has(block))
  const held = absent === -1 ? blocks : blocks.slice(0, absent)
  const values = fitting(await core.blocks(held))
  const beside = await core.nodes(needed(length, held.slice(0, values.length)))
  return beside.includes(null) ? NOTHING : { values, beside }
}

function fitting(values) {
  let bytes = 0
  let n = 0
  for (const value of values) {
    if (value === null) break
    bytes += value.byteLength
    if (n > 0 && bytes > 2 * BULK_BYTES[1]) break
    n++
  }
  return values.slice(0, n)
}

module.exports = { answer, NOTHING }
