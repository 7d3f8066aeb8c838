#!/usr/bin/env node
'use strict'

const { parseArgs } = require('util')
const path = require('path')
const { createLog } = require('./lib/log')
const { Sidecar, EXIT } = require('./lib/sidecar')

const log = createLog()

function main() {
  let sidecar
  try {
    sidecar = new Sidecar(parse(process.argv.slice(2)), log, (code) => process.exit(code))
  } catch (err) {
    log.error(err.message)
    process.exit(EXIT.USAGE)
  }
  console.log = (...args) => log.warn(args.join(' ')) // hypercore prints when it meets a conflict

  // Ctrl-C in the terminal of whoever started us, and that terminal's end, are meant for others
  process.on('SIGINT', () => {})
  process.on('SIGHUP', () => {})
  process.on('SIGPIPE', () => {})
  process.on('SIGTERM', () => sidecar.end(0))
  process.on('uncaughtException', (err) => die('uncaught exception', err))
  // a peer's message can make a promise in a library fail that nobody waits for; it must not end
  // the work of everybody else
  process.on('unhandledRejection', (err) => tell('unhandled rejection', err))

  sidecar.start().catch((err) => {
    log.error(err.message)
    process.exit(err.exitCode || EXIT.FAILED)
  })
}

// Nothing is known about the state any more: whoever needs us starts us again, and the store is
// made for that.
function die(what, err) {
  tell(what, err)
  process.exit(EXIT.FAILED)
}

function tell(what, err) {
  log.error(what, { error: String((err && err.stack) || err) })
}

function parse(args) {
  const { values } = parseArgs({
    args,
    options: {
      'data-dir': { type: 'string' },
      socket: { type: 'string' },
      'linger-ms': { type: 'string' },
      'min-free': { type: 'string' },
      'disk-check-ms': { type: 'string' }
    }
  })
  if (!values['data-dir'] || !values.socket)
    throw new Error('Usage: index.js --data-dir DIR --socket PATH')
  return {
    dataDir: path.resolve(values['data-dir']),
    socketPath: path.resolve(values.socket),
    lingerMs: number(values, 'linger-ms'),
    minFree: number(values, 'min-free'),
    diskCheckMs: number(values, 'disk-check-ms')
  }
}

function number(values, name) {
  if (values[name] === undefined) return undefined
  const n = Number(values[name])
  if (!Number.isFinite(n) || n < 0) throw new Error('--' + name + ' must be a number of 0 or more')
  return n
}

main()
