'use strict'

const MIB = 1024 * 1024

module.exports = {
  PROTOCOL: 1,

  // one client
  CREDITS: 8, // item frames that a new stream may send unasked
  MAX_CREDITS: 4096,
  MAX_REQUESTS: 256, // under way at once; reading pauses above
  MAX_HANDLES: 16384,
  MAX_UNREAD: 64 * MIB, // then the client is disconnected
  DROP_EVENTS_ABOVE: 4 * MIB, // unread bytes at which droppable events are dropped

  // blocks
  MAX_BLOCK: 15 * MIB,
  MAX_RANGES: 4096, // pairs in one request
  MAX_HELD: 16384, // pairs in one answer
  MAX_READ_BLOCKS: 16777216, // blocks in one request
  ITEM_BYTES: MIB / 4, // about one item frame; larger ones leave the caches of the processor
  INFLIGHT: [512, 1024], // block requests under way per peer, until the size of blocks is known, and at most
  INFLIGHT_BYTES: 16 * MIB, // about, under way from all peers of one log
  STALL_MS: 20000,
  BULK_LEAST: 16, // missing blocks for which peers are asked in bulk
  BULK_BYTES: [MIB / 16, MIB / 2], // asked for at once, about: at first and of a slow peer, and at most
  MAX_BULK_BLOCKS: 256, // in one request
  MAX_BULK_NODES: 8192, // in one reply
  MAX_BULK_WAITING: 64, // requests of a peer without an answer

  // topics
  MAX_NOTES: 64,
  MAX_NOTE: 65536
}
