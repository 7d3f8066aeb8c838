'use strict'

const { check } = require('./params')

/** hello, ping, events.subscribe, stats and fs.free; see docs/BRIDGE.md. */
function processMethods(sidecar) {
  const { store, swarm, disk } = sidecar
  return {
    hello: () => sidecar.hello(),

    ping: () => ({ now_ms: Date.now() }),

    'events.subscribe': (params, { client }) => {
      client.subscribed = true
      return {}
    },

    stats: (params) => {
      check(params, {})
      const cores = []
      let handles = 0
      for (const core of store.cores.values())
        if (core.internal !== null && core.key) cores.push({ key: core.key, ...core.counters })
      for (const client of sidecar.clients) handles += client.handles.size
      return {
        peers: [...swarm.connections.values()].map((connection) => connection.info()),
        closed: swarm.closedTotals,
        cores,
        clients: sidecar.clients.size,
        handles,
        uptime_ms: Date.now() - sidecar.startedMs,
        rss: process.memoryUsage.rss()
      }
    },

    'fs.free': (params) => {
      check(params, {})
      return disk.look()
    }
  }
}

module.exports = { processMethods }
