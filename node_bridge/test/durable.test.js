'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const fs = require('fs')
const path = require('path')
const { create, write, blocks, temporary, replicate, until } = require('./helpers')
const { Wal } = require('../lib/wal')
const { Disk } = require('../lib/disk')

// A Wal over files of these names that notes what it syncs.
function recorded(t, names) {
  const dir = temporary(t)
  const add = (...more) => more.forEach((name) => fs.writeFileSync(path.join(dir, name), 'x'))
  add(...names)
  const synced = []
  const wal = new Wal(dir, async (file) => synced.push(path.relative(dir, file) || 'directory'))
  const round = async () => {
    synced.length = 0
    await wal.sync()
    return [...synced]
  }
  return { add, round }
}

test('every log file that may hold unsynced bytes is synced, and its directory entry once', async (t) => {
  const { add, round } = recorded(t, ['000010.log', '000008.log', '000011.sst', 'LOG', 'x.log'])

  assert.deepEqual(await round(), ['000008.log', '000010.log', 'directory'])
  assert.deepEqual(await round(), ['000010.log'])
  add('000021.log', '000100.log') // rotated twice since
  assert.deepEqual(await round(), ['000010.log', '000021.log', '000100.log', 'directory'])
  assert.deepEqual(await round(), ['000100.log'])
})

test('appends go on over the rotation of the write-ahead log', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 1)
  const { rocks } = bridge.sidecar.store
  const before = (await rocks.currentWalFile()).number

  // more than the 64 MiB that RocksDB keeps in one log
  const chunk = blocks(8, { size: 1000000 })
  for (let i = 0; i < 9; i++) {
    await bridge.call('core.append', { handle, blocks: chunk, expect_length: 1 + 8 * i })
  }

  assert.ok((await rocks.currentWalFile()).number > before, 'the log was not rotated')
  assert.equal((await bridge.call('core.info', { handle })).contiguous_length, 73)
})

test('a sync asked for during another waits for a round of its own, shared by all who wait', async (t) => {
  let release
  let rounds = 0
  const dir = temporary(t)
  fs.writeFileSync(path.join(dir, '000001.log'), 'x')
  const begun = () => new Promise((resolve) => (release = resolve))
  const wal = new Wal(dir, (file) => (file === dir ? undefined : (rounds++, begun())))

  const first = wal.sync()
  await until(() => rounds === 1)
  const waiting = [wal.sync(), wal.sync()]
  assert.equal(rounds, 1)
  release()
  await first
  await until(() => rounds === 2)
  release()
  await Promise.all(waiting)
  assert.equal(rounds, 2)
})

test('an append is answered only after the sync, and a sync that fails fails the append', async (t) => {
  const bridge = await create(t)
  const { handle } = await write(bridge, 1)
  const file = await fs.promises.open(bridge.dir, 'r')
  await file.close()
  const proto = Object.getPrototypeOf(file)
  const { datasync } = proto
  t.after(() => (proto.datasync = datasync))
  let synced = 0
  proto.datasync = function () {
    synced++
    return datasync.call(this)
  }

  await bridge.call('core.append', { handle, blocks: blocks(1), expect_length: 1 })
  assert.ok(synced > 0)

  proto.datasync = () =>
    Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }))
  await assert.rejects(
    bridge.call('core.append', { handle, blocks: blocks(1), expect_length: 2 }),
    { code: 'WRITE_FAILED' }
  )
})

test('below the limit of free space nothing is written or fetched, and both directions are told', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { key } = await write(a, 3)
  await replicate(b, a)
  const own = await write(b, 1)
  const { handle } = await b.call('core.open', { key })
  const { disk } = b.sidecar
  const reading = b.read(handle, [[0, 9]], { wait: true })
  reading.catch(() => {})

  disk.minFree = Number.MAX_SAFE_INTEGER
  await disk.look()

  await b.event('disk.full', ({ free }) => free > 0)
  for (const request of [
    reading,
    b.call('core.append', { handle: own.handle, blocks: blocks(1), expect_length: 1 }),
    b.call('core.read', { handle, ranges: [[0, 9]], wait: true }),
    b.call('core.download', { handle, ranges: [[0, 9]] })
  ]) {
    await assert.rejects(request, { code: 'DISK_FULL' })
  }
  assert.equal((await b.read(own.handle, [[0, 1]])).blocks.size, 1)

  disk.minFree = 0
  assert.equal((await b.call('fs.free')).low, false)
  await b.event('disk.ok')
  assert.equal(
    (await b.call('core.append', { handle: own.handle, blocks: blocks(1), expect_length: 1 }))
      .appended,
    true
  )
})

test('the free space is looked at regularly', async () => {
  let free = 1000
  const statfs = async () => ({ bavail: free, bsize: 1, blocks: 5000 })
  const disk = new Disk('/x', { minFree: 500, intervalMs: 5, statfs })
  await disk.start()
  assert.equal(disk.low, false)
  free = 100

  const awake = setInterval(() => {}, 1000) // the disk's own timer keeps no process alive
  const numbers = await new Promise((resolve) => disk.once('full', resolve))
  clearInterval(awake)

  assert.deepEqual(numbers, { free: 100, min_free: 500 })
  assert.throws(() => disk.check(), { code: 'DISK_FULL' })
  disk.stop()
})

// Flips a byte of block i in the files of the store.
async function damage(bridge, i) {
  await bridge.sidecar.store.corestore.storage.db.flush()
  const db = path.join(bridge.dir, 'store', 'db')
  for (const name of fs.readdirSync(db).filter((found) => found.endsWith('.blob'))) {
    const file = path.join(db, name)
    const bytes = fs.readFileSync(file)
    const at = bytes.indexOf('block ' + i + ' block')
    if (at === -1) continue
    bytes[at + 50] ^= 1
    fs.writeFileSync(file, bytes)
    return
  }
  throw new Error('Block ' + i + ' is in no file')
}

test('a damaged block is neither returned nor served, and is fetched from a peer again', async (t) => {
  const a = await create(t)
  const b = await create(t)
  const { handle, key } = await write(a, 20, { size: 10000 })
  await replicate(b, a)
  const { handle: copy } = await b.call('core.open', { key })
  await b.call('core.download', { handle: copy, ranges: [[0, 5]] })
  await damage(a, 2)
  await damage(a, 7)

  const { order } = await b.read(
    copy,
    [
      [5, 7],
      [8, 20]
    ],
    { wait: true }
  )
  const unserved = b.read(copy, [[7, 8]], { wait: true, stall_ms: 300 })
  await assert.rejects(unserved, { code: 'STALLED' })
  assert.equal((await a.event('block.damaged')).index, 7)
  const { blocks: found } = await a.read(handle, [[0, 5]], { wait: true })

  assert.equal(order.length, 14)
  assert.ok(found.get(2).equals(blocks(20, { size: 10000 })[2]))
  const info = await a.call('core.info', { handle })
  assert.deepEqual([info.length, info.contiguous_length, info.peers], [20, 7, 1])
})

test('that a block is damaged is told before the proofs that lack it end', async (t) => {
  const a = await create(t)
  const { handle } = await write(a, 20, { size: 10000 })
  await damage(a, 7)

  const { result } = await a.stream('core.proofs', { handle, ranges: [[7, 8]] })
  const told = a.events.filter(([name]) => name === 'block.damaged').map(([, { index }]) => index)

  assert.deepEqual(result.missing, [[7, 8]])
  assert.deepEqual(told, [7])
})
