'use strict'

const { encode, decode } = require('./msgpack')

const MAX_FRAME = 16 * 1024 * 1024

class FrameError extends Error {}

/** One message as buffers to write one after the other: u32 little-endian length, msgpack. */
function frame(message) {
  const parts = encode(message)
  let size = 0
  for (const part of parts) size += part.byteLength
  if (size > MAX_FRAME) throw new FrameError('A frame of ' + size + ' bytes can not be sent')
  const head = Buffer.allocUnsafe(4)
  head.writeUInt32LE(size)
  parts.unshift(head)
  return parts
}

/** Cuts a byte stream into messages, holding at most one frame. */
class FrameReader {
  constructor() {
    this.head = Buffer.allocUnsafe(4)
    this.filled = 0
    this.size = 0 // of the frame under way; 0 while its head is read
    this.chunks = []
    this.missing = 0
  }

  /**
   * The messages completed by `chunk`, in order. Throws FrameError or MsgpackError; the reader is
   * unusable then.
   */
  *push(chunk) {
    let at = 0
    while (at < chunk.byteLength) {
      if (this.size === 0) {
        at = this._readHead(chunk, at)
        continue
      }
      const end = Math.min(chunk.byteLength, at + this.missing)
      this.chunks.push(chunk.subarray(at, end))
      this.missing -= end - at
      at = end
      if (this.missing === 0) yield this._finish()
    }
  }

  _readHead(chunk, at) {
    while (this.filled < 4 && at < chunk.byteLength) this.head[this.filled++] = chunk[at++]
    if (this.filled < 4) return at
    this.filled = 0
    this.size = this.missing = this.head.readUInt32LE()
    if (this.size === 0) throw new FrameError('A frame of length 0')
    if (this.size > MAX_FRAME)
      throw new FrameError('A frame of ' + this.size + ' bytes is over the limit')
    return at
  }

  _finish() {
    const data = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks, this.size)
    this.chunks = []
    this.size = 0
    return decode(data)
  }
}

module.exports = { frame, FrameReader, FrameError, MAX_FRAME }
