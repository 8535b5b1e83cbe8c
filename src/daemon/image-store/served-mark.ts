/**
 * Which revision the data plane has been told, on the first page of the memory that processes share, for the next control plane. The
 * snapshot on disk is written behind what is served, so it may be older than that, and must not take its place.
 *
 *     a mark, at 2048 and at 2560, written in turns; the one of the higher number holds
 *       octets 0..3   CRC-32 of the text
 *       octets 4..7   octets of the text
 *       text          JSON
 *
 * It is written before what it speaks of is told: after a death in between it speaks of something newer than what is served, and never of
 * something older.
 */
import { readSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import type { Mark } from '../../controlplane/catalog/catalog.ts'
import type { ImageStore } from './image-store.ts'

const placesAt = [2048, 2560] as const
const headOctets = 8
const mostOctets = 512 - headOctets

interface Written extends Mark {
  readonly number: number
}

export class ServedMark {
  /** What an earlier control plane has left; null for nothing. */
  readonly before: Mark | null
  readonly #store: ImageStore
  #number: number

  constructor(store: ImageStore) {
    this.#store = store
    const found = placesAt.flatMap((at) => read(store.fd, at) ?? [])
    const last = found.reduce<Written | null>(
      (one, other) => (one !== null && one.number > other.number ? one : other),
      null,
    )
    this.before = last
    this.#number = last?.number ?? 0
  }

  put({ revision, stamp }: Mark): void {
    const number = ++this.#number
    const text = Buffer.from(JSON.stringify({ number, revision, stamp } satisfies Written))
    if (text.length > mostOctets) throw new Error(`a mark of ${text.length} octets`)
    const head = Buffer.alloc(headOctets)
    head.writeUInt32LE(crc32(text), 0)
    head.writeUInt32LE(text.length, 4)
    this.#store.write(placesAt[number % 2]!, [head, text])
  }
}

/** Null when there is no whole one. */
function read(fd: number, at: number): Written | null {
  const octets = Buffer.alloc(headOctets + mostOctets)
  readSync(fd, octets, 0, octets.length, at)
  const length = octets.readUInt32LE(4)
  if (length === 0 || length > mostOctets) return null
  const text = octets.subarray(headOctets, headOctets + length)
  return crc32(text) === octets.readUInt32LE(0) ? (JSON.parse(text.toString()) as Written) : null
}
