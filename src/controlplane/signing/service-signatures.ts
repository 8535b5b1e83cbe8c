/**
 * The signatures of all services on the main thread, and what is before the signing thread (`signing-queue.ts`).
 *
 * A plan is never waited for by a query: while RRsets of a new one are signed, the service is answered with those that are.
 *
 * That signatures of a service have come is told with the first of them where it waits for those, whenever no more are left than half as
 * many as when it was told last, unless the next message brings the rest, and with the last: a plan of thousands of sets takes milliseconds to
 * compile.
 *
 * Bounded: books by the services of signed zones, two each while their signing changes.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { CatalogService, CatalogZone } from '../catalog/catalog.ts'
import { signatureTimes } from '../dnssec/rrset-signer.ts'
import type { KeyDuties, ServedKey, SigningReport } from '../model/dnssec.ts'
import { type BookSubject, ServiceBook } from './service-book.ts'
import type { SigningReply } from './set-signer.ts'
import {
  batchesOf,
  mostTaken,
  SigningQueue,
  type SigningRank,
  signingRanks,
  type Taken,
  textOf,
} from './signing-queue.ts'
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

/** What is to be told of a book of which some RRsets wait. */
interface Untold {
  /** Whether anything has come since it was told. */
  isNew: boolean
  /** It is told once no more are left. */
  until: number
}

const retryMs = 1000
/** What answers do not wait for gives way to them for as long: signing takes time from those who are to be told of a plan. */
const yieldMs = 5
const progressMs = 5000
/** What the thread may have more than twice of what is here before it is told to forget. */
const fewSignatures = 1024

export class ServiceSignatures {
  readonly #options: ServiceSignaturesOptions
  readonly #nowSeconds: () => number
  /** The latest last. */
  readonly #books = new Map<string, ServiceBook[]>()
  readonly #queue = new SigningQueue()
  /** Bounded by the books. */
  readonly #untold = new Map<ServiceBook, Untold>()
  /** The rank of what the thread has been sent. */
  #sent: SigningRank | null = null
  #waiters: (() => void)[] = []
  #running = false
  #stopped = false
  #soon: NodeJS.Timeout | undefined
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

