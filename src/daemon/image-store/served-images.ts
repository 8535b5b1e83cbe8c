/**
 * All that is served, and where its large images lie. Written down for a data plane that starts without us, once there is one to serve
 * it; and forgotten when nobody reads it any more.
 *
 * The images of zones are read there by this process too, and the compile thread keeps them there: it is told where they are (`keptBy`),
 * and says of which it has let go.
 *
 * Without memory that is shared, or when that is full, images stay as they came, and each process gets its own copy.
 */
import type { Mark } from '../../controlplane/catalog/catalog.ts'
import {
  type Image,
  type ImageMemory,
  isPlaced,
  type MappedMemory,
  type PlacedImage,
} from '../../dataplane/image/image-memory.ts'
import { collectGarbage, reclaimOctets } from '../../dataplane/image/reclaim.ts'
import { entriesOf, ServingSet, type ServingUpdate, withImages } from '../../dataplane/image/serving-set.ts'
import { SharedImages } from '../../dataplane/process/shared-images.ts'
import type { Extent } from './extents.ts'
import type { ImageStore } from './image-store.ts'
import { JournalWriter } from './journal-writer.ts'
import { LeftText } from './left-text.ts'
import { ServedMark } from './served-mark.ts'

export class ServedImages {
  readonly #store: ImageStore | null
  readonly #journal: JournalWriter | null
  readonly #mark: ServedMark | null
  readonly #left: LeftText | null
  readonly #served = new ServingSet()
  #generation = 0
  #journaling = false
  /** Where images were put. Those that are published again are not placed again. */
  readonly #images: SharedImages
  /** Told of the images of zones that have been placed. */
  #keep: ((images: readonly PlacedImage[]) => void) | null = null
  /** Those that it may read, by their place. Bounded by the zones, and the edits that it has not answered yet. */
  readonly #kept = new Set<number>()
  /** Those of them that are served no more. */
  readonly #replaced = new Map<number, PlacedImage>()
  /** Octets that have been placed since the last collection. */
  #copied = 0
  readonly #placed = new WeakMap<SharedArrayBuffer, PlacedImage>()
  /** What is served no more, but may be read. Bounded by what is published while readers say nothing. */
  #leaving: Extent[]

  constructor(store: ImageStore | null) {
    this.#store = store
    this.#images = new SharedImages(store?.fd ?? null)
    this.#journal = store === null ? null : new JournalWriter(store)
    this.#mark = store === null ? null : new ServedMark(store)
    this.#left = store === null ? null : new LeftText(store)
    this.#leaving = [...(store?.inherited ?? [])]
  }

  /** Where this process reads images. */
  get memory(): ImageMemory {
    return this.#images.memory
  }

  /** Null where this process copies them, or none is shared. */
  get mapped(): MappedMemory | null {
    return this.#images.mapped
  }

  /** @param keep told of the images of zones that have been placed; it may read them until it lets go of them */
  keptBy(keep: (images: readonly PlacedImage[]) => void): void {
    if (this.mapped !== null) this.#keep = keep
  }

  /** Whoever keeps images does not need these any more. @param images null for all of them */
  letGo(images: readonly PlacedImage[] | null): void {
    for (const at of images?.map((image) => image.at) ?? this.#kept) {
      this.#kept.delete(at)
      const image = this.#replaced.get(at)
      if (image !== undefined) this.#leaving.push(image)
      this.#replaced.delete(at)
    }
  }

  /** What this process can answer by, of an update whose images are placed and that has not been added yet. */
  own(update: ServingUpdate): ServingUpdate {
    // The workers' side tells of what can't be read.
    return this.#images.servable(update, this.#served, () => undefined)
  }

  /** What an earlier control plane has told those who answer; null when there was none, or it left no word. */
  get before(): Mark | null {
    return this.#mark?.before ?? null
  }

  /** Whether a data plane lives that may answer by what is written here; true where that can't be told. */
  get isRead(): boolean {
    return this.#store === null || this.#store.living().length > 0
  }

  /** What is added from now on is of this revision. */
  mark(mark: Mark): void {
    this.#mark?.put(mark)
  }

  /** What an earlier control plane has left for this one; null when there was none, or it left nothing. */
  get leftBefore(): string | null {
    return this.#left?.before ?? null
  }

  /**
   * Leaves a text for the next control plane, which goes with the journal; none before that is of what we serve.
   *
   * @returns false when it is not there: nothing is written down yet, or no memory is left
   */
  leave(text: string): boolean {
    return this.#journaling && this.#left?.put(text) === true
  }

  /**
   * The images of zones by their slots, as the journal has them, in memory of this process. What an earlier control plane has served, until
   * `journal` is called.
   *
   * @throws JournalError when it is damaged
   */
  zonesOfJournal(): ReadonlyMap<number, SharedArrayBuffer> {
    const zones = this.#images.last()?.zones ?? []
    return new Map(zones.flatMap(([slot, image]) => (image === null ? [] : [[slot, this.#ownCopy(image)]])))
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
      if (!stays) this.#copied += placed.octets
      others.set(data, placed)
    }
    return { ...withImages(update, (image) => others.get(image) ?? image), generation: update.generation }
  }

  /** Takes over an update whose images are placed. */
  add(update: ServingUpdate): void {
    const toKeep: PlacedImage[] = []
    for (const { kind, slot, data } of entriesOf(update)) {
      const before = this.#served.get(kind, slot)
      if (before === data) continue
      if (isPlaced(before)) this.#leave(before)
      if (kind === 'zones' && isPlaced(data)) toKeep.push(data)
    }
    this.#tellKeeper(toKeep)
    this.#served.add(update)
    this.#generation = update.generation
    this.#write(update)
    if (this.#copied < reclaimOctets / 2) return
    // What was placed is garbage, of which the collector knows nothing.
    this.#copied = 0
    setImmediate(collectGarbage)
  }

  /** Writes down from now on what is served. */
  journal(): void {
    if (this.#journaling) return
    this.#journaling = true
    // It speaks of the slots of the journal that ends here.
    this.#left?.drop()
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

  #ownCopy(image: Image): SharedArrayBuffer {
    if (!isPlaced(image)) return image
    const copy = new SharedArrayBuffer(image.octets)
    new Uint8Array(copy).set(this.memory.bytes(image))
    return copy
  }

  #leave(image: PlacedImage): void {
    if (this.#kept.has(image.at)) this.#replaced.set(image.at, image)
    else this.#leaving.push(image)
  }

  #tellKeeper(images: readonly PlacedImage[]): void {
    if (this.#keep === null || images.length === 0) return
    for (const { at } of images) this.#kept.add(at)
    this.#keep(images)
  }

  #write(update: ServingUpdate): void {
    if (!this.#journaling || this.#journal === null) return
    const left = this.#journal.write(update, () => this.whole)
    if (left !== null) this.#leaving.push(left)
  }
}
