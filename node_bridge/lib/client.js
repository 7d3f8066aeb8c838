'use strict'

const { frame, FrameReader, FrameError } = require('./frames')
const { MsgpackError } = require('./msgpack')
const { BridgeError, describe } = require('./errors')
const { Request } = require('./request')
const { PROTOCOL, MAX_REQUESTS, MAX_UNREAD, DROP_EVENTS_ABOVE, MAX_HANDLES } = require('./limits')

/**
 * One attached program: its connection, requests and handles.
 *
 * `methods` maps a name to `async (params, request) => result`; `onclose(client)` is called once.
 */
class Client {
  constructor(socket, methods, log, onclose) {
    this.socket = socket
    this.methods = methods
    this.log = log
    this.name = null // until hello
    this.subscribed = false
    this.closed = false
    this.requests = new Map()
    this.handles = new Map()
    this.nextHandle = 1
    this.cleanups = new Set() // run when the client leaves

    this._reader = new FrameReader()
    this._queue = []
    this._drains = []
    this._onclose = onclose

    socket.on('data', (chunk) => this._ondata(chunk))
    socket.on('drain', () => this._ondrain())
    socket.on('error', (err) =>
      this.log.info('client connection failed', { client: this.name, error: err.message })
    )
    socket.on('end', () => this.destroy())
    socket.on('close', () => this.destroy())
  }

  /** Whether the client keeps up with what is sent to it. */
  get writable() {
    return !this.socket.writableNeedDrain
  }

  onceWritable(fn) {
    this._drains.push(fn)
  }

  send(message) {
    if (this.closed) return
    let parts
    try {
      parts = frame(message)
    } catch (err) {
      if (message[0] === 2) throw err
      return this.send([2, message[1], { code: 'LIMIT', message: err.message }])
    }
    if (parts.length === 1) this.socket.write(parts[0])
    else {
      this.socket.cork()
      for (const part of parts) this.socket.write(part)
      this.socket.uncork()
    }
    if (this.socket.writableLength > MAX_UNREAD) {
      this.log.warn('client does not read its answers', { client: this.name })
      this.destroy()
    }
  }

  event(name, data, droppable = false) {
    if (!this.subscribed) return
    if (droppable && this.socket.writableLength > DROP_EVENTS_ABOVE) return
    this.send([3, name, data])
  }

  /** Keeps `thing` for this client and gives its number. */
  addHandle(thing) {
    if (this.handles.size >= MAX_HANDLES)
      throw new BridgeError('LIMIT', 'This client has ' + MAX_HANDLES + ' handles open')
    const handle = this.nextHandle++
    this.handles.set(handle, thing)
    return handle
  }

  handle(number) {
    const thing = this.handles.get(number)
    if (thing === undefined) throw new BridgeError('NO_HANDLE', 'There is no handle ' + number)
    return thing
  }

  destroy() {
    if (this.closed) return
    this.closed = true
    this._queue = []
    for (const request of this.requests.values()) request.cancel('CLOSED', 'The client left')
    for (const fn of this._drains.splice(0)) fn()
    for (const cleanup of this.cleanups) cleanup()
    this.cleanups.clear()
    for (const thing of this.handles.values()) thing.close()
    this.handles.clear()
    this.socket.destroy()
    this._onclose(this)
  }

  _ondrain() {
    for (const fn of this._drains.splice(0)) fn()
    this._next()
  }

  _ondata(chunk) {
    try {
      for (const message of this._reader.push(chunk)) {
        this._onmessage(message)
        if (this.closed) return
      }
    } catch (err) {
      if (!(err instanceof FrameError) && !(err instanceof MsgpackError)) throw err
      return this._reject('BAD_FRAME', err.message)
    }
    this._next()
  }

  // Says why and closes the connection.
  _reject(code, message, id = 0) {
    if (this.closed) return
    this.log.warn('client refused', { client: this.name, code, error: message })
    this.send([2, id, { code, message }])
    this._reader = null
    this.socket.removeAllListeners('data')
    this.socket.resume() // read on into nothing, so that the answer is not lost to a reset
    this.socket.end()
    setTimeout(() => this.socket.destroy(), 500).unref()
    this._queue = []
    for (const request of this.requests.values())
      request.cancel('CLOSED', 'The connection is closed')
  }

  _onmessage(message) {
    if (!Array.isArray(message)) throw new FrameError('A frame that is not an array')
    const [type, id] = message
    if (!Number.isInteger(id) || id < 1 || id > 0xffffffff) throw new FrameError('A bad request id')
    if (type === 0 && message.length === 4) return this._queue.push(message)
    const request = this.requests.get(id)
    if (type === 5 && message.length === 2) {
      if (request) request.cancel()
      else this._cancelQueued(id)
    } else if (type === 6 && message.length === 3) {
      const n = message[2]
      if (!Number.isInteger(n) || n < 1 || n > 1024) throw new FrameError('A bad number of credits')
      if (request) request.grant(n)
    } else {
      throw new FrameError('An unknown kind of frame')
    }
  }

  _cancelQueued(id) {
    const i = this._queue.findIndex((message) => message[1] === id)
    if (i === -1) return
    this._queue.splice(i, 1)
    this.send([2, id, { code: 'CANCELLED', message: 'The client cancelled the request' }])
  }

  // Starts queued requests as far as the limits allow, and stops reading where they do not.
  _next() {
    while (
      this._queue.length > 0 &&
      this.requests.size < MAX_REQUESTS &&
      this.writable &&
      !this.closed
    ) {
      this._start(this._queue.shift())
    }
    const wait = this._queue.length > 0
    if (wait && !this.socket.isPaused()) this.socket.pause()
    else if (!wait && this.socket.isPaused()) this.socket.resume()
  }

  _start([, id, method, params]) {
    if (this.requests.has(id))
      return this._reject('BAD_FRAME', 'Request ' + id + ' is under way already')
    if (this.name === null && !this._hello(id, method, params)) return
    const request = new Request(this, id)
    this.requests.set(id, request)
    this._run(request, method, params).then(() => {
      this.requests.delete(id)
      if (!this.closed && this._reader !== null) this._next()
    })
  }

  _hello(id, method, params) {
    if (method !== 'hello') this._reject('NO_HELLO', 'The first request must be hello', id)
    else if (!params || params.protocol !== PROTOCOL) {
      this._reject('PROTOCOL', 'This sidecar speaks protocol ' + PROTOCOL + ' only', id)
    } else {
      this.name = typeof params.client === 'string' ? params.client.slice(0, 64) : ''
      return true
    }
    return false
  }

  // Never rejects: any failure becomes an error frame.
  async _run(request, method, params) {
    try {
      const run =
        typeof method === 'string' && Object.hasOwn(this.methods, method)
          ? this.methods[method]
          : null
      if (run === null)
        throw new BridgeError('UNKNOWN_METHOD', 'There is no method ' + String(method).slice(0, 40))
      this.send([1, request.id, await run(params, request)])
    } catch (err) {
      const error = describe(request.cancelled ? request.signal.reason : err)
      if (error.code === 'INTERNAL')
        this.log.error('request failed', { method, error: String(err && err.stack) })
      this.send([2, request.id, error])
    }
  }
}

module.exports = { Client }
