'use strict'

const { nodes } = require('./evidence')
const { check } = require('./range-proof')
const { storeBlocks } = require('./store-blocks')
const { BridgeError } = require('./errors')
const ranges = require('./ranges')

const MAX_LINES = 8

/**
 * What a client needs to take blocks of a log from peers by itself: what is missing of some ranges,
 * the roots that these must lead to, and, if about `least_bytes` are missing, lines to peers that
 * are as long as the log is here.
 *
 * Only peers that were dialled are asked: nobody else's address is known.
 */
function offered(core, swarm, { ranges: wanted, least_bytes: least }) {
  const { fork, length, byteLength, roots } = core.state
  const missing = ranges.missing(core.bitfield, ranges.normalise(clipped(wanted, length)))
  const state = { fork, length, roots: nodes(roots), missing, lines: [] }
  if (ranges.count(missing) * (byteLength / Math.max(1, length)) < least) return state
  const usable = core.internal.replicator.peers.filter(
    (peer) => peer.remoteFork === fork && peer.remoteLength >= length
  )
  const connections = usable.map((peer) => swarm.connectionOf(peer.stream))
  for (const connection of connections) {
    if (!connection || !connection.initiator || state.lines.length === MAX_LINES) continue
    const told = swarm.lines.to(connection)
    const { id, host, port } = connection
    if (told !== null) state.lines.push({ peer: id, host, port, ...told })
  }
  return state
}

function clipped(wanted, length) {
  return wanted.map(([start, end]) => [Math.min(start, length), Math.min(end, length)])
}

/** Stores blocks that a client took, if they are the log's; `beside` proves them at `length`. */
async function put(core, swarm, { fork, length, blocks, values, beside, peer }) {
  const { state } = core
  if (fork !== state.fork || length !== state.length) return { stored: false } // it has grown since
  const right = values.length === blocks.length && blocks.length > 0 && blocks.at(-1) < length
  const found = right ? check(length, state.roots, blocks, values, beside) : null
  if (found === null) throw new BridgeError('BAD_REQUEST', 'These blocks are not the log’s')
  const fresh = blocks.map((block) => !core.has(block))
  if (!(await storeBlocks(core.internal, fork, blocks, values, found))) return { stored: false }
  const connection = swarm.connections.get(peer)
  const stream = connection ? connection.stream : null
  blocks.forEach((block, i) => fresh[i] && core.took(block, values[i], stream))
  return { stored: true }
}

module.exports = { offered, put }
