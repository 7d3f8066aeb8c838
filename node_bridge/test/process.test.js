'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { spawn } = require('child_process')
const { once } = require('events')
const fs = require('fs')
const path = require('path')
const { temporary, signer, blocks, Bridge } = require('./helpers')

const INDEX = path.join(__dirname, '..', 'index.js')

/**
 * A sidecar process; `exited` resolves with its code. Several share a directory when `dir` is
 * given.
 */
async function launch(
  t,
  { dir = temporary(t), socket = path.join(temporary(t), 'socket'), args = [], shell = null, ready = true } = {}
) {
  const argv = [INDEX, '--data-dir', dir, '--socket', socket, '--min-free', '0', ...args]
  const stdio = ['ignore', 'ignore', 'pipe']
  const child = shell
    ? spawn('bash', ['-c', shell + '; exec "$@"', 'bash', process.execPath, ...argv], { stdio })
    : spawn(process.execPath, argv, { stdio })
  t.after(() => child.kill('SIGKILL'))
  const lines = []
  child.stderr.setEncoding('utf8').on('data', (text) => lines.push(...text.trim().split('\n')))
  const exited = once(child, 'exit').then(([code]) => code)
  if (ready) {
    while (!lines.some((line) => line.includes('listening'))) {
      await Promise.race([once(child.stderr, 'data'), exited])
      if (child.exitCode !== null) throw new Error('The sidecar ended: ' + lines.join('\n'))
    }
  }
  return { child, dir, socket, lines, exited, attach: () => Bridge.connect(socket) }
}

test('it says where it listens, to its owner only, and cleans up when it ends', async (t) => {
  const { child, dir, socket, exited, attach } = await launch(t)
  const file = path.join(dir, 'sidecar.json')

  const described = JSON.parse(fs.readFileSync(file, 'utf8'))
  const modes = [file, socket].map((name) => fs.statSync(name).mode & 0o777)
  const bridge = await attach()
  const { pid, started_ms: started } = await bridge
    .call('ping')
    .then(() => bridge.call('hello', { protocol: 1, client: 'x' }))

  assert.deepEqual(
    [described.socket, described.pid, described.started_ms, described.protocol],
    [socket, pid, started, 1]
  )
  assert.equal(described.pid, child.pid)
  assert.equal(described.versions.hypercore, '11.37.1')
  assert.deepEqual(modes, [0o600, 0o600])

  child.kill('SIGTERM')
  assert.equal(await exited, 0)
  assert.deepEqual([fs.existsSync(file), fs.existsSync(socket)], [false, false])
})

test('it ends after the last client has left, not before', async (t) => {
  const { exited, attach, child } = await launch(t, { args: ['--linger-ms', '200'] })
  const first = await attach()
  const second = await attach()
  first.close()
  await second.call('ping')
  await new Promise((resolve) => setTimeout(resolve, 400))
  assert.equal(child.exitCode, null)

  second.close()

  assert.equal(await exited, 0)
})

test('it ends when nobody comes', async (t) => {
  const { exited } = await launch(t, { args: ['--linger-ms', '50'] })
  assert.equal(await exited, 0)
})

test('it makes room at once for the sidecar of a directory that was made anew', async (t) => {
  const { dir, socket, exited, attach } = await launch(t)
  const closed = once(await attach(), 'close')
  fs.rmSync(dir, { recursive: true })
  fs.mkdirSync(dir)

  const refused = await launch(t, { dir, socket, ready: false })
  assert.equal(await refused.exited, 3)
  assert.equal(await exited, 0)
  const second = await launch(t, { dir, socket })

  await closed
  assert.equal(JSON.parse(fs.readFileSync(path.join(dir, 'sidecar.json'))).pid, second.child.pid)
  await (await second.attach()).call('ping')
})

test('Ctrl-C and the end of a terminal do not concern it', async (t) => {
  const { child, attach } = await launch(t)
  const bridge = await attach()
  child.kill('SIGINT')
  child.kill('SIGHUP')
  assert.ok((await bridge.call('ping')).now_ms > 0)
})

test('acknowledged blocks outlive kill -9, and the socket left behind is taken over', async (t) => {
  const { child, dir, socket, exited, attach } = await launch(t)
  const own = signer()
  const bridge = await attach()
  const { handle } = await bridge.call('core.open', own)
  let acknowledged = 0
  const writing = (async () => {
    for (;;)
      acknowledged = (
        await bridge.call('core.append', { handle, blocks: blocks(3), expect_length: acknowledged })
      ).length
  })()
  setTimeout(() => child.kill('SIGKILL'), 300)
  await assert.rejects(writing, /closed/)
  await exited
  assert.ok(fs.existsSync(socket))

  const again = await launch(t, { dir, socket })
  const { length, contiguous_length: contiguous } = await (
    await again.attach()
  ).call('core.open', own)

  assert.ok(acknowledged > 0 && length >= acknowledged, length + ' of ' + acknowledged)
  assert.equal(contiguous, length)
})

test('one store, one process: a second is told which of both is taken', async (t) => {
  const { dir, socket } = await launch(t)

  const sameSocket = await launch(t, { dir: temporary(t), socket, ready: false })
  assert.equal(await sameSocket.exited, 3)
  const sameStore = await launch(t, { dir, ready: false })
  assert.equal(await sameStore.exited, 4)
  assert.match(sameStore.lines.join('\n'), /can not be opened/)
  const described = JSON.parse(fs.readFileSync(path.join(dir, 'sidecar.json'), 'utf8'))
  assert.equal(described.socket, socket)
})

test('bad arguments end with code 2', async (t) => {
  const long = await launch(t, { socket: '/tmp/' + 'x'.repeat(103), ready: false })
  assert.equal(await long.exited, 2)
  for (const args of [['--what'], ['--linger-ms', 'soon']]) {
    assert.equal(await (await launch(t, { args, ready: false })).exited, 2)
  }
})

test('a store that refuses a write says so, keeps what was acknowledged, and ends with code 5', async (t) => {
  const { dir, exited, attach } = await launch(t, { shell: 'ulimit -f 3000' }) // no file may grow over 3 MB
  const own = signer()
  const bridge = await attach()
  await bridge.call('events.subscribe')
  const { handle } = await bridge.call('core.open', own)
  let length = 0
  const writing = (async () => {
    for (;;) {
      const chunk = blocks(2, { size: 100000, from: length })
      length = (await bridge.call('core.append', { handle, blocks: chunk, expect_length: length }))
        .length
    }
  })()

  await assert.rejects(writing, { code: 'WRITE_FAILED' })
  await bridge.event('write.failed')
  assert.ok(
    (await bridge.read(handle, [[0, length]])).blocks
      .get(length - 1)
      .equals(blocks(length, { size: 100000 })[length - 1])
  )
  assert.equal(await exited, 5)

  const again = await launch(t, { dir })
  const reopened = await (await again.attach()).call('core.open', own)
  assert.equal(reopened.length, length)
})
