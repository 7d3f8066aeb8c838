'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const crypto = require('crypto')
const { encode, decode, MsgpackError } = require('../lib/msgpack')
const { frame, FrameReader, FrameError, MAX_FRAME } = require('../lib/frames')

const pack = (value) => Buffer.concat(encode(value))

const values = [
  null,
  true,
  false,
  0,
  1,
  127,
  128,
  255,
  256,
  65535,
  65536,
  0xffffffff,
  0x100000000,
  Number.MAX_SAFE_INTEGER,
  -1,
  -32,
  -33,
  -128,
  -129,
  -40000,
  -3000000000,
  Number.MIN_SAFE_INTEGER,
  1.5,
  -0.25,
  1e300,
  '',
  'a',
  'é',
  'x'.repeat(31),
  'x'.repeat(32),
  'x'.repeat(300),
  'x'.repeat(70000),
  Buffer.alloc(0),
  Buffer.alloc(255, 1),
  Buffer.alloc(256, 2),
  Buffer.alloc(4096, 3),
  Buffer.alloc(70000, 4),
  [],
  [1, [2, ['three']]],
  Array.from({ length: 20 }, (_, i) => i),
  Array.from({ length: 70000 }, () => 0)
]

test('every value comes back as it was', () => {
  for (const value of values) assert.deepEqual(decode(pack(value)), value)
  const map = decode(pack({ a: 1, b: { c: Buffer.from('d') }, absent: undefined }))
  assert.deepEqual({ ...map, b: { ...map.b } }, { a: 1, b: { c: Buffer.from('d') } })
})

test('the bytes are those of the msgpack specification', () => {
  const cases = [
    [[0, 1, 'hello', { protocol: 1 }], '940001a568656c6c6f81a870726f746f636f6c01'],
    [[-1, -33, 200, 70000, 2 ** 40], '95ffd3ffffffffffffffdfccc8ce00011170cf0000010000000000'],
    [[Buffer.from([1, 2]), 1.5, null, true], '94c4020102cb3ff8000000000000c0c3']
  ]
  for (const [value, hex] of cases) assert.equal(pack(value).toString('hex'), hex)
})

test('large binary values are passed on without a copy', () => {
  const block = crypto.randomBytes(100000)
  assert.ok(encode([1, block]).includes(block))
  const data = pack([block])
  assert.equal(decode(data)[0].buffer, data.buffer)
})

for (const [name, hex] of [
  ['nothing', ''],
  ['two values', '0101'],
  ['an unused tag', 'c1'],
  ['an extension', 'd40000'],
  ['an integer beyond 2^53', 'cfffffffffffffffff'],
  ['a string that is not UTF-8', 'a2c328'],
  ['a map with a number as key', '810101'],
  ['a map with one key twice', '82a16101a16102'],
  ['an array that is cut short', 'dc000501'],
  ['binary data that is cut short', 'c6ffffffff00'],
  ['an array that claims 4 billion items', 'ddffffffff' + '00'.repeat(100)],
  ['a map that claims 4 billion items', 'dfffffffff' + '00'.repeat(100)],
  ['deep nesting', '91'.repeat(100000) + '01'],
  ['nesting one too deep', '91'.repeat(9) + '01']
]) {
  test('refused: ' + name, () => {
    assert.throws(() => decode(Buffer.from(hex, 'hex')), MsgpackError)
  })
}

test('refused: more items than the limit, without great cost', () => {
  const bomb = Buffer.alloc(5 + 16e6, 0x90) // an array of 16 million empty arrays
  bomb[0] = 0xdd
  bomb.writeUInt32BE(16e6, 1)
  const before = process.memoryUsage().rss

  assert.throws(() => decode(bomb), /Too many items/)

  assert.ok(process.memoryUsage().rss - before < 100e6)
})

test('a map key can not reach the prototype', () => {
  const map = decode(pack(JSON.parse('{"__proto__": {"polluted": 1}}')))
  assert.equal({}.polluted, undefined)
  assert.deepEqual(Object.keys(map), ['__proto__'])
})

test('random bytes and random changes give a value or a MsgpackError, nothing else', () => {
  const good = pack([
    0,
    7,
    'core.read',
    { handle: 1, ranges: [[0, 10]], wait: true, data: crypto.randomBytes(50) }
  ])
  for (let i = 0; i < 20000; i++) {
    const data = i % 2 ? crypto.randomBytes(1 + (i % 60)) : Buffer.from(good)
    if (i % 2 === 0)
      for (let j = 0; j < 3; j++) data[crypto.randomInt(data.length)] = crypto.randomInt(256)
    try {
      decode(data)
    } catch (err) {
      assert.ok(err instanceof MsgpackError, String(err.stack))
    }
  }
})

test('frames are found however the bytes are cut', () => {
  const messages = values.slice(0, 38).map((value, i) => [i, value])
  const bytes = Buffer.concat(messages.flatMap(frame))
  for (const size of [1, 3, 7, 1000, 65536, bytes.length]) {
    const reader = new FrameReader()
    const found = []
    for (let at = 0; at < bytes.length; at += size)
      found.push(...reader.push(bytes.subarray(at, at + size)))
    assert.deepEqual(found, messages)
  }
})

test('frames of length 0 and over the limit are refused before any of them is kept', () => {
  for (const size of [0, MAX_FRAME + 1, 0xffffffff]) {
    const head = Buffer.alloc(4)
    head.writeUInt32LE(size)
    assert.throws(() => [...new FrameReader().push(head)], FrameError)
  }
  assert.throws(() => frame([Buffer.alloc(MAX_FRAME)]), FrameError)
})
