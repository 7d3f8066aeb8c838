'use strict'

/**
 * Log lines as one JSON object a line.
 *
 * `write` takes a string; the default is stderr. Bytes are shown by their first four, so that no
 * whole key gets into a log.
 */
function createLog(write = (line) => process.stderr.write(line)) {
  const emit = (level, msg, fields = {}) => {
    const line = JSON.stringify({ t: Date.now(), level, msg, ...fields }, shorten)
    try {
      write(line + '\n')
    } catch {
      // a closed stderr must not end the process
    }
  }
  return {
    info: (msg, fields) => emit('info', msg, fields),
    warn: (msg, fields) => emit('warn', msg, fields),
    error: (msg, fields) => emit('error', msg, fields)
  }
}

function shorten(key, value) {
  const bytes = value && value.type === 'Buffer' && Array.isArray(value.data) ? value.data : null
  return bytes ? Buffer.from(bytes.slice(0, 4)).toString('hex') + '…' : value
}

module.exports = { createLog }
