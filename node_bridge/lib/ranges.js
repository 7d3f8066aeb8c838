'use strict'

// Ranges are [start, end) pairs of block numbers.

/** Sorted, without overlap or empty ones. */
function normalise(ranges) {
  const sorted = ranges.filter(([start, end]) => end > start).sort((a, b) => a[0] - b[0])
  const out = []
  for (const [start, end] of sorted) {
    const last = out[out.length - 1]
    if (last && start <= last[1]) last[1] = Math.max(last[1], end)
    else out.push([start, end])
  }
  return out
}

/** How many blocks the (normalised) ranges hold. */
function count(ranges) {
  let n = 0
  for (const [start, end] of ranges) n += end - start
  return n
}

/** Whether a normalised list holds `index`. */
function includes(ranges, index) {
  let low = 0
  let high = ranges.length - 1
  while (low <= high) {
    const mid = (low + high) >> 1
    if (index < ranges[mid][0]) high = mid - 1
    else if (index >= ranges[mid][1]) low = mid + 1
    else return true
  }
  return false
}

/**
 * The runs within [start, end) whose bit in `bitfield` is `value`, at most `limit` of them.
 *
 * `bitfield` has firstSet(from) and firstUnset(from), which may return -1 for none.
 */
function runs(bitfield, start, end, value, limit = Infinity) {
  const next = (from, bit) => {
    const i = bit ? bitfield.firstSet(from) : bitfield.firstUnset(from)
    if (i === -1 || i > end) return end
    return i < from ? from : i // beyond its last page a bitfield answers with that page's end
  }
  const out = []
  for (let at = next(start, value); at < end && out.length < limit;) {
    const stop = next(at, !value)
    out.push([at, stop])
    at = stop < end ? next(stop, value) : end
  }
  return out
}

/** The parts of normalised ranges that `bitfield` does not have. */
function missing(bitfield, ranges) {
  const out = []
  for (const [start, end] of ranges) out.push(...runs(bitfield, start, end, false))
  return out
}

module.exports = { normalise, count, includes, runs, missing }
