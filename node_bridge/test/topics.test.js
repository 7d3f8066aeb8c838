'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const Protomux = require('protomux')
const c = require('compact-encoding')
const { create, replicate, start, seed, until } = require('./helpers')
const { rawPeer } = require('./helpers/raw')
const { topicId, proveRoot } = require('../lib/topic-channel')

const notes = (...texts) => texts.map((text) => Buffer.from(text))
const texts = (list) => list.map((note) => Buffer.from(note.data).toString())

test('two nodes that joined one root exchange notes, whoever joined first', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const root = seed()
  await a.call('topic.join', { root, notes: notes('a1', 'a2') })
  await replicate(a, b)

  await b.call('topic.join', { root, notes: notes('b1') })

  assert.equal((await a.event('topic.note')).data.toString(), 'b1')
  const got = [await b.event('topic.note'), await b.event('topic.note')]
  assert.deepEqual(texts(got), ['a1', 'a2'])
  assert.ok(got[0].root.equals(root))
})

test('a later set sends only what is new', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const root = seed()
  await replicate(a, b)
  await b.call('topic.join', { root, notes: [] })
  await a.call('topic.join', { root, notes: notes('one') })
  await b.event('topic.note')

  await a.call('topic.set', { root, notes: notes('one', 'two') })

  assert.equal((await b.event('topic.note')).data.toString(), 'two')
  assert.deepEqual(
    b.events.filter(([name]) => name === 'topic.note'),
    []
  )
})

test('another client that joins later is told what peers have sent', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const root = seed()
  await replicate(a, b)
  await b.call('topic.join', { root, notes: [] })
  await a.call('topic.join', { root, notes: notes('hello') })
  await b.event('topic.note')

  const late = await b.attach()
  const { notes: known } = await late.call('topic.join', { root, notes: [] })

  assert.deepEqual(texts(known), ['hello'])
})

test('the notes of several clients go out together, and are taken back when a client leaves', async (t) => {
  const a = await create(t)
  const second = await a.attach()
  const b = await create(t)
  const root = seed()
  await a.call('topic.join', { root, notes: notes('first') })
  await second.call('topic.join', { root, notes: notes('second', 'first') })
  second.close()
  await until(() => a.sidecar.clients.size === 1)
  await b.call('topic.join', { root, notes: [] })
  await replicate(b, a)

  assert.equal((await b.event('topic.note')).data.toString(), 'first')
  await assert.rejects(b.call('topic.set', { root: seed(), notes: [] }), { code: 'BAD_REQUEST' })
})

test('who does not know the root gets no notes, and none are taken from him', async (t) => {
  const a = await create(t)
  const root = seed()
  await a.call('topic.join', { root, notes: notes('secret') })
  const evil = await rawPeer(t)
  const stream = await evil.dial(await start(a))
  const got = []

  const channel = open(stream, root, { proof: proveRoot(root, stream.handshakeHash, false), got }) // the other role's proof
  channel.messages[0].send(Buffer.from('lie'))
  await channel.fullyClosed()

  assert.deepEqual(got, [])
  assert.deepEqual(
    a.events.filter(([name]) => name === 'topic.note'),
    []
  )
  assert.equal((await a.call('swarm.peers')).peers.length, 1)
})

test('a proof is worth nothing on another connection', async (t) => {
  const a = await create(t)
  const root = seed()
  await a.call('topic.join', { root, notes: [] })
  const evil = await rawPeer(t)
  const first = await evil.dial(await start(a))
  const other = await rawPeer(t)
  const second = await other.dial(await start(a))

  const channel = open(second, root, { proof: proveRoot(root, first.handshakeHash, true) })

  await channel.fullyClosed()
})

test('too large and too many notes close the channel', async (t) => {
  const a = await create(t)
  const root = seed()
  await a.call('topic.join', { root, notes: [] })

  for (const flood of [
    [Buffer.alloc(65537)],
    Array.from({ length: 1000 }, (_, i) => Buffer.from('note ' + i))
  ]) {
    const peer = await rawPeer(t)
    const stream = await peer.dial(await start(a))
    const channel = open(stream, root, { proof: proveRoot(root, stream.handshakeHash, true) })
    assert.equal(await channel.fullyOpened(), true)
    for (const note of flood) channel.messages[0].send(note)
    await channel.fullyClosed()
  }

  assert.ok(a.events.filter(([name]) => name === 'topic.note').length <= 200)
  assert.equal((await a.call('swarm.peers')).peers.length, 2)
})

function open(stream, root, { proof, got = [] }) {
  const channel = Protomux.from(stream).createChannel({
    protocol: 'tradercast/1',
    id: topicId(root),
    handshake: c.fixed32,
    messages: [{ encoding: c.raw, onmessage: (note) => got.push(note) }]
  })
  channel.open(proof)
  return channel
}