  /** RRsets that are still to be signed: those that services could be answered with now, and those ahead. */
  get waiting(): { readonly answers: number; readonly ahead: number } {
    const [first, step, answers, ahead] = signingRanks.map((rank) => this.#queue.count(rank))
    return { answers: first! + step! + answers!, ahead: ahead! }
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
      keys: signingKeysOf(zone),
      ttlSeconds: Math.min(service.ttlSeconds, signing.maxTtlSeconds),
    }
    const known = books.find((book) => isOf(book, subject))
    if (known !== undefined) return known
    const book = new ServiceBook(subject, this.#nowSeconds)
    this.#books.set(service.name, [...books, book])
    return book
  }

  /** Has RRsets signed. */
  ask(book: ServiceBook, keys: Iterable<string>, rank: 'step' | 'ahead'): void {
    this.#queue.add(book, keys, rank)
    this.#go()
  }

  /** Has signed what the plan of a service lacks now, in the place of what it lacked before. */
  need(book: ServiceBook, keys: ReadonlySet<string>, rank: 'first' | 'answers'): void {
    this.#queue.replace(book, keys, rank)
    if (rank === 'first') this.#go()
    else this.#goSoon()
  }

  /** Resolves when all of a step is signed, or the thread has failed. */
  async settled(): Promise<void> {
    if (this.#queue.count('step') === 0 && this.#sent !== 'step') return
    await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  /** Has signatures of these zones made anew that are due, and tries again what was refused. */
  renew(apexes: Iterable<string>): void {
    const wanted = new Set(apexes)
    const nowSeconds = this.#nowSeconds()
    for (const book of this.#all()) if (wanted.has(book.apex)) this.ask(book, book.due(nowSeconds), 'ahead')
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
        this.#queue.forget(each)
        this.#untold.delete(each)
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
    clearTimeout(this.#soon)
    this.#release()
  }

  #goSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined
      this.#go()
    }, yieldMs)
  }

  #go(): void {
    if (!this.#running && !this.#stopped && !this.#queue.isEmpty) void this.#run()
  }

  async #run(): Promise<void> {
    this.#running = true
    let signed = 0
    let toldAt = performance.now()
    for (let taken = this.#queue.take(); taken !== null; taken = this.#stopped ? null : this.#queue.take()) {
      const { rank, batches, count } = taken
      this.#sent = rank
      try {
        const replies = await this.#options.thread.sign(batches.map(({ request }) => request))
        this.#sent = null
        if (this.#stopped) return
        this.#store(taken, replies)
        signed += count
      } catch (error) {
        this.#sent = null
        if (this.#stopped) return
        for (const [book, keys] of batches.flatMap(({ parts }) => parts)) {
          // It may have been let go meanwhile.
          if (this.#books.get(book.service)?.includes(book)) this.#queue.add(book, keys, rank)
        }
        this.#release()
        this.#options.onError(error)
        await pause(retryMs, undefined, { ref: false })
      }
      if (this.#queue.count('step') === 0) this.#release()
      if (performance.now() - toldAt < progressMs) continue
      toldAt = performance.now()
      this.#report()
      const { answers, ahead } = this.waiting
      this.#options.onProgress({ signed, waiting: answers + ahead })
    }
    this.#running = false
    this.#report()
    this.#cutBack()
  }

  #store({ rank, batches }: Taken, replies: readonly SigningReply[]): void {
    const news = new Set<string>()
    for (const [at, { request, parts }] of batches.entries()) {
      const { octets, rrsigLength, counts, made, trouble, kept, damaged } = replies[at]!
      const { apex } = request
      let offset = 0
      let set = 0
      for (const [book, keys] of parts) {
        let isNew = rank === 'first' || rank === 'answers'
        for (const key of keys) {
          const rrsigs = Array.from({ length: counts[set++]! }, () => {
            const from = offset
            offset += rrsigLength
            return octets.subarray(from, offset)
          })
          const wasKnown = book.keep(key, rrsigs)
          isNew ||= wasKnown
        }
        if (this.#isToBeTold(book, isNew, rank, keys.length)) news.add(book.service)
      }
      this.#note(apex, made)
      this.#kept.set(apex, kept)
      if (trouble === null) this.#troubles.delete(apex)
      else this.#troubles.set(apex, trouble)
      if (damaged !== null) this.#options.onDamaged(damaged)
    }
    if (news.size > 0) this.#options.onSigned(news)
  }

  /** @param count how many have come */
  #isToBeTold(book: ServiceBook, isNew: boolean, rank: SigningRank, count: number): boolean {
    const left = this.#queue.count(rank, book)
    const until = rank === 'first' ? Number.POSITIVE_INFINITY : (left + count) / 2
    const untold = this.#untold.get(book) ?? { isNew: false, until }
    untold.isNew ||= isNew
    const isTold = untold.isNew && (left === 0 || (left <= untold.until && left > mostTaken[rank]))
    if (left === 0) this.#untold.delete(book)
    else this.#untold.set(book, isTold ? { isNew: false, until: left / 2 } : untold)
    return isTold
  }

  #note(apex: string, made: number): void {
    this.#unreported.set(apex, made + (this.#unreported.get(apex) ?? 0))
  }

  #report(): void {
    if (this.#unreported.size === 0) return
    const found = new Map(
      Array.from(this.#unreported, ([apex, made]) => [
        apex,
        { beginsAt: 0, expiresAt: Number.POSITIVE_INFINITY, endsAt: 0, signatures: 0, made },
      ]),
    )
    this.#unreported.clear()
    for (const book of this.#all()) {
      const zone = found.get(book.apex)
      if (zone === undefined) continue
      const { signatures, beginsAt, expiresAt, endsAt } = book.times
      zone.beginsAt = Math.max(zone.beginsAt, beginsAt)
      zone.expiresAt = Math.min(zone.expiresAt, expiresAt)
      zone.endsAt = Math.max(zone.endsAt, endsAt)
      zone.signatures += signatures
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
    const parts = [...this.#all()]
      .filter(({ apex }) => wanted.has(apex))
      .map((book) => [book, [...book.keySet()]] as const)
    for (const apex of wanted) this.#kept.set(apex, counts.get(apex) ?? 0)
    this.#tellThread(this.#options.thread.retain(batchesOf(parts).map(({ request }) => request)))
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

/** Whatever else a key does: only by what signs them are services signed otherwise. */
const duties: KeyDuties = { published: false, signsKeys: false, signsZone: true, atParent: false }

/** Catalogs share the keys of zones that stay. */
const signing = new WeakMap<readonly ServedKey[], readonly ServedKey[]>()

/** The keys that sign a zone's data. */
function signingKeysOf({ keys = noKeys }: CatalogZone): readonly ServedKey[] {
  const known = signing.get(keys)
  if (known !== undefined) return known
  const found = keys.filter((key) => key.duties.signsZone).map((key) => ({ ...key, duties }))
  signing.set(keys, found)
  return found
}

function isOf(book: ServiceBook, { apex, ttlSeconds, keys }: BookSubject): boolean {
  return book.apex === apex && book.ttlSeconds === ttlSeconds && textOf(book.keys) === textOf(keys)
}

/** Equal for zones whose services are signed alike; of one that is not signed it is empty. */
export function signingTextOf(zone: CatalogZone | undefined): string {
  const signing = zone?.dnssec ?? null
  return signing === null ? '' : `signed ${signing.maxTtlSeconds} ${textOf(signingKeysOf(zone!))}`
}

/**
 * Whether what some keys have signed proves itself in a zone: of each algorithm that the zone publishes there is a signature by a key that it
 * publishes (RFC 6840 section 5.11).
 */
export function isProven(signers: readonly ServedKey[], { keys = noKeys }: CatalogZone): boolean {
  const signed = new Set(signers.map(({ publicKey }) => publicKey))
  const published = keys.filter((key) => key.duties.published)
  const proving = new Set(published.filter((key) => signed.has(key.publicKey)).map((key) => key.algorithm))
  return proving.size > 0 && published.every(({ algorithm }) => proving.has(algorithm))
}
