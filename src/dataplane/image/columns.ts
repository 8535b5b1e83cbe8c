/**
 * A growing column of 32-bit words: what a zone is collected in while it is compiled, beside octets. A million RRsets as
 * objects are hundreds of megabytes for the garbage collector to walk; as columns they are a few arrays. Bounded by the
 * zone, for as long as it is being compiled.
 */
export class Words {
  words: Int32Array
  length = 0

  /** @param capacity words that are expected */
  constructor(capacity = 0) {
    this.words = new Int32Array(Math.max(capacity, 64))
  }

  push(word: number): void {
    const at = this.reserve(1)
    this.words[at] = word
  }

  /** Makes the column longer by a few words. @returns where they begin */
  reserve(count: number): number {
    const at = this.length
    this.length += count
    if (this.length > this.words.length) {
      const grown = new Int32Array(2 * this.length)
      grown.set(this.words)
      this.words = grown
    }
    return at
  }
}
