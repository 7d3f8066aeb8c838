'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { once } = require('events')
const { create, replicate, signer, blocks, write, seed, until } = require('./helpers')

test('an append at the expected end is written and read back', async (t) => {
  const bridge = await create(t)
  const { handle } = await bridge.call('core.open', signer())

  const result = await bridge.call('core.append', { handle, blocks: blocks(3), expect_length: 0 })

  assert.deepEqual({ ...result }, { length: 3, appended: true })
  const {
    blocks: found,
    order,
    missing
  } = await bridge.read(handle, [
    [2, 3],
    [0, 2]
  ])
  assert.deepEqual(order, [2, 0, 1])
  assert.deepEqual(missing, [])
  for (const [i, block] of blocks(3).entries()) assert.ok(found.get(i).equals(block))
})

test('an append at another end writes nothing and says where the log stands', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 3)

  for (const expect of [0, 2, 4]) {
    const result = await bridge.call('core.append', {
      handle,
      blocks: blocks(1),
      expect_length: expect
    })
    assert.deepEqual({ ...result }, { length: 3, appended: false })
  }
  assert.equal((await bridge.call('core.info', { handle })).length, 3)
})

test('of many appends at one end exactly one is written', async (t) => {
  const bridge = await create(t)
  const other = await bridge.attach()
  const key = signer()
  const { handle } = await bridge.call('core.open', key)
  const { handle: handleB } = await other.call('core.open', key)

  const tries = [bridge, other, bridge, other].map((client) =>
    client.call('core.append', {
      handle: client === bridge ? handle : handleB,
      blocks: blocks(2),
      expect_length: 0
    })
  )

  assert.equal((await Promise.all(tries)).filter((result) => result.appended).length, 1)
  assert.equal((await bridge.call('core.info', { handle })).length, 2)
})

test('a handle without the signer can not append', async (t) => {
  const bridge = await create(t)
  const { key } = await write(bridge, 1)
  const reader = await bridge.call('core.open', { key })

  assert.equal(reader.writable, false)
  await assert.rejects(
    bridge.call('core.append', { handle: reader.handle, blocks: blocks(1), expect_length: 1 }),
    {
      code: 'NOT_WRITABLE'
    }
  )
})

test('the secret key is not in the store', async (t) => {
  const bridge = await create(t)
  const own = signer(seed())
  await write(bridge, 2, { signer: own })
  await bridge.stop()

  const fs = require('fs')
  const path = require('path')
  const db = path.join(bridge.dir, 'store', 'db')
  const secret = own.signer.secret_key.subarray(0, 32)
  for (const name of fs.readdirSync(db)) {
    assert.equal(fs.readFileSync(path.join(db, name)).includes(secret), false, name)
  }
})

test('a signer whose parts do not belong together is refused', async (t) => {
  const bridge = await create(t)
  const mixed = { public_key: signer().signer.public_key, secret_key: signer().signer.secret_key }

  await assert.rejects(bridge.call('core.open', { signer: mixed }), { code: 'BAD_REQUEST' })
})

test('blocks survive a restart', async (t) => {
  const bridge = await create(t)
  const own = signer()
  await write(bridge, 5, { signer: own })
  await bridge.stop()

  const again = await create(t, { dir: bridge.dir })
  const { handle, length, contiguous_length: contiguous } = await again.call('core.open', own)

  assert.deepEqual([length, contiguous], [5, 5])
  assert.ok((await again.read(handle, [[4, 5]])).blocks.get(4).equals(blocks(5)[4]))
})

test('absent blocks are nil without waiting', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 4)
  await bridge.call('core.clear', { handle, start: 1, end: 3 })

  const { blocks: found, missing } = await bridge.read(handle, [[0, 6]])

  assert.deepEqual(
    [...found].map(([, block]) => block !== null),
    [true, false, false, true, false, false]
  )
  assert.deepEqual(missing, [
    [1, 3],
    [4, 6]
  ])
})

test('a reader takes what it lacks from its peer', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { key } = await write(a, 50)
  await replicate(b, a)
  const { handle } = await b.call('core.open', { key })

  const { length } = await b.call('core.update', { handle, timeout_ms: 5000 })
  const { blocks: found, order } = await b.read(
    handle,
    [
      [10, 20],
      [40, 45]
    ],
    { wait: true }
  )

  assert.equal(length, 50)
  assert.deepEqual(order, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 40, 41, 42, 43, 44])
  assert.ok(found.get(44).equals(blocks(50)[44]))
  const { ranges } = await b.call('core.held', { handle, start: 0, end: 50 })
  assert.deepEqual(ranges, [
    [10, 20],
    [40, 45]
  ])
})

