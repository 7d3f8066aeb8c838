'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const net = require('net')
const { create, replicate, start, write, blocks, until } = require('./helpers')
const { encode, decode } = require('../lib/msgpack')
const { check } = require('../lib/range-proof')
const frames = require('../lib/line-frames')

/** A reader's end of a line, as another program would write it. */
class Reader {
  constructor({ host, port, token, secret }, { key, discovery_key: log }, opened = null) {
    this.log = log
    this.proof = frames.proveKey(key, token)
    this.out = new frames.Sealed(frames.directionKey(secret, 'reader'))
    this.in = new frames.Sealed(frames.directionKey(secret, 'server'))
    this.data = Buffer.alloc(0)
    this.replies = []
    this.ended = false
    this.socket = opened || net.connect({ host, port })
    this.socket.on('error', () => {})
    this.socket.on('close', () => (this.ended = true))
    this.socket.on('data', (data) => this.take(data))
    if (opened === null) this.socket.write(Buffer.concat([frames.HEAD, token]))
  }

  send(content) {
    for (const part of this.out.seal(Buffer.isBuffer(content) ? [content] : encode(content)))
      this.socket.write(part)
  }

  ask(id, ranges, { proof = this.proof, fork = 0, length = 200 } = {}) {
    this.send([id, this.log, proof, fork, length, ranges])
  }

  take(data) {
    this.data = Buffer.concat([this.data, data])
    while (this.data.byteLength >= 4 && this.data.byteLength >= 4 + this.data.readUInt32LE()) {
      const end = 4 + this.data.readUInt32LE()
      const content = this.in.open(this.data.subarray(4, end))
      this.data = this.data.subarray(end)
      let at = 4 + content.readUInt32LE()
      const [id, sizes, nodes] = decode(content.subarray(4, at))
      const values = sizes.map((size) => content.subarray(at, (at += size)))
      this.replies.push({ id, values, beside: nodes.map(([size, hash]) => ({ size, hash })) })
    }
  }

  async answers(n) {
    await until(() => this.replies.length >= n || this.ended)
    return this.replies
  }
}

const ALL = { ranges: [[0, 200]], least_bytes: 0 }

/** A writer of 200 blocks, a reader that knows their length, and what its client is offered. */
async function pair(t) {
  const [writer, reader] = [await create(t), await create(t)]
  const { key } = await write(writer, 200, { size: 3000 })
  await replicate(reader, writer)
  const core = await reader.call('core.open', { key })
  await reader.call('core.update', { handle: core.handle, timeout_ms: 5000 })
  const state = await reader.call('core.lines', { handle: core.handle, ...ALL })
  return { writer, reader, core, state, line: () => new Reader(state.lines[0], core) }
}

const contents = blocks(200, { size: 3000 })

test('a line gives blocks that prove themselves, and they are stored as the log’s', async (t) => {
  const { writer, reader, core, state, line } = await pair(t)
  const roots = state.roots.map(([index, size, hash]) => ({ index, size, hash }))
  const asked = [3, 4, 5, 6, 7, 100, 199]
  const reading = line()

  reading.ask(1, [[3, 8], [100, 101], [199, 200]])
  const [{ id, values, beside }] = await reading.answers(1)
  const nodes = beside.map(({ size, hash }) => [size, hash])
  const params = { handle: core.handle, fork: 0, length: 200, peer: state.lines[0].peer }
  const put = await reader.call('core.put', { ...params, blocks: asked, values, beside: nodes })

  assert.equal(id, 1)
  assert.deepEqual(values, asked.map((i) => contents[i]))
  assert.notEqual(check(200, roots, asked, values, beside), null)
  assert.equal(put.stored, true)
  const held = await reader.call('core.held', { handle: core.handle, start: 0, end: 198 })
  assert.deepEqual(held.ranges, [[3, 8], [100, 101]])
  const { peers } = await reader.call('swarm.peers')
  assert.equal(peers[0].block_bytes_in, 7 * 3000)
  await until(async () => (await writer.call('swarm.peers')).peers[0].bytes_out > 7 * 3000)
  reading.socket.destroy()
})

test('blocks that are not the log’s are not stored, nor those of another length', async (t) => {
  const { reader, core, line } = await pair(t)
  const reading = line()
  reading.ask(1, [[3, 5]])
  const [{ values, beside }] = await reading.answers(1)
  const nodes = beside.map(({ size, hash }) => [size, hash])
  const params = { handle: core.handle, fork: 0, length: 200, blocks: [3, 4], peer: 1 }
  const lie = [values[0], Buffer.alloc(3000, 'a lie')]

  const put = (more) => reader.call('core.put', { ...params, values, beside: nodes, ...more })

  await assert.rejects(put({ values: lie }), { code: 'BAD_REQUEST' })
  await assert.rejects(put({ beside: nodes.slice(1) }), { code: 'BAD_REQUEST' })
  await assert.rejects(put({ blocks: [3] }), { code: 'BAD_REQUEST' })
  await assert.rejects(put({ blocks: [4, 3] }), { code: 'BAD_REQUEST' })
  assert.equal((await put({ length: 199 })).stored, false)
  const held = await reader.call('core.held', { handle: core.handle, start: 0, end: 100 })
  assert.deepEqual(held.ranges, [])
  reading.socket.destroy()
})

