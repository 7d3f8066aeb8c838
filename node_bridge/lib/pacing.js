'use strict'

const { INFLIGHT, INFLIGHT_BYTES } = require('./limits')

const LEAST = 16 // requests under way per peer, however large the blocks
const FIRST_BYTES = 1024 * 1024 // under way per peer, about, until it has shown what it delivers
const SPAN_MS = 50 // what a peer delivers is measured over this, at least
const PATIENCE_MS = 300 // before a block is asked of a second peer, at least
const SPARE = 4 // only a peer with fewer requests under way than this is given other peers' work

/**
 * Decides how much one core asks of each peer.
 *
 * Hypercore counts requests, not bytes: 48 to a TCP peer, too few for small blocks on a long line.
 * With many more, large blocks are all promised to the first peers asked, and the idle ones ask for
 * them a second time at once: 300 blocks from three peers came as 444. So each peer is asked for
 * twice of what it delivers in the time of one round trip, which doubles with every round trip until
 * the line is full; the number of requests follows from that and the average size of a block. Only
 * a request that takes unusually long is repeated elsewhere.
 *
 * Call `add` for each peer, `tune` when peers or the length change, and `took` with the size and the
 * time of each answered request.
 */
class Pacing {
  constructor(core, now = Date.now) {
    this.core = core
    this.usual = 0 // ms from request to answer, averaged
    this._now = now
    this._rates = new WeakMap() // peer -> Rate
    core.replicator.setInflightRange(LEAST, LEAST)
    core.replicator._updateHotswap = (peer) => this._repeatElsewhere(peer, now())
  }

  add(peer) {
    this._rates.set(peer, new Rate(this._now()))
    this.tune()
  }

  tune() {
    for (const peer of this.core.replicator.peers) this._limit(peer)
  }

  /** How many requests may be under way to all peers together. */
  get window() {
    let sum = 0
    for (const peer of this.core.replicator.peers) sum += peer.inflightRange[1]
    return Math.max(LEAST, sum)
  }

  took(peer, bytes, ms) {
    this.usual += (ms - this.usual) / 8
    const rate = this._rates.get(peer)
    if (rate !== undefined && rate.took(bytes, ms, this._now())) this._limit(peer)
  }

  _limit(peer) {
    const { state, replicator } = this.core
    const rate = this._rates.get(peer)
    if (rate === undefined || state === null) return
    const average = state.length === 0 ? 1 : Math.max(1, state.byteLength / state.length)
    const share = INFLIGHT_BYTES / Math.max(1, replicator.peers.length)
    const most = state.length === 0 ? INFLIGHT[0] : INFLIGHT[1]
    const wanted = Math.max(FIRST_BYTES, 2 * rate.perTrip)
    const n = Math.round(Math.max(LEAST, Math.min(most, Math.min(share, wanted) / average)))
    peer.inflightRange = [n, n]
  }

  _repeatElsewhere(peer, now) {
    if (!peer.isActive() || peer.inflight >= SPARE) return
    const patience = Math.max(PATIENCE_MS, 4 * this.usual)
    for (const block of this.core.replicator.hotswaps.pick(peer)) {
      const newest = block.inflight[block.inflight.length - 1]
      if (now - newest.timestamp < patience || peer._requestBlock(block) === false) continue
      peer.stats.hotswaps++
      this.core.replicator.stats.hotswaps++
      if (peer.inflight >= SPARE) break
    }
  }
}

/** What a peer delivers. */
class Rate {
  constructor(now) {
    this.perTrip = 0 // bytes that arrive in the time of the quickest answer
    this._quickest = Infinity // ms
    this._bytes = 0
    this._since = now
  }

  /** Takes in an answered request; whether `perTrip` is new. */
  took(bytes, ms, now) {
    this._quickest = Math.min(this._quickest, Math.max(1, ms))
    this._bytes += bytes
    const span = now - this._since
    if (span < Math.max(SPAN_MS, this._quickest)) return false
    this.perTrip = (this._bytes / span) * this._quickest
    this._bytes = 0
    this._since = now
    return true
  }
}

module.exports = { Pacing }
