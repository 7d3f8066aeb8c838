'use strict'

const c = require('compact-encoding')
const ranges = require('./ranges')
const { MAX_BULK_BLOCKS, MAX_BULK_NODES } = require('./limits')

/** The two messages of the bulk channel; see docs/BRIDGE.md. Decoding throws on anything else. */

/** {id, fork, length, blocks}: ascending numbers of blocks below `length`. */
const request = {
  preencode(state, m) {
    for (const field of fields(m)) c.uint.preencode(state, field)
  },
  encode(state, m) {
    for (const field of fields(m)) c.uint.encode(state, field)
  },
  decode(state) {
    const [id, fork, length, runs] = [0, 1, 2, 3].map(() => c.uint.decode(state))
    const blocks = []
    let at = 0
    for (let i = 0; i < runs; i++) {
      const start = at + c.uint.decode(state)
      const count = c.uint.decode(state)
      const full = blocks.length + count > MAX_BULK_BLOCKS
      if (count === 0 || full || start + count > length)
        throw new Error('A request for blocks that can not be')
      for (at = start; at < start + count; at++) blocks.push(at)
    }
    return { id, fork, length, blocks }
  }
}

/**
 * {id, values, beside}: the contents of the first of the blocks asked for, none where the peer can
 * not prove them, and the nodes that prove these.
 */
const reply = {
  preencode(state, { id, values, beside }) {
    for (const n of [id, values.length, beside.length]) c.uint.preencode(state, n)
    for (const value of values) c.uint.preencode(state, value.byteLength)
    for (const { size } of beside) c.uint.preencode(state, size)
    state.end += 32 * beside.length
    for (const value of values) state.end += value.byteLength
  },
  encode(state, { id, values, beside }) {
    for (const n of [id, values.length, beside.length]) c.uint.encode(state, n)
    for (const value of values) c.uint.encode(state, value.byteLength)
    for (const { size } of beside) c.uint.encode(state, size)
    for (const { hash } of beside) put(state, hash)
    for (const value of values) put(state, value)
  },
  decode(state) {
    const [id, n, m] = [0, 1, 2].map(() => c.uint.decode(state))
    if (n > MAX_BULK_BLOCKS || m > MAX_BULK_NODES) throw new Error('A reply of too many parts')
    const lengths = Array.from({ length: n }, () => c.uint.decode(state))
    const sizes = Array.from({ length: m }, () => c.uint.decode(state))
    const beside = sizes.map((size) => ({ size, hash: take(state, 32) }))
    const values = lengths.map((length) => take(state, length))
    return { id, values, beside }
  }
}

function fields({ id, fork, length, blocks }) {
  const runs = ranges.normalise(blocks.map((block) => [block, block + 1]))
  let at = 0
  const out = [id, fork, length, runs.length]
  for (const [start, end] of runs) {
    out.push(start - at, end - start)
    at = end
  }
  return out
}

function put(state, bytes) {
  state.buffer.set(bytes, state.start)
  state.start += bytes.byteLength
}

function take(state, length) {
  if (state.end - state.start < length) throw new Error('A reply that ends too early')
  return state.buffer.subarray(state.start, (state.start += length))
}

module.exports = { request, reply }
