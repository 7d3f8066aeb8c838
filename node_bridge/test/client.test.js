'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const crypto = require('crypto')
const net = require('net')
const { once } = require('events')
const { create, write, blocks, seed, until, Bridge } = require('./helpers')
const { frame } = require('../lib/frames')
const { encode } = require('../lib/msgpack')

// Sends raw bytes on a connection of its own; resolves with the refusal once the sidecar has closed
// it.
async function refusal(bridge, bytes, { hello = true } = {}) {
  const bad = await Bridge.connect(bridge.sidecar.socketPath, { hello })
  let error = null
  bad.on('refused', (found) => (error = found))
  const closed = once(bad, 'close')
  bad.socket.write(bytes)
  await closed
  return error
}

const framed = (payload) => {
  const head = Buffer.alloc(4)
  head.writeUInt32LE(payload.length)
  return Buffer.concat([head, payload])
}
const message = (value) => framed(Buffer.concat(encode(value)))

test('broken framing closes that connection with BAD_FRAME and harms nobody else', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 3)
  const cases = {
    'length 0': Buffer.alloc(4),
    'length 4 GiB': Buffer.alloc(4, 0xff),
    'not msgpack': framed(Buffer.from([0xc1])),
    'a number': message(7),
    'a map': message({ a: 1 }),
    'an empty array': message([]),
    'an unknown kind': message([9, 1]),
    'a request of three': message([0, 1, 'ping']),
    'a request with a negative id': message([0, -1, 'ping', {}]),
    'a request with a text as id': message([0, 'x', 'ping', {}]),
    'a grant of nothing': message([6, 1, 0]),
    'a grant of too much': message([6, 1, 100000]),
    'deep nesting': framed(Buffer.alloc(1000000, 0x91)),
    'a bomb': framed(
      Buffer.concat([Buffer.from('dd00ffffff', 'hex'), Buffer.alloc(0xffffff - 5, 0x90)])
    )
  }

  for (const [name, bytes] of Object.entries(cases)) {
    const error = await refusal(bridge, bytes)
    assert.equal(error && error.code, 'BAD_FRAME', name)
  }

  assert.equal((await bridge.read(handle, [[0, 3]])).blocks.size, 3)
})

test('an id that is under way already is a framing error', async (t) => {
  const bridge = await create(t)
  const { key } = await write(bridge, 1)
  const bad = await Bridge.connect(bridge.sidecar.socketPath)
  const { handle } = await bad.call('core.open', { key })
  const reading = bad.call('core.read', { handle, ranges: [[0, 5]], wait: true })
  const refused = once(bad, 'refused')

  bad.send([0, reading.id, 'ping', {}])

  assert.equal((await refused)[0].code, 'BAD_FRAME')
})

test('the first request must be hello, of this protocol', async (t) => {
  const bridge = await create(t)
  for (const [method, params, code] of [
    ['ping', {}, 'NO_HELLO'],
    ['hello', { protocol: 2, client: 'x' }, 'PROTOCOL'],
    ['hello', null, 'PROTOCOL']
  ]) {
    const bad = await Bridge.connect(bridge.sidecar.socketPath, { hello: false })
    const closed = once(bad, 'close')
    await assert.rejects(bad.call(method, params), { code })
    await closed
  }
  const good = await Bridge.connect(bridge.sidecar.socketPath, { hello: false })
  const { protocol, pid, versions } = await good.call('hello', { protocol: 1, client: 'x' })
  assert.deepEqual(
    [protocol, pid, versions.hypercore, versions.corestore],
    [1, process.pid, '11.37.1', '7.12.5']
  )
})

