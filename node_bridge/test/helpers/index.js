'use strict'

const crypto = require('crypto')
const fs = require('fs')
const os = require('os')
const path = require('path')
const hypercoreCrypto = require('hypercore-crypto')
const { Sidecar } = require('../../lib/sidecar')
const { Bridge } = require('./bridge')

const silent = { info() {}, warn() {}, error() {} }

const closers = new WeakMap() // test -> what is to be closed before its directories are removed

function closeAtEnd(t, fn) {
  if (!closers.has(t)) closers.set(t, [])
  closers.get(t).push(fn)
}

function temporary(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tcb-'))
  t.after(async () => {
    for (const close of (closers.get(t) || []).splice(0)) await close()
    fs.rmSync(dir, { recursive: true, force: true })
  })
  return dir
}

/**
 * A sidecar in this process with one attached client; `bridge.sidecar`, `bridge.dir`,
 * `bridge.attach()`, `bridge.stop()`.
 */
async function create(t, { dir = temporary(t), ...opts } = {}) {
  const socketPath = path.join(os.tmpdir(), 'tcb-' + crypto.randomBytes(6).toString('hex'))
  const sidecar = new Sidecar(
    { dataDir: dir, socketPath, lingerMs: 60000, minFree: 0, ...opts },
    silent,
    () => {}
  )
  await sidecar.start()
  closeAtEnd(t, () => sidecar.end())
  const attach = async () => {
    const bridge = await Bridge.connect(socketPath)
    await bridge.call('events.subscribe')
    return Object.assign(bridge, { sidecar, dir, attach, stop: () => sidecar.end() })
  }
  return attach()
}

/** Connects a to b; returns what swarm.dial answers. */
async function replicate(a, b, { seedA = seed(), seedB = seed() } = {}) {
  await start(a, seedA)
  const { public_key: publicKey, host, port } = await start(b, seedB)
  return a.call('swarm.dial', { host, port, public_key: publicKey })
}

function start(bridge, ownSeed = seed(), opts = {}) {
  if (!bridge.started) {
    const listen = { host: '127.0.0.1', port: 0 }
    bridge.started = bridge.call('swarm.start', { seed: ownSeed, listen, ...opts })
  }
  return bridge.started
}

function seed() {
  return crypto.randomBytes(32)
}

/** The parameter of core.open for a writer. */
function signer(ownSeed = seed()) {
  const { publicKey, secretKey } = hypercoreCrypto.keyPair(ownSeed)
  return { signer: { public_key: publicKey, secret_key: secretKey } }
}

/** n blocks that all differ. */
function blocks(n, { size = 100, from = 0 } = {}) {
  return Array.from({ length: n }, (_, i) => Buffer.alloc(size, 'block ' + (from + i) + ' '))
}

/** A log with n blocks on `bridge`: {handle, key, …}. */
async function write(bridge, n, opts = {}) {
  const core = await bridge.call('core.open', opts.signer || signer())
  if (n > 0)
    await bridge.call('core.append', {
      handle: core.handle,
      blocks: blocks(n, opts),
      expect_length: 0
    })
  return core
}

async function until(fn, { timeout = 5000 } = {}) {
  const end = Date.now() + timeout
  for (;;) {
    const value = await fn()
    if (value) return value
    if (Date.now() > end) throw new Error('Waited in vain for ' + fn)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

module.exports = {
  create,
  replicate,
  start,
  seed,
  signer,
  blocks,
  write,
  until,
  temporary,
  closeAtEnd,
  silent,
  Bridge
}
