'use strict'

const flat = require('flat-tree')
const { normalise } = require('./ranges')
const { ITEM_BYTES } = require('./limits')

const GROUP = 64 // blocks in one look at the store

/**
 * Streams held blocks with their paths to the roots; see core.proofs in docs/BRIDGE.md.
 *
 * The paths are read from the store directly: Hypercore's own treeHash fetches a block from peers
 * and waits for ever on a sparse reader.
 */
async function proofs(core, request, wanted, { values = true }) {
  const { length, fork } = core.state
  const roots = flat.fullRoots(2 * length)
  const missing = []
  for (const [start, end] of wanted) {
    const stop = Math.min(end, length)
    if (stop < end) missing.push([Math.max(start, stop), end])
    for (let at = start; at < stop; at += GROUP) {
      await group(core, request, at, Math.min(stop, at + GROUP), roots, values, missing)
    }
  }
  // a damaged block is being cleared, and told of, before whoever audits looks at the end
  if (missing.length > 0) await core.lock
  return { missing: normalise(missing).slice(0, 4096), length, fork }
}

async function group(core, request, start, end, roots, values, missing) {
  let item = []
  let bytes = 0
  for (let i = start; i < end; i++) {
    const proof = core.has(i) ? await proveOne(core, i, roots, values) : null
    if (proof === null) {
      missing.push([i, i + 1])
      continue
    }
    const size = proof[1] === null ? 0 : proof[1].byteLength
    if (item.length > 0 && bytes + size > 2 * ITEM_BYTES) {
      await request.item(item)
      item = []
      bytes = 0
    }
    item.push(proof)
    bytes += size
  }
  if (item.length > 0) await request.item(item)
}

async function proveOne(core, index, roots, values) {
  const path = siblings(2 * index, roots)
  const [nodes, [value]] = await Promise.all([
    core.nodes([2 * index, ...path]),
    values ? core.blocks([index]) : [null]
  ])
  if (nodes.includes(null) || (values && value === null)) return null
  return [
    index,
    value,
    nodes[0].size,
    nodes.slice(1).map((node) => [node.index, node.size, node.hash])
  ]
}

/** The indexes of the siblings on the way from a node up to the root above it. */
function siblings(index, roots) {
  const ite = flat.iterator(index)
  const out = []
  while (!roots.includes(ite.index)) {
    out.push(ite.sibling())
    ite.parent()
  }
  return out
}

module.exports = { proofs }
