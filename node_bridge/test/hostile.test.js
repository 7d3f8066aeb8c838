'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const crypto = require('crypto')
const { create, start, signer, blocks, write, replicate } = require('./helpers')
const { rawPeer } = require('./helpers/raw')

// From now on a share of what the peer sends inside the encryption is changed.
function corrupt(stream, share) {
  const write = stream.write.bind(stream)
  stream.write = (data) => {
    if (Math.random() >= share || data.byteLength === 0) return write(data)
    const bytes = Buffer.from(data)
    const at = crypto.randomInt(bytes.length)
    if (Math.random() < 0.5) bytes[at] = crypto.randomInt(256)
    else crypto.randomFillSync(bytes, at, Math.min(8, bytes.length - at))
    return write(Math.random() < 0.2 ? bytes.subarray(0, at) : bytes)
  }
}

test('peers whose messages are changed at random harm no log, and the good peer is used', async (t) => {
  const own = signer()
  const reader = await create(t)
  const seeder = await create(t)
  const { key } = await write(seeder, 200, { signer: own })
  const address = await start(reader, undefined, { limits: { per_ip: 200, half_open_per_ip: 100 } })
  const { handle } = await reader.call('core.open', { key })

  for (let i = 0; i < 20; i++) {
    const evil = await rawPeer(t)
    const core = await evil.core(own)
    await core.append(blocks(200))
    const stream = await evil.dial(address, { replicate: false }).catch(() => null)
    if (stream === null) continue
    corrupt(stream, i % 2 ? 0.05 : 0.5)
    evil.store.replicate(stream)
    const some = [[3 * i, 3 * i + 3]]
    await reader.read(handle, some, { wait: true, stall_ms: 50 }).catch((err) => {
      assert.equal(err.code, 'STALLED', err.message)
    })
    stream.destroy()
  }
  await replicate(seeder, reader)
  const { blocks: found } = await reader.read(handle, [[0, 200]], { wait: true })

  for (const [i, block] of blocks(200).entries())
    assert.ok(found.get(i).equals(block), 'block ' + i)
  assert.deepEqual((await reader.call('core.open', { key })).incidents, [])
})

test('peers that ask for changed things at random do not harm who serves', async (t) => {
  const own = signer()
  const seeder = await create(t)
  const { handle, key } = await write(seeder, 200, { signer: own })
  const address = await start(seeder, undefined, { limits: { per_ip: 200, half_open_per_ip: 100 } })

  for (let i = 0; i < 20; i++) {
    const evil = await rawPeer(t)
    const core = evil.store.get({ key })
    await core.ready()
    const stream = await evil.dial(address, { replicate: false }).catch(() => null)
    if (stream === null) continue
    corrupt(stream, i % 2 ? 0.05 : 0.5)
    evil.store.replicate(stream)
    const download = core.download({ start: 0, end: 200 })
    await Promise.race([download.done(), new Promise((resolve) => setTimeout(resolve, 50))]).catch(
      () => {}
    )
    download.destroy()
    stream.destroy()
  }

  assert.equal((await seeder.read(handle, [[0, 200]])).missing.length, 0)
  assert.equal(
    (await seeder.call('core.append', { handle, blocks: blocks(1), expect_length: 200 })).appended,
    true
  )
})
