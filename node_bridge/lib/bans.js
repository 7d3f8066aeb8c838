'use strict'

const BAN_MS = 3600000
const STRIKES = 3
const MAX_KEYS = 4096

/** Peers' keys, how many invalid blocks each has sent, and which of them are banned for it. */
class Bans {
  constructor(now = Date.now) {
    this._now = now
    this._keys = new Map() // hex -> {count, until}; the longest unchanged is forgotten first
  }

  /** Counts one invalid block; returns {count, banned}. */
  strike(publicKey) {
    const id = publicKey.toString('hex')
    const entry = this._keys.get(id) || { count: 0, until: 0 }
    this._keys.delete(id)
    this._keys.set(id, entry)
    if (this._keys.size > MAX_KEYS) this._keys.delete(this._keys.keys().next().value)
    entry.count++
    if (entry.count >= STRIKES) entry.until = this._now() + BAN_MS
    return { count: entry.count, banned: entry.until > 0 }
  }

  has(publicKey) {
    const id = publicKey.toString('hex')
    const entry = this._keys.get(id)
    if (entry === undefined || entry.until === 0) return false
    if (entry.until > this._now()) return true
    this._keys.delete(id)
    return false
  }
}

module.exports = { Bans, STRIKES }
