'use strict'

const { MAX_BULK_BLOCKS, MAX_BULK_WAITING } = require('./limits')

const MAX_LOOKED_AT = 4096 // blocks of the queue for one request
const PATIENCE_MS = 1000 // with an answer, at least, before its blocks are asked of others

/**
 * What one fetch asks for in bulk, of all peers that can be asked so.
 *
 * Blocks that do not come are given back: `onback(blocks, again)`, with `again` if they may be asked
 * for in bulk again. `onfree()` is called when something more may be asked for.
 */
class BulkFetch {
  constructor(core, { onback, onfree }) {
    this.core = core
    this._onback = onback
    this._onfree = onfree
    this._batches = new Set() // that are waited for
    this._slow = new Set() // channels that owe an answer for too long
    this._known = new WeakSet() // requests that are ours, or that were looked at
  }

  get busy() {
    return this._batches.size > 0
  }

  destroy() {
    for (const batch of this._batches) clearTimeout(batch.timer)
    this._batches.clear()
    this._onback = this._onfree = () => {}
  }

  /** Takes those out of the front of `queue` that no peer has who can be asked in bulk. */
  skip(queue) {
    const channels = this._channels()
    const has = (block) => !channels.some(({ peer }) => peer._remoteHasBlock(block))
    return queue.length > 0 && has(queue[0][0]) ? takeFirst(queue, MAX_BULK_BLOCKS, has) : []
  }

  /** Asks for what it can of the ranges of `queue`, from its front, and takes that out of it. */
  ask(queue) {
    let channels = this._channels()
    for (const channel of channels) this._join(channel, queue)
    while (channels.length > 0 && queue.length > 0)
      channels = channels.filter((channel) => this._askOne(channel, queue))
  }

  _askOne(channel, queue) {
    const room = this._room(channel)
    const has = (block) => channel.peer._remoteHasBlock(block)
    const blocks = room > 0 ? takeFirst(queue, room, has) : []
    if (blocks.length > 0) this._send(channel, blocks)
    return blocks.length > 0
  }

  // those that owe least first, so that the peers share the work
  _channels() {
    const { state, internal } = this.core
    const usable = []
    for (const peer of internal.replicator.peers) {
      if (peer.remoteFork !== state.fork || peer.remoteLength < state.length) continue
      const channel = this.core.bulk(peer)
      if (channel.usable && !this._slow.has(channel)) usable.push(channel)
    }
    return usable.sort((a, b) => a.waiting - b.waiting)
  }

  /** How many blocks the next request of a channel may be for. */
  _room(channel) {
    const { state } = this.core
    let owed = 0
    let batches = 0
    for (const batch of this._batches) {
      if (batch.channel !== channel) continue
      owed += batch.blocks.length
      batches++
    }
    if (channel.waiting >= MAX_BULK_WAITING) return 0
    if (batches >= 2 && owed >= channel.peer.inflightRange[1]) return 0
    const average = Math.max(1, state.byteLength / Math.max(1, state.length))
    return Math.max(1, Math.min(MAX_BULK_BLOCKS, Math.floor(channel.batchBytes / average)))
  }

  // What another fetch has asked for comes anyway, also where that one has ended: a command that is
  // killed and begins again would have all that was under way sent twice.
  _join(channel, queue) {
    for (const asked of channel.underWay()) {
      if (this._known.has(asked)) continue
      this._known.add(asked)
      const theirs = new Set(asked.blocks)
      const blocks = takeFirst(queue, theirs.size, (block) => theirs.has(block))
      if (blocks.length > 0) this._await(channel, asked, blocks)
    }
  }

  _send(channel, blocks) {
    const asked = channel.request(blocks)
    this._known.add(asked)
    this._await(channel, asked, blocks)
  }

  _await(channel, asked, blocks) {
    const batch = { channel, blocks, timer: null }
    this._batches.add(batch)
    this._watch(batch)
    asked.answer.then((stored) => {
      clearTimeout(batch.timer)
      this._slow.delete(channel)
      if (this._batches.delete(batch)) this._back(blocks, stored > 0)
      this._onfree()
    })
  }

  // A peer is late that has answered nothing for long, however much it was asked. An only peer is
  // waited for as long as it is there: asking it twice would not make it quicker.
  _watch(batch) {
    const { channel } = batch
    const patience = Math.max(PATIENCE_MS, 4 * channel.intervalMs)
    const wait = channel.progressMs + patience - Date.now()
    batch.timer = setTimeout(
      () => {
        const only = this.core.internal.replicator.peers.length < 2
        if (only || Date.now() < channel.progressMs + patience) return this._watch(batch)
        this._slow.add(channel)
        this._batches.delete(batch)
        this._back(batch.blocks, true)
        this._onfree()
      },
      Math.max(wait, 100)
    )
  }

  _back(blocks, again) {
    const missing = blocks.filter((block) => !this.core.has(block))
    const singles = missing.map((block) => [block, block + 1])
    if (missing.length > 0) this._onback(singles, again)
  }
}

/** Takes the first `n` blocks that `has` says yes to out of a list of ranges. */
function takeFirst(queue, n, has) {
  const blocks = []
  const rest = []
  let looked = 0
  let i = 0
  for (; i < queue.length && blocks.length < n && looked < MAX_LOOKED_AT; i++) {
    const [start, end] = queue[i]
    let at = start
    let passed = start // from here on not asked for
    for (; at < end && blocks.length < n && looked < MAX_LOOKED_AT; at++, looked++) {
      if (!has(at)) continue
      if (passed < at) rest.push([passed, at])
      passed = at + 1
      blocks.push(at)
    }
    if (passed < end) rest.push([passed, end])
  }
  if (blocks.length > 0) queue.splice(0, i, ...rest)
  return blocks
}

module.exports = { BulkFetch }
