'use strict'

const Protomux = require('protomux')

const FRAME_BYTES = 64 * 1024

/**
 * Keeps the messages to a peer in frames of about 64 KiB.
 *
 * Protomux answers a batch of requests with one batch, of up to 8 MiB, and that is one encrypted
 * frame: the other side can not check a single block of it before all of it is there. On a slow
 * line nothing seems to come for minutes, and what came of it is lost with the connection.
 *
 * This leans on the insides of the pinned version of protomux; test/swarm.test.js fails when they
 * move.
 */
function limitFrames(stream) {
  const mux = Protomux.from(stream)
  const push = mux._pushBatch.bind(mux)
  mux._pushBatch = (localId, message) => {
    if (mux._batchState.end >= FRAME_BYTES) {
      mux._sendBatch(mux._batch, mux._batchState)
      mux._batch = []
      mux._batchState = { buffer: null, start: 0, end: 1 }
    }
    push(localId, message)
  }
}

module.exports = { limitFrames }
