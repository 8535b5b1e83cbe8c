/**
 * Keeps the hosts that are members resolved, in the background, so that answering never waits for somebody else's DNS:
 * plans are made from what is known, and made again when that changes.
 *
 * A host is one entry, however many members name it. Rounds follow `host-state.ts`: when TTLs end, sooner while
 * something is wrong. Each is put off by up to a tenth of its wait, 1 s at most, so that hosts that were first looked up together
 * drift apart. Due hosts queue for a free slot in the order in which they became due.
 *
 * A host that lies in one of our own zones is resolved like any other, by the resolvers; asking our own data plane would
 * be shorter and would make answers feed on themselves when a service's member leads back to the service.
 *
 * Bounds: one entry and two timers a host; the queue holds a host once; `concurrency` lookups, two queries each.
 */
import type { Resolution } from '../model/observation.ts'
import type { AddressPolicy } from '../model/pool.ts'
import { Alarm } from '../timing/alarm.ts'
import { type Clock, wallClock } from '../timing/clock.ts'
import { advance, endGrace, graceEndMs, type HostState, initialState, keptResolution } from './host-state.ts'
import type { Lookup } from './lookup.ts'
import { keptOf, withoutRefused } from './refused-addresses.ts'

/** How long the first lookup after a start may take before a grace from before it ends: the host may have come back meanwhile. */
const firstAskMs = 5_000

/** What one round changed; at the least the time until which the addresses are good. */
export interface ResolutionChange {
  readonly before: Resolution
  readonly after: Resolution
}

export interface HostResolverOptions {
  readonly lookup: Lookup
  /** Why an address is none that a member may have; every address may be one when left out. */
  readonly refuses?: AddressPolicy
  /** The rounds that ended in one turn of the event loop. May not throw. */
  readonly onChanges: (changes: readonly ResolutionChange[]) => void
  /** Most lookups at a time; 32 when left out. */
  readonly concurrency?: number
  /** Tells the time of day. */
  readonly clock?: Clock
  /** Uniform in [0, 1). */
  readonly random?: () => number
}

const jitterShare = 0.1
const longestJitterMs = 1_000

interface KnownHost {
  state: HostState
  failures: number
  cancelTimer: (() => void) | null
  /** Rings when addresses that are gone have been kept for long enough, whether or not a lookup is under way. */
  readonly grace: Alarm
  inFlight: AbortController | null
}

export class HostResolver implements AsyncDisposable {
  readonly #options: HostResolverOptions
  readonly #refuses: AddressPolicy
  readonly #clock: Clock
  readonly #random: () => number
  readonly #concurrency: number
  readonly #hosts = new Map<string, KnownHost>()
  readonly #due = new Set<string>()
  readonly #running = new Set<Promise<void>>()
  #restored = new Map<string, Resolution>()
  /** Hosts of the first `setHosts` of which nothing is known yet; null before that call. */
  #awaited: Set<string> | null = null
  readonly #firstRound = Promise.withResolvers<void>()
  #changes: ResolutionChange[] = []
  #delivery: NodeJS.Immediate | null = null
  #stopped = false

  constructor(options: HostResolverOptions) {
    this.#options = options
    this.#refuses = options.refuses ?? (() => null)
    this.#clock = options.clock ?? wallClock()
    this.#random = options.random ?? Math.random
    this.#concurrency = options.concurrency ?? 32
  }

  /**
   * Resolves when every host of the first `setHosts` has addresses, restored or looked up, or one lookup behind it; also
   * at a stop, so that nobody waits for ever.
   */
  get firstRound(): Promise<void> {
    return this.#firstRound.promise
  }

