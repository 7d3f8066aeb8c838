'use strict'

/** Counts connections, and handshakes under way, per address and in all. */
class Gate {
  constructor({ half_open_per_ip: halfOpen, per_ip: perIp, total }) {
    this.limits = { halfOpen, perIp, total }
    this.total = 0
    this.open = new Map() // address -> connections
    this.half = new Map() // address -> handshakes under way
  }

  /**
   * Takes a place for a connection from `address`; null when there is none, else {ready(),
   * leave()}, each of which works once.
   */
  enter(address) {
    const { halfOpen, perIp, total } = this.limits
    if (
      this.total >= total ||
      count(this.open, address) >= perIp ||
      count(this.half, address) >= halfOpen
    )
      return null
    this.total++
    add(this.open, address, 1)
    add(this.half, address, 1)
    let waiting = true
    let inside = true
    const ready = () => {
      if (waiting) add(this.half, address, -1)
      waiting = false
    }
    const leave = () => {
      ready()
      if (!inside) return
      inside = false
      this.total--
      add(this.open, address, -1)
    }
    return { ready, leave }
  }
}

function count(map, address) {
  return map.get(address) || 0
}

function add(map, address, n) {
  const left = count(map, address) + n
  if (left > 0) map.set(address, left)
  else map.delete(address)
}

module.exports = { Gate }
