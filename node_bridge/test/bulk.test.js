'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const c = require('compact-encoding')
const crypto = require('hypercore-crypto')
const flat = require('flat-tree')
const Protomux = require('protomux')
const { create, replicate, start, write, blocks, signer, until } = require('./helpers')
const { rawPeer } = require('./helpers/raw')
const messages = require('../lib/bulk-messages')
const { needed, check } = require('../lib/range-proof')

/** All nodes of a log of these contents: {nodes: index -> node, roots}. */
function tree(values) {
  const nodes = new Map()
  const node = (index) => {
    const children = flat.children(index)
    const made =
      children === null
        ? { size: values[index / 2].byteLength, hash: crypto.data(values[index / 2]) }
        : parent(...children.map(node))
    nodes.set(index, { index, ...made })
    return nodes.get(index)
  }
  const parent = (a, b) => ({ size: a.size + b.size, hash: crypto.parent(a, b) })
  const roots = flat.fullRoots(2 * values.length).map(node)
  return { nodes, roots }
}

/** Counts the blocks of one log that come in bulk, or with `gave`, that are given. */
function countBulk(bridge, key, method = 'took') {
  const core = [...bridge.sidecar.store.cores.values()].find((c) => c.key.equals(key))
  const original = core[method].bind(core)
  const counted = { count: 0 }
  core[method] = (...args) => {
    counted.count++
    original(...args)
  }
  return counted
}

test('one proof of any blocks of logs of any length gives nodes that are all the log’s own', () => {
  for (let length = 1; length <= 20; length++) {
    const values = blocks(length)
    const { nodes, roots } = tree(values)
    for (let pick = 1; pick < 2 ** Math.min(length, 9); pick += 3) {
      const wanted = [...Array(length).keys()].filter((i) => (pick >> (i % 9)) & 1)
      const beside = needed(length, wanted).map((index) => nodes.get(index))
      const contents = wanted.map((i) => values[i])

      const found = check(length, roots, wanted, contents, beside)

      for (const node of found) assert.deepEqual(node, nodes.get(node.index))
      assert.ok(wanted.every((i) => found.some(({ index }) => index === 2 * i)))
    }
  }
})

test('a changed byte, a changed size, a missing and a needless node are no proof', () => {
  const values = blocks(11)
  const { nodes, roots } = tree(values)
  const wanted = [2, 3, 9]
  const contents = wanted.map((i) => values[i])
  const beside = needed(11, wanted).map((index) => nodes.get(index))
  const wrong = Buffer.from(contents[1])
  wrong[7] ^= 1
  const [first, ...others] = beside

  assert.notEqual(check(11, roots, wanted, contents, beside), null)
  assert.equal(check(11, roots, wanted, [contents[0], wrong, contents[2]], beside), null)
  assert.equal(check(11, roots, [2, 4, 9], contents, beside), null)
  assert.equal(check(11, roots, wanted, contents, others), null)
  assert.equal(check(11, roots, wanted, contents, [...beside, first]), null)
  const larger = { ...first, size: first.size + 1 }
  assert.equal(check(11, roots, wanted, contents, [larger, ...others]), null)
})

test('messages come back as they were; what can not be is refused', () => {
  const asked = { id: 7, fork: 0, length: 1000, blocks: [0, 1, 2, 500, 998, 999] }
  const answer = {
    id: 7,
    values: [Buffer.from('one'), Buffer.alloc(0), Buffer.from('three')],
    beside: [{ size: 2 ** 40, hash: crypto.hash(Buffer.from('x')) }]
  }
  const bytes = c.encode(messages.reply, answer)

  assert.deepEqual(c.decode(messages.request, c.encode(messages.request, asked)), asked)
  assert.deepEqual(c.decode(messages.reply, bytes), answer)
  for (let end = 0; end < bytes.byteLength; end++)
    assert.throws(() => c.decode(messages.reply, bytes.subarray(0, end)))
  const request = (...fields) => Buffer.concat(fields.map((n) => c.encode(c.uint, n)))
  assert.throws(() => c.decode(messages.request, request(1, 0, 10, 1, 9, 2))) // beyond the length
  assert.throws(() => c.decode(messages.request, request(1, 0, 10, 1, 3, 0))) // none
  assert.throws(() => c.decode(messages.request, request(1, 0, 2 ** 40, 1, 0, 257))) // too many
})

