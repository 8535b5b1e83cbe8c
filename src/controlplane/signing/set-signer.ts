/**
 * Signs the answers of services, in a thread of its own: RRsets that a plan may answer with, each by the keys of its zone. What was signed
 * before is found again by what it signs (`dnssec/signature-book.ts`), also after a restart: each zone has a file, which is read with the first
 * question for it.
 *
 * Without its key a zone's services keep what has been signed of them.
 *
 * Bounded by what is asked for: the main thread says what is still of use once there is twice as much (`retain`).
 */
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setOf } from '../../dataplane/image/set-key.ts'
import { beat } from '../../dataplane/life/signs.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import { fileOf } from '../compile/image-files.ts'
import { readBook, writeBook } from '../compile/signature-files.ts'
import type { KeyFile } from '../dnssec/key-file.ts'
import { OpenedKeys } from '../dnssec/opened-keys.ts'
import { RrsetSigner, SigningError } from '../dnssec/rrset-signer.ts'
import { SignatureBook } from '../dnssec/signature-book.ts'
import { type SigningKey, signersOf } from '../dnssec/zone-key.ts'
import { beforeOf, syncFolder } from '../files/whole-file.ts'
import type { ServedKey } from '../model/dnssec.ts'

/** RRsets of one owner. */
export interface OwnerSets {
  /** Lower-cased wire form, an octet a character. */
  readonly owner: string
  /** The Original TTL. */
  readonly ttlSeconds: number
  /** Each as `set-key.ts` of the data plane has it. */
  readonly sets: readonly string[]
}

/** RRsets of one zone that are to be signed. */
export interface SigningRequest {
  readonly apex: string
  readonly keys: readonly ServedKey[]
  readonly owners: readonly OwnerSets[]
}

export interface SigningReply {
  /** RDATA of RRSIGs, in the order of the request. */
  readonly octets: Uint8Array
  /** How long one of them is. */
  readonly rrsigLength: number
  /** How many each RRset has, in the order of the request: 0 for one that can't be signed. */
  readonly counts: readonly number[]
  /** How many signatures were made. */
  readonly made: number
  /** Why none can be made; null when they can. */
  readonly trouble: string | null
  /** How many signatures the thread has of the zone. */
  readonly kept: number
  /** A line for a file that can't be used; null for none. */
  readonly damaged: string | null
}

export interface SetSignerOptions {
  /** Where the signatures are kept. */
  readonly directory: string
  readonly keyFile: KeyFile
  readonly nowSeconds?: () => number
}

/** Of their files. */
const kind = 'signatures'

export class SetSigner {
  readonly #directory: string
  readonly #nowSeconds: () => number
  /** By apex. Bounded by the signed zones with services. */
  readonly #books = new Map<string, SignatureBook>()
  readonly #keys: OpenedKeys
  /** Apexes of books that are not on disk as they are. Bounded as they are. */
  readonly #unwritten = new Set<string>()
  /** Apexes whose files are of no use any more, and are to be removed. Bounded as the books before. */
  readonly #forgotten = new Set<string>()

  constructor({ directory, keyFile, nowSeconds }: SetSignerOptions) {
    this.#directory = directory
    this.#keys = new OpenedKeys(keyFile)
    this.#nowSeconds = nowSeconds ?? (() => Math.floor(Date.now() / 1000))
  }

