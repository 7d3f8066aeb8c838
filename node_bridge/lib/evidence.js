'use strict'

const { MerkleTree } = require('hypercore/lib/merkle-tree')
const Verifier = require('hypercore/lib/verifier')

/**
 * What shows anybody, offline, that one key signed two versions of one log.
 *
 * `remote` is a proof from length 0 whose signature was checked. Returns the map that
 * docs/BRIDGE.md calls evidence. Where the local tree lacks the nodes to compare prefixes (a sparse
 * reader), `prefix` and `extra` of the local side are empty.
 */
async function evidence(kind, core, remote, now = Date.now()) {
  const shared = remote.upgrade.length
  const batch = MerkleTree.verifyFullyRemote(core.state, remote)
  return {
    kind,
    key: core.key,
    manifest: Verifier.encodeManifest(
      core.header.manifest || Verifier.createManifest(remote.manifest)
    ),
    at_ms: now,
    shared_length: shared,
    local: await localSide(core, shared),
    remote: {
      length: batch.length,
      fork: batch.fork,
      roots: nodes(batch.roots),
      signature: copy(batch.signature),
      prefix: nodes(remote.upgrade.nodes),
      extra: nodes(remote.upgrade.additionalNodes)
    }
  }
}

async function localSide(core, shared) {
  const { length, fork, roots, signature } = core.state
  const side = {
    length,
    fork,
    roots: nodes(roots),
    signature: copy(signature),
    prefix: [],
    extra: []
  }
  if (length === 0 || shared > length) return side
  try {
    const rx = core.state.storage.read()
    const proof = MerkleTree.proof(core.state, rx, { upgrade: { start: 0, length: shared } })
    rx.tryFlush()
    const { upgrade } = await (await proof).settle()
    side.prefix = nodes(upgrade.nodes)
    side.extra = nodes(upgrade.additionalNodes)
  } catch (err) {
    if (err.code !== 'INVALID_OPERATION') throw err
  }
  return side
}

function nodes(list) {
  return (list || []).map((node) => [node.index, node.size, copy(node.hash)])
}

function copy(bytes) {
  return bytes ? Buffer.from(bytes) : null
}

module.exports = { evidence, nodes }
