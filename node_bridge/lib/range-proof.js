'use strict'

const flat = require('flat-tree')
const crypto = require('hypercore-crypto')

/**
 * One Merkle proof for several blocks of a log: the nodes beside the ways from these blocks up to the
 * roots. Blocks are given by their numbers, ascending; nodes are {index, size, hash}.
 *
 * Both sides walk the tree in the same order, so that a proof is a bare list of sizes and hashes.
 */

const NONE = { size: 0, hash: Buffer.alloc(32) }

/** The indexes of the nodes that prove `blocks` under the roots of `length`, in order. */
function needed(length, blocks) {
  const indexes = []
  walk(length, blocks, {
    leaf() {},
    beside: (index) => void indexes.push(index),
    parent() {}
  })
  return indexes
}

/**
 * Checks the contents of `blocks` against `roots` with the nodes of a proof.
 *
 * Returns the nodes that are known now: those of the proof, of the blocks, and above them. Null if
 * the blocks are not the log's.
 */
function check(length, roots, blocks, values, beside) {
  const nodes = []
  let given = 0
  const known = (index, size, hash) => {
    const node = { index, size, hash }
    nodes.push(node)
    return node
  }
  const tops = walk(length, blocks, {
    leaf: (i) => known(2 * blocks[i], values[i].byteLength, crypto.data(values[i])),
    beside: (index) => {
      const { size, hash } = given < beside.length ? beside[given] : NONE
      given++
      return known(index, size, hash)
    },
    parent: (index, left, right) =>
      known(index, left.size + right.size, crypto.parent(left, right))
  })
  if (given !== beside.length) return null
  for (const top of tops) {
    const root = roots.find(({ index }) => index === top.index)
    if (!root || root.size !== top.size || !root.hash.equals(top.hash)) return null
  }
  return nodes
}

function walk(length, blocks, on) {
  const visit = (index, from, to) => {
    if (from === to) return on.beside(index)
    const children = flat.children(index)
    if (children === null) return on.leaf(from)
    const [left, right] = children
    const split = lowerBound(blocks, flat.leftSpan(right) / 2, from, to)
    return on.parent(index, visit(left, from, split), visit(right, split, to))
  }
  const tops = []
  let from = 0
  for (const root of flat.fullRoots(2 * length)) {
    const to = lowerBound(blocks, flat.rightSpan(root) / 2 + 1, from, blocks.length)
    if (to > from) tops.push(visit(root, from, to))
    from = to
  }
  return tops
}

/** The first place in [from, to) whose block is not below `block`. */
function lowerBound(blocks, block, from, to) {
  while (from < to) {
    const mid = (from + to) >> 1
    if (blocks[mid] < block) from = mid + 1
    else to = mid
  }
  return from
}

module.exports = { needed, check }
