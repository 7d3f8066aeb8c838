'use strict'

const Hypercore = require('hypercore')

/**
 * Asks every connected peer for a newer length and waits for their answers, at most `timeoutMs`;
 * also on a writable core.
 *
 * With `latest` the newest block comes in the same round trip from a peer that has it: a reader
 * begins there.
 */
async function update(core, request, { timeoutMs, latest = false }) {
  const { replicator } = core.internal
  const active = []
  let timedOut = false
  const stop = () => Hypercore.clearRequests(active, null)
  const timer = setTimeout(() => {
    timedOut = true
    stop()
  }, timeoutMs)
  request.signal.addEventListener('abort', stop)
  if (latest) replicator._alwaysLatestBlock++ // as Hypercore's own ranges without an end do
  try {
    await core.session.update({ wait: true, force: true, activeRequests: active })
    // the length may have been known before: Hypercore asks for it of its own accord, without a block
    const newest = core.state.length - 1
    const lacks = latest && newest >= 0 && !core.has(newest)
    if (lacks && replicator.peers.some((peer) => peer._remoteHasBlock(newest)))
      await replicator.addBlock(active, newest).promise.catch(() => {})
  } finally {
    if (latest) replicator._alwaysLatestBlock--
    clearTimeout(timer)
    request.signal.removeEventListener('abort', stop)
  }
  request.check()
  return { ...core.info(), timed_out: timedOut }
}

/**
 * A peer says first how long its log is and then, in the same packet, what it holds. The first is
 * looked at after the second, so that it is known whether the newest block can be asked for.
 */
function heldBeforeLength(peer) {
  const onsync = peer.onsync.bind(peer)
  peer.onsync = async (message) => {
    await null
    return onsync(message)
  }
}

module.exports = { update, heldBeforeLength }
