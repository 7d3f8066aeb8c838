'use strict'

// A codec of our own because the libraries at hand bound neither depth nor the number of items
// before they allocate, and none of them writes blocks without copying them.

const MAX_DEPTH = 8
const MAX_ITEMS = 262144
const COPY_BELOW = 4096

class MsgpackError extends Error {}

/**
 * A value as a list of buffers that follow each other.
 *
 * Small things share a buffer; binary values of 4 KiB and more are put in the list themselves,
 * uncopied. Takes null, undefined (nil), booleans, safe integers, other numbers (float64), strings,
 * Buffers, arrays, and plain objects (maps with string keys; undefined values are left out).
 */
function encode(value) {
  const out = new Output()
  write(out, value)
  return out.finish()
}

class Output {
  constructor() {
    this.parts = []
    this.buffer = Buffer.allocUnsafe(512)
    this.start = 0
    this.at = 0
  }

  reserve(n) {
    if (this.buffer.byteLength - this.at >= n) return
    this.cut()
    this.buffer = Buffer.allocUnsafe(Math.max(n, 8192))
    this.start = this.at = 0
  }

  cut() {
    if (this.at > this.start) this.parts.push(this.buffer.subarray(this.start, this.at))
    this.start = this.at
  }

  byte(b) {
    this.reserve(1)
    this.buffer[this.at++] = b
  }

  head(tag, width, n) {
    this.reserve(1 + width)
    this.buffer[this.at++] = tag
    this.at = this.buffer.writeUIntBE(n, this.at, width)
  }

  bytes(data) {
    if (data.byteLength >= COPY_BELOW) {
      this.cut()
      this.parts.push(data)
      return
    }
    this.reserve(data.byteLength)
    this.buffer.set(data, this.at)
    this.at += data.byteLength
  }

  finish() {
    this.cut()
    return this.parts
  }
}

function write(out, value) {
  if (value === null || value === undefined) return out.byte(0xc0)
  if (value === false) return out.byte(0xc2)
  if (value === true) return out.byte(0xc3)
  if (typeof value === 'number') return writeNumber(out, value)
  if (typeof value === 'string') return writeString(out, value)
  if (value instanceof Uint8Array) return writeBytes(out, value)
  if (Array.isArray(value)) {
    sized(out, value.length, 0x90, 16, 0xdc, 0xdd)
    for (const item of value) write(out, item)
    return
  }
  if (typeof value !== 'object') throw new MsgpackError('Can not encode a ' + typeof value)
  const entries = Object.entries(value).filter((entry) => entry[1] !== undefined)
  sized(out, entries.length, 0x80, 16, 0xde, 0xdf)
  for (const [key, item] of entries) {
    writeString(out, key)
    write(out, item)
  }
}

function sized(out, n, fix, fixMax, tag16, tag32) {
  if (n < fixMax) out.byte(fix | n)
  else if (n < 0x10000) out.head(tag16, 2, n)
  else out.head(tag32, 4, n)
}

function writeNumber(out, n) {
  if (!Number.isSafeInteger(n) || Object.is(n, -0)) {
    out.reserve(9)
    out.buffer[out.at++] = 0xcb
    out.at = out.buffer.writeDoubleBE(n, out.at)
  } else if (n >= 0) {
    if (n < 0x80) out.byte(n)
    else if (n < 0x100) out.head(0xcc, 1, n)
    else if (n < 0x10000) out.head(0xcd, 2, n)
    else if (n < 0x100000000) out.head(0xce, 4, n)
    else writeBig(out, 0xcf, n)
  } else if (n >= -32) {
    out.byte(0x100 + n)
  } else {
    writeBig(out, 0xd3, n)
  }
}

function writeBig(out, tag, n) {
  out.reserve(9)
  out.buffer[out.at++] = tag
  out.at = out.buffer.writeBigInt64BE(BigInt(n), out.at)
}

function writeString(out, text) {
  const data = Buffer.from(text, 'utf8')
  const n = data.byteLength
  if (n < 32) out.byte(0xa0 | n)
  else if (n < 0x100) out.head(0xd9, 1, n)
  else if (n < 0x10000) out.head(0xda, 2, n)
  else out.head(0xdb, 4, n)
  out.bytes(data)
}

