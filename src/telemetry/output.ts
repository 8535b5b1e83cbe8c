/**
 * Where the lines of a log go that nobody may be reading: a reader that hangs must not stop the process that says something. Each line is
 * written before the call returns while there is room. Where there is none it waits, and what waits is bounded: lines are lost from there
 * on until all that waited has been taken, and a line in their place says how many.
 */
import { writeSync } from 'node:fs'

/** Octets that wait. */
const mostWaiting = 1 << 20
const againAfterMs = 100

export interface LineOutput {
  write(line: string): void
}

export class Output implements LineOutput {
  readonly #fd: number
  readonly #mostOctets: number
  readonly #waiting: Buffer[] = []
  #octets = 0
  /** Lines since the first for which there was no room. */
  #lost = 0
  #timer: NodeJS.Timeout | undefined

  /** @param fd that never has a write wait */
  constructor(fd: number, mostOctets = mostWaiting) {
    this.#fd = fd
    this.#mostOctets = mostOctets
  }

  write(line: string): void {
    const octets = Buffer.from(line)
    if (this.#lost > 0 || this.#octets + octets.length > this.#mostOctets) {
      this.#lost++
      return
    }
    this.#waiting.push(octets)
    this.#octets += octets.length
    this.flush()
  }

  /** Writes what waits, as far as there is room; the rest is tried again. */
  flush(): void {
    clearTimeout(this.#timer)
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const taken = this.#take(next)
      if (taken === 0) {
        this.#timer = setTimeout(() => this.flush(), againAfterMs).unref()
        return
      }
      this.#octets -= taken
      if (taken === next.length) this.#waiting.shift()
      else this.#waiting[0] = next.subarray(taken)
    }
    if (this.#lost === 0) return
    const lost = this.#lost
    this.#lost = 0
    const time = new Date().toISOString()
    this.write(`${JSON.stringify({ level: 'warn', time, lost, msg: 'lines of the log were lost' })}\n`)
  }

  /** A full disk or a closed terminal costs lines, and nothing else. @returns how many octets are done with */
  #take(octets: Buffer): number {
    try {
      return writeSync(this.#fd, octets)
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 0 : octets.length
    }
  }
}