test('a download tells its progress and ends complete', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { key } = await write(a, 200)
  await replicate(b, a)
  const { handle } = await b.call('core.open', { key })

  const { items, result } = await b.stream('core.download', { handle, ranges: [[0, 200]] })

  assert.deepEqual({ ...result }, { complete: true, blocks: 200, bytes: 20000 })
  assert.ok(items.every((item) => item.blocks <= 200))
  assert.deepEqual((await b.call('core.held', { handle, start: 0, end: 1000 })).ranges, [[0, 200]])
})

test('a reader waits for blocks that are yet to be written', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { handle: writer, key } = await write(a, 2)
  await replicate(b, a)
  const { handle } = await b.call('core.open', { key })

  const reading = b.read(handle, [[0, 4]], { wait: true })
  await b.event('core.append', (data) => data.length === 2)
  await a.call('core.append', { handle: writer, blocks: blocks(2, { from: 2 }), expect_length: 2 })

  assert.deepEqual((await reading).order, [0, 1, 2, 3])
})

test('blocks that nobody has end in STALLED with what is missing', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { handle: writer, key } = await write(a, 10)
  await a.call('core.clear', { handle: writer, start: 3, end: 6 })
  await replicate(b, a)
  const { handle } = await b.call('core.open', { key })

  const reading = b.read(handle, [[0, 10]], { wait: true, stall_ms: 2000 })

  await assert.rejects(reading, (err) => {
    assert.equal(err.code, 'STALLED')
    assert.deepEqual(err.missing, [[3, 6]])
    return true
  })
  assert.deepEqual((await b.call('core.held', { handle, start: 0, end: 10 })).ranges, [
    [0, 3],
    [6, 10]
  ])
  await assert.rejects(b.call('core.download', { handle, ranges: [[2, 5]], stall_ms: 100 }), {
    code: 'STALLED'
  })
})

test('what came before a download stalled is told', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { handle: writer, key } = await write(a, 200)
  await a.call('core.clear', { handle: writer, start: 199, end: 200 })
  await replicate(b, a)
  const { handle } = await b.call('core.open', { key })

  const told = []
  const params = { handle, ranges: [[0, 200]], stall_ms: 2000 }
  const download = b.call('core.download', params, { onitem: (item) => told.push(item) })

  await assert.rejects(download, { code: 'STALLED' })
  assert.equal(told.at(-1).blocks, 199)
})

test('blocks that every peer says it lacks are not waited for as long as silent peers', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { handle: writer, key } = await write(a, 10)
  await a.call('core.clear', { handle: writer, start: 3, end: 6 })
  await replicate(b, a)
  const { handle } = await b.call('core.open', { key })

  const began = Date.now()
  const download = b.call('core.download', { handle, ranges: [[0, 10]], stall_ms: 60000 })

  await assert.rejects(download, { code: 'STALLED' })
  assert.ok(Date.now() - began < 10000)
})

test('single blocks share items, held or not', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 300)
  await bridge.call('core.clear', { handle, start: 100, end: 200 })
  const wanted = Array.from({ length: 150 }, (_, i) => [2 * i, 2 * i + 1])

  const items = []
  const onitem = (item) => items.push(item)
  const result = await bridge.call('core.read', { handle, ranges: wanted, wait: false }, { onitem })

  const found = items.flat()
  assert.deepEqual(
    found.map(([index]) => index),
    wanted.map(([start]) => start)
  )
  for (const [index, block] of found)
    if (index >= 100 && index < 200) assert.equal(block, null)
    else assert.ok(block.equals(blocks(300)[index]))
  assert.equal(result.missing.length, 50)
  assert.ok(items.length < 10, items.length + ' items')
})

test('single blocks come about in the order in which they are read', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { key } = await write(a, 2000, { size: 7000 })
  await replicate(b, a)
  const { handle } = await b.call('core.open', { key })
  const counters = [...b.sidecar.store.cores.values()][0].counters
  const wanted = Array.from({ length: 1000 }, (_, i) => [2 * i, 2 * i + 1])

  const arrived = [] // how many had come when the first, the second … item was sent
  const params = { handle, ranges: wanted, wait: true }
  await b.call('core.read', params, { onitem: () => arrived.push(counters.blocks_in) })

  assert.ok(arrived[0] < 500, 'the first item after ' + arrived[0] + ' blocks')
  assert.equal(counters.blocks_in, 1000)
})