test('wrong methods, handles and parameters are errors of that request only', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 3)
  const cases = [
    ['core.explode', {}, 'UNKNOWN_METHOD'],
    ['toString', {}, 'UNKNOWN_METHOD'],
    ['__proto__', {}, 'UNKNOWN_METHOD'],
    [7, {}, 'UNKNOWN_METHOD'],
    ['core.info', { handle: 99 }, 'NO_HANDLE'],
    ['core.info', {}, 'BAD_REQUEST'],
    ['core.info', [], 'BAD_REQUEST'],
    ['core.info', null, 'BAD_REQUEST'],
    ['core.info', { handle, more: 1 }, 'BAD_REQUEST'],
    ['core.open', {}, 'BAD_REQUEST'],
    ['core.open', { key: Buffer.alloc(31) }, 'BAD_REQUEST'],
    ['core.open', { key: 'a'.repeat(32) }, 'BAD_REQUEST'],
    ['core.append', { handle, blocks: [], expect_length: 3 }, 'BAD_REQUEST'],
    ['core.append', { handle, blocks: [Buffer.alloc(0)], expect_length: 3 }, 'BAD_REQUEST'],
    ['core.append', { handle, blocks: ['text'], expect_length: 3 }, 'BAD_REQUEST'],
    [
      'core.append',
      { handle, blocks: [Buffer.alloc(15 * 1024 * 1024 + 1)], expect_length: 3 },
      'BAD_REQUEST'
    ],
    ['core.append', { handle, blocks: blocks(1), expect_length: -1 }, 'BAD_REQUEST'],
    ['core.read', { handle, ranges: [[3, 1]], wait: false }, 'BAD_REQUEST'],
    ['core.read', { handle, ranges: [[0]], wait: false }, 'BAD_REQUEST'],
    ['core.read', { handle, ranges: [[0.5, 1]], wait: false }, 'BAD_REQUEST'],
    ['core.read', { handle, ranges: [[0, 1e9]], wait: false }, 'BAD_REQUEST'],
    ['core.read', { handle, ranges: Array(5000).fill([0, 1]), wait: false }, 'BAD_REQUEST'],
    ['core.read', { handle, ranges: [[0, 1]], wait: 1 }, 'BAD_REQUEST'],
    ['swarm.start', { seed: seed(), listen: { host: '127.0.0.1', port: 65536 } }, 'BAD_REQUEST'],
    ['swarm.dial', { host: '../x', port: 1 }, 'BAD_REQUEST'],
    ['topic.join', { root: seed(), notes: Array(65).fill(Buffer.alloc(1)) }, 'BAD_REQUEST'],
    ['topic.join', { root: seed(), notes: [Buffer.alloc(65537)] }, 'BAD_REQUEST']
  ]

  for (const [method, params, code] of cases) {
    await assert.rejects(
      bridge.call(method, params),
      { code },
      method + ' ' + JSON.stringify(params).slice(0, 80)
    )
  }
  assert.equal((await bridge.call('core.info', { handle })).length, 3)
})

test('random bytes on many connections leave the process well', async (t) => {
  const bridge = await create(t)
  const good = Buffer.concat(frame([0, 1, 'core.open', { key: seed() }]))
  const before = process.memoryUsage().rss
  for (let i = 0; i < 200; i++) {
    const socket = net.connect(bridge.sidecar.socketPath)
    socket.on('error', () => {})
    socket.resume()
    const bytes = i % 2 ? crypto.randomBytes(crypto.randomInt(1, 5000)) : Buffer.from(good)
    if (i % 2 === 0) bytes[crypto.randomInt(bytes.length)] ^= 1 << crypto.randomInt(8)
    socket.write(Buffer.concat(frame([0, 1, 'hello', { protocol: 1, client: 'fuzz' }])))
    socket.end(bytes)
    await once(socket, 'close')
  }

  assert.ok((await bridge.call('ping')).now_ms > 0)
  assert.ok(process.memoryUsage().rss - before < 200e6)
  await until(() => bridge.sidecar.clients.size === 1)
})

test('random requests are answered, each once', async (t) => {
  const bridge = await create(t)
  await write(bridge, 5)
  const methods = Object.keys(bridge.sidecar.methods).filter((name) => name !== 'swarm.start')
  const pick = (list) => list[crypto.randomInt(list.length)]
  const junk = () =>
    pick([
      null,
      0,
      1,
      -1,
      1.5,
      1e12,
      '',
      'x',
      true,
      [],
      [[0, 3]],
      [
        [1, 2],
        [0, 9]
      ],
      {},
      Buffer.alloc(32),
      [Buffer.alloc(3)]
    ])
  const names = [
    'handle',
    'ranges',
    'wait',
    'stall_ms',
    'key',
    'signer',
    'blocks',
    'expect_length',
    'start',
    'end',
    'root',
    'notes',
    'timeout_ms'
  ]

  const calls = []
  for (let i = 0; i < 3000; i++) {
    const params = {
      handle: 1,
      ranges: [[0, 3]],
      wait: false,
      start: 0,
      end: 2,
      root: seed(),
      notes: [],
      timeout_ms: 10,
      stall_ms: 10
    }
    const wanted = {}
    for (const name of names)
      if (crypto.randomInt(3) === 0) wanted[name] = crypto.randomInt(2) ? junk() : params[name]
    calls.push(bridge.call(pick(methods), wanted))
  }
  const ends = await Promise.allSettled(calls)

  for (const { reason } of ends)
    if (reason) assert.notEqual(reason.code, 'INTERNAL', reason.message)
  assert.ok((await bridge.call('ping')).now_ms > 0)
})