  /** Gives hosts the last good addresses from before the start. Counts for those of the first `setHosts`. */
  restore(resolutions: readonly Resolution[]): void {
    if (this.#awaited === null)
      this.#restored = new Map(
        resolutions.map((resolution) => [resolution.host, keptOf(resolution, this.#refuses)]),
      )
  }

  /** Says which hosts are resolved from now on. What is known of those that stay is kept; new ones are looked up at once. */
  setHosts(hosts: Iterable<string>): void {
    if (this.#stopped) return
    const wanted = new Set(hosts)
    for (const [host, known] of this.#hosts) if (!wanted.has(host)) this.#forget(host, known)
    for (const host of wanted) {
      if (this.#hosts.has(host)) continue
      const state = initialState(host, this.#now(), this.#restored.get(host))
      const grace = new Alarm(this.#clock, () => this.#endGrace(host))
      const endMs = graceEndMs(state)
      if (endMs !== null) grace.set(Math.max(endMs, this.#now().getTime() + firstAskMs))
      this.#hosts.set(host, { state, failures: 0, cancelTimer: null, grace, inFlight: null })
      this.#due.add(host)
    }
    if (this.#awaited === null) {
      const bare = [...this.#hosts].filter(([, { state }]) => state.resolution.state === 'pending')
      this.#awaited = new Set(bare.map(([host]) => host))
      this.#restored.clear()
    }
    this.#settleFirstRound()
    this.#startDue()
  }

  /** What is known of a host; `pending` for one that nobody asked for. */
  resolution(host: string): Resolution {
    return this.#hosts.get(host)?.state.resolution ?? initialState(host, this.#now()).resolution
  }

  /** Every host that has addresses, to be restored from after a restart. */
  lastGood(): Resolution[] {
    const all = Array.from(this.#hosts.values(), ({ state }) => keptResolution(state))
    return all.filter(({ addresses }) => addresses.length > 0)
  }

  /** Rounds of a host that had something wrong, since it came. */
  failures(host: string): number {
    return this.#hosts.get(host)?.failures ?? 0
  }

  /** Ends the lookups in flight and starts no more; what is known stays. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    this.#due.clear()
    for (const known of this.#hosts.values()) halt(known)
    if (this.#delivery !== null) clearImmediate(this.#delivery)
    await Promise.all(this.#running)
    this.#firstRound.resolve()
  }

  #now(): Date {
    return new Date(this.#clock.nowMs())
  }

  #forget(host: string, known: KnownHost): void {
    this.#hosts.delete(host)
    this.#due.delete(host)
    this.#awaited?.delete(host)
    halt(known)
  }

  #startDue(): void {
    for (const host of this.#due) {
      if (this.#running.size >= this.#concurrency) return
      this.#due.delete(host)
      const round = this.#round(host, this.#hosts.get(host)!).finally(() => {
        this.#running.delete(round)
        this.#startDue()
      })
      this.#running.add(round)
    }
  }

  async #round(host: string, known: KnownHost): Promise<void> {
    const inFlight = new AbortController()
    known.inFlight = inFlight
    const answer = withoutRefused(await this.#options.lookup(host, inFlight.signal), this.#refuses)
    known.inFlight = null
    if (inFlight.signal.aborted) return
    const before = known.state.resolution
    const { state, waitMs } = advance(known.state, answer, this.#now())
    known.state = state
    known.grace.set(graceEndMs(state) ?? Number.POSITIVE_INFINITY)
    if (state.resolution.error !== null) known.failures++
    const jitterMs = this.#random() * Math.min(longestJitterMs, waitMs * jitterShare)
    known.cancelTimer = this.#clock.after(waitMs + jitterMs, () => {
      known.cancelTimer = null
      this.#due.add(host)
      this.#startDue()
    })
    this.#awaited?.delete(host)
    this.#tell({ before, after: state.resolution })
  }

  #endGrace(host: string): void {
    const known = this.#hosts.get(host)!
    const before = known.state.resolution
    known.state = endGrace(known.state, this.#now())
    known.grace.set(graceEndMs(known.state) ?? Number.POSITIVE_INFINITY)
    this.#tell({ before, after: known.state.resolution })
  }

  #tell(change: ResolutionChange): void {
    this.#changes.push(change)
    this.#delivery ??= setImmediate(() => this.#deliver())
  }

  #deliver(): void {
    this.#delivery = null
    const changes = this.#changes
    this.#changes = []
    this.#options.onChanges(changes)
    this.#settleFirstRound()
  }

  #settleFirstRound(): void {
    if (this.#awaited?.size === 0) this.#firstRound.resolve()
  }
}

function halt(known: KnownHost): void {
  known.cancelTimer?.()
  known.grace[Symbol.dispose]()
  known.inFlight?.abort()
}