test('what came in bulk is served on, to our own kind and to stock Hypercore', async (t) => {
  const [writer, middle, last] = [await create(t), await create(t), await create(t)]
  const { key } = await write(writer, 200, { size: 3000 })
  await replicate(middle, writer)
  const { handle } = await middle.call('core.open', { key })
  const odd = Array.from({ length: 100 }, (_, i) => [2 * i + 1, 2 * i + 2])
  await middle.call('core.download', { handle, ranges: odd })
  await writer.stop()

  await replicate(last, middle)
  const copy = await last.call('core.open', { key })
  await last.read(copy.handle, [[1, 2]], { wait: true }) // from now on it knows what the other holds
  const inBulk = countBulk(last, key)
  const { order, blocks: values } = await last.read(copy.handle, odd, { wait: true })
  const stock = await rawPeer(t)
  const plain = stock.store.get({ key })
  await plain.ready()
  await stock.dial(await start(middle))
  const block = await plain.get(151)

  assert.deepEqual(
    order,
    odd.map(([i]) => i)
  )
  assert.equal(inBulk.count, 99)
  assert.deepEqual(values.get(77), blocks(200, { size: 3000 })[77])
  assert.deepEqual(block, blocks(200, { size: 3000 })[151])
})

test('what one read is sent in bulk is not sent again to another', async (t) => {
  const [writer, reader] = [await create(t), await create(t)]
  const { key } = await write(writer, 400, { size: 3000 })
  await replicate(reader, writer)
  const { handle } = await reader.call('core.open', { key })
  const odd = Array.from({ length: 200 }, (_, i) => [2 * i + 1, 2 * i + 2])
  await reader.read(handle, [[1, 2]], { wait: true })
  const given = countBulk(writer, key, 'gave')

  const reads = [odd, odd.slice(50), odd].map((some) => reader.read(handle, some, { wait: true }))
  const [first, second, third] = await Promise.all(reads)

  assert.equal(given.count, 199)
  assert.equal(first.order.length, 200)
  assert.equal(second.order.length, 150)
  assert.deepEqual(third.blocks.get(399), blocks(400, { size: 3000 })[399])
})

test('a log that grew since is read in bulk as well', async (t) => {
  const [writer, reader] = [await create(t), await create(t)]
  const own = signer()
  const { handle: own_, key } = await write(writer, 37, { signer: own })
  await replicate(reader, writer)
  const { handle } = await reader.call('core.open', { key })
  await reader.call('core.download', { handle, ranges: [[0, 37]] })
  const more = blocks(60, { from: 37 })
  await writer.call('core.append', { handle: own_, blocks: more, expect_length: 37 })

  await until(async () => (await reader.call('core.info', { handle })).length === 97)
  const { order } = await reader.read(handle, [[0, 97]], { wait: true })

  assert.equal(order.length, 97)
  assert.equal((await reader.call('core.info', { handle })).contiguous_length, 97)
})

test('a peer that answers in bulk with other contents gives nothing away; the blocks come block by block', async (t) => {
  const own = signer()
  const reader = await create(t)
  const liar = await rawPeer(t)
  const core = await liar.core(own)
  await core.append(blocks(64, { size: 1000 }))
  const stream = await liar.dial(await start(reader))
  let lies = 0
  Protomux.from(stream).pair({ protocol: 'tradercast-bulk/1' }, (id) => {
    const channel = Protomux.from(stream).createChannel({
      protocol: 'tradercast-bulk/1',
      id,
      messages: [
        {
          encoding: messages.request,
          onmessage: ({ id: n, length, blocks: asked }) => {
            lies++
            const values = asked.map(() => Buffer.alloc(1000, 'a lie'))
            const beside = needed(length, asked).map(() => ({ size: 1000, hash: Buffer.alloc(32) }))
            channel.messages[1].send({ id: n, values, beside })
          }
        },
        { encoding: messages.reply }
      ]
    })
    channel.open()
  })
  const { handle } = await reader.call('core.open', { key: core.key })
  await reader.call('core.update', { handle, timeout_ms: 5000 })

  const { blocks: values } = await reader.read(handle, [[0, 64]], { wait: true })

  assert.ok(lies > 0)
  blocks(64, { size: 1000 }).forEach((block, i) => assert.deepEqual(values.get(i), block))
})

test('more than is kept in memory is read to its end', async (t) => {
  const [writer, reader] = [await create(t), await create(t)]
  const core = await writer.call('core.open', signer())
  for (let at = 0; at < 360; at += 40) {
    const batch = Array.from({ length: 40 }, (_, i) => Buffer.alloc(100000, 'b' + (at + i)))
    const { handle } = core
    await writer.call('core.append', { handle, blocks: batch, expect_length: at })
  }
  await replicate(reader, writer)
  const { handle } = await reader.call('core.open', { key: core.key })

  const { order } = await reader.read(handle, [[0, 360]], { wait: true })

  assert.deepEqual(order, [...Array(360).keys()])
})
