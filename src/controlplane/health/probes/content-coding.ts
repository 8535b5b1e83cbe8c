/**
 * Decodes a body that comes in a content coding (RFC 9110 section 8.4) although none was asked for, as many servers, and
 * proxies before them, send it.
 *
 * Bounds: 128 KiB are taken in; what is decoded is told in pieces of 16 KiB at the most, and nothing is decoded any more once
 * nobody wants it, so a body that would grow a thousand times does not.
 */
import type { Transform } from 'node:stream'
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib'
import { type HeaderFields, listOf } from './http-framing.ts'

/** Octets in a coding that are taken: twice as many as count of a text, which a coding makes fewer. */
const codedLimit = 128 * 1024

const tooLittle = 'there is too little text in too many octets'

const decompressors = new Map<string, (first: number) => Transform>([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  ['br', () => createBrotliDecompress()],
  ['zstd', () => createZstdDecompress()],
  // Section 8.4.1.2 means zlib's format, which begins with method 8; some servers leave out its head.
  ['deflate', (first) => ((first & 0x0f) === 8 ? createInflate() : createInflateRaw())],
])

export interface TextHandler {
  data(octets: Buffer): void
  end(): void
  /** There is no text; says why. */
  unreadable(why: string): void
}

/** The text of one body. */
export class ContentDecoder {
  readonly #coding: string
  readonly #handler: TextHandler
  #taken = 0
  /** Made at the first octet: a body without any has no coding either. */
  #stream: Transform | null = null
  #over = false

  /** @param coding one that `codingOf` gave */
  constructor(coding: string, handler: TextHandler) {
    this.#coding = coding
    this.#handler = handler
  }

  data(octets: Buffer): void {
    if (this.#over || octets.length === 0 || this.#taken > codedLimit) return
    this.#taken += octets.length
    this.#stream ??= this.#open(octets[0]!)
    // A copy: it is decoded in another thread, and these octets are the socket's.
    if (this.#taken <= codedLimit) this.#stream?.write(Buffer.from(octets))
    else this.#stream?.end()
  }

  /** All that there is has come. */
  end(): void {
    if (this.#over) return
    if (this.#stream === null) this.#handler.end()
    else if (this.#taken <= codedLimit) this.#stream.end()
  }

  stop(): void {
    this.#over = true
    this.#stream?.destroy()
  }

  #open(first: number): Transform | null {
    const make = decompressors.get(this.#coding)
    if (make === undefined) {
      this.#fail('we read no such coding')
      return null
    }
    const stream = make(first)
    stream.on('data', (octets: Buffer) => !this.#over && this.#handler.data(octets))
    const isCut = () => this.#taken > codedLimit
    stream.once('end', () => {
      if (isCut()) this.#fail(tooLittle)
      else if (!this.#over) this.#handler.end()
    })
    stream.on('error', (error) => this.#fail(isCut() ? tooLittle : error.message))
    return stream
  }

  #fail(why: string): void {
    if (this.#over) return
    this.stop()
    this.#handler.unreadable(`is "${this.#coding}", and can't be decoded: ${why}`)
  }
}

/**
 * What stands where a coding should and is none, which other readers pass over, too: charsets, media types, what mail names so,
 * and what an upload to S3 leaves behind. A name that is not known here may be a coding, and its text can't be told.
 */
const noCoding =
  /^(?:identity|none|null|binary|[78]bit|aws-chunked|utf-?(?:8|16)|(?:us-)?ascii|iso-?8859-\d+|windows-\d+|[a-z]+\/[^ ]+)$/

/** The coding of a body, several of them with commas between; null when it is as it is. */
export function codingOf(fields: HeaderFields): string | null {
  const codings = listOf(fields, 'content-encoding').map((coding) => coding.toLowerCase())
  const real = codings.filter((coding) => !noCoding.test(coding))
  return real.length === 0 ? null : real.join(', ')
}
