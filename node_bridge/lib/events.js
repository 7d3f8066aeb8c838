'use strict'

/**
 * Passes what happens in the store, on the disk and in the swarm on to the clients; see Events in
 * docs/BRIDGE.md.
 */
function forwardEvents(sidecar) {
  const { store, disk, swarm, topics } = sidecar
  store.on('core', (core) => forwardCore(sidecar, core))
  for (const core of store.cores.values()) forwardCore(sidecar, core)

  disk.on('full', (numbers) => sidecar.broadcast('disk.full', numbers))
  disk.on('ok', (numbers) => sidecar.broadcast('disk.ok', numbers))

  swarm.on('peer-open', (connection) => sidecar.broadcast('peer.open', connection.info()))
  swarm.on('peer-close', (connection, reason) =>
    sidecar.broadcast('peer.close', { ...connection.info(), reason })
  )
  swarm.on('invalid', ({ core, connection, index, count, banned, message }) => {
    const peer = { peer: connection.id, public_key: connection.publicKey }
    sidecar.broadcast('block.invalid', { key: core.key, index, ...peer, count, banned, message })
  })

  topics.on('note', ({ root, connection, data }) => {
    const note = { root, peer: connection.id, public_key: connection.publicKey, data }
    sidecar.broadcast('topic.note', note, {
      droppable: true,
      to: (client) => topics.has(client, root)
    })
  })
}

function forwardCore(sidecar, core) {
  const stands = () => ({ key: core.key, length: core.state.length, fork: core.state.fork })
  const holds = (client) => [...client.handles.values()].some((handle) => handle.core === core)
  core.on('append', () =>
    sidecar.broadcast('core.append', stands(), { droppable: true, to: holds })
  )
  core.on('truncate', () => sidecar.broadcast('core.truncate', stands()))
  core.on('incident', (evidence) => sidecar.broadcast('core.incident', evidence))
  core.on('damage', (index, err) =>
    sidecar.broadcast('block.damaged', { key: core.key, index, message: err.message })
  )
  core.on('write-failure', (err) => sidecar.broken(err))
}

module.exports = { forwardEvents }
