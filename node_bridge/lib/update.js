'use strict'

const Hypercore = require('hypercore')

/**
 * Asks every connected peer for a newer length and waits for their answers, at most `timeoutMs`;
 * also on a writable core.
 */
async function update(core, request, timeoutMs) {
  const active = []
  let timedOut = false
  const stop = () => Hypercore.clearRequests(active, null)
  const timer = setTimeout(() => {
    timedOut = true
    stop()
  }, timeoutMs)
  request.signal.addEventListener('abort', stop)
  try {
    await core.session.update({ wait: true, force: true, activeRequests: active })
  } finally {
    clearTimeout(timer)
    request.signal.removeEventListener('abort', stop)
  }
  request.check()
  return { ...core.info(), timed_out: timedOut }
}

module.exports = { update }
