'use strict'

const { check } = require('./params')
const { Handle } = require('./handle')
const { append } = require('./append')
const { read } = require('./read')
const { download } = require('./download')
const { proofs } = require('./proofs')
const { offered, put } = require('./taken')
const { update } = require('./update')
const { BridgeError, isWriteFailure } = require('./errors')
const ranges = require('./ranges')
const { MAX_HELD } = require('./limits')

/** The core.* methods; see docs/BRIDGE.md. */
function coreMethods({ store, swarm, disk, wal, onwritefailure }) {
  // checks parameters, finds the handle, and keeps its core open meanwhile
  const onCore = (shape, fn) => async (params, request) => {
    const { handle, ...rest } = check(params, { handle: 'uint', ...shape })
    const held = request.client.handle(handle)
    try {
      return await held.core.held(() => fn(held.core, rest, request, held))
    } catch (err) {
      if (isWriteFailure(err)) onwritefailure(err)
      throw err
    }
  }

  return {
    'core.open': async (params, { client }) => {
      const shape = { 'key?': 'key', 'signer?': { public_key: 'key', secret_key: 'secret' } }
      const { core, keyPair } = await store.acquire(check(params, shape))
      const handle = new Handle(core, keyPair)
      if (client.closed) {
        handle.close()
        throw new BridgeError('CLOSED', 'The client left')
      }
      return {
        handle: addHandle(client, handle),
        key: core.key,
        discovery_key: core.discoveryKey,
        manifest: core.manifest,
        writable: keyPair !== null && !core.frozen,
        incidents: core.incidents,
        ...core.info()
      }
    },

    'core.close': async (params, { client }) => {
      const { handle } = check(params, { handle: 'uint' })
      client.handle(handle).close()
      client.handles.delete(handle)
      return {}
    },

    'core.info': onCore({}, (core) => core.info()),

    'core.update': onCore(
      { timeout_ms: 'ms', 'latest?': 'bool' },
      (core, { timeout_ms: timeoutMs, latest }, request) =>
        update(core, request, { timeoutMs, latest })
    ),

    'core.append': onCore(
      { blocks: 'blocks', expect_length: 'uint' },
      (core, params, request, { keyPair }) => {
        disk.check()
        return append(core, wal, keyPair, params.blocks, params.expect_length)
      }
    ),

    'core.lines': onCore({ ranges: 'ranges', least_bytes: 'uint' }, (core, params) => {
      disk.check()
      return offered(core, swarm, params)
    }),

    'core.put': onCore(
      {
        fork: 'uint',
        length: 'uint',
        blocks: 'ascending',
        values: 'blocks',
        beside: 'nodes',
        peer: 'uint'
      },
      (core, params) => {
        disk.check()
        return put(core, swarm, params)
      }
    ),

    'core.recover': onCore({}, async (core) => {
      await core.markRecovered()
      return {}
    }),

    'core.read': onCore(
      { ranges: 'ranges', wait: 'bool', 'stall_ms?': 'ms' },
      (core, params, request) =>
        read(core, request, params.ranges, { wait: params.wait, stallMs: params.stall_ms, disk })
    ),

    'core.download': onCore({ ranges: 'ranges', 'stall_ms?': 'ms' }, (core, params, request) =>
      download(core, request, params.ranges, { stallMs: params.stall_ms, disk })
    ),

    'core.held': onCore({ start: 'uint', end: 'uint' }, (core, { start, end }) => {
      const stop = Math.min(end, core.state.length)
      const held = ranges.runs(core.bitfield, start, stop, true, MAX_HELD)
      const more = held.length === MAX_HELD
      return { ranges: held, next: more ? held[MAX_HELD - 1][1] : null }
    }),

    'core.clear': onCore({ start: 'uint', end: 'uint' }, async (core, { start, end }) => {
      await wal.sync() // blocks go when what replaces them is on the disk
      await core.clear(start, end)
      return {}
    }),

    'core.checkpoint': onCore({}, (core) => core.checkpoint()),

    'core.proofs': onCore({ ranges: 'ranges', 'values?': 'bool' }, (core, params, request) =>
      proofs(core, request, params.ranges, { values: params.values })
    )
  }
}

function addHandle(client, handle) {
  try {
    return client.addHandle(handle)
  } catch (err) {
    handle.close()
    throw err
  }
}

module.exports = { coreMethods }
