/**
 * Messages between two processes of ours over a stream of octets. Each is a frame:
 *
 *     octets 0..3   length of the head, least significant octet first, as all numbers
 *     octets 4..7   how many images follow
 *     then          the length of each image, four octets
 *     head          what is said, as node:v8 writes it
 *     images        one after the other
 *
 * Images go as they are: they are written from the memory that the sender serves them from, and read into the memory that the
 * receiver will, so each is copied once on the way and never held twice on one side.
 *
 * What is received is bounded (`frameLimits`), and anything that is no frame ends the conversation: `FrameReader` throws, and who
 * reads closes the stream. Half a frame is never seen.
 */
import type { Writable } from 'node:stream'
import { deserialize, serialize } from 'node:v8'

export interface Frame {
  /** Plain data without shared memory. */
  readonly said: unknown
  readonly images: readonly SharedArrayBuffer[]
}

export const frameLimits = {
  headOctets: 256 << 20,
  images: 4_000_000,
  /** Of one image. */
  imageOctets: 0xffff_ffff,
} as const

/** Octets came that are no frame. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

const fixedOctets = 8

/** Writes a frame; the stream queues what the other side has not taken yet. */
export function writeFrame(stream: Writable, frame: Frame): void {
  stream.cork()
  for (const piece of frameOctets(frame)) stream.write(piece)
  stream.uncork()
}

/** A frame as octets, in pieces. */
export function frameOctets({ said, images }: Frame): Uint8Array[] {
  const head = serialize(said)
  const sizes = Buffer.alloc(fixedOctets + 4 * images.length)
  sizes.writeUInt32LE(head.length, 0)
  sizes.writeUInt32LE(images.length, 4)
  for (const [index, { byteLength }] of images.entries())
    sizes.writeUInt32LE(byteLength, fixedOctets + 4 * index)
  return [sizes, head, ...images.map((image) => new Uint8Array(image))]
}

/** What is being read: memory of a known length, and what to do when it is full. */
interface Piece {
  readonly octets: Uint8Array
  readonly full: () => void
}

export class FrameReader {
  readonly #onFrame: (frame: Frame) => void
  #piece: Piece
  /** Octets of the piece that have come. */
  #have = 0

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame
    this.#piece = this.#fixed()
  }

  /** Takes what has come, and hands on each frame that is whole. @throws FrameError */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      const { octets } = this.#piece
      const taken = Math.min(octets.length - this.#have, chunk.length - at)
      octets.set(chunk.subarray(at, at + taken), this.#have)
      this.#have += taken
      at += taken
      // Pieces without octets are full as soon as it is their turn.
      while (this.#have === this.#piece.octets.length) {
        const { full } = this.#piece
        this.#have = 0
        full()
      }
    }
  }

  #expect(octets: Uint8Array, full: () => void): void {
    this.#piece = { octets, full }
  }

  #fixed(): Piece {
    const octets = Buffer.alloc(fixedOctets)
    return { octets, full: () => this.#sizes(octets.readUInt32LE(0), octets.readUInt32LE(4)) }
  }

  #sizes(headOctets: number, count: number): void {
    if (headOctets === 0 || headOctets > frameLimits.headOctets)
      throw new FrameError(`a head of ${headOctets} octets`)
    if (count > frameLimits.images) throw new FrameError(`${count} images`)
    const sizes = Buffer.alloc(4 * count)
    this.#expect(sizes, () => {
      const head = Buffer.alloc(headOctets)
      const lengths = Array.from({ length: count }, (_, index) => sizes.readUInt32LE(4 * index))
      this.#expect(head, () => this.#images(head, lengths))
    })
  }

  #images(head: Buffer, lengths: readonly number[]): void {
    let said: unknown
    try {
      said = deserialize(head)
    } catch (error) {
      throw new FrameError('its head can not be read', { cause: error })
    }
    const images = lengths.map((length) => new SharedArrayBuffer(length))
    const next = (index: number): void => {
      const image = images[index]
      if (image !== undefined) {
        this.#expect(new Uint8Array(image), () => next(index + 1))
        return
      }
      this.#piece = this.#fixed()
      this.#onFrame({ said, images })
    }
    next(0)
  }
}