  sign(request: SigningRequest): SigningReply {
    const { apex } = request
    const { book, damaged } = this.#bookOf(apex)
    try {
      return { ...this.#sign(request, book, book), damaged }
    } catch (error) {
      return { ...refused(request, error), kept: book.size, damaged }
    }
  }

  /** Forgets what has been signed of a zone but for these. */
  retain(request: SigningRequest): void {
    const { apex } = request
    const after = new SignatureBook()
    this.#sign(request, this.#bookOf(apex).book, after)
    this.#books.set(apex, after)
    this.#unwritten.add(apex)
  }

  /** Forgets a zone; what is signed from now on is kept. Its files are still to be removed. */
  forget(apex: string): void {
    this.#books.delete(apex)
    this.#keys.forget(apex)
    this.#unwritten.delete(apex)
    this.#forgotten.add(apex)
  }

  /** Removes the files of a zone that was forgotten. */
  async removeFiles(apex: string): Promise<void> {
    const path = this.#pathOf(apex)
    await rm(beforeOf(path), { force: true })
    await rm(path, { force: true })
    this.#forgotten.delete(apex)
    // What has been signed since may have been written before.
    if (this.#books.has(apex)) this.#unwritten.add(apex)
  }

  /** Writes what is not on disk yet. @throws what the disk says; it is tried again with the next call */
  async persist(signal: AbortSignal): Promise<void> {
    if (this.#unwritten.size === 0) return
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    for (const apex of [...this.#unwritten]) {
      signal.throwIfAborted()
      const book = this.#books.get(apex)
      this.#unwritten.delete(apex)
      try {
        if (book !== undefined) await writeBook(this.#pathOf(apex), book)
      } catch (error) {
        if (this.#books.has(apex)) this.#unwritten.add(apex)
        throw error
      }
    }
    await syncFolder(this.#directory)
  }

  #sign(
    { apex, keys, owners }: SigningRequest,
    before: SignatureBook,
    after: SignatureBook,
  ): Omit<SigningReply, 'damaged'> {
    const known = this.#keys.of(apex, keys)
    const name = hostnameToWire(apex)
    const signer = new RrsetSigner(name, before, after, this.#nowSeconds())
    const rrsigs: Uint8Array[] = []
    const counts: number[] = []
    for (const { owner, ttlSeconds, sets } of owners) {
      const wire = Buffer.from(owner, 'latin1')
      for (const key of sets) {
        beat()
        const rrset = { owner: wire, ttlSeconds, ...setOf(key) }
        const made = signAll(signer, rrset, signersOf(known, rrset.type, false))
        counts.push(made.length)
        rrsigs.push(...made)
      }
    }
    if (signer.made > 0) this.#unwritten.add(apex)
    return {
      octets: joined(rrsigs),
      rrsigLength: rrsigs[0]?.length ?? 0,
      counts,
      made: signer.made,
      trouble: known.find(({ trouble }) => trouble !== null)?.trouble ?? null,
      kept: after.size,
    }
  }

  #bookOf(apex: string): { readonly book: SignatureBook; readonly damaged: string | null } {
    const known = this.#books.get(apex)
    if (known !== undefined) return { book: known, damaged: null }
    const { book, damaged } = this.#forgotten.has(apex)
      ? { book: new SignatureBook(), damaged: null }
      : readOne(this.#pathOf(apex))
    this.#books.set(apex, book)
    return { book, damaged }
  }

  #pathOf(apex: string): string {
    return join(this.#directory, fileOf(apex, kind))
  }
}

/** Of a zone whose keys are none, as somebody wrote them by SQL: zones that are asked for with it are signed all the same. */
function refused({ apex, owners }: SigningRequest, error: unknown): Omit<SigningReply, 'kept' | 'damaged'> {
  const counts = owners.flatMap(({ sets }) => sets.map(() => 0))
  const trouble = `services of zone ${apex} can't be signed: ${(error as Error).message}`
  return { octets: new Uint8Array(), rrsigLength: 0, counts, made: 0, trouble }
}

/** The one that was written last, or the one before. */
function readOne(path: string): { readonly book: SignatureBook; readonly damaged: string | null } {
  let damaged: string | null = null
  for (const each of [path, beforeOf(path)]) {
    try {
      if (existsSync(each)) return { book: readBook(each), damaged }
    } catch (error) {
      damaged ??= `${each} can't be used: ${(error as Error).message}`
    }
  }
  return { book: new SignatureBook(), damaged }
}

/** RRSIGs by all keys, or none: validators may take any of them alone, but want one of each algorithm (RFC 4035 section 2.2). */
function signAll(
  signer: RrsetSigner,
  rrset: Parameters<RrsetSigner['sign']>[0],
  keys: readonly SigningKey[],
): readonly Uint8Array[] {
  try {
    return keys.map((key) => signer.sign(rrset, key))
  } catch (error) {
    if (error instanceof SigningError) return []
    throw error
  }
}

/** In memory of their own, for whoever they are sent to. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
