'use strict'

const { EventEmitter } = require('events')
const Corestore = require('corestore')
const Hypercore = require('hypercore')
const crypto = require('hypercore-crypto')
const { BridgeError } = require('./errors')
const { Core } = require('./core')

/**
 * The logs of one data directory.
 *
 * Event 'core' (Core) the first time a log is met, opened by a client or by a peer.
 */
class Store extends EventEmitter {
  constructor(dir, log) {
    super()
    this.dir = dir
    this.log = log
    this.cores = new Map() // discovery key, hex
    this.corestore = null
  }

  async open() {
    // A store that was copied or restored opens: what it may have missed is found by checkpoints.
    this.corestore = new Corestore(this.dir, { allowBackup: true })
    this.corestore.watch((internal) => this._onwatch(internal))
    await this.corestore.ready()
  }

  async close() {
    await this.corestore.close()
  }

  get rocks() {
    return this.corestore.storage.rocks
  }

  replicate(stream) {
    this.corestore.replicate(stream)
  }

  /**
   * Opens a log by its key, or by its signer ({public_key, secret_key} or a seed as secret_key).
   *
   * Returns {core, keyPair}; the caller releases the core. The secret key stays in memory: it is
   * given to Hypercore with each append and never to the store.
   */
  async acquire({ key, signer }) {
    if (!key === !signer) throw new BridgeError('BAD_REQUEST', 'Either key or signer must be given')
    const keyPair = signer ? checkSigner(signer) : null
    const manifest = keyPair ? { version: 1, signers: [{ publicKey: keyPair.publicKey }] } : null
    if (manifest) key = Hypercore.key(manifest)
    const core = this._core(Hypercore.discoveryKey(key))
    await core.acquire(manifest ? { key, manifest } : { key })
    // a core that was first opened by its key alone learns its manifest now
    if (manifest && core.internal.header.manifest === null)
      await core.internal.setManifest(manifest)
    return { core, keyPair }
  }

  _onwatch(internal) {
    this._core(internal.discoveryKey).attach(internal)
  }

  _core(discoveryKey) {
    const id = discoveryKey.toString('hex')
    let core = this.cores.get(id)
    if (core === undefined) {
      core = new Core(this.corestore, Buffer.from(discoveryKey), this.log)
      this.cores.set(id, core)
      this.emit('core', core)
    }
    return core
  }
}

function checkSigner({ public_key: publicKey, secret_key: secret }) {
  const keyPair =
    secret.byteLength === 32 ? crypto.keyPair(secret) : { publicKey, secretKey: secret }
  const fits = keyPair.publicKey.equals(publicKey) && crypto.validateKeyPair(keyPair)
  if (!fits)
    throw new BridgeError('BAD_REQUEST', 'The secret key does not belong to the public key')
  return keyPair
}

module.exports = { Store }
