'use strict'

const { Fetch } = require('./fetch')
const { STALL_MS } = require('./limits')

const PROGRESS_MS = 100

/** Fetches everything missing of `wanted` into the store; see core.download in docs/BRIDGE.md. */
async function download(core, request, wanted, { stallMs = STALL_MS, disk }) {
  const fetch = new Fetch(core, wanted, { linear: false, stallMs, signal: request.signal })
  if (fetch.missing().length === 0) return { complete: true, blocks: 0, bytes: 0 }
  disk.check()
  const onfull = () => request.cancel('DISK_FULL', 'The disk has no room for what is to be fetched')
  disk.on('full', onfull)
  fetch.start()
  try {
    let told = 0
    let next = 0 // when progress may be told again
    let from = 0 // in `wanted`: the ranges before it are complete
    for (;;) {
      while (from < fetch.wanted.length && complete(core, fetch.wanted[from])) from++
      if (from === fetch.wanted.length) break
      await fetch.change()
      if (fetch.blocks === told || Date.now() < next || !request.ready) continue
      told = fetch.blocks
      next = Date.now() + PROGRESS_MS
      await request.item({ blocks: fetch.blocks, bytes: fetch.bytes })
    }
    return { complete: true, blocks: fetch.blocks, bytes: fetch.bytes }
  } catch (err) {
    // what came before it stalled is told too; an error has no place for it
    if (err.code === 'STALLED') await request.item({ blocks: fetch.blocks, bytes: fetch.bytes })
    throw err
  } finally {
    disk.off('full', onfull)
    fetch.destroy()
  }
}

function complete(core, [start, end]) {
  const i = core.bitfield.firstUnset(start)
  return i >= end
}

module.exports = { download }
