'use strict'

const net = require('net')
const { once, EventEmitter } = require('events')
const { frame, FrameReader } = require('../../lib/frames')

/**
 * A client of the sidecar as a test needs one: `call` for requests, `stream` for items, 'event' for
 * events.
 *
 * Grants a credit for every item taken unless told otherwise.
 */
class Bridge extends EventEmitter {
  constructor(socket) {
    super()
    this.setMaxListeners(0)
    this.socket = socket
    this.nextId = 1
    this.waiting = new Map()
    this.events = []
    const reader = new FrameReader()
    socket.on('data', (chunk) => {
      for (const message of reader.push(chunk)) this._onmessage(message)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('The connection closed'))
      this.waiting.clear()
      this.emit('close')
    })
  }

  static async connect(path, { hello = true } = {}) {
    const socket = net.connect(path)
    await once(socket, 'connect')
    const bridge = new Bridge(socket)
    if (hello) await bridge.call('hello', { protocol: 1, client: 'test' })
    return bridge
  }

  /** Resolves with the result; items go to `onitem`. The promise has `id`. */
  call(method, params = {}, { onitem = () => {}, grant = true } = {}) {
    const id = this.nextId++
    const promise = new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, onitem, grant })
    })
    promise.id = id
    promise.catch(() => {})
    this.send([0, id, method, params])
    return promise
  }

  /** All items of a stream, and its result. */
  async stream(method, params) {
    const items = []
    const result = await this.call(method, params, { onitem: (item) => items.push(item) })
    return { items, result }
  }

  /** The blocks of core.read as a Map. */
  async read(handle, ranges, opts = {}) {
    const { items, result } = await this.stream('core.read', {
      handle,
      ranges,
      wait: false,
      ...opts
    })
    return { blocks: new Map(items.flat()), order: items.flat().map(([index]) => index), ...result }
  }

  /** The next event of this name (also one that came already and was not taken). */
  async event(name, matches = () => true) {
    for (;;) {
      const i = this.events.findIndex(([found, data]) => found === name && matches(data))
      if (i !== -1) return this.events.splice(i, 1)[0][1]
      await once(this, 'event')
    }
  }

  send(message) {
    for (const part of frame(message)) this.socket.write(part)
  }

  cancel(id) {
    this.send([5, id])
  }

  grant(id, n) {
    this.send([6, id, n])
  }

  close() {
    this.socket.destroy()
  }

  _onmessage([type, id, value]) {
    if (type === 3) {
      this.events.push([id, value])
      return this.emit('event')
    }
    if (type === 2 && id === 0) return this.emit('refused', value)
    const request = this.waiting.get(id)
    if (type === 4) {
      request.onitem(value)
      if (request.grant) this.grant(id, 1)
      return
    }
    this.waiting.delete(id)
    if (type === 1) request.resolve(value)
    else request.reject(Object.assign(new Error(value.message), value))
  }
}

module.exports = { Bridge }
