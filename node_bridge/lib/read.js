'use strict'

const { BridgeError } = require('./errors')
const { Cursor } = require('./cursor')
const { Fetch } = require('./fetch')
const ranges = require('./ranges')
const { ITEM_BYTES, STALL_MS } = require('./limits')

const MAX_RUN = 256 // blocks in one look at the store
const MAX_NILS = 4096 // absent blocks in one item

/**
 * Streams the blocks of `wanted` in the order asked; see core.read in docs/BRIDGE.md.
 *
 * The store is read in runs of about one item; the next run is read while the last one is on its
 * way.
 */
async function read(core, request, wanted, { wait, stallMs = STALL_MS, disk }) {
  if (!wait) {
    const missing = await stream(core, request, wanted, null)
    return { missing: missing.slice(0, 4096) }
  }
  const { signal } = request
  const fetch = new Fetch(core, wanted, { linear: true, stallMs, signal, keep: true })
  if (fetch.missing().length > 0) disk.check()
  const onfull = () => request.cancel('DISK_FULL', 'The disk has no room for what is to be fetched')
  disk.on('full', onfull)
  fetch.start()
  try {
    await stream(core, request, wanted, fetch)
    return { missing: [] }
  } finally {
    disk.off('full', onfull)
    fetch.destroy()
  }
}

async function stream(core, request, wanted, fetch) {
  const missing = []
  const size = new SizeGuess()
  const cursor = new Cursor(wanted)
  let ahead = Promise.resolve()
  while (!cursor.done) {
    if (fetch !== null && !core.has(cursor.at)) {
      await ahead // what the client owes credits for must not count as a stall
      await arrival(core, cursor.at, fetch)
    }
    const run = await nextRun(core, cursor, size, fetch)
    await ahead
    if (fetch === null) noteMissing(missing, run)
    const usable = fetch === null ? run : upToNull(run)
    if (usable.length === 0) await retry(core, cursor.at, fetch)
    ahead = send(request, usable, size)
    ahead.catch(() => {}) // awaited above or below
    cursor.skip(usable.length)
  }
  await ahead
  return ranges.normalise(missing)
}

async function arrival(core, index, fetch) {
  while (!core.has(index)) await fetch.change()
}

// A block that the bitfield has and the store has not: cleared a moment ago, or damaged and then
// cleared. It is fetched like any other.
async function retry(core, index, fetch) {
  await core.lock
  if (core.has(index)) throw new BridgeError('STORE', 'Block ' + index + ' can not be read')
  fetch.again(index)
}

/**
 * The next blocks to deliver, as [number, content]: about one item of them, or (without a fetch)
 * nulls for those that are not held.
 *
 * They go on over the gaps between ranges: the chunks of an archive are single blocks, and an item
 * for each would cost more than its bytes do.
 */
async function nextRun(core, cursor, size, fetch) {
  if (fetch !== null) {
    const kept = fetch.take(cursor.ahead(), ITEM_BYTES)
    if (kept.length > 0) return kept
  }
  const held = core.has(cursor.at)
  const most = held ? size.run() : MAX_NILS
  const indexes = []
  for (const index of cursor.ahead()) {
    if (indexes.length > 0 && (indexes.length === most || core.has(index) !== held)) break
    indexes.push(index)
  }
  const blocks = held ? await core.blocks(indexes) : []
  if (fetch !== null) fetch.forget(indexes)
  return indexes.map((index, i) => [index, held ? blocks[i] : null])
}

async function send(request, run, size) {
  let item = []
  let bytes = 0
  for (const [index, block] of run) {
    const more = block === null ? 0 : block.byteLength
    size.saw(more)
    if (item.length > 0 && bytes + more > 2 * ITEM_BYTES) {
      await request.item(item)
      item = []
      bytes = 0
    }
    item.push([index, block])
    bytes += more
    if (bytes >= ITEM_BYTES) {
      await request.item(item)
      item = []
      bytes = 0
    }
  }
  if (item.length > 0) await request.item(item)
}

function upToNull(run) {
  const i = run.findIndex(([, block]) => block === null)
  return i === -1 ? run : run.slice(0, i)
}

function noteMissing(missing, run) {
  for (const [index, block] of run) {
    if (block !== null) continue
    const last = missing[missing.length - 1]
    if (last && last[1] === index) last[1]++
    else missing.push([index, index + 1])
  }
}

/** How many blocks make about one item, from the sizes seen so far. */
class SizeGuess {
  constructor() {
    this.average = ITEM_BYTES / 4 // a cautious start: four blocks
  }

  saw(bytes) {
    this.average += (Math.max(64, bytes) - this.average) / 4
  }

  run() {
    return Math.max(1, Math.min(MAX_RUN, Math.floor(ITEM_BYTES / this.average)))
  }
}

module.exports = { read }
