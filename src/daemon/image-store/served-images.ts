/**
 * All that is served, and where its large images lie. Written down for a data plane that starts without us, once there is one to serve
 * it; and forgotten when nobody reads it any more.
 *
 * Without memory that is shared, or when that is full, images stay as they came, and each process gets its own copy.
 */
import { type Image, isPlaced, type PlacedImage } from '../../dataplane/image/image-memory.ts'
import { entriesOf, ServingSet, type ServingUpdate, withImages } from '../../dataplane/image/serving-set.ts'
import type { Extent } from './extents.ts'
import type { ImageStore } from './image-store.ts'
import { JournalWriter } from './journal-writer.ts'

export class ServedImages {
  readonly #store: ImageStore | null
  readonly #journal: JournalWriter | null
  readonly #served = new ServingSet()
  #generation = 0
  #journaling = false
  /** Where images were put. Those that are published again are not placed again. */
  readonly #placed = new WeakMap<SharedArrayBuffer, PlacedImage>()
  /** What is served no more, but may be read. Bounded by what is published while readers say nothing. */
  #leaving: Extent[]

  constructor(store: ImageStore | null) {
    this.#store = store
    this.#journal = store === null ? null : new JournalWriter(store)
    this.#leaving = [...(store?.inherited ?? [])]
  }

  /** All that is served. */
  get whole(): ServingUpdate {
    return { ...this.#served.changes(), generation: this.#generation }
  }

  /** The same update with its large images in the memory that is shared. Calls must not overlap. */
  async place(update: ServingUpdate): Promise<ServingUpdate> {
    const store = this.#store
    if (store === null) return update
    const others = new Map<Image, Image>()
    for (const { kind, slot, data } of entriesOf(update)) {
      if (!(data instanceof SharedArrayBuffer)) continue
      const before = this.#placed.get(data)
      const stays = before !== undefined && before === this.#served.get(kind, slot)
      const placed = stays ? before : await store.place(data)
      if (placed === null) continue
      this.#placed.set(data, placed)
      others.set(data, placed)
    }
    return { ...withImages(update, (image) => others.get(image) ?? image), generation: update.generation }
  }

  /** Takes over an update whose images are placed. */
  add(update: ServingUpdate): void {
    for (const { kind, slot, data } of entriesOf(update)) {
      const before = this.#served.get(kind, slot)
      if (isPlaced(before) && before !== data) this.#leaving.push(before)
    }
    this.#served.add(update)
    this.#generation = update.generation
    this.#write(update)
  }

  /** Writes down from now on what is served. */
  journal(): void {
    if (this.#journaling) return
    this.#journaling = true
    this.#write(this.whole)
  }

  /**
   * Gives back what nobody reads any more.
   *
   * @param readers numbers of the data planes that have said that they serve all of the last update, and nothing else
   */
  release(readers: ReadonlySet<number>): void {
    const store = this.#store
    if (store === null || this.#leaving.length === 0 || this.#journal?.begun !== true) return
    if (!store.living().every((number) => readers.has(number))) return
    for (const extent of this.#leaving.splice(0)) store.give(extent)
  }

  #write(update: ServingUpdate): void {
    if (!this.#journaling || this.#journal === null) return
    const left = this.#journal.write(update, () => this.whole)
    if (left !== null) this.#leaving.push(left)
  }
}
