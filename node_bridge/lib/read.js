'use strict'

const { BridgeError } = require('./errors')
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
  let ahead = Promise.resolve()
  for (const [start, end] of wanted) {
    let at = start
    while (at < end) {
      if (fetch !== null && !core.has(at)) {
        await ahead // what the client owes credits for must not count as a stall
        await arrival(core, at, fetch)
      }
      const blocks = await nextRun(core, at, end, size, fetch)
      await ahead
      if (fetch === null) noteMissing(missing, at, blocks)
      const usable = fetch === null ? blocks : upToNull(blocks)
      if (usable.length === 0) await retry(core, at, fetch)
      ahead = send(request, at, usable, size)
      ahead.catch(() => {}) // awaited above or below
      at += usable.length
    }
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
 * The next blocks to deliver: about one item of them, or (without a fetch) nulls for a run that is
 * not held.
 */
async function nextRun(core, at, end, size, fetch) {
  if (fetch !== null) {
    const kept = fetch.take(at, end, ITEM_BYTES)
    if (kept.length > 0) return kept
  }
  const held = core.has(at)
  const most = Math.min(end, at + (held ? size.run() : MAX_NILS))
  let stop = at + 1
  while (stop < most && core.has(stop) === held) stop++
  return held ? core.blocks(at, stop) : new Array(stop - at).fill(null)
}

async function send(request, first, blocks, size) {
  let item = []
  let bytes = 0
  for (let i = 0; i < blocks.length; i++) {
    const block = blocks[i]
    const more = block === null ? 0 : block.byteLength
    size.saw(more)
    if (item.length > 0 && bytes + more > 2 * ITEM_BYTES) {
      await request.item(item)
      item = []
      bytes = 0
    }
    item.push([first + i, block])
    bytes += more
    if (bytes >= ITEM_BYTES) {
      await request.item(item)
      item = []
      bytes = 0
    }
  }
  if (item.length > 0) await request.item(item)
}

function upToNull(blocks) {
  const i = blocks.indexOf(null)
  return i === -1 ? blocks : blocks.slice(0, i)
}

function noteMissing(missing, first, blocks) {
  for (let i = 0; i < blocks.length; i++) {
    if (blocks[i] !== null) continue
    const last = missing[missing.length - 1]
    if (last && last[1] === first + i) last[1]++
    else missing.push([first + i, first + i + 1])
  }
}

/** How many blocks make about one item, from the sizes seen so far. */
class SizeGuess {
  constructor() {
    this.average = 256 * 1024 // a cautious start: four blocks
  }

  saw(bytes) {
    this.average += (Math.max(64, bytes) - this.average) / 4
  }

  run() {
    return Math.max(1, Math.min(MAX_RUN, Math.floor(ITEM_BYTES / this.average)))
  }
}

module.exports = { read }
