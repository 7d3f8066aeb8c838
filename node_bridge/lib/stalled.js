'use strict'

const SOME_BYTES = 8192 // less than this is keep-alives and drip

const seen = new WeakMap() // connection -> {at, blocks, bytes} when it last made progress

/**
 * Ends connections that owe us blocks and send none, so that others are asked for them.
 *
 * Also lets idle peers look for requests of others that take too long: nothing else wakes them.
 * Progress is a block, or more bytes than a peer would drip to look alive: one large block may take
 * a slow line a while.
 */
function dropStalled(swarm, stalledMs, now = Date.now()) {
  const owing = streamsThatOwe(swarm.store)
  for (const connection of [...swarm.connections.values()]) {
    const { blocks_in: blocks } = connection.counters
    const bytes = connection.socket.bytesRead
    const last = seen.get(connection)
    const moved = !last || blocks > last.blocks || bytes > last.bytes + SOME_BYTES
    if (moved || !owing.has(connection.stream)) seen.set(connection, { at: now, blocks, bytes })
    else if (now - last.at >= stalledMs) connection.destroy('it owed blocks and sent none')
  }
}

function streamsThatOwe(store) {
  const owing = new Set()
  for (const core of store.cores.values()) {
    if (core.internal === null) continue
    const { replicator } = core.internal
    for (const peer of replicator.peers)
      if (peer.inflight > 0 || core.owesInBulk(peer)) owing.add(peer.stream)
    if (replicator._blocks.isEmpty()) continue
    for (const peer of [...replicator.peers]) replicator.updatePeer(peer)
  }
  return owing
}

module.exports = { dropStalled }
