'use strict'

const { isWriteFailure } = require('./errors')
const { evidence } = require('./evidence')

// Hypercore applies options only where a core is opened first, and an inbound peer may be first. So
// the rules are laid on the core itself, in the same tick as it comes into being (Corestore.watch),
// before anything can be replicated. This leans on the insides of the pinned version of hypercore;
// test/guard.test.js fails when they move.

const MAX_OUTGROWN = 64

/**
 * Lays the rules on a core.
 *
 * - No reorganisation: a peer with a higher fork number is asked for its proof, and a signed one is
 *   an incident.
 * - Every peer is asked once for the proof of its tree, so that other contents under one fork
 *   number are noticed even where nothing is to be downloaded. Such a conflict freezes the core but
 *   closes nobody's session.
 * - A write that the store refuses is no fault of the peer whose block it was.
 * - Merkle nodes are kept when blocks are cleared: `clear` also deletes those that the proofs of
 *   neighbours need.
 *
 * `hooks`: onincident(evidence), onvalue(index, bytes) for each block from a peer once it is
 * checked and stored, onwritefailure(err).
 */
function guard(core, hooks) {
  core.replicator.allowFork = false
  noticeForks(core, hooks)
  noticeConflicts(core, hooks)
  noticeBlocks(core, hooks)
  core.ready().then(() => keepNodes(core.state), noop)
}

function noticeForks(core, { onincident }) {
  const asked = new WeakMap() // peer -> fork number of which it was asked the proof

  // called whenever a peer says where it stands
  core.replicator._updateFork = (peer) => {
    const { remoteFork, remoteLength } = peer
    const { fork, length } = core.state
    if (remoteLength === 0 || remoteFork < fork || asked.get(peer) === remoteFork) return false
    // a longer tree is compared when it is used to grow ours, and the peer may lack the nodes at
    // our length
    if (remoteFork === fork && remoteLength > length) return false
    asked.set(peer, remoteFork)
    peer.wireRequest.send({
      id: 0, // the answer is taken as a proof about forks, never as data
      fork: remoteFork,
      block: null,
      hash: null,
      seek: null,
      upgrade: { start: 0, length: remoteLength },
      manifest: core.header.manifest === null,
      priority: 0
    })
    return false
  }

  // called with a proof of a higher fork; throws if its signature is wrong
  const verifyReorg = core.verifyReorg.bind(core)
  core.verifyReorg = async (proof) => {
    const batch = await verifyReorg(proof)
    onincident(await evidence('fork', core, proof))
    return batch
  }
}

function noticeConflicts(core, { onincident }) {
  // called with the tree of a peer, also of one that sent a wrong block and was paused for it;
  // false if the tree is right
  const checkConflict = core.checkConflict.bind(core)
  core.checkConflict = async (proof, from) => {
    const bad = await checkConflict(proof, from)
    // a paused peer is let in again but not asked anything: it would stay idle after one bad block,
    // neither used nor banned
    if (!bad) setImmediate(() => core.replicator.queueUpdateAll())
    return bad
  }

  // called when two valid signatures for one length and fork were found, after header.frozen was
  // set
  core._onconflict = async (proof) => {
    const found = await evidence('conflict', core, proof)
    await core.replicator.onconflict()
    onincident(found)
  }
}

function noticeBlocks(core, { onvalue, onwritefailure }) {
  const outgrown = new WeakMap() // peer -> how many proofs in a row did not fit any more

  // called with what a peer sends in answer to a request; true once it was checked and stored
  const verify = core.verify.bind(core)
  core.verify = async (proof, from) => {
    try {
      const stored = await verify(proof, from)
      outgrown.delete(from)
      if (stored && proof.block && proof.block.value) onvalue(proof.block.index, proof.block.value)
      return stored
    } catch (err) {
      const times = (outgrown.get(from) || 0) + 1
      outgrown.set(from, times)
      if (times <= MAX_OUTGROWN && isOutgrown(core, proof, err)) return false
      if (!isWriteFailure(err)) throw err
      onwritefailure(err)
      err.code = 'WRITE_FAILED' // the code by which the replicator pauses instead of blaming the peer
      throw err
    }
  }
}

/**
 * Whether a proof does not fit because this node has appended since it asked: of two writers of one
 * log, each is extended by the other. It is asked for again; Hypercore would never ask this peer
 * for this log again. Other contents are another error.
 */
function isOutgrown(core, proof, err) {
  return (
    err.code === 'INVALID_OPERATION' && !!proof.upgrade && proof.upgrade.start < core.state.length
  )
}

function keepNodes(state) {
  const createWriteBatch = state.createWriteBatch.bind(state)
  state.createWriteBatch = (...args) => {
    const tx = createWriteBatch(...args)
    tx.deleteTreeNode = noop
    return tx
  }
}

function noop() {}

module.exports = { guard }
