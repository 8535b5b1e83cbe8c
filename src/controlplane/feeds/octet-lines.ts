/**
 * Lines in UTF-8, for answers of many rows: written as they come, for one long text of ten thousand of them would be much to collect.
 * In pieces, since one buffer that grows is copied again and again, and has the collector called by its size.
 */

const pieceOctets = 64 * 1024
/** Of a character of UTF-16. */
const mostOctets = 3
/** Characters that are written at once: a few dozen lines. */
const writtenAtOnce = 8 * 1024

/** Bound: what is added before it is taken. */
export class OctetLines {
  #pieces: Buffer[] = []
  #piece = Buffer.alloc(0)
  /** Of `#piece`. */
  #length = 0
  /** What is not written yet. */
  #text = ''

  add(line: string): void {
    this.#text += line
    if (this.#text.length > writtenAtOnce) this.#write()
  }

  /** All that was added since the last time. */
  take(): Buffer[] {
    this.#write()
    this.#end(0)
    return this.#pieces.splice(0)
  }

  #write(): void {
    const needed = this.#text.length * mostOctets
    if (this.#length + needed > this.#piece.length) this.#end(Math.max(needed, pieceOctets))
    this.#length += this.#piece.write(this.#text, this.#length)
    this.#text = ''
  }

  #end(nextSize: number): void {
    if (this.#length > 0) this.#pieces.push(this.#piece.subarray(0, this.#length))
    this.#piece = Buffer.allocUnsafe(nextSize)
    this.#length = 0
  }
}
