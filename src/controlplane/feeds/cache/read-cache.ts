/**
 * What was read lately, in front of the database: reads of history and of feeds, whose answers may be some seconds old.
 *
 * Two tiers. The first is this process's memory, and bounded in octets. The second is a server that several nodes share
 * (`shared-server.ts`), where one is named; it is asked when the first has nothing, and nobody waits for it longer than it says. The
 * time is the only thing that ends what is kept: a node does not know what others have written.
 *
 * What holds:
 *
 * 1. Of reads of one key at once, one asks the database; the others get what it gets, also when that is an error.
 * 2. Nothing older than `durationMs` is given as if it were fresh, and nothing that was read before `notBeforeMs`: what this process
 *    has written itself, or a client that will have no copies.
 * 3. While the database is away, what is no older than `durationMs` and `staleMs` together is given, marked as stale, and the database
 *    is not asked.
 * 4. A key says all that its content depends on, who may see it included. The caller has looked whether the client may read at all.
 *
 * Ages are told by the clock of this process, which nobody sets; those of the shared server by how long it will keep a thing yet. So
 * clocks of hosts that differ do no harm.
 */
import { LRUCache } from 'lru-cache'
import { isUnavailable } from '../../model/errors.ts'
import { type Clock, monotonicClock } from '../../timing/clock.ts'
import {
  type Content,
  decodeContent,
  encodeContent,
  type KeptContent,
  largestContent,
  withEtag,
} from './content.ts'

export interface SharedTier extends AsyncDisposable {
  /** Whether it can be used; false while it is away. */
  readonly up: boolean
  /** What it has, and how long it would keep it yet. Null when it has nothing, or does not say so in time. Never rejects. */
  get(key: string): Promise<{ readonly octets: Buffer; readonly leftMs: number } | null>
  /** Has it keep something for so long. Nobody waits for that, and it may fail. */
  set(key: string, octets: Buffer, lifeMs: number): void
}

export interface ReadCacheOptions {
  /** Octets that are kept in memory; `defaultOctets` when left out. */
  readonly octets?: number
  /** Null for none. */
  readonly shared?: SharedTier | null
  /** Which database is read, so that what two have in a shared server is never mixed up; null while that is not known. */
  readonly database: () => string | null
  /** Whether the last use of the database succeeded. */
  readonly databaseUp: () => boolean
  readonly clock?: Clock
}

export interface Reading {
  /** What is read: see 4. */
  readonly key: string
  /** How long it is fresh; 0 keeps nothing and asks each time. */
  readonly durationMs: number
  /** How much longer it may be given while the database is away; `defaultStaleMs` when left out. */
  readonly staleMs?: number
  /** Left out, or false: this process's memory alone. */
  readonly shared?: boolean
  /** By `nowMs`; what was read earlier is not fresh. */
  readonly notBeforeMs?: number
  /** What `wrote` says of counts for it, too. */
  readonly subject?: Subject
  readonly load: () => Promise<Content>
}

/** What this process tells the cache of when it writes it, so that who has written sees it. */
export type Subject = 'events' | 'lookups'

export type Outcome = 'HIT' | 'MISS' | 'STALE'

export interface Found {
  readonly content: KeptContent
  readonly outcome: Outcome
  readonly ageMs: number
}

export interface CacheCounts {
  readonly hits: number
  readonly misses: number
  readonly stale: number
  /** What had to go for want of room. */
  readonly evictions: number
  readonly entries: number
  readonly octets: number
}

export const defaultOctets = 32 * 1024 * 1024
export const defaultStaleMs = 600_000
/** Of `octets`, what one thing may take, where that is less than `largestContent`. */
const largestPart = 4
/** What an entry costs besides its octets, about. */
const entryOctets = 500

interface Kept {
  readonly content: KeptContent
  readonly readAtMs: number
}

interface Flight {
  readonly begunAtMs: number
  readonly result: Promise<Found>
}

export class ReadCache implements AsyncDisposable {
  readonly #options: ReadCacheOptions
  readonly #clock: Clock
  readonly #memory: LRUCache<string, Kept>
  /** Bound: the requests in work. */
  readonly #flights = new Map<string, Flight>()
  readonly #outcomes: Record<Outcome, number> = { HIT: 0, MISS: 0, STALE: 0 }
  /** Bound: the subjects. */
  readonly #writtenAtMs = new Map<Subject, number>()
  #evictions = 0

