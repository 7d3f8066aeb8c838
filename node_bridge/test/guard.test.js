'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { create, replicate, start, signer, blocks, write, until } = require('./helpers')
const { rawPeer, verifyCheckpoint, fold, treeHash } = require('./helpers/raw')

console.log = () => {} // hypercore prints the conflicts that these tests make

// A reader that holds ten blocks of a log, restarted, with no client that has opened the log.
async function restartedReader(t, own, { n = 10 } = {}) {
  const writer = await create(t)
  const { key } = await write(writer, n, { signer: own })
  const reader = await create(t)
  await replicate(reader, writer)
  const { handle } = await reader.call('core.open', { key })
  await reader.call('core.download', { handle, ranges: [[0, n]] })
  await reader.stop()
  await writer.stop()
  return { reader: await create(t, { dir: reader.dir }), key }
}

test('a forged higher fork is refused on a log that a peer opened first, and is proven', async (t) => {
  const own = signer()
  const { reader, key } = await restartedReader(t, own)
  const evil = await rawPeer(t)
  const forged = await evil.core(own)
  await forged.append(blocks(10))
  await forged.truncate(5)
  await forged.append(blocks(15, { from: 1000 }))

  await evil.dial(await start(reader))
  const evidence = await reader.event('core.incident')
  const { handle, length, fork, incidents, writable } = await reader.call('core.open', own)

  assert.deepEqual([length, fork, writable], [10, 0, true])
  assert.ok((await reader.read(handle, [[9, 10]])).blocks.get(9).equals(blocks(10)[9]))
  assert.equal(evidence.kind, 'fork')
  assert.ok(evidence.key.equals(key))
  assert.deepEqual([evidence.local.length, evidence.local.fork], [10, 0])
  assert.deepEqual([evidence.remote.length, evidence.remote.fork], [20, 1])
  for (const side of [evidence.local, evidence.remote]) {
    assert.ok(verifyCheckpoint(key, { ...side, manifest: evidence.manifest }))
  }
  assert.equal(incidents.length, 1)
  assert.ok(incidents[0].remote.signature.equals(evidence.remote.signature))
})

test('a higher fork with a wrong signature is no incident', async (t) => {
  const own = signer()
  const { reader } = await restartedReader(t, own)
  const evil = await rawPeer(t)
  const forged = await evil.core(own)
  await forged.append(blocks(4))
  await forged.truncate(2)
  await forged.append(blocks(4, { from: 1000 }))
  forged.core.state.signature = Buffer.from(
    forged.core.state.signature.map((byte, i) => (i === 20 ? byte ^ 1 : byte))
  )

  await evil.dial(await start(reader))
  const { message } = await reader.event('block.invalid')
  const { incidents, length } = await reader.call('core.open', own)

  assert.match(message, /signature/)
  assert.deepEqual([incidents.length, length], [0, 10])
})

test('a fork learnt by a reader that has nothing yet is refused as well', async (t) => {
  const own = signer()
  const reader = await create(t)
  const evil = await rawPeer(t)
  const forged = await evil.core(own)
  await forged.append(blocks(4))
  await forged.truncate(2)
  await forged.append(blocks(4, { from: 1000 }))

  const { handle, key } = await reader.call('core.open', { key: forged.key })
  await evil.dial(await start(reader))
  const evidence = await reader.event('core.incident')

  assert.deepEqual([evidence.kind, evidence.local.length, evidence.remote.fork], ['fork', 0, 1])
  assert.ok(verifyCheckpoint(key, { ...evidence.remote, manifest: evidence.manifest }))
  assert.equal((await reader.call('core.info', { handle })).length, 0)
})

