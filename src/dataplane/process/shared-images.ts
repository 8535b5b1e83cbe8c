/**
 * The memory that this process shares with those that decide, as far as it can: where it can't be mapped, each image is copied out of
 * it.
 */
import { crc32 } from 'node:zlib'
import { type Image, ImageMemory, isPlaced, type MappedMemory, memoryAt } from '../image/image-memory.ts'
import {
  readableOf,
  type ServingChanges,
  ServingSet,
  type ServingUpdate,
  type Unreadable,
  withImages,
} from '../image/serving-set.ts'
import { copyImage, mapMemory } from '../listener/shared-memory.ts'
import { loadSyscalls } from '../listener/syscalls.ts'
import { JournalError, readJournal } from './journal.ts'

export class SharedImages {
  /** Null where images are copied, or none is shared. */
  readonly mapped: MappedMemory | null = null
  readonly #fd: number | null
  /** Where this process reads images that are not copied. */
  readonly memory: ImageMemory = ImageMemory.none

  /**
   * @param fd the memory; null for none
   * @param map maps it for this process, or throws
   */
  constructor(
    fd: number | null,
    map: (fd: number) => MappedMemory = (each) => mapMemory(loadSyscalls(), each),
  ) {
    this.#fd = fd
    if (fd === null) return
    try {
      this.mapped = map(fd)
      this.memory = memoryAt(this.mapped)
    } catch {
      // It is copied.
    }
  }

  /**
   * What was published last, as far as it is what was written; null when nothing is written down. A slot whose image is not has none.
   *
   * @param onUnreadable told of such a slot; by default that is thrown
   * @param onDamage told of a change that can't be read: what was before it holds; by default that is thrown
   * @throws JournalError when what was served at first can't be read
   */
  last(
    onUnreadable?: (what: Unreadable) => void,
    onDamage?: (error: JournalError) => void,
  ): ServingUpdate | null {
    if (this.#fd === null) return null
    const served = new ServingSet()
    let generation: number | null = null
    for (const update of readJournal(this.#fd, onDamage)) {
      served.add(update)
      generation = update.generation
    }
    if (generation === null) return null
    const checked = withImages(served.changes(), (image) => this.#checked(image), onUnreadable)
    return { ...checked, generation }
  }

  /**
   * What can be served of an update. A slot whose next image can't be read keeps the one that it has; since the memory of that one
   * will be used for something else, it is copied.
   */
  servable(
    update: ServingUpdate,
    served: ServingSet,
    onUnreadable: (what: Unreadable) => void,
  ): ServingUpdate {
    const kept = new ServingSet()
    const keep = (what: Unreadable) => {
      onUnreadable(what)
      const before = served.get(what.kind, what.slot)
      if (isPlaced(before))
        kept.add({ [what.kind]: [[what.slot, copyImage(this.#fd!, before)]] } as ServingChanges)
    }
    const own = { ...withImages(update, (image) => this.#own(image), keep), generation: update.generation }
    const readable = readableOf(own, keep, this.memory)
    kept.add(readable)
    return { ...kept.changes(), generation: update.generation }
  }

  #own(image: Image): Image {
    const toCopy = isPlaced(image) && this.mapped === null && this.#fd !== null
    return toCopy ? copyImage(this.#fd, image) : image
  }

  #checked(image: Image): Image {
    if (!isPlaced(image)) return image
    const own = this.#own(image)
    if (crc32(isPlaced(own) ? this.memory.bytes(own) : new Uint8Array(own)) !== image.checksum)
      throw new JournalError(`the checksum of the image at ${image.at} is wrong`)
    return own
  }
}
