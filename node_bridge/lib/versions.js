'use strict'

const fs = require('fs')
const path = require('path')

/** The versions that decide what is written and spoken. */
function versions() {
  return {
    node: process.versions.node,
    hypercore: versionOf('hypercore'),
    corestore: versionOf('corestore'),
    'secret-stream': versionOf('@hyperswarm/secret-stream')
  }
}

// Not every package lets its package.json be required.
function versionOf(name) {
  for (
    let dir = path.dirname(require.resolve(name));
    dir !== path.dirname(dir);
    dir = path.dirname(dir)
  ) {
    try {
      const found = JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8'))
      if (found.name === name) return found.version
    } catch (err) {
      if (err.code !== 'ENOENT') throw err
    }
  }
  return null
}

module.exports = { versions }
