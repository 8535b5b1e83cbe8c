/**
 * Memory that the processes of a server share, in which large images lie: whoever decides writes each once, and all read it where it
 * is. So a million RRsets are held once, and outlive the processes that wrote and read them.
 *
 * ## What it is
 * One file without a name (memfd_create(2)), made by the supervisor and given to the others when they start; each maps it once,
 * whole, to be read. It is far larger than what is in it: pages that nobody has written to take no memory, and those of images
 * that nobody needs any more are given back to the kernel. The file can neither shrink nor grow, so that no reader ever meets its
 * end (SIGBUS). Those who answer get it to read only.
 *
 * An image lies between the borders of a window, or fills several by itself, and a thread makes one ArrayBuffer for each window, not for
 * each image: typed arrays upon it cost nothing outside of the heap, and are of the same shape as those upon a SharedArrayBuffer.
 *
 * ## Rejected
 * - Files with names, in the data directory or in /dev/shm: that of a container has 64 MB, a disk may be full, slow, or read-only, its
 *   pages may be taken from memory and read again while a query waits, whoever may write there can cut a file that is mapped, and a server that is
 *   killed leaves them behind.
 * - A file without a name for each image, passed over a socket: ten thousand zones are ten thousand descriptors and mappings in each
 *   process, and the supervisor would have to take them in.
 * - Mapping and unmapping with each edit: what still has an ArrayBuffer would end the process. Memory that is given back here is
 *   there, and is zeros.
 */
import { createRequire } from 'node:module'
import { crc32 } from 'node:zlib'

/** Where an image lies in the memory: plain data, which can be cloned and sent. */
export interface PlacedImage {
  readonly at: number
  readonly octets: number
  /** CRC-32 of the octets. */
  readonly checksum: number
}

/** An image as it travels: shared by those who read it, copied by none, or beside what is said to a process that shares no memory. */
export type Image = SharedArrayBuffer | PlacedImage

export const memoryLayout = {
  /** Of the file, which is as good as empty: 64 GiB. */
  octets: 64 * 2 ** 30,
  /** Of a window: 64 MiB. */
  windowOctets: 64 * 2 ** 20,
  /** Images begin at multiples of this: a line of the processor's cache. */
  alignOctets: 64,
  /** The first page is for what is said of the rest (`journal.ts`, `living.ts`). */
  imagesFrom: 4096,
} as const

/** Makes an ArrayBuffer of a part of the memory, without copying it. */
export type View = (at: number, octets: number) => ArrayBuffer

/** Where this process has mapped it: plain data, for all its threads. */
export interface MappedMemory {
  readonly address: number
}

/** For one thread. */
export function memoryAt({ address }: MappedMemory): ImageMemory {
  const { view } = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  return new ImageMemory((at, octets) => view(address + at, octets))
}

export class ImageMemory {
  /** Where there is no memory that is shared. */
  static readonly none = new ImageMemory(() => {
    throw new Error('an image lies in memory that this process does not share')
  })

  readonly #view: View
  /** Made when they are needed first. Bounded by the size of the memory. */
  readonly #windows: (ArrayBuffer | undefined)[] = []

  constructor(view: View) {
    this.#view = view
  }

  /** The octets of an image, where they are. @throws Error when it can't lie there */
  bytes(image: Image): Uint8Array {
    if (image instanceof SharedArrayBuffer) return new Uint8Array(image)
    const { windowOctets } = memoryLayout
    const { at, octets } = image
    if (!isPlace(image)) throw new Error(`an image of ${octets} octets can't lie at ${at}`)
    if (octets > windowOctets) return new Uint8Array(this.#view(at, octets))
    const index = Math.floor(at / windowOctets)
    const window = this.#windows[index] ?? this.#view(index * windowOctets, windowOctets)
    this.#windows[index] = window
    return new Uint8Array(window, at % windowOctets, octets)
  }

  /** Whether the octets are those that were written. */
  isWhole(image: PlacedImage): boolean {
    return crc32(this.bytes(image)) === image.checksum
  }
}

function isPlace({ at, octets }: PlacedImage): boolean {
  const { imagesFrom, alignOctets, windowOctets, octets: end } = memoryLayout
  if (!Number.isSafeInteger(at) || !Number.isSafeInteger(octets)) return false
  if (at < imagesFrom || at % alignOctets !== 0 || octets <= 0 || octets % 4 !== 0 || at + octets > end)
    return false
  const inWindow = at % windowOctets
  return octets > windowOctets || inWindow + octets <= windowOctets
}

export function isPlaced(data: unknown): data is PlacedImage {
  return typeof data === 'object' && data !== null && 'checksum' in data
}

/** An image as octets, of whatever they are a part. */
export function octetsOf(image: SharedArrayBuffer | Uint8Array): Uint8Array {
  return image instanceof SharedArrayBuffer ? new Uint8Array(image) : image
}
