'use strict'

// Rates through real sidecar processes: append, a cold range from a peer over loopback, and the
// same range again from the disk.
//
//   node bench/bridge.js [blocks=125] [bytes=200000] [rounds=5]

const { spawn } = require('child_process')
const crypto = require('crypto')
const fs = require('fs')
const os = require('os')
const path = require('path')
const { Bridge } = require('../node_bridge/test/helpers/bridge')

const [count, size, rounds] = [125, 200000, 5].map((value, i) =>
  Number(process.argv[2 + i] || value)
)
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'tcb-bench-'))

async function sidecar(name) {
  const dir = path.join(root, name)
  const socket = path.join(root, name + '.sock')
  const index = path.join(__dirname, '..', 'node_bridge', 'index.js')
  const child = spawn(process.execPath, [index, '--data-dir', dir, '--socket', socket], {
    stdio: ['ignore', 'ignore', 'pipe']
  })
  await new Promise((resolve) => child.stderr.once('data', resolve))
  const bridge = await Bridge.connect(socket)
  bridge.child = child
  bridge.address = await bridge.call('swarm.start', {
    seed: crypto.randomBytes(32),
    listen: { host: '127.0.0.1', port: 0 }
  })
  return bridge
}

// Rate, and CPU of the given processes: on a busy machine the latter says more.
async function timed(name, bytes, processes, fn) {
  const before = processes.map(cpuMs)
  const start = performance.now()
  await fn()
  const ms = performance.now() - start
  const cpu = processes.map((bridge, i) => (cpuMs(bridge) - before[i]) / (bytes / 1e6))
  return { name, rate: bytes / ms / 1000, cpu }
}

function cpuMs({ child }) {
  const fields = fs
    .readFileSync('/proc/' + child.pid + '/stat', 'utf8')
    .split(') ')[1]
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

async function round(writer, i) {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('ed25519')
  const signer = {
    public_key: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
    secret_key: privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32)
  }
  const { handle, key } = await writer.call('core.open', { signer })
  const blocks = Array.from({ length: count }, () => crypto.randomBytes(size))
  const bytes = count * size
  const batch = Math.max(1, Math.floor(8e6 / size))
  const results = []

  results.push(
    await timed('append', bytes, [writer], async () => {
      for (let at = 0; at < count; at += batch) {
        await writer.call('core.append', {
          handle,
          blocks: blocks.slice(at, at + batch),
          expect_length: at
        })
      }
    })
  )

  const reader = await sidecar('reader-' + i)
  await reader.call('swarm.dial', {
    host: writer.address.host,
    port: writer.address.port,
    public_key: writer.address.public_key
  })
  const { handle: copy } = await reader.call('core.open', { key })
  await reader.call('core.update', { handle: copy, timeout_ms: 5000 })
  const read = (wait) => async () => {
    let got = 0
    const onitem = (item) => item.forEach(([, block]) => (got += block.byteLength))
    await reader.call('core.read', { handle: copy, ranges: [[0, count]], wait }, { onitem })
    if (got !== bytes) throw new Error(got + ' of ' + bytes + ' bytes')
  }
  results.push(await timed('cold read from a peer', bytes, [reader, writer], read(true)))
  results.push(await timed('local read', bytes, [reader], read(false)))
  results.push(await timed('local read, again', bytes, [reader], read(false)))
  reader.child.kill('SIGTERM')
  reader.close()
  return results
}

async function main() {
  const writer = await sidecar('writer')
  const all = []
  for (let i = 0; i < rounds; i++) all.push(...(await round(writer, i)))
  console.log(
    count +
      ' blocks of ' +
      size +
      ' bytes, ' +
      rounds +
      ' rounds: median [least, most] MB/s, median CPU in ms/MB'
  )
  for (const name of new Set(all.map((result) => result.name))) {
    const results = all.filter((result) => result.name === name)
    const rates = results.map(({ rate }) => rate).sort((a, b) => a - b)
    const shown = [median(rates), rates[0], rates[rates.length - 1]].map((rate) => rate.toFixed(0))
    const cpu = results[0].cpu.map((_, i) =>
      median(results.map((result) => result.cpu[i])).toFixed(1)
    )
    console.log(
      name.padEnd(24) + shown[0] + ' [' + shown[1] + ', ' + shown[2] + ']  CPU ' + cpu.join(' + ')
    )
  }
  writer.child.kill('SIGTERM')
  writer.close()
}

function median(list) {
  return [...list].sort((a, b) => a - b)[list.length >> 1]
}

main().finally(() => setTimeout(() => fs.rmSync(root, { recursive: true, force: true }), 500))
