/**
 * A file between the network and the database. A transaction is never held open for a peer that is slow: what comes in is
 * received whole before it is read, and what goes out is written whole before it is sent. Memory stays small either way;
 * the disk holds at most what the caller allows.
 *
 * The file has no name: it is deleted as soon as it is open, so that nothing is left behind, however the process ends.
 */
import { type FileHandle, mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

/** More than the limit came in. */
export class SpoolOverflow extends Error {
  constructor(limit: number) {
    super(`it is longer than ${limit} octets`)
    this.name = 'SpoolOverflow'
  }
}

/** This host can't keep the file: no room, no descriptor, no folder. */
export class SpoolUnavailable extends Error {
  constructor(cause: unknown) {
    const code: unknown = typeof cause === 'object' && cause !== null ? Reflect.get(cause, 'code') : undefined
    super(`this server can't keep the file for now: ${String(code ?? cause)}`, { cause })
    this.name = 'SpoolUnavailable'
  }
}

type Chunks = AsyncIterable<Uint8Array | string>

export class Spool implements AsyncDisposable {
  readonly #file: FileHandle
  #octets = 0

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /** @param parent folder that it is made in, and that is made if somebody has deleted it. Throws `SpoolUnavailable`. */
  static async create(parent: string): Promise<Spool> {
    return orUnavailable(async () => {
      await mkdir(parent, { recursive: true, mode: 0o700 })
      const folder = await mkdtemp(join(parent, 'pooldns-zonefile-'))
      try {
        return new Spool(await open(join(folder, 'spool'), 'wx+', 0o600))
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    })
  }

  get octets(): number {
    return this.#octets
  }

  /**
   * Takes all of `source`. Throws `SpoolOverflow` beyond `limit` octets, `SpoolUnavailable`, and what the source throws.
   */
  async fill(source: Chunks, limit = Number.POSITIVE_INFINITY): Promise<void> {
    for await (const chunk of source) {
      const octets = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      this.#octets += octets.length
      if (this.#octets > limit) throw new SpoolOverflow(limit)
      await orUnavailable(() => this.#file.appendFile(octets))
    }
  }

  /** What was taken. Once: the file ends with the stream. */
  read(): Readable {
    return this.#file.createReadStream({ start: 0 })
  }

  /** The same, as often as somebody likes. */
  reread(): AsyncIterable<Uint8Array> {
    return chunksOf(this.#file)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }
}

const chunkOctets = 256 * 1024

/** A file from its beginning. It stays open, also for who stops in the middle, which a stream of it does not. */
export async function* chunksOf(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ; ) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunkOctets), 0, chunkOctets, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new SpoolUnavailable(error)
  }
}
