'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { create, replicate, blocks, write, seed } = require('./helpers')
const { verifyCheckpoint, verifyBlock } = require('./helpers/raw')

test('every held block can be verified from a checkpoint and its proof alone', async (t) => {
  const bridge = await create(t)
  const { handle, key } = await write(bridge, 11)

  const checkpoint = await bridge.call('core.checkpoint', { handle })
  const { items, result } = await bridge.stream('core.proofs', { handle, ranges: [[0, 11]] })

  assert.ok(verifyCheckpoint(key, checkpoint))
  const proofs = items.flat()
  assert.deepEqual(
    proofs.map(([index]) => index),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
  )
  for (const proof of proofs) assert.ok(verifyBlock(proof, checkpoint.roots), 'block ' + proof[0])
  assert.deepEqual([result.missing, result.length, result.fork], [[], 11, 0])
})

test('a changed block, path or checkpoint does not verify', async (t) => {
  const bridge = await create(t)
  const { handle, key } = await write(bridge, 6)
  const checkpoint = await bridge.call('core.checkpoint', { handle })
  const { items } = await bridge.stream('core.proofs', { handle, ranges: [[3, 4]] })
  const [[index, value, size, nodes]] = items[0]
  const flip = (bytes) => Buffer.from(bytes.map((byte, i) => (i === 9 ? byte ^ 1 : byte)))

  assert.ok(verifyBlock([index, value, size, nodes], checkpoint.roots))
  assert.equal(verifyBlock([index, flip(value), size, nodes], checkpoint.roots), false)
  assert.equal(
    verifyBlock(
      [index, value, size, [[nodes[0][0], nodes[0][1], flip(nodes[0][2])], ...nodes.slice(1)]],
      checkpoint.roots
    ),
    false
  )
  assert.equal(verifyCheckpoint(key, { ...checkpoint, length: 7 }), false)
  assert.equal(
    verifyCheckpoint(key, { ...checkpoint, signature: flip(checkpoint.signature) }),
    false
  )
  assert.equal(verifyCheckpoint(seed(), checkpoint), false)
})

test('a sparse reader without peers proves what it holds and does not wait for the rest', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { key } = await write(a, 100)
  await replicate(b, a)
  const { handle } = await b.call('core.open', { key })
  await b.call('core.download', {
    handle,
    ranges: [
      [7, 9],
      [70, 71]
    ]
  })
  await a.stop()
  await b.event('peer.close')

  const checkpoint = await b.call('core.checkpoint', { handle })
  const { items, result } = await b.stream('core.proofs', {
    handle,
    ranges: [
      [0, 10],
      [70, 120]
    ]
  })

  assert.ok(verifyCheckpoint(key, checkpoint))
  assert.deepEqual(
    items.flat().map(([index]) => index),
    [7, 8, 70]
  )
  for (const proof of items.flat()) assert.ok(verifyBlock(proof, checkpoint.roots))
  assert.deepEqual(result.missing, [
    [0, 7],
    [9, 10],
    [71, 120]
  ])
})

test('the proofs of what is left survive the clearing of everything around it', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 16)
  for (const [start, end] of [
    [1, 2],
    [3, 4],
    [6, 9],
    [13, 16]
  ])
    await bridge.call('core.clear', { handle, start, end })

  const { roots } = await bridge.call('core.checkpoint', { handle })
  const { items } = await bridge.stream('core.proofs', { handle, ranges: [[0, 16]] })

  assert.deepEqual(
    items.flat().map(([index]) => index),
    [0, 2, 4, 5, 9, 10, 11, 12]
  )
  for (const proof of items.flat()) assert.ok(verifyBlock(proof, roots))
})

test('a peer can still fetch the neighbours of cleared blocks', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { handle: writer, key } = await write(a, 8)
  await a.call('core.clear', { handle: writer, start: 1, end: 2 })
  await a.call('core.clear', { handle: writer, start: 5, end: 8 })
  await replicate(b, a)
  const { handle } = await b.call('core.open', { key })

  const { blocks: found } = await b.read(
    handle,
    [
      [0, 1],
      [2, 5]
    ],
    { wait: true }
  )

  assert.deepEqual([...found.keys()], [0, 2, 3, 4])
  assert.ok(found.get(4).equals(blocks(8)[4]))
})

test('contents may be left out of proofs', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 3)
  const { roots } = await bridge.call('core.checkpoint', { handle })

  const { items } = await bridge.stream('core.proofs', { handle, ranges: [[0, 3]], values: false })

  for (const [index, value, size, nodes] of items.flat()) {
    assert.deepEqual([value, size], [null, 100])
    assert.ok(verifyBlock([index, blocks(3)[index], size, nodes], roots))
  }
})

test('an empty log has a checkpoint without a signature', async (t) => {
  const bridge = await create(t)
  const { handle } = await bridge.call('core.open', { key: seed() })

  const checkpoint = await bridge.call('core.checkpoint', { handle })

  assert.deepEqual(
    { ...checkpoint },
    { length: 0, fork: 0, roots: [], signature: null, manifest: null }
  )
})
