'use strict'

const { EventEmitter } = require('events')
const Verifier = require('hypercore/lib/verifier')
const { tolerateDamage, tolerateUnprovable } = require('./damage')
const { BulkChannel } = require('./bulk-channel')
const { guard } = require('./guard')
const { Pacing } = require('./pacing')
const { encode, decode } = require('./msgpack')
const { nodes } = require('./evidence')
const { heldBeforeLength } = require('./update')
const ranges = require('./ranges')

const EVIDENCE = 'tradercast/evidence'
const CLEARED = 'tradercast/cleared'
const MAX_INCIDENTS = 4

/**
 * One log of the store, for as long as the process lives.
 *
 * Hypercore's own object for it comes and goes (Corestore closes idle ones); `attach` is called
 * with each. A session keeps it open while clients hold handles (`acquire`, `release`).
 *
 * Events: 'value' (index, bytes) and then 'block' (index, byteLength) for each block from a peer,
 * 'append', 'truncate', 'incident' (evidence), 'invalid' (error, index, stream), 'in' and 'out'
 * (byteLength, stream), 'write-failure' (error).
 */
class Core extends EventEmitter {
  constructor(corestore, discoveryKey, log) {
    super()
    this.setMaxListeners(0)
    this.discoveryKey = discoveryKey
    this.log = log
    this.internal = null
    this.pacing = null
    this.incidents = []
    this.cleared = [] // ranges dropped on purpose; not holes
    this.counters = {
      blocks_in: 0,
      block_bytes_in: 0,
      blocks_out: 0,
      block_bytes_out: 0,
      invalid: 0
    }
    this.lock = Promise.resolve() // the last append or clear
    this._corestore = corestore
    this._loaded = null
    this._refs = 0
    this._session = null
    this._opening = null
    this._bulk = new WeakMap() // peer -> its BulkChannel
  }

  get key() {
    return this.internal.key
  }

  get state() {
    return this.internal.state
  }

  get bitfield() {
    return this.internal.bitfield
  }

  get session() {
    return this._session
  }

  get frozen() {
    return this.incidents.some((incident) => incident.kind === 'conflict')
  }

  /** Called in the same tick as Hypercore's object comes into being. */
  attach(internal) {
    this.internal = internal
    guard(internal, {
      onincident: (found) => this._onincident(internal, found),
      onvalue: (index, value) => this.emit('value', index, value),
      onwritefailure: (err) => this.emit('write-failure', err)
    })
    this.pacing = new Pacing(internal)
    internal.addMonitor(new Monitor(this, this.pacing))
    this._loaded = internal.ready().then(() => this._load(internal))
    this._loaded.catch(() => {}) // whoever opens the core gets the error
  }

  /** Keeps the core open until `release`; several may hold it. */
  async acquire(opts) {
    this._refs++
    try {
      if (this._opening === null) this._opening = this._open(opts)
      await this._opening
    } catch (err) {
      this._opening = null
      this._refs--
      throw err
    }
  }

  /** Keeps an acquired core open while `fn` runs, whatever happens to the handle meanwhile. */
  async held(fn) {
    this._refs++
    try {
      return await fn()
    } finally {
      this.release()
    }
  }

  release() {
    if (--this._refs > 0) return
    const session = this._session
    this._session = this._opening = null
    if (session)
      session.close().catch((err) => this.log.warn('closing a core failed', { error: err.message }))
  }

  async _open(opts) {
    const session = this._corestore.get(opts)
    await session.ready()
    await this._loaded
    session.on('append', () => {
      this.pacing.tune()
      this.emit('append')
    })
    session.on('truncate', () => this.emit('truncate'))
    this._session = session
  }

  async _load(internal) {
    tolerateDamage(internal, (index, err) => this._ondamage(internal, index, err))
    const rx = internal.storage.read()
    const found = [rx.getUserData(EVIDENCE), rx.getUserData(CLEARED)]
    rx.tryFlush()
    const [incidents, cleared] = await Promise.all(found)
    if (incidents) this.incidents = decode(incidents)
    if (cleared) this.cleared = decode(cleared)
    if (this.frozen) internal.header.frozen = true // Hypercore writes this mark but does not read it back
  }

  has(index) {
    return this.bitfield.get(index)
  }

  /** The number of the first block that is neither held nor was cleared here on purpose. */
  get contiguousLength() {
    const { length } = this.state
    let at = 0
    for (;;) {
      const stop = ranges.runs(this.bitfield, at, length, false, 1)
      if (stop.length === 0) return length
      at = stop[0][0]
      const gap = this.cleared.find(([start, end]) => at >= start && at < end)
      if (!gap) return at
      at = gap[1]
    }
  }

  info() {
    const { length, fork, byteLength } = this.state
    const { peers } = this.internal.replicator
    let remote = 0
    for (const peer of peers)
      if (peer.remoteFork === fork) remote = Math.max(remote, peer.remoteLength)
    return {
      length,
      fork,
      contiguous_length: this.contiguousLength,
      byte_length: byteLength,
      peers: peers.length,
      remote_length: remote,
      recovering: this.internal.header.hints.recovering > 0
    }
  }

  checkpoint() {
    const { length, fork, roots, signature } = this.state
    return { length, fork, roots: nodes(roots), signature, manifest: this.manifest }
  }

