'use strict'

/** A place in a list of ranges of blocks, in the order of the list. */
class Cursor {
  constructor(wanted) {
    this._wanted = wanted.filter(([start, end]) => start < end)
    this._range = 0
    this.at = this.done ? 0 : this._wanted[0][0]
  }

  get done() {
    return this._range === this._wanted.length
  }

  /** The numbers of the blocks from here on. */
  *ahead() {
    let at = this.at
    for (let range = this._range; range < this._wanted.length; range++) {
      const [start, end] = this._wanted[range]
      for (at = range === this._range ? at : start; at < end; at++) yield at
    }
  }

  /** Steps over so many blocks. */
  skip(count) {
    while (count > 0) {
      const left = this._wanted[this._range][1] - this.at
      if (count < left) {
        this.at += count
        return
      }
      count -= left
      this._range++
      if (!this.done) this.at = this._wanted[this._range][0]
    }
  }
}

module.exports = { Cursor }
