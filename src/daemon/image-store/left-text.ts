/**
 * A text for the next control plane, in the memory that processes share: what this one knows of what is served, that those who answer do
 * not need. The snapshot on disk says the same of a second ago, or of longer ago where the disk takes nothing.
 *
 *     root, at 3072 and at 3584     written in turns; the one of the higher number holds
 *       octets 0..3     CRC-32 of what follows
 *       octets 4..7     CRC-32 of the text
 *       octets 8..15    number, as a double, like the others
 *       octets 16..23   where the text begins
 *       octets 24..31   octets that it takes; 0 for none
 *
 * A root is written behind its text, and the text before it is given back behind that: one is there whole, whenever the writer is killed.
 */
import { readSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { memoryLayout } from '../../dataplane/image/image-memory.ts'
import type { Extent } from './extents.ts'
import type { ImageStore } from './image-store.ts'

const rootsAt = [3072, 3584] as const
const rootOctets = 32
const checkedFrom = 4

interface Root extends Extent {
  readonly number: number
  readonly checksum: number
}

export class LeftText {
  /** What an earlier control plane has left; null for nothing. */
  readonly before: string | null
  readonly #store: ImageStore
  #number: number
  #place: Extent | null = null

  constructor(store: ImageStore) {
    this.#store = store
    const roots = rootsAt.flatMap((at) => readRoot(store.fd, at) ?? [])
    const last = roots.reduce<Root | null>(
      (one, other) => (one !== null && one.number > other.number ? one : other),
      null,
    )
    this.#number = last?.number ?? 0
    this.before = last === null ? null : readText(store.fd, last)
  }

  /** Leaves a text in the place of the one before, or none where there is no memory for it: false then. */
  put(text: string): boolean {
    const octets = Buffer.from(text)
    const at = this.#store.take(octets.length)
    if (at === null) {
      this.drop()
      return false
    }
    const place = { at, octets: octets.length }
    try {
      this.#store.write(at, [octets])
    } catch {
      this.#store.give(place)
      this.drop()
      return false
    }
    this.#say(place, crc32(octets))
    return true
  }

  /** Leaves nothing. */
  drop(): void {
    this.#say(null, 0)
  }

  #say(place: Extent | null, checksum: number): void {
    const number = ++this.#number
    const root = Buffer.alloc(rootOctets)
    root.writeUInt32LE(checksum, 4)
    root.writeDoubleLE(number, 8)
    root.writeDoubleLE(place?.at ?? 0, 16)
    root.writeDoubleLE(place?.octets ?? 0, 24)
    root.writeUInt32LE(crc32(root.subarray(checkedFrom)), 0)
    this.#store.write(rootsAt[number % 2]!, [root])
    if (this.#place !== null) this.#store.give(this.#place)
    this.#place = place
  }
}

function readRoot(fd: number, at: number): Root | null {
  const root = readAt(fd, at, rootOctets)
  if (root.readUInt32LE(0) !== crc32(root.subarray(checkedFrom))) return null
  return {
    checksum: root.readUInt32LE(4),
    number: root.readDoubleLE(8),
    at: root.readDoubleLE(16),
    octets: root.readDoubleLE(24),
  }
}

/** Null when there is none, or not the one that was written. */
function readText(fd: number, { at, octets, checksum }: Root): string | null {
  if (!(octets > 0 && at >= memoryLayout.imagesFrom && at + octets <= memoryLayout.octets)) return null
  const text = readAt(fd, at, octets)
  return crc32(text) === checksum ? text.toString() : null
}

function readAt(fd: number, at: number, octets: number): Buffer {
  const read = Buffer.alloc(octets)
  for (let have = 0; have < octets; ) {
    const count = readSync(fd, read, have, octets - have, at + have)
    if (count === 0) break
    have += count
  }
  return read
}
