'use strict'

const { EventEmitter } = require('events')
const crypto = require('hypercore-crypto')
const { TopicChannel, topicId } = require('./topic-channel')
const { MAX_NOTES } = require('./limits')

const ROUND_MS = 1000 // between two rounds of sending one topic's notes

/**
 * The topics that clients of this process have joined, and their channels on every connection.
 *
 * Event 'note' ({root, connection, data}).
 */
class Topics extends EventEmitter {
  constructor(swarm, log) {
    super()
    this.swarm = swarm
    this.log = log
    this.topics = new Map() // root, hex -> Topic
    swarm.on('peer-open', (connection) => {
      for (const topic of this.topics.values()) topic.connect(connection)
    })
  }

  /** `member` is any object that stands for the client. Returns what peers have sent before. */
  join(member, root, notes) {
    const id = root.toString('hex')
    let topic = this.topics.get(id)
    if (topic === undefined) {
      topic = new Topic(this, root)
      this.topics.set(id, topic)
      for (const connection of this.swarm.connections.values()) topic.connect(connection)
    }
    topic.set(member, notes)
    return topic.received()
  }

  /** Whether `member` had joined. */
  set(member, root, notes) {
    const topic = this.topics.get(root.toString('hex'))
    if (!topic || !topic.members.has(member)) return false
    topic.set(member, notes)
    return true
  }

  leave(member, root) {
    const topic = this.topics.get(root.toString('hex'))
    if (!topic || !topic.members.delete(member)) return
    if (topic.members.size > 0) return
    this.topics.delete(root.toString('hex'))
    topic.destroy()
  }

  leaveAll(member) {
    for (const topic of [...this.topics.values()]) this.leave(member, topic.root)
  }

  has(member, root) {
    const topic = this.topics.get(root.toString('hex'))
    return !!topic && topic.members.has(member)
  }
}

class Topic {
  constructor(topics, root) {
    this.topics = topics
    this.root = root
    this.id = topicId(root)
    this.members = new Map() // member -> its notes
    this.channels = new Map() // connection -> TopicChannel
    this._last = 0
    this._timer = null
  }

  /** The notes of all members, each once. */
  notes() {
    const out = new Map()
    for (const notes of this.members.values())
      for (const note of notes) out.set(crypto.hash(note).toString('hex'), note)
    return [...out.values()].slice(0, MAX_NOTES)
  }

  set(member, notes) {
    this.members.set(member, notes)
    this._sendSoon()
  }

  received() {
    const out = []
    for (const [connection, channel] of this.channels) {
      for (const data of channel.received)
        out.push({ peer: connection.id, public_key: connection.publicKey, data })
    }
    return out
  }

  connect(connection) {
    const channel = new TopicChannel(this, connection, {
      onnote: (data) => this.topics.emit('note', { root: this.root, connection, data }),
      onclose: (reason) => {
        if (reason) this.topics.log.warn('topic channel closed', { peer: connection.id, reason })
      }
    })
    this.channels.set(connection, channel)
    connection.once('close', () => this.channels.delete(connection))
    channel.open()
  }

  destroy() {
    clearTimeout(this._timer)
    for (const channel of this.channels.values()) channel.destroy()
    this.channels.clear()
  }

  // A writer's notes change with every append; peers get one round a second.
  _sendSoon() {
    if (this._timer !== null) return
    const wait = Math.max(0, this._last + ROUND_MS - Date.now())
    this._timer = setTimeout(() => {
      this._timer = null
      this._last = Date.now()
      for (const channel of this.channels.values()) channel.send()
    }, wait)
    this._timer.unref()
  }
}

module.exports = { Topics }
