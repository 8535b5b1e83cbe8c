/**
 * Writes the journal of what is served (`journal.ts`): first all of it, then each change behind that. When there is no room for the next
 * one, all is written anew in another place with as much room again, so a change costs what it says, however much is served.
 */

import type { ServingUpdate } from '../../dataplane/image/serving-set.ts'
import {
  entryOf,
  formatRoot,
  lengthOf,
  type Root,
  readRoot,
  rootsAt,
} from '../../dataplane/process/journal.ts'
import type { Extent } from './extents.ts'
import type { ImageStore } from './image-store.ts'

/** Of a journal, at least. */
const leastOctets = 1 << 20

export class JournalWriter {
  readonly #store: ImageStore
  #root: Root
  /** Null before the first, and when there was no room. */
  #place: Extent | null = null
  /** Whether it says what we serve, not what an earlier control plane did. */
  begun = false

  constructor(store: ImageStore) {
    this.#store = store
    this.#root = readRoot(store.fd) ?? { number: 0, at: 0, octets: 0 }
  }

  /**
   * Writes a change down.
   *
   * @param whole all that is served, the change included
   * @returns a place that the journal has left, if it has
   */
  write(update: ServingUpdate, whole: () => ServingUpdate): Extent | null {
    const left = this.#place
    try {
      if (left !== null) {
        const entry = entryOf({ kind: 'publish', update })
        const { at, octets } = this.#root
        if (octets + lengthOf(entry) <= left.octets) {
          this.#store.write(at + octets, entry)
          this.#say({ at, octets: octets + lengthOf(entry) })
          return null
        }
      }
      this.#writeWhole(whole())
    } catch {
      // There is no memory for it. Better nothing than what is not served any more.
      this.#place = null
      this.#say({ at: 0, octets: 0 })
    }
    return left
  }

  #writeWhole(update: ServingUpdate): void {
    const entry = entryOf({ kind: 'replace', update })
    const octets = lengthOf(entry)
    const room = Math.max(leastOctets, 2 * octets)
    const at = this.#store.take(room)
    if (at === null) throw new Error('the memory for images is full')
    this.#place = { at, octets: room }
    try {
      this.#store.write(at, entry)
    } catch (error) {
      this.#store.give(this.#place)
      throw error
    }
    this.#say({ at, octets })
  }

  #say(place: Extent): void {
    const number = this.#root.number + 1
    this.#root = { number, ...place }
    this.begun = true
    this.#store.write(rootsAt[number % 2]!, [formatRoot(this.#root)])
  }
}