  constructor(options: ReadCacheOptions) {
    const { octets = defaultOctets, clock = monotonicClock } = options
    this.#options = options
    this.#clock = clock
    this.#memory = new LRUCache({
      maxSize: octets,
      maxEntrySize: largestOf(octets),
      sizeCalculation: ({ content }, key) => sizeOf(content) + key.length,
      // What can't be given any more goes when it is asked for, or as the least recently used.
      ttl: defaultStaleMs,
      ttlResolution: 0,
      perf: { now: () => clock.nowMs() },
      dispose: (_kept, _key, reason) => {
        if (reason === 'evict') this.#evictions++
      },
    })
  }

  /** The instant by which `notBeforeMs` goes. */
  nowMs(): number {
    return this.#clock.nowMs()
  }

  get counts(): CacheCounts {
    const { HIT, MISS, STALE } = this.#outcomes
    const { size, calculatedSize } = this.#memory
    return {
      hits: HIT,
      misses: MISS,
      stale: STALE,
      evictions: this.#evictions,
      entries: size,
      octets: calculatedSize,
    }
  }

  /** Whether the shared server can be used; null when there is none. */
  get sharedUp(): boolean | null {
    return this.#options.shared?.up ?? null
  }

  /** This process has written: nothing that was read before is fresh. */
  wrote(subject: Subject): void {
    this.#writtenAtMs.set(subject, this.#clock.nowMs())
  }

  /** Rejects with what `load` rejects with, unless it is that the database is away and something is kept. */
  async read(reading: Reading): Promise<Found> {
    const found = await this.#find(reading)
    this.#outcomes[found.outcome]++
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#memory.clear()
    await this.#options.shared?.[Symbol.asyncDispose]()
  }

  async #find(asked: Reading): Promise<Found> {
    if (asked.durationMs <= 0) {
      return { content: withEtag(await asked.load()), outcome: 'MISS', ageMs: 0 }
    }
    const notBeforeMs = this.#notBefore(asked)
    const reading = { ...asked, notBeforeMs, key: `${this.#options.database() ?? ''}/${asked.key}` }
    for (;;) {
      const kept = this.#memory.get(reading.key)
      if (kept !== undefined && this.#isFresh(kept, reading)) return this.#given(kept, 'HIT')
      const flight = this.#flights.get(reading.key)
      if (flight === undefined) return await this.#fly(reading, kept)
      if (flight.begunAtMs > notBeforeMs) return await follow(flight)
      // It may have read before what this one must see.
      await flight.result.catch(() => undefined)
    }
  }

  #notBefore({ notBeforeMs = Number.NEGATIVE_INFINITY, subject }: Reading): number {
    const writtenAtMs = subject === undefined ? undefined : this.#writtenAtMs.get(subject)
    return Math.max(notBeforeMs, writtenAtMs ?? Number.NEGATIVE_INFINITY)
  }

  #isFresh({ readAtMs }: Kept, { durationMs, notBeforeMs = Number.NEGATIVE_INFINITY }: Reading): boolean {
    return readAtMs > notBeforeMs && this.#clock.nowMs() - readAtMs < durationMs
  }

  #given({ content, readAtMs }: Kept, outcome: Outcome): Found {
    return { content, outcome, ageMs: Math.max(0, this.#clock.nowMs() - readAtMs) }
  }

  #fly(reading: Reading, kept: Kept | undefined): Promise<Found> {
    const { key } = reading
    const flight = { begunAtMs: this.#clock.nowMs(), result: this.#lead(reading, kept) }
    this.#flights.set(key, flight)
    const end = () => void this.#flights.delete(key)
    flight.result.then(end, end)
    return flight.result
  }

  async #lead(reading: Reading, inMemory: Kept | undefined): Promise<Found> {
    const shared = await this.#fromShared(reading)
    if (shared !== null && this.#isFresh(shared, reading)) {
      this.#keep(reading, shared)
      return this.#given(shared, 'HIT')
    }
    const { durationMs, staleMs = defaultStaleMs } = reading
    const old = laterOf(inMemory, shared)
    const isOfUse = () => old !== null && this.#clock.nowMs() - old.readAtMs < durationMs + staleMs
    if (!this.#options.databaseUp() && isOfUse()) return this.#given(old!, 'STALE')
    const readAtMs = this.#clock.nowMs()
    try {
      const kept = { content: withEtag(await reading.load()), readAtMs }
      if (kept.content.keep !== false) {
        this.#keep(reading, kept)
        this.#share(reading, kept)
      }
      return this.#given(kept, 'MISS')
    } catch (error) {
      if (!isUnavailable(error) || !isOfUse()) throw error
      return this.#given(old!, 'STALE')
    }
  }

  #keep({ key, durationMs, staleMs = defaultStaleMs }: Reading, kept: Kept): void {
    const leftMs = kept.readAtMs + durationMs + staleMs - this.#clock.nowMs()
    // The library takes no fractions, and 0 would be without end.
    this.#memory.set(key, kept, { ttl: Math.max(1, Math.ceil(leftMs)) })
  }

  /** Nothing of a database that is not known is looked for among others'. */
  #tierFor({ shared = false }: Reading): SharedTier | null {
    const { shared: tier = null, database } = this.#options
    return shared && tier?.up && database() !== null ? tier : null
  }

  async #fromShared(reading: Reading): Promise<Kept | null> {
    const found = await this.#tierFor(reading)?.get(reading.key)
    if (found === null || found === undefined) return null
    const decoded = decodeContent(reading.key, found.octets)
    if (decoded === null) return null
    const { content, lifeMs } = decoded
    // By one that keeps things for another time than we do, or than it was told, no age can be told.
    const { durationMs, staleMs = defaultStaleMs } = reading
    if (lifeMs !== durationMs + staleMs || found.leftMs < 0 || found.leftMs > lifeMs) return null
    return { content, readAtMs: this.#clock.nowMs() - (lifeMs - found.leftMs) }
  }

  #share(reading: Reading, { content, readAtMs }: Kept): void {
    const tier = this.#tierFor(reading)
    if (tier === null || sizeOf(content) > largestOf(this.#options.octets)) return
    const { key, durationMs, staleMs = defaultStaleMs } = reading
    const lifeMs = durationMs + staleMs
    const leftMs = Math.floor(readAtMs + lifeMs - this.#clock.nowMs())
    if (leftMs > 0) tier.set(key, encodeContent(key, lifeMs, content), leftMs)
  }
}

/** With its head. */
const largestOf = (octets = defaultOctets) =>
  Math.min(Math.ceil(octets / largestPart), largestContent + 64 * 1024)

/** What somebody else's read came to. It asked nothing, so it is no miss. */
async function follow({ result }: Flight): Promise<Found> {
  const found = await result
  return found.outcome === 'MISS' ? { ...found, outcome: 'HIT' } : found
}

function laterOf(one: Kept | undefined, other: Kept | null): Kept | null {
  if (one === undefined || other === null) return one ?? other
  return one.readAtMs >= other.readAtMs ? one : other
}

function sizeOf({ body, headers }: Content): number {
  const fields = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  return entryOctets + body.length + fields
}
