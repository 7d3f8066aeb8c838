'use strict'

// Replicates such a log into an empty one, and parses every block into arrays.
//
//   node bench/log2018/pull.js DIRECTORY KEY PORT COUNT OUT
//
// OUT receives the arrays: times in ns, cents, 1e-5, each as int64.

const fs = require('fs')
const net = require('net')
const path = require('path')
const readline = require('readline')
const { createRequire } = require('module')
const Hypercore = createRequire(
  path.join(__dirname, '..', '..', 'node_bridge', 'package.json')
)('hypercore')

async function main(directory, key, port, count, out) {
  const core = new Hypercore(directory, Buffer.from(key, 'hex'))
  await core.ready()
  console.log(JSON.stringify({ ready: true }))
  await new Promise((resolve) => readline.createInterface(process.stdin).once('line', resolve))

  const start = performance.now()
  const cpu = process.cpuUsage()
  const socket = net.connect(port, '127.0.0.1')
  const stream = core.replicate(true)
  socket.pipe(stream).pipe(socket)
  await core.update({ wait: true })
  await core.download({ start: 0, end: count }).done()
  const columns = [0, 1, 2].map(() => new BigInt64Array(count))
  for (let at = 0; at < count; at += 1000) {
    const wanted = Array.from({ length: Math.min(1000, count - at) }, (_, i) => core.get(at + i))
    for (const block of await Promise.all(wanted)) {
      const trade = JSON.parse(block)
      columns[0][trade.id] = BigInt(trade.ms) * 1000000n
      columns[1][trade.id] = BigInt(Math.round(trade.price * 100))
      columns[2][trade.id] = BigInt(Math.round(trade.amount * 100000))
    }
  }
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)

  fs.writeFileSync(out, Buffer.concat(columns.map((column) => Buffer.from(column.buffer))))
  const peak = process.resourceUsage().maxRSS / 1000
  const cpuSeconds = (user + system) / 1e6
  console.log(
    JSON.stringify({ records: count, seconds, cpu_process: cpuSeconds, peak_mb: peak, out })
  )
  process.exit(0)
}

const [directory, key, port, count, out] = process.argv.slice(2)
main(directory, key, Number(port), Number(count), out)
