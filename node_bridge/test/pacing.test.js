'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { create, replicate, start, signer, seed, blocks, write } = require('./helpers')
const { rawPeer } = require('./helpers/raw')
const { Pacing } = require('../lib/pacing')

test('the larger the blocks, the fewer are asked of a peer at once', async (t) => {
  const limit = async (size) => {
    const seeder = await create(t)
    const reader = await create(t)
    const { key } = await write(seeder, 8, { size })
    await replicate(reader, seeder)
    const { handle } = await reader.call('core.open', { key })
    await reader.call('core.update', { handle, timeout_ms: 5000 })
    const { replicator } = [...reader.sidecar.store.cores.values()][0].internal
    return replicator.peers.map((peer) => peer.getMaxInflight())
  }

  assert.deepEqual(await limit(400000), [16])
  assert.deepEqual(await limit(10000), [105]) // 1 MiB
  assert.deepEqual(await limit(100), [1024])
})

test('a peer is asked for twice of what it delivers in one round trip', () => {
  let now = 0
  const peer = {}
  const replicator = { peers: [peer], setInflightRange() {} }
  const state = { length: 1000, byteLength: 10000000 }
  const pacing = new Pacing({ replicator, state }, () => now)
  pacing.add(peer)
  const before = peer.inflightRange

  // 10 blocks of 10 kB in 100 ms, again and again, each 200 ms after it was asked for: 20 a trip
  for (; now < 1000; now += 10) pacing.took(peer, 10000, 200)
  const slow = peer.inflightRange
  // 10 times as many: 200 a trip
  for (; now < 2000; now += 1) pacing.took(peer, 10000, 200)

  assert.deepEqual(before, [105, 105]) // 1 MiB
  assert.deepEqual(slow, [105, 105]) // not less than that
  assert.ok(Math.abs(peer.inflightRange[0] - 400) < 20)
})

test('several peers share a range of a few megabytes', async (t) => {
  const seeders = [await create(t), await create(t)]
  const reader = await create(t)
  const { key } = await write(seeders[0], 600, { size: 10000 })
  await replicate(seeders[1], seeders[0])
  const { handle: copy } = await seeders[1].call('core.open', { key })
  await seeders[1].call('core.download', { handle: copy, ranges: [[0, 600]] })
  for (const seeder of seeders) await replicate(reader, seeder)
  const { handle } = await reader.call('core.open', { key })

  await reader.call('core.download', { handle, ranges: [[0, 600]] })

  const { peers } = await reader.call('swarm.peers')
  assert.equal(peers.length, 2)
  for (const peer of peers) assert.ok(peer.blocks_in > 150, peer.blocks_in + ' of 600 blocks')
})

test('what one peer keeps back is asked of another after a while', async (t) => {
  const own = signer()
  const reader = await create(t)
  const slow = await rawPeer(t)
  const honest = await rawPeer(t)
  const core = await slow.core(own)
  await core.append(blocks(40))
  await (await honest.core(own)).append(blocks(40))
  const stream = await slow.dial(await start(reader))
  await honest.dial(await start(reader))
  const { handle } = await reader.call('core.open', { key: core.key })
  await reader.call('core.update', { handle, timeout_ms: 5000 })
  stream.pause() // reads no more requests
  stream.rawStream.pause()

  const before = Date.now()
  const { order } = await reader.read(handle, [[0, 40]], { wait: true })

  assert.equal(order.length, 40)
  assert.ok(Date.now() - before < 3000)
})

test('a peer that owes blocks and sends none is disconnected', async (t) => {
  const own = signer()
  const reader = await create(t)
  const mute = await rawPeer(t)
  const core = await mute.core(own)
  await core.append(blocks(5))
  const stream = await mute.dial(await start(reader, seed(), { limits: { stalled_ms: 600 } }))
  const { handle } = await reader.call('core.open', { key: core.key })
  await reader.call('core.update', { handle, timeout_ms: 5000 })
  stream.pause()
  stream.rawStream.pause()

  const reading = reader.read(handle, [[0, 5]], { wait: true, stall_ms: 3000 })
  const { reason } = await reader.event('peer.close')

  assert.match(reason, /owed blocks/)
  await assert.rejects(reading, { code: 'STALLED' })
})