test('who does not show that it knows the log’s key gets nothing of it', async (t) => {
  const { line } = await pair(t)
  const reading = line()

  reading.ask(1, [[3, 5]], { proof: Buffer.alloc(32) })
  reading.ask(2, [[3, 5]], { fork: 1 })
  reading.ask(3, [[3, 5]], { length: 201 })
  reading.ask(4, [[3, 5]])
  const replies = await reading.answers(4)

  assert.deepEqual(
    replies.map(({ id, values }) => [id, values.length]),
    [[1, 0], [2, 0], [3, 0], [4, 2]]
  )
  reading.socket.destroy()
})

for (const [what, spoil] of Object.entries({
  'a token that nobody was told': (t, { state }) => {
    state.lines[0].token = Buffer.alloc(16, 7)
  },
  'another secret': (t, { state }) => {
    state.lines[0].secret = Buffer.alloc(32, 7)
  }
})) {
  test(what + ' opens no line', async (t) => {
    const found = await pair(t)
    spoil(t, found)
    const reading = found.line()

    reading.ask(1, [[3, 5]])
    const replies = await reading.answers(1)

    assert.ok(reading.ended)
    assert.equal(replies.length, 0)
  })
}

for (const [what, content] of Object.entries({
  'random bytes': Buffer.alloc(50, 0xc1),
  'ranges beyond the length': [1, Buffer.alloc(32), Buffer.alloc(32), 0, 10, [[5, 11]]],
  'ranges that go back': [1, Buffer.alloc(32), Buffer.alloc(32), 0, 10, [[5, 6], [5, 6]]],
  'too many blocks': [1, Buffer.alloc(32), Buffer.alloc(32), 0, 10000, [[0, 5000]]],
  'a frame that is too large': Buffer.alloc(20000)
})) {
  test('a request of ' + what + ' ends the line, and nothing else', async (t) => {
    const { reader, core, line } = await pair(t)
    const reading = line()

    reading.send(content)
    await until(() => reading.ended)

    const { peers } = await reader.call('swarm.peers')
    assert.equal(peers.length, 1)
    const { order } = await reader.read(core.handle, [[0, 20]], { wait: true })
    assert.equal(order.length, 20)
  })
}

test('a line is used once, and another one is told then; it ends with its connection', async (t) => {
  const { reader, core, state, line } = await pair(t)
  const first = line()
  first.ask(1, [[3, 5]])
  await first.answers(1)
  const again = line()
  const lines = () => reader.call('core.lines', { handle: core.handle, ...ALL })
  await until(async () => (state.next = (await lines()).lines).length === 1)

  await until(() => again.ended)
  const second = new Reader(state.next[0], core)
  second.ask(1, [[5, 6]])
  await second.answers(1)
  await reader.call('swarm.drop', { peer: state.lines[0].peer })

  await until(() => first.ended && second.ended)
  assert.equal(second.replies.length, 1)
})

test('lines are offered only for what is worth one, and by peers that were dialled', async (t) => {
  const { writer, reader, core } = await pair(t)
  const [inbound] = (await writer.call('swarm.peers')).peers

  const some = { handle: core.handle, ranges: [[0, 10]], least_bytes: 40000 }
  const little = await reader.call('core.lines', some)

  assert.deepEqual(little.lines, [])
  assert.deepEqual(little.missing, [[0, 10]])
  assert.equal(inbound.inbound, true)
  const own = [...writer.sidecar.store.cores.values()][0]
  const theirs = await writer.call('core.open', { key: own.key })
  const back = await writer.call('core.lines', { handle: theirs.handle, ...ALL })
  assert.deepEqual([back.lines, back.missing], [[], []])
})

test('a preface may come byte by byte, and costs nothing while it does', async (t) => {
  const { state, core } = await pair(t)
  const { host, port, token } = state.lines[0]
  const socket = net.connect({ host, port, noDelay: true })
  socket.on('error', () => {})
  const before = process.cpuUsage()
  socket.write(frames.HEAD.subarray(0, 1))
  await new Promise((resolve) => setTimeout(resolve, 400))
  const { user, system } = process.cpuUsage(before)
  for (const byte of Buffer.concat([frames.HEAD.subarray(1), token])) {
    socket.write(Buffer.from([byte]))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const reading = new Reader(state.lines[0], core, socket)

  reading.ask(1, [[3, 5]])
  const replies = await reading.answers(1)

  assert.equal(replies[0].values.length, 2)
  assert.ok(user + system < 200000) // of 400 ms: it would look again and again
})

test('a socket that sends nothing holds nothing up when the swarm stops', async (t) => {
  const bridge = await create(t)
  const { host, port } = await start(bridge)
  const socket = net.connect({ host, port })
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('connect', resolve))

  await bridge.call('swarm.stop')

  await until(() => socket.destroyed)
})
