'use strict'

const net = require('net')
const Corestore = require('corestore')
const SecretStream = require('@hyperswarm/secret-stream')
const crypto = require('hypercore-crypto')
const flat = require('flat-tree')
const { temporary, closeAtEnd } = require('.')

/**
 * A peer made of stock Hypercore parts, without any of the sidecar's rules: what a stranger may
 * run.
 */
async function rawPeer(t, { keyPair = SecretStream.keyPair() } = {}) {
  const store = new Corestore(temporary(t))
  await store.ready()
  const sockets = new Set()
  closeAtEnd(t, async () => {
    for (const socket of sockets) socket.destroy()
    await store.close()
  })
  return {
    store,
    keyPair,
    /** A writable log for the signer that core.open takes. */
    async core({ signer: { public_key: publicKey, secret_key: secretKey } }) {
      const core = store.get({
        keyPair: { publicKey, secretKey },
        manifest: { version: 1, signers: [{ publicKey }] }
      })
      await core.ready()
      return core
    },
    /**
     * Connects to a sidecar's swarm.start answer; resolves with the encrypted stream, replicating
     * unless told not to.
     */
    async dial({ host, port }, { replicate = true } = {}) {
      const socket = net.connect(port, host)
      sockets.add(socket)
      const stream = new SecretStream(true, socket, { keyPair })
      stream.on('error', () => {})
      await new Promise((resolve, reject) => {
        stream.once('connect', resolve)
        stream.once('close', () => reject(new Error('The connection closed')))
      })
      if (replicate) store.replicate(stream)
      return stream
    }
  }
}

const hash = (...parts) => crypto.hash(parts)
const namespace = (i) => hash(hash(Buffer.from('hypercore')), Buffer.from([i]))
const u64 = (n) => {
  const out = Buffer.alloc(8)
  out.writeBigUInt64LE(BigInt(n))
  return out
}

// From here on: the verification of docs/BRIDGE.md, written from that page.

function treeHash(roots) {
  return hash(
    Buffer.from([2]),
    ...roots.flatMap(([index, size, digest]) => [digest, u64(index), u64(size)])
  )
}

function verifyCheckpoint(key, { length, fork, roots, signature, manifest }) {
  const indexes = flat.fullRoots(2 * length)
  if (!hash(namespace(3), manifest).equals(key)) return false
  if (indexes.join() !== roots.map(([index]) => index).join()) return false
  const signable = Buffer.concat([namespace(0), key, treeHash(roots), u64(length), u64(fork)])
  return (
    signature.byteLength === 68 &&
    crypto.verify(signable, signature.subarray(2, 66), manifest.subarray(-32))
  )
}

function verifyBlock([index, value, size, nodes], roots) {
  let node = [2 * index, size, hash(Buffer.from([0]), u64(value.byteLength), value)]
  for (const sibling of nodes) {
    if (sibling[0] !== flat.sibling(node[0])) return false
    const [left, right] = sibling[0] < node[0] ? [sibling, node] : [node, sibling]
    const total = left[1] + right[1]
    node = [flat.parent(node[0]), total, hash(Buffer.from([1]), u64(total), left[2], right[2])]
  }
  return roots.some((root) => root[0] === node[0] && root[1] === node[1] && root[2].equals(node[2]))
}

/** The roots that come of adding the subtrees `extra` to `prefix`. */
function fold(prefix, extra) {
  const roots = [...prefix]
  for (const node of extra) {
    roots.push(node)
    while (
      roots.length > 1 &&
      flat.sibling(roots[roots.length - 1][0]) === roots[roots.length - 2][0]
    ) {
      const right = roots.pop()
      const left = roots.pop()
      const total = left[1] + right[1]
      roots.push([
        flat.parent(left[0]),
        total,
        hash(Buffer.from([1]), u64(total), left[2], right[2])
      ])
    }
  }
  return roots
}

module.exports = { rawPeer, verifyCheckpoint, verifyBlock, fold, treeHash }