  get manifest() {
    const { manifest } = this.internal.header
    return manifest ? Verifier.encodeManifest(manifest) : null
  }

  /** The bulk channel to a peer, opened when it is first asked for. */
  bulk(peer) {
    let channel = this._bulk.get(peer)
    if (channel === undefined) {
      channel = new BulkChannel(this, peer)
      this._bulk.set(peer, channel)
    }
    return channel
  }

  owesInBulk(peer) {
    const channel = this._bulk.get(peer)
    return channel !== undefined && channel.waiting > 0
  }

  /** Counts a block that a peer sent in bulk, and tells of it. */
  took(index, value, stream) {
    this.emit('value', index, value)
    this.counters.blocks_in++
    this.counters.block_bytes_in += value.byteLength
    this.emit('in', value.byteLength, stream)
    this.emit('block', index, value.byteLength)
  }

  /** Counts a block that was sent to a peer. */
  gave(byteLength, stream) {
    this.counters.blocks_out++
    this.counters.block_bytes_out += byteLength
    this.emit('out', byteLength, stream)
  }

  /** The contents of the given blocks from the store; null where it has none. */
  blocks(indexes) {
    const rx = this.state.storage.read()
    const found = indexes.map((index) => rx.getBlock(index))
    rx.tryFlush()
    return Promise.all(found)
  }

  /** The Merkle nodes of the given indexes from the store; null where it has none. */
  nodes(indexes) {
    const rx = this.state.storage.read()
    const found = indexes.map((index) => rx.getTreeNode(index))
    rx.tryFlush()
    return Promise.all(found)
  }

  /** Drops blocks [start, end) here. */
  clear(start, end) {
    return this.exclusive(async () => {
      end = Math.min(end, this.state.length)
      if (start >= end) return
      // first the note, then the deed: a crash between leaves a note about blocks that are still
      // there, which is harmless
      this.cleared = ranges.normalise([...this.cleared.map((pair) => [...pair]), [start, end]])
      await this._putUserData(CLEARED, this.cleared)
      await this._session.clear(start, end)
    })
  }

  async markRecovered() {
    const { internal } = this
    internal.header.hints.recovering = 0
    internal.hintsChanged = true
    await internal.flushHints()
  }

  /** Runs `fn` after every earlier call of this has ended. */
  exclusive(fn) {
    const run = this.lock.then(fn)
    this.lock = run.catch(() => {})
    return run
  }

  async _putUserData(name, value, internal = this.internal) {
    const tx = internal.storage.write()
    tx.putUserData(name, Buffer.concat(encode(value)))
    await tx.flush()
  }

  // Clears the block, without a note that this was on purpose: for a writer it is a hole.
  _ondamage(internal, index, err) {
    this.log.error('a damaged block', { key: this.key, index, error: err.message })
    this.exclusive(async () => {
      if (!this.has(index)) return
      await internal.state.clear(index, index + 1)
      this.emit('damage', index, err)
    }).catch((failed) => this.log.error('clearing it failed', { error: failed.message }))
  }

  _onincident(internal, found) {
    const same = (other) =>
      other.kind === found.kind &&
      other.remote.length === found.remote.length &&
      other.remote.fork === found.remote.fork &&
      other.remote.signature.equals(found.remote.signature)
    if (this.incidents.some(same)) return
    // the first are kept: a thief of the key could make any number
    if (this.incidents.length >= MAX_INCIDENTS && found.kind !== 'conflict') return
    this.incidents = [...this.incidents.slice(0, MAX_INCIDENTS - 1), found]
    this.log.error('a second signed version of a log', { kind: found.kind, key: found.key })
    this._putUserData(EVIDENCE, this.incidents, internal).catch((err) =>
      this.log.error('the evidence could not be kept', { error: err.message })
    )
    this.emit('incident', found)
  }
}

/** What Hypercore reports to; has the few things of a session that it touches. */
class Monitor {
  constructor(core, pacing) {
    this.core = core
    this.pacing = pacing
    this.extensions = new Map()
    this.padding = 0
    this._monitorIndex = -1
  }

  emit(name, ...args) {
    if (name === 'download') this._download(...args)
    else if (name === 'upload') this._upload(...args)
    else if (name === 'verification-error') this._invalid(...args)
    else if (name === 'peer-remove') this.pacing.tune()
    else if (name === 'peer-add') {
      tolerateUnprovable(args[0])
      heldBeforeLength(args[0])
      this.pacing.add(args[0])
    }
  }

  _download(index, byteLength, peer, request) {
    const { core } = this
    if (core.counters.blocks_in % 64 === 0) this.pacing.tune()
    if (request) this.pacing.took(peer, byteLength, request.elapsed)
    core.counters.blocks_in++
    core.counters.block_bytes_in += byteLength
    core.emit('in', byteLength, peer.stream)
    core.emit('block', index, byteLength)
  }

  _upload(index, byteLength, peer) {
    this.core.gave(byteLength, peer.stream)
  }

  _invalid(err, request, data, peer) {
    const { core } = this
    core.counters.invalid++
    core.emit('invalid', err, data && data.block ? data.block.index : null, peer.stream)
  }
}

module.exports = { Core }
