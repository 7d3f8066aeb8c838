'use strict'

const Hypercore = require('hypercore')
const { BridgeError } = require('./errors')
const ranges = require('./ranges')
const { BulkFetch } = require('./bulk-fetch')
const { BULK_LEAST } = require('./limits')

const KEEP_BYTES = 16 * 1024 * 1024
const ABSENT_MS = 6000 // patience with peers that say that they have none of it
const MAX_LOOKED_AT = 16384 // missing blocks about which peers' bitfields are asked
const MAX_ASKED = 32 // ranges given to the replicator at once; it looks at 64 at most
const LATE_MS = 10000 // for blocks under way to arrive after their fetch has ended
const WIDEN_MS = 500 // without any block, before further single blocks are asked for

/**
 * Asks all peers for what a core lacks of some ranges, all at once, and tells when blocks arrive.
 *
 * The one waiting is woken by every block of the ranges; when none has come for `stallMs` while
 * somebody waits, waiting fails with STALLED; sooner when every connected peer says that it has none
 * of what is missing. Hypercore's own range requests have no timeout, and wait for ever for blocks
 * that nobody has any more.
 *
 * With `keep`, arriving contents are kept for `take` (up to 16 MiB, the first ones win): reading
 * them back from the store would cost as much as fetching them did.
 *
 * Blocks beyond the known length are asked for as soon as the log has grown over them.
 *
 * Single blocks, such as an archive's chunks without the index nodes between them, are asked for
 * one by one, as many as may be under way anyway: the replicator goes through all of its ranges for
 * every block, and takes single blocks in random order. When those that nobody has stop the others,
 * more are asked for.
 */
class Fetch {
  constructor(core, wanted, { linear, stallMs, signal, keep = false }) {
    this.core = core
    this.wanted = ranges.normalise(wanted)
    this.linear = linear
    this.stallMs = stallMs
    this.signal = signal
    this.blocks = 0
    this.bytes = 0

    this._active = [] // Hypercore's list of our requests
    this._queue = [] // ranges to be asked for
    this._plain = [] // by Hypercore, block by block
    this._many = false // the queue is worth a bulk channel
    this._bulk = new BulkFetch(core, {
      onback: (blocks, again) => (again ? this._queue : this._plain).unshift(...blocks),
      onfree: () => this._ask()
    })
    this._asked = 0 // ranges
    this._singles = 0
    this._stuck = 0 // how many more single blocks than can be under way are asked for
    this._length = 0 // up to here everything missing is in the queue or asked for
    this._waiter = null
    this._error = null
    this._keep = keep
    this._kept = new Map()
    this._keptBytes = 0
    this._onvalue = (index, value) => this._arriving(index, value)
    this._onblock = (index, byteLength) => this._arrived(index, byteLength)
    this._onappend = () => this._grown()
    this._onabort = () => this._fail(this.signal.reason)
  }

  start() {
    if (this.signal.aborted) throw this.signal.reason
    if (this._keep) this.core.on('value', this._onvalue)
    this.core.on('block', this._onblock)
    this.core.on('append', this._onappend)
    this.signal.addEventListener('abort', this._onabort)
    this._grown()
  }

  destroy() {
    this.core.off('value', this._onvalue)
    this._kept.clear()
    this.core.off('block', this._onblock)
    this.core.off('append', this._onappend)
    this.signal.removeEventListener('abort', this._onabort)
    this._queue = []
    this._plain = []
    this._bulk.destroy()
    this._leave()
  }

  // Hypercore drops what arrives for a single block that nobody asks for any more. What is under
  // way already would be sent in vain, and asked for again by the next fetch.
  _leave() {
    const idle = []
    const late = []
    for (const request of this._active) {
      const { inflight = [] } = request.context
      request.session = inflight.length > 0 ? late : idle
      request.sindex = request.session.push(request) - 1
    }
    this._active = idle
    Hypercore.clearRequests(idle, null)
    if (late.length > 0) setTimeout(() => Hypercore.clearRequests(late, null), LATE_MS).unref()
  }

  /** Asks again for a block that was there when the fetch began. */
  again(index) {
    if (this.core.has(index)) return
    this._plain.push([index, index + 1])
    this._ask()
  }

  /** What is still missing, as ranges. */
  missing() {
    return ranges.missing(this.core.bitfield, this.wanted)
  }

  /**
   * Resolves when something of the ranges has arrived since the call; throws STALLED or what ended
   * the request.
   */
  async change() {
    if (this._error !== null) throw this._error
    await new Promise((resolve, reject) => {
      this._waiter = { resolve, reject, timer: null }
      this._watch(0)
      if (this._queue.length > 0) this._ask()
    })
  }

  /**
   * The first of the given blocks as [number, content], as far as all are kept, about `bytes`; empty
   * if the first is not.
   */
  take(indexes, bytes) {
    const out = []
    for (const index of indexes) {
      const value = this._kept.get(index)
      if (value === undefined || bytes <= 0) break
      bytes -= value.byteLength
      out.push([index, value])
    }
    this.forget(out.map(([index]) => index))
    if (this._queue.length > 0) this._ask()
    return out
  }

