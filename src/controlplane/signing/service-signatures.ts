/**
 * The signatures of all services on the main thread, and the queue before the signing thread. What an answer waits for goes before what is
 * signed ahead, and what is signed ahead goes in batches so small that it is not waited for.
 *
 * A plan is never waited for by a query: while RRsets of a new one are signed, the one before is answered by.
 *
 * Bounded: books by the services of signed zones, two each while their signing changes; the queue by what the books lack.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { CatalogService, CatalogZone } from '../catalog/catalog.ts'
import { signatureTimes } from '../dnssec/rrset-signer.ts'
import type { ServedKey, SigningReport } from '../model/dnssec.ts'
import { type BookSubject, ServiceBook } from './service-book.ts'
import type { SigningReply, SigningRequest } from './set-signer.ts'
import type { SigningThread } from './signing-thread.ts'

export interface ServiceSignaturesOptions {
  readonly thread: Pick<SigningThread, 'sign' | 'retain' | 'forget'>
  /** Signatures have come, or others than before, for these services. */
  readonly onSigned: (services: ReadonlySet<string>) => void
  /** What signing zones' services has come to. */
  readonly onReports: (reports: readonly SigningReport[]) => void
  /** It takes long; said every few seconds. */
  readonly onProgress: (progress: { readonly signed: number; readonly waiting: number }) => void
  /** A line for a file that can't be used. */
  readonly onDamaged: (line: string) => void
  /** It is tried again. */
  readonly onError: (error: unknown) => void
  readonly nowSeconds?: () => number
}

type Queue = Map<ServiceBook, Set<string>>

/** A request, and what it was made of. */
interface Batch {
  readonly request: SigningRequest
  readonly parts: readonly (readonly [book: ServiceBook, keys: readonly string[]])[]
}

/** RRsets of one message: some 80 ms of the signing thread, and 10. */
const urgentBatch = 2000
const aheadBatch = 256
const retryMs = 1000
const progressMs = 5000
/** What the thread may have more than twice of what is here before it is told to forget. */
const fewSignatures = 1024

export class ServiceSignatures {
  readonly #options: ServiceSignaturesOptions
  readonly #nowSeconds: () => number
  /** The latest last. */
  readonly #books = new Map<string, ServiceBook[]>()
  readonly #urgent: Queue = new Map()
  readonly #ahead: Queue = new Map()
  /** RRsets that the thread has been sent. */
  #sent = 0
  #waiters: (() => void)[] = []
  #running = false
  #stopped = false
  /** Zones that a report is due of, with what was made for them. */
  readonly #unreported = new Map<string, number>()
  /** Why zones' services can't be signed, by apex. Bounded by the zones. */
  readonly #troubles = new Map<string, string>()
  /** What the thread has of zones, by apex. Bounded by the zones. */
  readonly #kept = new Map<string, number>()

  constructor(options: ServiceSignaturesOptions) {
    this.#options = options
    this.#nowSeconds = options.nowSeconds ?? (() => Math.floor(Date.now() / 1000))
  }