test('a stream sends eight items and then waits for credits', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 30, { size: 700000 / 2 })
  const items = []
  const reading = bridge.call(
    'core.read',
    { handle, ranges: Array(3).fill([0, 30]), wait: false },
    { onitem: (item) => items.push(item), grant: false }
  )

  await until(() => items.length === 8)
  await bridge.call('ping')
  assert.equal(items.length, 8)
  bridge.grant(reading.id, 2)
  await until(() => items.length === 10)
  await bridge.call('ping')
  assert.equal(items.length, 10)

  bridge.cancel(reading.id)
  await assert.rejects(reading, { code: 'CANCELLED' })
})

test('a stream without credits does not stall by itself', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 12, { size: 1100000 })
  const items = []
  const onitem = (item) => items.push(item)
  const reading = bridge.call(
    'core.read',
    { handle, ranges: [[0, 13]], wait: true, stall_ms: 200 },
    { onitem, grant: false }
  )

  await until(() => items.length === 8)
  await new Promise((resolve) => setTimeout(resolve, 400))
  bridge.grant(reading.id, 100)

  await assert.rejects(
    reading,
    (err) => err.code === 'STALLED' && assert.deepEqual(err.missing, [[12, 13]]) === undefined
  )
  assert.equal(items.flat().length, 12)
})

test('items are about 256 KiB, and one block of 15 MiB passes', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 200, { size: 50000 })
  const big = crypto.randomBytes(15 * 1024 * 1024)
  await bridge.call('core.append', { handle, blocks: [big], expect_length: 200 })

  const { items } = await bridge.stream('core.read', { handle, ranges: [[0, 201]], wait: false })

  const sizes = items.map((item) => item.reduce((sum, [, block]) => sum + block.byteLength, 0))
  assert.ok(items.length < 60, items.length + ' items')
  assert.ok(sizes.slice(0, -1).every((size) => size <= 2 * 256 * 1024 + 50000))
  assert.ok(items.at(-1).at(-1)[1].equals(big))
})

test('the handles, streams and topics of a client end with it, and others go on', async (t) => {
  const bridge = await create(t)
  const { handle, key } = await write(bridge, 3)
  const other = await bridge.attach()
  const opened = await other.call('core.open', { key })
  other.call('core.read', { handle: opened.handle, ranges: [[0, 9]], wait: true })
  await other.call('topic.join', { root: seed(), notes: [] })
  assert.equal((await bridge.call('stats')).handles, 2)

  other.close()

  await until(async () => (await bridge.call('stats')).handles === 1)
  assert.equal(bridge.sidecar.topics.topics.size, 0)
  assert.equal(
    (await bridge.call('core.append', { handle, blocks: blocks(1), expect_length: 3 })).appended,
    true
  )
})

test('closing a handle while a stream runs on it lets the stream end', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 40, { size: 300000 })
  const reading = bridge.read(handle, [[0, 40]])

  await bridge.call('core.close', { handle })

  assert.equal((await reading).blocks.size, 40)
  await assert.rejects(bridge.call('core.info', { handle }), { code: 'NO_HANDLE' })
})

test('a client that sends many requests and reads nothing does not fill the memory', async (t) => {
  const bridge = await create(t)
  const { key } = await write(bridge, 10, { size: 1000000 })
  const deaf = await Bridge.connect(bridge.sidecar.socketPath)
  const { handle } = await deaf.call('core.open', { key })
  deaf.socket.pause()
  for (let i = 0; i < 500; i++) deaf.call('core.read', { handle, ranges: [[0, 10]], wait: false })

  await bridge.call('ping')
  await new Promise((resolve) => setTimeout(resolve, 300))
  const [client] = [...bridge.sidecar.clients].filter(
    (found) => found.handles.has(handle) && found.requests.size > 0
  )

  assert.ok(!client || client.socket.writableLength < 64 * 1024 * 1024)
  assert.ok((await bridge.call('ping')).now_ms > 0)
  deaf.close()
})

test('events go only to those who asked', async (t) => {
  const bridge = await create(t)
  const deaf = await Bridge.connect(bridge.sidecar.socketPath)
  const { handle } = await write(bridge, 1)
  await bridge.call('core.append', { handle, blocks: blocks(1), expect_length: 1 })

  const { length } = await bridge.event('core.append', (data) => data.length === 2)
  await deaf.call('ping')

  assert.equal(length, 2)
  assert.deepEqual(deaf.events, [])
})
