/**
 * Which parts of a large file are free: extents are taken and given back, in multiples of a line of the processor's cache. The first that
 * is large enough is taken. What lies within a window stays within it (`image-memory.ts`).
 *
 * Bounded by what is taken: between two extents that are taken there is at most one that is free.
 */
import { memoryLayout } from '../../dataplane/image/image-memory.ts'

export interface Extent {
  readonly at: number
  readonly octets: number
}

interface Free {
  at: number
  end: number
}

const { octets: fileOctets, imagesFrom, alignOctets, windowOctets } = memoryLayout
const pageOctets = 4096

export class Extents {
  /** In their order, no two beside each other. */
  readonly #free: Free[] = []

  /** @param taken by others, in their order */
  constructor(taken: readonly Extent[] = []) {
    let at: number = imagesFrom
    for (const extent of taken) {
      if (extent.at > at) this.#free.push({ at, end: extent.at })
      at = extent.at + extent.octets
    }
    if (at < fileOctets) this.#free.push({ at, end: fileOctets })
  }

  /** Where there is room; null when there is none. */
  take(octets: number): number | null {
    const size = aligned(octets)
    for (const [index, free] of this.#free.entries()) {
      const at = within(free.at, size)
      if (at + size > free.end) continue
      const rest = [
        { at: free.at, end: at },
        { at: at + size, end: free.end },
      ].filter((each) => each.end > each.at)
      this.#free.splice(index, 1, ...rest)
      return at
    }
    return null
  }

  /** Gives an extent back. @returns the pages that nobody has taken any part of now */
  give({ at, octets }: Extent): Extent {
    const end = at + aligned(octets)
    const index = this.#firstBehind(at)
    const before = this.#free[index - 1]
    const behind = this.#free[index]
    const joinsBefore = before?.end === at
    const joinsBehind = behind?.at === end
    const joined = { at: joinsBefore ? before.at : at, end: joinsBehind ? behind.end : end }
    this.#free.splice(joinsBefore ? index - 1 : index, Number(joinsBefore) + Number(joinsBehind), joined)
    const from = Math.max(pageUp(joined.at), pageDown(at))
    const to = Math.min(pageDown(joined.end), pageUp(end))
    return { at: from, octets: Math.max(0, to - from) }
  }

  /** The index of the first free extent behind a place. */
  #firstBehind(at: number): number {
    let low = 0
    let high = this.#free.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#free[middle]!.at > at) high = middle
      else low = middle + 1
    }
    return low
  }
}

const aligned = (octets: number) => Math.ceil(octets / alignOctets) * alignOctets
const pageUp = (at: number) => Math.ceil(at / pageOctets) * pageOctets
const pageDown = (at: number) => Math.floor(at / pageOctets) * pageOctets

/** The first place from `at` on for so many octets that crosses the border of no window, if they fit into one. */
function within(at: number, octets: number): number {
  const border = (Math.floor(at / windowOctets) + 1) * windowOctets
  return octets <= windowOctets && at + octets > border ? border : at
}
