'use strict'

const { check } = require('./params')
const { BridgeError } = require('./errors')

const LIMITS = {
  'handshake_ms?': 'ms',
  'half_open_per_ip?': 'uint',
  'per_ip?': 'uint',
  'total?': 'uint',
  'idle_ms?': 'ms',
  'stalled_ms?': 'ms'
}

/** The swarm.* and topic.* methods; see docs/BRIDGE.md. */
function swarmMethods({ swarm, topics }) {
  return {
    'swarm.start': (params) => {
      const shape = {
        seed: 'key',
        'listen?': { host: 'host', port: 'port' },
        'allow?': 'keys',
        'limits?': LIMITS
      }
      return swarm.start(check(params, shape))
    },

    'swarm.stop': async (params) => {
      check(params, {})
      await swarm.stop()
      return {}
    },

    'swarm.dial': async (params, request) => {
      const shape = { host: 'host', port: 'port', 'public_key?': 'key', 'timeout_ms?': 'ms' }
      const { host, port, public_key: publicKey, timeout_ms: timeoutMs } = check(params, shape)
      const connection = await swarm.dial({
        host,
        port,
        publicKey,
        timeoutMs,
        signal: request.signal
      })
      return { peer: connection.id, public_key: connection.publicKey }
    },

    'swarm.drop': (params) => {
      const { peer, public_key: publicKey } = check(params, {
        'peer?': 'uint',
        'public_key?': 'key'
      })
      return { dropped: swarm.drop({ peer, publicKey }) }
    },

    'swarm.peers': (params) => {
      check(params, {})
      return { peers: [...swarm.connections.values()].map((connection) => connection.info()) }
    },

    'topic.join': (params, { client }) => {
      const { root, notes } = check(params, { root: 'key', notes: 'notes' })
      client.cleanups.add(
        client.leaveTopics || (client.leaveTopics = () => topics.leaveAll(client))
      )
      return { notes: topics.join(client, root, notes) }
    },

    'topic.set': (params, { client }) => {
      const { root, notes } = check(params, { root: 'key', notes: 'notes' })
      if (!topics.set(client, root, notes))
        throw new BridgeError('BAD_REQUEST', 'This client has not joined the topic')
      return {}
    },

    'topic.leave': (params, { client }) => {
      topics.leave(client, check(params, { root: 'key' }).root)
      return {}
    }
  }
}

module.exports = { swarmMethods }