function writeBytes(out, data) {
  const n = data.byteLength
  if (n < 0x100) out.head(0xc4, 1, n)
  else if (n < 0x10000) out.head(0xc5, 2, n)
  else out.head(0xc6, 4, n)
  out.bytes(data)
}

/**
 * The one value that fills `data`; binary values are views of it.
 *
 * Throws MsgpackError on anything else: trailing bytes, extension types, integers beyond 2^53,
 * invalid UTF-8, map keys that are not strings or come twice, nesting over 8, more than 262,144
 * items. Nothing is allocated for items that `data` is too short to hold.
 */
function decode(data) {
  const input = new Input(data)
  const value = input.value(0)
  if (input.at !== data.byteLength) throw new MsgpackError('Bytes after the value')
  return value
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

class Input {
  constructor(data) {
    this.data = data
    this.at = 0
    this.items = 0
  }

  take(n) {
    const from = this.at
    if (n > this.data.byteLength - from) throw new MsgpackError('The value is cut short')
    this.at += n
    return from
  }

  uint(width) {
    return this.data.readUIntBE(this.take(width), width)
  }

  big(read) {
    const n = Number(read.call(this.data, this.take(8)))
    if (!Number.isSafeInteger(n)) throw new MsgpackError('An integer beyond 2^53')
    return n
  }

  bytes(n) {
    const from = this.take(n)
    return this.data.subarray(from, from + n)
  }

  text(n) {
    try {
      return utf8.decode(this.bytes(n))
    } catch (err) {
      throw err instanceof MsgpackError ? err : new MsgpackError('A string that is not UTF-8')
    }
  }

  value(depth) {
    if (++this.items > MAX_ITEMS) throw new MsgpackError('Too many items')
    const tag = this.data[this.take(1)]
    if (tag < 0x80) return tag
    if (tag >= 0xe0) return tag - 0x100
    if (tag < 0x90) return this.map(tag & 0x0f, depth)
    if (tag < 0xa0) return this.array(tag & 0x0f, depth)
    if (tag < 0xc0) return this.text(tag & 0x1f)
    return this.tagged(tag, depth)
  }

  tagged(tag, depth) {
    switch (tag) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.bytes(this.uint(1 << (tag - 0xc4)))
      case 0xca:
        return this.data.readFloatBE(this.take(4))
      case 0xcb:
        return this.data.readDoubleBE(this.take(8))
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.uint(1 << (tag - 0xcc))
      case 0xcf:
        return this.big(this.data.readBigUInt64BE)
      case 0xd0:
      case 0xd1:
      case 0xd2: {
        const width = 1 << (tag - 0xd0)
        return this.data.readIntBE(this.take(width), width)
      }
      case 0xd3:
        return this.big(this.data.readBigInt64BE)
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.uint(1 << (tag - 0xd9)))
      case 0xdc:
      case 0xdd:
        return this.array(this.uint(tag === 0xdc ? 2 : 4), depth)
      case 0xde:
      case 0xdf:
        return this.map(this.uint(tag === 0xde ? 2 : 4), depth)
      default:
        throw new MsgpackError('Type 0x' + tag.toString(16) + ' is not taken')
    }
  }

  enter(n, depth) {
    if (depth >= MAX_DEPTH) throw new MsgpackError('Nested too deeply')
    if (n > this.data.byteLength - this.at) throw new MsgpackError('The value is cut short')
  }

  array(n, depth) {
    this.enter(n, depth)
    const out = []
    for (let i = 0; i < n; i++) out.push(this.value(depth + 1))
    return out
  }

  map(n, depth) {
    this.enter(2 * n, depth)
    const out = Object.create(null)
    for (let i = 0; i < n; i++) {
      const key = this.value(depth + 1)
      if (typeof key !== 'string') throw new MsgpackError('A map key that is not a string')
      if (key in out) throw new MsgpackError('A map key that comes twice')
      out[key] = this.value(depth + 1)
    }
    return out
  }
}

module.exports = { encode, decode, MsgpackError, MAX_DEPTH, MAX_ITEMS }