  /** Keeps the given blocks no longer: they were read from the store. */
  forget(indexes) {
    for (const index of indexes) {
      const value = this._kept.get(index)
      if (value === undefined) continue
      this._kept.delete(index)
      this._keptBytes -= value.byteLength
    }
  }

  // looks every now and then whether there is still somebody to wait for, and something else to ask
  _watch(waited) {
    const patience = this._waits ? WIDEN_MS : ABSENT_MS
    const pause = Math.min(patience, this.stallMs - waited)
    this._waiter.timer = setTimeout(() => {
      waited += pause
      this._widen()
      const over = waited >= this.stallMs || (waited >= ABSENT_MS && this._nobodyHasAny())
      if (over) this._fail(this._stalled(waited))
      else this._watch(waited)
    }, pause)
  }

  // false while there is no peer at all: it may come back
  _nobodyHasAny() {
    const { state } = this.core
    const peers = this.core.internal.replicator.peers.filter((p) => p.remoteFork === state.fork)
    const missing = this.missing()
    if (peers.length === 0 || ranges.count(missing) > MAX_LOOKED_AT) return false
    for (const [start, end] of missing) {
      if (end > state.length) return false
      for (let i = start; i < end; i++) if (peers.some((p) => p._remoteHasBlock(i))) return false
    }
    return true
  }

  _stalled(waited) {
    const missing = this.missing()
    const what =
      ranges.count(missing) +
      ' blocks, the first of them ' +
      (missing.length ? missing[0][0] : 'none')
    return new BridgeError(
      'STALLED',
      'No peer has sent any of ' + what + ', for ' + waited + ' ms',
      {
        missing: missing.slice(0, 4096)
      }
    )
  }

  _settle(method, value) {
    const waiter = this._waiter
    if (waiter === null) return
    this._waiter = null
    clearTimeout(waiter.timer)
    waiter[method](value)
  }

  _fail(err) {
    this._error = err
    this._settle('reject', err)
  }

  _arriving(index, value) {
    if (this._keptBytes + value.byteLength > KEEP_BYTES || this._kept.has(index)) return
    if (!ranges.includes(this.wanted, index)) return
    this._kept.set(index, value)
    this._keptBytes += value.byteLength
  }

  _arrived(index, byteLength) {
    if (!ranges.includes(this.wanted, index)) return
    this.blocks++
    this.bytes += byteLength
    this._settle('resolve')
  }

  // Queues what the growth of the log has brought into reach.
  _grown() {
    const { length } = this.core.state
    if (length <= this._length) return
    const fresh = []
    for (const [start, end] of this.wanted)
      fresh.push([Math.max(start, this._length), Math.min(end, length)])
    this._length = length
    this._queue.push(...ranges.missing(this.core.bitfield, ranges.normalise(fresh)))
    this._ask()
    this._settle('resolve')
  }

  _widen() {
    if (!this._waits) return
    this._stuck = 2 * Math.max(this._singles, 16)
    this._ask()
  }

  // something is still to be asked for by Hypercore
  get _waits() {
    return this._plain.length > 0 || (this._queue.length > 0 && !this._bulk.busy)
  }

  // as much is kept as is good, and somebody still works on it
  get _full() {
    return this._keptBytes >= KEEP_BYTES / 2 && this._waiter === null
  }

  _ask() {
    this._askInBulk()
    this._askPlainly(this._plain, MAX_ASKED, Infinity)
    if (this._bulk.busy || (this._many && this._full)) return
    // peers tell what they hold only when something is asked of them: some is, and then in bulk
    if (this._many) this._askPlainly(this._queue, 2, this.core.pacing.window)
    else this._askPlainly(this._queue, MAX_ASKED, Infinity)
  }

  _askPlainly(queue, mostRanges, mostBlocks) {
    const window = this.core.pacing.window + this._stuck
    while (queue.length > 0) {
      const [start, end] = queue[0]
      const single = end - start === 1
      if (single ? this._singles >= window : this._asked >= mostRanges) return
      const stop = Math.min(end, start + mostBlocks)
      if (stop === end) queue.shift()
      else queue[0] = [stop, end]
      if (single) this._askBlock(start)
      else this._askRange(start, stop)
    }
  }

  _askInBulk() {
    const queue = this._queue
    if (!this._many) this._many = ranges.count(queue) >= BULK_LEAST
    else if (queue.length === 0 && !this._bulk.busy) this._many = false
    if (!this._many) return
    if (!this._full) this._bulk.ask(queue)
    if (!this._bulk.busy || this._singles > 0) return
    this._plain.push(...this._bulk.skip(queue).map((block) => [block, block + 1]))
  }

  _askBlock(index) {
    this._singles++
    const next = () => {
      this._singles--
      this._ask()
    }
    this.core.internal.replicator.addBlock(this._active, index).promise.then(next, next)
  }

  _askRange(start, end) {
    const range = { start, end, linear: this.linear }
    this._asked++
    const next = () => {
      this._asked--
      this._ask()
    }
    this.core.internal.replicator.addRange(this._active, range).promise.then(next, next)
  }
}

module.exports = { Fetch }