test('single blocks that nobody has do not keep back the others, however many they are', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { handle: writer, key } = await write(a, 5000)
  await a.call('core.clear', { handle: writer, start: 0, end: 4000 })
  await replicate(b, a)
  const { handle } = await b.call('core.open', { key })
  const every = (step, end) => Array.from({ length: end / step }, (_, i) => [i * step, i * step + 1])

  const download = b.call('core.download', { handle, ranges: every(2, 5000), stall_ms: 3000 })

  await assert.rejects(download, { code: 'STALLED' })
  const held = await b.call('core.held', { handle, start: 0, end: 5000 })
  assert.deepEqual(
    held.ranges,
    every(2, 5000).filter(([start]) => start >= 4000)
  )
})

test('blocks that are under way when a download is cancelled are kept', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { key } = await write(a, 40, { size: 20000 })
  await replicate(b, a)
  const { handle } = await b.call('core.open', { key })
  const single = Array.from({ length: 20 }, (_, i) => [2 * i, 2 * i + 1]) // all asked for at once

  const download = b.call('core.download', { handle, ranges: single }, { grant: false })
  const [connection] = b.sidecar.swarm.connections.values()
  await once([...b.sidecar.store.cores.values()][0], 'block')
  connection.socket.pause()
  b.cancel(download.id)
  await assert.rejects(download, { code: 'CANCELLED' })
  connection.socket.resume()

  await until(async () => {
    const { ranges } = await b.call('core.held', { handle, start: 0, end: 40 })
    return ranges.length === 20
  })
})

test('a writer that cleared old blocks goes on writing, also after a restart', async (t) => {
  const bridge = await create(t)
  const own = signer()
  const { handle } = await write(bridge, 10, { signer: own })
  await bridge.call('core.clear', { handle, start: 0, end: 4 })
  await bridge.call('core.clear', { handle, start: 6, end: 7 })
  assert.equal((await bridge.call('core.info', { handle })).contiguous_length, 10)
  assert.equal(
    (await bridge.call('core.append', { handle, blocks: blocks(1), expect_length: 10 })).appended,
    true
  )
  await bridge.stop()

  const again = await create(t, { dir: bridge.dir })
  const opened = await again.call('core.open', own)
  const result = await again.call('core.append', {
    handle: opened.handle,
    blocks: blocks(1),
    expect_length: 11
  })

  assert.deepEqual({ ...result }, { length: 12, appended: true })
})

test('a writer whose log a sibling has extended does not append over the hole', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const own = signer()
  const { handle } = await write(a, 3, { signer: own })
  await replicate(b, a)
  const sibling = await b.call('core.open', own)
  await b.call('core.download', { handle: sibling.handle, ranges: [[0, 3]] })

  await a.call('core.append', { handle, blocks: blocks(2, { from: 3 }), expect_length: 3 })
  await b.event('core.append', (data) => data.length === 5)
  const info = await b.call('core.info', { handle: sibling.handle })
  const attempts = [3, 5].map((expect) =>
    b.call('core.append', { handle: sibling.handle, blocks: blocks(2), expect_length: expect })
  )

  assert.deepEqual([info.length, info.contiguous_length], [5, 3])
  for (const result of await Promise.all(attempts))
    assert.deepEqual({ ...result }, { length: 5, appended: false })
})

test('an update without peers answers at once', async (t) => {
  const bridge = await create(t)
  const { handle } = await bridge.call('core.open', { key: seed() })

  const {
    length,
    peers,
    timed_out: timedOut
  } = await bridge.call('core.update', { handle, timeout_ms: 60000 })

  assert.deepEqual([length, peers, timedOut], [0, 0, false])
})

test('the newest block comes with the length, if it is asked for and a peer has it', async (t) => {
  const [writer, reader] = [await create(t), await create(t)]
  const [other, last] = [await create(t), await create(t)]
  const { key } = await write(writer, 40)
  const held = async (bridge) => {
    const { handle } = await bridge.call('core.open', { key })
    await until(async () => (await bridge.call('core.info', { handle })).peers > 0)
    await bridge.call('core.update', { handle, timeout_ms: 5000, latest: bridge !== other })
    return (await bridge.call('core.held', { handle, start: 0, end: 40 })).ranges
  }
  for (const bridge of [reader, other]) await replicate(bridge, writer)

  assert.deepEqual(await held(reader), [[39, 40]])
  assert.deepEqual(await held(other), [])

  await replicate(last, other) // has the length and none of the blocks
  assert.deepEqual(await held(last), [])
})
