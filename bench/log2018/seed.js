'use strict'

// One JSON trade a block in a Hypercore, as the Tradercast of 2018 had it; serves it over TCP.
//
//   node bench/log2018/seed.js DIRECTORY TRADES.csv

const fs = require('fs')
const net = require('net')
const path = require('path')
const { createRequire } = require('module')
const Hypercore = createRequire(
  path.join(__dirname, '..', '..', 'node_bridge', 'package.json')
)('hypercore')

async function main(directory, file) {
  const core = new Hypercore(directory)
  await core.ready()
  const blocks = []
  for (const line of fs.readFileSync(file, 'utf8').trim().split('\n').slice(1)) {
    const [ms, price, amount] = line.split(',').map(Number)
    blocks.push(Buffer.from(JSON.stringify({ id: blocks.length, ms, price, amount })))
  }
  for (let at = 0; at < blocks.length; at += 1000) await core.append(blocks.slice(at, at + 1000))
  const server = net.createServer((socket) => {
    const stream = core.replicate(false)
    socket.pipe(stream).pipe(socket)
    socket.on('error', () => {})
    stream.on('error', () => {})
  })
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    console.log(JSON.stringify({ key: core.key.toString('hex'), port, count: core.length }))
  })
}

main(process.argv[2], process.argv[3])
