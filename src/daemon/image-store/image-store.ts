/**
 * Writes what is served into the memory that processes share (`image-memory.ts`): large images, and the journal by which a process that
 * answers can begin without us (`journal.ts`). This process alone writes there, until it ends; then its successor does.
 *
 * What an earlier control plane has written is still read by those who answer. It is known by its pages, and given back to the kernel
 * like all that is served no more: when everybody who may read it has said that they serve something else.
 */

import { write, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { memoryLayout, type PlacedImage } from '../../dataplane/image/image-memory.ts'
import { errnos, linux, SyscallError, type Syscalls } from '../../dataplane/listener/syscalls.ts'
import { readLiving } from '../../dataplane/process/living.ts'
import { type Extent, Extents } from './extents.ts'

/** Smaller images are copied: a plan of some members changes all the time, and a copy of it costs less than its place. */
const sharedFromOctets = 4096
/** Larger images are written by threads of Node's pool, in parts of this size. */
const partOctets = 1 << 20

const writeLater = promisify(write)

export class ImageStore {
  readonly fd: number
  /** What earlier control planes have written. */
  readonly inherited: readonly Extent[]
  readonly #syscalls: Syscalls
  readonly #extents: Extents
  #octets = 0

  /** @throws SyscallError */
  constructor(fd: number, syscalls: Syscalls) {
    this.fd = fd
    this.#syscalls = syscalls
    this.inherited = written(fd, syscalls)
    this.#extents = new Extents(this.inherited)
  }

  /** Octets that are taken by us. */
  get octets(): number {
    return this.#octets
  }

  /** Places a copy of an image; null for one that is small, or when there is no room for it. */
  async place(image: SharedArrayBuffer): Promise<PlacedImage | null> {
    const octets = image.byteLength
    if (octets < sharedFromOctets) return null
    const at = this.take(octets)
    if (at === null) return null
    try {
      return { at, octets, checksum: await this.#writeImage(at, new Uint8Array(image)) }
    } catch {
      // No memory for it: each process has its own copy then, as long as there is some for that.
      this.give({ at, octets })
      return null
    }
  }

  /** Room for something; null when there is none. */
  take(octets: number): number | null {
    const at = this.#extents.take(octets)
    if (at !== null) this.#octets += octets
    return at
  }

  /** Nobody reads it any more. */
  give(extent: Extent): void {
    const free = this.#extents.give(extent)
    if (!this.inherited.includes(extent)) this.#octets -= extent.octets
    if (free.octets > 0) this.#syscalls.fallocate(this.fd, linux.punchHole, free.at, free.octets)
  }

  /** @throws Error when there is no memory for it */
  write(at: number, pieces: readonly Uint8Array[]): void {
    let to = at
    for (const piece of pieces) {
      for (let done = 0; done < piece.length; )
        done += writeSync(this.fd, piece, done, piece.length - done, to + done)
      to += piece.length
    }
  }

  /** Numbers of the data planes that may read the memory. */
  living(): number[] {
    return readLiving(this.fd)
  }

  async #writeImage(at: number, bytes: Uint8Array): Promise<number> {
    if (bytes.length <= partOctets) {
      this.write(at, [bytes])
      return crc32(bytes)
    }
    let checksum = 0
    for (let done = 0; done < bytes.length; ) {
      const octets = Math.min(partOctets, bytes.length - done)
      const { bytesWritten } = await writeLater(this.fd, bytes, done, octets, at + done)
      checksum = crc32(bytes.subarray(done, done + bytesWritten), checksum)
      done += bytesWritten
    }
    return checksum
  }
}

/** The parts of the memory that hold something, in their order. */
function written(fd: number, syscalls: Syscalls): Extent[] {
  const extents: Extent[] = []
  for (let end: number = memoryLayout.imagesFrom; ; ) {
    const at = syscalls.lseek(fd, end, linux.seekData)
    if (at < 0 && syscalls.errno() === errnos.nxio) return extents
    end = at < 0 ? -1 : syscalls.lseek(fd, at, linux.seekHole)
    if (end < 0) throw new SyscallError('lseek', syscalls.errno())
    extents.push({ at, octets: end - at })
  }
}
