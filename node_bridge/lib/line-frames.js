'use strict'

const { createCipheriv, createDecipheriv } = require('crypto')
const sodium = require('sodium-universal')
const { encode, decode } = require('./msgpack')

/** What goes over a line, and how it is sealed; see docs/BRIDGE.md. */

const HEAD = Buffer.from([0xff, 0x54, 0x43, 0x4c]) // no Noise handshake begins so
const TOKEN_BYTES = 16
const PREFACE_BYTES = HEAD.byteLength + TOKEN_BYTES
const CIPHER = 'chacha20-poly1305'
const TAG_BYTES = 16
const MAX_REQUEST = 16384

/** The key of one direction: `side` is who sends. */
function directionKey(secret, side) {
  const key = Buffer.alloc(32)
  sodium.crypto_generichash(key, Buffer.from('tradercast-line/1 ' + side), secret)
  return key
}

/** What shows that a side knows the key of a log. */
function proveKey(key, token) {
  const out = Buffer.alloc(32)
  sodium.crypto_generichash_batch(out, [Buffer.from('tradercast-line/1 log'), token], key)
  return out
}

/**
 * Seals or opens the frames of one direction, in their order: ChaCha20-Poly1305 (RFC 8439), the
 * nonce counts them. Node's own, since it takes half the time of the sodium that Hypercore uses.
 */
class Sealed {
  constructor(key) {
    this._key = key
    this._nonce = Buffer.alloc(12)
    this._count = 0
  }

  /** One frame, from its length on, as a list of buffers; its content too is in parts. */
  seal(parts) {
    const cipher = createCipheriv(CIPHER, this._key, this._next(), { authTagLength: TAG_BYTES })
    const length = Buffer.alloc(4)
    const out = [length]
    let size = TAG_BYTES
    for (const part of parts) {
      size += part.byteLength
      out.push(cipher.update(part))
    }
    cipher.final()
    length.writeUInt32LE(size)
    out.push(cipher.getAuthTag())
    return out
  }

  /** The content of a frame without its length; throws where it is not the sender's next one. */
  open(sealed) {
    const end = sealed.byteLength - TAG_BYTES
    const cipher = createDecipheriv(CIPHER, this._key, this._next(), { authTagLength: TAG_BYTES })
    cipher.setAuthTag(sealed.subarray(end))
    const content = cipher.update(sealed.subarray(0, end))
    cipher.final()
    return content
  }

  _next() {
    this._nonce.writeUInt32LE(this._count % 2 ** 32)
    this._nonce.writeUInt32LE(Math.floor(this._count / 2 ** 32), 4)
    this._count++
    return this._nonce
  }
}

/** The parts of a reply's content. */
function replyParts({ id, values, beside }) {
  const sizes = values.map((value) => value.byteLength)
  const head = Buffer.concat(encode([id, sizes, beside.map(({ size, hash }) => [size, hash])]))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(head.byteLength)
  return [length, head, ...values]
}

/** {id, log, proof, fork, length, blocks} of a request's content; throws on anything else. */
function readRequest(content, maxBlocks) {
  const [id, log, proof, fork, length, pairs] = decode(content)
  const uints = [id, fork, length]
  if (!uints.every((n) => Number.isSafeInteger(n) && n >= 0)) throw new Error('No request')
  if (!isHash(log) || !isHash(proof) || !Array.isArray(pairs)) throw new Error('No request')
  const blocks = []
  let last = -1
  for (const [start, end] of pairs) {
    const right = Number.isSafeInteger(start) && Number.isSafeInteger(end)
    if (!right || start <= last || end <= start || end > length) throw new Error('No ranges')
    if (blocks.length + end - start > maxBlocks) throw new Error('Too many blocks')
    for (let block = start; block < end; block++) blocks.push(block)
    last = end - 1
  }
  return { id, log, proof, fork, length, blocks }
}

function isHash(value) {
  return value instanceof Uint8Array && value.byteLength === 32
}

module.exports = {
  HEAD,
  TOKEN_BYTES,
  PREFACE_BYTES,
  TAG_BYTES,
  MAX_REQUEST,
  Sealed,
  directionKey,
  proveKey,
  replyParts,
  readRequest
}