for (const [name, length] of [
  ['shorter', 8],
  ['equally long', 10],
  ['longer', 13]
]) {
  test(
    'other contents under one fork number are noticed at once: the other log is ' + name,
    async (t) => {
      const own = signer()
      const { reader, key } = await restartedReader(t, own)
      const { handle } = await reader.call('core.open', own)
      const evil = await rawPeer(t)
      const other = await evil.core(own)
      await other.append([...blocks(5), ...blocks(length - 5, { from: 1000 })])

      await evil.dial(await start(reader))
      const evidence = await reader.event('core.incident')

      assert.deepEqual(
        [evidence.kind, evidence.local.fork, evidence.remote.fork],
        ['conflict', 0, 0]
      )
      const prefixes = []
      for (const side of [evidence.local, evidence.remote]) {
        assert.ok(verifyCheckpoint(key, { ...side, manifest: evidence.manifest }))
        assert.ok(treeHash(fold(side.prefix, side.extra)).equals(treeHash(side.roots)))
        prefixes.push(treeHash(side.prefix))
      }
      assert.equal(prefixes[0].equals(prefixes[1]), false)

      // what is held can be read, nothing is added, also after a restart
      assert.ok((await reader.read(handle, [[9, 10]])).blocks.get(9).equals(blocks(10)[9]))
      await assert.rejects(
        reader.call('core.append', { handle, blocks: blocks(1), expect_length: 10 }),
        { code: 'CONFLICT' }
      )
      await reader.stop()
      const again = await create(t, { dir: reader.dir })
      const opened = await again.call('core.open', own)
      assert.deepEqual([opened.writable, opened.incidents.length, opened.length], [false, 1, 10])
      await assert.rejects(
        again.call('core.append', { handle: opened.handle, blocks: blocks(1), expect_length: 10 }),
        {
          code: 'CONFLICT'
        }
      )
    }
  )
}

test('a frozen log is not served', async (t) => {
  const own = signer()
  const { reader } = await restartedReader(t, own)
  const evil = await rawPeer(t)
  const other = await evil.core(own)
  await other.append(blocks(10, { from: 1000 }))
  await evil.dial(await start(reader))
  const { key } = await reader.event('core.incident')
  await reader.stop()

  const again = await create(t, { dir: reader.dir })
  const third = await create(t)
  await replicate(third, again)
  const { handle } = await third.call('core.open', { key })
  await assert.rejects(third.read(handle, [[0, 1]], { wait: true, stall_ms: 300 }), {
    code: 'STALLED'
  })
})

test('every core has the rules, whoever opened it', async (t) => {
  const own = signer()
  const { reader } = await restartedReader(t, own)
  const honest = await rawPeer(t)
  await (await honest.core(own)).append(blocks(10))

  await honest.dial(await start(reader))
  const core = await until(() => [...reader.sidecar.store.cores.values()][0])

  const { replicator } = core.internal
  const [peer] = await until(() => replicator.peers.length > 0 && replicator.peers)
  assert.equal(replicator.allowFork, false)
  assert.equal(peer.getMaxInflight(), 1024)
})

test('blocks that do not match their signature are refused, counted and end in a ban', async (t) => {
  const own = signer()
  const reader = await create(t)
  const evil = await rawPeer(t)
  const honest = await rawPeer(t)
  const bad = await evil.core(own)
  await bad.append(blocks(20))
  await (await honest.core(own)).append(blocks(20))
  flipStored(bad)
  const address = await start(reader)
  const { handle } = await reader.call('core.open', { key: bad.key })

  const reading = reader.read(handle, [[0, 20]], { wait: true, stall_ms: 5000 })
  reading.catch(() => {})
  await evil.dial(address)
  for (const count of [1, 2, 3]) {
    const event = await reader.event('block.invalid')
    assert.deepEqual([event.count, event.banned], [count, count === 3])
    assert.ok(event.public_key.equals(evil.keyPair.publicKey))
  }
  const { reason } = await reader.event('peer.close')
  assert.match(reason, /banned/)
  await reader.event('peer.open')
  const closed = new Promise((resolve) =>
    evil.dial(address, { replicate: false }).then((stream) => stream.once('close', resolve))
  )
  await closed // a banned key gets no further than the handshake

  await honest.dial(address)
  const { blocks: found } = await reading
  for (const [i, block] of blocks(20).entries()) assert.ok(found.get(i).equals(block), 'block ' + i)
})

// The peer serves one flipped byte in every block.
function flipStored(core) {
  const { storage } = core.core
  const read = storage.read.bind(storage)
  storage.read = (...args) => {
    const rx = read(...args)
    const getBlock = rx.getBlock.bind(rx)
    rx.getBlock = async (index) => {
      const block = Buffer.from(await getBlock(index))
      block[0] ^= 1
      return block
    }
    return rx
  }
}
