'use strict'

const NOT_AVAILABLE = 1

/** Whether the store found that what it read is not what was written. */
function isDamage(err) {
  return !!err && /crc mismatch|checksum mismatch|corrupt/i.test(err.message || '')
}

/**
 * Makes a core live with damage on the disk. Hypercore would end the connection of every peer that
 * asks for a damaged block, again and again.
 *
 * A damaged block reads as absent, and `onblock(index, err)` is called; the owner is to clear it, so
 * that peers learn that it is gone and it can be fetched anew. A request whose proof can not be
 * read is answered with "not available".
 */
function tolerateDamage(core, onblock) {
  const { storage } = core
  const read = storage.read.bind(storage)
  storage.read = (...args) => {
    const rx = read(...args)
    const getBlock = rx.getBlock.bind(rx)
    rx.getBlock = (index) =>
      getBlock(index).catch((err) => {
        if (!isDamage(err)) throw err
        onblock(index, err)
        return null
      })
    return rx
  }
}

/** The part of `tolerateDamage` that has to be done for each peer. */
function tolerateUnprovable(peer) {
  const fulfil = peer._fulfillRequest.bind(peer)
  peer._fulfillRequest = async (request, pushing) => {
    try {
      await fulfil(request, pushing)
    } catch (err) {
      if (!isDamage(err)) throw err
      peer.wireNoData.send({ request: request.msg.id, reason: NOT_AVAILABLE })
    }
  }
}

module.exports = { tolerateDamage, tolerateUnprovable, isDamage }
