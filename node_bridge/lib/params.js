'use strict'

const { BridgeError } = require('./errors')
const { MAX_BLOCK, MAX_RANGES, MAX_READ_BLOCKS } = require('./limits')

// What a parameter may be: each takes a value from a client and gives back the checked one, or
// throws.

const bad = (what) => {
  throw new BridgeError('BAD_REQUEST', what)
}

const kinds = {
  uint: (v, name) =>
    Number.isSafeInteger(v) && v >= 0 ? v : bad(name + ' must be an integer of 0 or more'),
  bool: (v, name) => (typeof v === 'boolean' ? v : bad(name + ' must be a boolean')),
  ms: (v, name) =>
    Number.isFinite(v) && v >= 0 && v <= 86400000 ? v : bad(name + ' must be 0 to 86,400,000 ms'),
  port: (v, name) =>
    Number.isInteger(v) && v >= 0 && v < 65536 ? v : bad(name + ' must be a port number'),
  host: (v, name) =>
    typeof v === 'string' && /^[0-9A-Za-z.:_%-]{1,255}$/.test(v)
      ? v
      : bad(name + ' must be a host name or address'),
  text: (v, name) =>
    typeof v === 'string' && v.length <= 256 ? v : bad(name + ' must be a short string'),
  // copied: a view would keep the whole frame it came in alive
  key: (v, name) =>
    isBytes(v) && v.byteLength === 32 ? Buffer.from(v) : bad(name + ' must be 32 bytes'),
  keys: (v, name) => list(v, name, 1024).map((item) => kinds.key(item, 'each of ' + name)),
  secret: (v, name) =>
    isBytes(v) && (v.byteLength === 32 || v.byteLength === 64)
      ? Buffer.from(v)
      : bad(name + ' must be 32 or 64 bytes'),
  notes: (v, name) =>
    list(v, name, 64).map((item) =>
      isBytes(item) && item.byteLength <= 65536
        ? Buffer.from(item)
        : bad('each of ' + name + ' must be bytes, at most 64 KiB')
    ),
  blocks: (v, name) =>
    list(v, name, 65536).map((item) =>
      isBytes(item) && item.byteLength > 0 && item.byteLength <= MAX_BLOCK
        ? item
        : bad('each of ' + name + ' must be 1 byte to 15 MiB')
    ),
  ascending: (v, name) => {
    const out = list(v, name, 4096).map((item) => kinds.uint(item, 'each of ' + name))
    return out.every((n, i) => i === 0 || n > out[i - 1]) ? out : bad(name + ' must ascend')
  },
  nodes: (v, name) =>
    list(v, name, 65536).map((pair) => {
      if (!Array.isArray(pair) || pair.length !== 2) bad('each of ' + name + ' must be [size, hash]')
      return { size: kinds.uint(pair[0], 'size'), hash: kinds.key(pair[1], 'hash') }
    }),
  ranges: (v, name) => {
    let total = 0
    const out = list(v, name, MAX_RANGES).map((pair) => {
      if (!Array.isArray(pair) || pair.length !== 2)
        bad('each of ' + name + ' must be [start, end]')
      const start = kinds.uint(pair[0], 'start')
      const end = kinds.uint(pair[1], 'end')
      if (end < start) bad('a range ends before it starts')
      total += end - start
      return [start, end]
    })
    return total <= MAX_READ_BLOCKS
      ? out
      : bad(name + ' hold more than ' + MAX_READ_BLOCKS + ' blocks')
  },
  map: (v, name) => (isMap(v) ? v : bad(name + ' must be a map'))
}

/**
 * Checks a map of parameters.
 *
 * `shape` maps a name to a kind above, or to a nested shape; a name that ends with '?' may be
 * absent or nil and is then undefined in the result. Unknown names are refused.
 */
function check(params, shape) {
  if (!isMap(params)) bad('The parameters must be a map')
  const out = {}
  const known = new Set()
  for (const [label, kind] of Object.entries(shape)) {
    const optional = label.endsWith('?')
    const name = optional ? label.slice(0, -1) : label
    known.add(name)
    const value = params[name]
    if (value === undefined || value === null) {
      if (!optional) bad('Parameter ' + name + ' is missing')
      continue
    }
    out[name] = typeof kind === 'string' ? kinds[kind](value, name) : check(value, kind)
  }
  for (const name of Object.keys(params)) {
    if (!known.has(name)) bad('Parameter ' + name.slice(0, 40) + ' is not known')
  }
  return out
}

function list(v, name, most) {
  if (!Array.isArray(v)) bad(name + ' must be a list')
  if (v.length > most) bad(name + ' may hold at most ' + most)
  return v
}

function isBytes(v) {
  return v instanceof Uint8Array
}

function isMap(v) {
  return typeof v === 'object' && v !== null && !Array.isArray(v) && !isBytes(v)
}

module.exports = { check }