  /** RRsets that are still to be signed: those that answers wait for, and those ahead. */
  get waiting(): { readonly answers: number; readonly ahead: number } {
    return { answers: countOf(this.#urgent), ahead: countOf(this.#ahead) }
  }

  /** The book of a service in a zone; null where that is not signed. */
  bookOf(
    service: Pick<CatalogService, 'name' | 'ttlSeconds'>,
    zone: CatalogZone | undefined,
  ): ServiceBook | null {
    const signing = zone?.dnssec ?? null
    if (zone === undefined || signing === null) return null
    const books = this.#books.get(service.name) ?? []
    const subject = {
      service: service.name,
      apex: zone.apex,
      keys: zone.keys ?? noKeys,
      ttlSeconds: Math.min(service.ttlSeconds, signing.maxTtlSeconds),
    }
    const known = books.find((book) => isOf(book, subject))
    if (known !== undefined) return known
    const book = new ServiceBook(subject, this.#nowSeconds)
    this.#books.set(service.name, [...books, book])
    return book
  }

  /** Has RRsets signed. @param isAhead no answer waits for them */
  ask(book: ServiceBook, keys: Iterable<string>, isAhead = false): void {
    const queue = isAhead ? this.#ahead : this.#urgent
    const waiting = queue.get(book) ?? new Set()
    for (const key of keys) waiting.add(key)
    if (waiting.size === 0) return
    queue.set(book, waiting)
    if (!this.#running) void this.#run()
  }

  /** Resolves when no answer waits for a signature, or the thread has failed. */
  async settled(): Promise<void> {
    if (this.#urgent.size === 0 && this.#sent === 0) return
    await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  /** Has signatures of these zones made anew that are due, and tries again what was refused. */
  renew(apexes: Iterable<string>): void {
    const wanted = new Set(apexes)
    const nowSeconds = this.#nowSeconds()
    for (const book of this.#all()) if (wanted.has(book.apex)) this.ask(book, book.due(nowSeconds), true)
    // Also where nothing is due any more.
    for (const apex of wanted) this.#note(apex, 0)
    if (!this.#running) this.#report()
  }

  /** Forgets all books but those of these services in the zones that they are in. */
  retain(
    services: ReadonlyMap<string, CatalogService>,
    zoneOf: (service: CatalogService) => CatalogZone | undefined,
  ): void {
    for (const [name, books] of this.#books) {
      const service = services.get(name)
      const book = service === undefined ? null : this.bookOf(service, zoneOf(service))
      if (book === null) this.#books.delete(name)
      else if (books.length > 1 || books[0] !== book) this.#books.set(name, [book])
      for (const each of books) {
        if (each === book) continue
        this.#urgent.delete(each)
        this.#ahead.delete(each)
        this.#note(each.apex, 0)
      }
    }
    const used = new Set(Array.from(this.#all(), ({ apex }) => apex))
    const gone = [...this.#kept.keys()].filter((apex) => !used.has(apex))
    for (const apex of gone) {
      this.#kept.delete(apex)
      this.#troubles.delete(apex)
      this.#unreported.delete(apex)
    }
    if (gone.length > 0) this.#tellThread(this.#options.thread.forget(gone))
    if (!this.#running) this.#report()
  }

  /** Signs no more. */
  stop(): void {
    this.#stopped = true
    this.#release()
  }

  async #run(): Promise<void> {
    this.#running = true
    let signed = 0
    let toldAt = performance.now()
    while (!this.#stopped && this.#urgent.size + this.#ahead.size > 0) {
      const isUrgent = this.#urgent.size > 0
      const batches = isUrgent ? take(this.#urgent, urgentBatch) : take(this.#ahead, aheadBatch)
      const count = batches.reduce((sum, { parts }) => sum + partsOf(parts), 0)
      this.#sent = isUrgent ? count : 0
      try {
        const replies = await this.#options.thread.sign(batches.map(({ request }) => request))
        this.#sent = 0
        if (this.#stopped) return
        this.#store(batches, replies, isUrgent)
        signed += count
      } catch (error) {
        this.#sent = 0
        if (this.#stopped) return
        for (const { parts } of batches) for (const [book, keys] of parts) this.ask(book, keys, !isUrgent)
        this.#release()
        this.#options.onError(error)
        await pause(retryMs, undefined, { ref: false })
      }
      if (this.#urgent.size === 0) this.#release()
      if (performance.now() - toldAt < progressMs) continue
      toldAt = performance.now()
      this.#report()
      this.#options.onProgress({ signed, waiting: countOf(this.#urgent) + countOf(this.#ahead) })
    }
    this.#running = false
    this.#report()
    this.#cutBack()
  }

  #store(batches: readonly Batch[], replies: readonly SigningReply[], isUrgent: boolean): void {
    const news = new Set<string>()
    for (const [at, { request, parts }] of batches.entries()) {
      const { octets, rrsigLength, counts, made, trouble, kept, damaged } = replies[at]!
      const { apex } = request
      let offset = 0
      let set = 0
      for (const [book, keys] of parts) {
        for (const key of keys) {
          const rrsigs = Array.from({ length: counts[set++]! }, () => {
            const from = offset
            offset += rrsigLength
            return octets.subarray(from, offset)
          })
          const wasKnown = book.keep(key, rrsigs)
          if (isUrgent || wasKnown) news.add(book.service)
        }
      }
      this.#note(apex, made)
      this.#kept.set(apex, kept)
      if (trouble === null) this.#troubles.delete(apex)
      else this.#troubles.set(apex, trouble)
      if (damaged !== null) this.#options.onDamaged(damaged)
    }
    if (news.size > 0) this.#options.onSigned(news)
  }

  #note(apex: string, made: number): void {
    this.#unreported.set(apex, made + (this.#unreported.get(apex) ?? 0))
  }

  #report(): void {
    if (this.#unreported.size === 0) return
    const found = new Map(
      Array.from(this.#unreported, ([apex, made]) => [
        apex,
        { expiresAt: Number.POSITIVE_INFINITY, endsAt: 0, signatures: 0, made },
      ]),
    )
    this.#unreported.clear()
    for (const book of this.#all()) {
      const zone = found.get(book.apex)
      if (zone === undefined) continue
      for (const expiration of book.expirations()) {
        zone.expiresAt = Math.min(zone.expiresAt, expiration)
        zone.endsAt = Math.max(zone.endsAt, expiration)
        zone.signatures++
      }
    }
    this.#options.onReports(
      Array.from(found, ([apex, zone]) => ({
        apex,
        ...zone,
        renewAt: zone.expiresAt - signatureTimes.renewSeconds,
        trouble: this.#troubles.get(apex) ?? null,
      })),
    )
  }

  /** Has the thread forget what is of no use here any more. */
  #cutBack(): void {
    const counts = new Map<string, number>()
    for (const { apex, size, keys } of this.#all()) {
      counts.set(apex, (counts.get(apex) ?? 0) + size * keys.length)
    }
    const large = [...this.#kept].filter(([apex, kept]) => kept > 2 * (counts.get(apex) ?? 0) + fewSignatures)
    if (large.length === 0 || this.#stopped) return
    const wanted = new Set(large.map(([apex]) => apex))
    const queue: Queue = new Map()
    for (const book of this.#all()) if (wanted.has(book.apex)) queue.set(book, new Set(book.keySet()))
    for (const apex of wanted) this.#kept.set(apex, counts.get(apex) ?? 0)
    const requests = take(queue, Number.POSITIVE_INFINITY).map(({ request }) => request)
    this.#tellThread(this.#options.thread.retain(requests))
  }

  /** What nobody waits for. */
  #tellThread(told: Promise<void>): void {
    told.catch((error: unknown) => {
      if (!this.#stopped) this.#options.onError(error)
    })
  }

  #release(): void {
    for (const resolve of this.#waiters.splice(0)) resolve()
  }

  *#all(): Generator<ServiceBook> {
    for (const books of this.#books.values()) yield* books
  }
}

const noKeys: readonly ServedKey[] = []

/** Takes RRsets off a queue, together by zone and keys. */
function take(queue: Queue, most: number): Batch[] {
  const parts: [ServiceBook, string[]][] = []
  let left = most
  for (const [book, keys] of queue) {
    if (left === 0) break
    const taken = keys.size <= left ? [...keys] : [...keys].slice(0, left)
    left -= taken.length
    parts.push([book, taken])
    if (taken.length === keys.size) queue.delete(book)
    else for (const key of taken) keys.delete(key)
  }
  const alike = Map.groupBy(parts, ([{ apex, keys }]) => `${apex} ${textOf(keys)}`)
  return Array.from(alike.values(), (these) => {
    const [{ apex, keys }] = these[0]!
    const owners = these.map(([{ owner, ttlSeconds }, sets]) => {
      return { owner: Buffer.from(owner).toString('latin1'), ttlSeconds, sets }
    })
    return { request: { apex, keys, owners }, parts: these }
  })
}

function isOf(book: ServiceBook, { apex, ttlSeconds, keys }: BookSubject): boolean {
  return book.apex === apex && book.ttlSeconds === ttlSeconds && textOf(book.keys) === textOf(keys)
}

/** Catalogs share the keys of zones that stay, and their objects never change. */
const texts = new WeakMap<readonly ServedKey[], string>()

function textOf(keys: readonly ServedKey[]): string {
  const known = texts.get(keys)
  if (known !== undefined) return known
  const text = JSON.stringify(keys)
  texts.set(keys, text)
  return text
}

/** Equal for zones whose services are signed alike; of one that is not signed it is empty. */
export function signingTextOf(zone: CatalogZone | undefined): string {
  const signing = zone?.dnssec ?? null
  return signing === null ? '' : `signed ${signing.maxTtlSeconds} ${textOf(zone?.keys ?? noKeys)}`
}

const partsOf = (parts: Batch['parts']) => parts.reduce((sum, [, keys]) => sum + keys.length, 0)

function countOf(queue: Queue): number {
  let count = 0
  for (const keys of queue.values()) count += keys.size
  return count
}
