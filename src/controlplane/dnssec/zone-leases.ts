/**
 * Leases of this node on zones whose keys are rolled over. A node that has lost the database, and not its life, goes on answering from memory,
 * while the others finish the rollover: whoever validates and asks both would find the zone bogus. So a node tells the others in
 * each heartbeat for how long it will answer such a zone when it is silent. They wait that long for it, and a margin (`rollover-nodes.ts`), and it
 * answers the zone with SERVFAIL from then on, until it has followed the database again.
 *
 *     lease      by                                       then
 *     wanted     the zone's keys are rolled over          it is written to disk
 *     durable    the snapshot has it                      the next heartbeat tells it
 *     held       a heartbeat tells it                     the others may go on without this node when it has run out
 *     expired    no heartbeat has arrived for as long     the zone is withheld: SERVFAIL
 *     given up   a heartbeat that does not tell it        a zone that is withheld stays so until what the database has now is served
 *
 * What keeps it safe:
 * 1. It is on disk before anybody is told of it, so that a node that is started again while it is cut off keeps to it.
 * 2. It runs from the moment before the heartbeat was sent, which is earlier than the database's. One whose fate is not known
 *    (its answer was lost) makes no lease longer.
 * 3. It runs by the steady clock and by the time of day, whichever has gone further: the one stands still while a machine is suspended, the
 *    other may be set back. After a start it runs by the time since the machine was started, too; where that was started as well, the time of day is
 *    all there is, and when that is before what was written, it has run out.
 * 4. Whoever knows of no other node has none: there is nobody who could go on, and answers survive. Who has none is waited for without end.
 *
 * Bounds: the zones whose keys are rolled over, `mostLeases` of them; others are waited for.
 */
import type { LeaseRenewal, WrittenLease } from '../model/lease.ts'
import type { Clock } from '../timing/clock.ts'
import type { Uptime } from '../timing/uptime.ts'

const lookEveryMs = 1_000
/** What was read from the database so lately is served, though no heartbeat has arrived yet: at a start none has. */
const freshForMs = 3_000
const mostLeases = 1_000

/** When something was, by both clocks. */
interface Moment {
  readonly steadyMs: number
  readonly wallMs: number
}

interface Lease extends Moment {
  readonly forMs: number
}

export interface ZoneLeasesOptions {
  readonly steady: Clock
  /** Tells UNIX time. */
  readonly wall: Clock
  /** Null where it is not known. */
  readonly uptime: Uptime | null
  /** What is served of these zones is to be withheld. */
  readonly onExpired: (apexes: readonly string[]) => void
  /** The others have been reached: these are to be served as the database has them now. */
  readonly onReached: (apexes: readonly string[]) => void
  /** A zone is withheld, or is not any more: then null. @param since when the others were last reached */
  readonly onChange: (apex: string, since: Date | null) => void
  /** Others are to be on disk than before. */
  readonly onWanted: () => void
}

export class ZoneLeases implements Disposable {
  readonly #options: ZoneLeasesOptions
  #wanted: ReadonlyMap<string, number> = new Map()
  #durable: ReadonlyMap<string, number> = new Map()
  #held = new Map<string, Lease>()
  /** Zones that are answered with SERVFAIL, with the time of day from which on nothing was heard. */
  readonly #withheld = new Map<string, Date>()
  /** Until when what was read from the database may be served without a heartbeat, by the steady clock. */
  readonly #freshUntilMs = new Map<string, number>()
  /** When the last heartbeat was sent that arrived, by the steady clock. */
  #reachedMs = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | null = null

  constructor(options: ZoneLeasesOptions) {
    this.#options = options
  }

  /** Zones that are answered with SERVFAIL, and since when this node has not reached the others. */
  get withheld(): ReadonlyMap<string, Date> {
    return this.#withheld
  }

  /** Says which zones' keys are rolled over, and for how long each is to be answered in silence. */
  want(wanted: ReadonlyMap<string, number>): void {
    const before = this.#wanted
    this.#wanted = wanted.size <= mostLeases ? wanted : new Map([...wanted].slice(0, mostLeases))
    const isSame = before.size === this.#wanted.size && [...before].every(([a, ms]) => wanted.get(a) === ms)
    if (!isSame) this.#options.onWanted()
  }

  /** What is to be on disk. */
  get written(): readonly WrittenLease[] {
    const held = Array.from(this.#held, ([apex, lease]) => {
      const forMs = Math.min(lease.forMs, this.#wanted.get(apex) ?? lease.forMs)
      // As long ago as either clock says.
      return { apex, forMs, ...this.#writtenMoment(this.#sinceMs(lease)) }
    })
    const others = [...this.#wanted].filter(([apex]) => !this.#held.has(apex))
    return [...held, ...others.map(([apex, forMs]) => ({ apex, forMs, ...this.#writtenMoment(0) }))]
  }

  #writtenMoment(agoMs: number): Pick<WrittenLease, 'since' | 'uptime'> {
    const { uptime, wall } = this.#options
    const since = dateOf(wall.nowMs() - agoMs)
    if (uptime === null || !Number.isFinite(agoMs)) return { since }
    return { since, uptime: { boot: uptime.boot, ms: uptime.nowMs() - agoMs } }
  }

  /** Says what is on disk now. @returns whether others can be told than before */
  persisted(leases: readonly WrittenLease[]): boolean {
    const before = this.#durable
    this.#durable = new Map(leases.map(({ apex, forMs }) => [apex, forMs]))
    return before.size !== this.#durable.size || leases.some(({ apex, forMs }) => before.get(apex) !== forMs)
  }

  /** Takes over what was written, or left in memory, before a start. */
  restore(leases: readonly WrittenLease[]): void {
    const now = this.#now()
    for (const lease of leases) {
      const { apex, forMs, since } = lease
      const steadyMs = now.steadyMs - this.#goneMs(lease, now)
      this.#held.set(apex, { forMs, steadyMs, wallMs: since.getTime() })
    }
    this.#watch()
  }

  /** How long ago a lease was renewed that was written before a start. */
  #goneMs({ since, uptime }: WrittenLease, { wallMs }: Moment): number {
    const byWallMs = wallMs - since.getTime()
    const { uptime: machine } = this.#options
    if (machine !== null && machine.boot === uptime?.boot)
      return Math.max(byWallMs, machine.nowMs() - uptime.ms)
    return byWallMs >= 0 ? byWallMs : Number.POSITIVE_INFINITY
  }

  /** A heartbeat is about to be sent. */
  renew(): LeaseRenewal {
    const now = this.#now()
    const told = [...this.#wanted.keys()].flatMap((apex) => {
      const forMs = this.#durable.get(apex)
      return forMs === undefined ? [] : [[apex, forMs] as const]
    })
    for (const [apex, forMs] of told) {
      const before = this.#held.get(apex)
      const lease =
        before === undefined ? { ...now, forMs } : { ...before, forMs: Math.min(before.forMs, forMs) }
      this.#held.set(apex, lease)
    }
    this.#watch()
    return { leases: Object.fromEntries(told), arrived: () => this.#arrived(now, told) }
  }

  #arrived(sent: Moment, told: readonly (readonly [string, number])[]): void {
    this.#held = new Map(told.map(([apex, forMs]) => [apex, { ...sent, forMs }]))
    this.#reachedMs = sent.steadyMs
    if (this.#withheld.size > 0) this.#options.onReached([...this.#withheld.keys()])
  }

  /**
   * Whether an image of a zone may be served. One that is refused is withheld from now on.
   *
   * @param readMs when what it is of was read from the database, by the steady clock; null for what was there before
   */
  admits(apex: string, readMs: number | null): boolean {
    if (!this.#hasExpired(apex)) {
      if (!this.#withheld.has(apex)) return true
      if (readMs === null || readMs < this.#reachedMs) return false
      this.#lift(apex)
      return true
    }
    const freshUntilMs = (readMs ?? Number.NEGATIVE_INFINITY) + freshForMs
    if (this.#options.steady.nowMs() >= freshUntilMs) {
      this.#withhold(apex)
      return false
    }
    this.#freshUntilMs.set(apex, freshUntilMs)
    this.#lift(apex)
    return true
  }

  /** Forgets a zone that is no more. */
  forget(apex: string): void {
    this.#lift(apex)
    this.#freshUntilMs.delete(apex)
  }

  [Symbol.dispose](): void {
    this.#cancel?.()
    this.#cancel = () => {}
  }

  #watch(): void {
    if (this.#cancel !== null || this.#held.size === 0) return
    this.#cancel = this.#options.steady.after(lookEveryMs, () => {
      this.#cancel = null
      this.#look()
      this.#watch()
    })
  }

  #look(): void {
    const nowMs = this.#options.steady.nowMs()
    for (const [apex, untilMs] of this.#freshUntilMs) if (nowMs >= untilMs) this.#freshUntilMs.delete(apex)
    const expired = [...this.#held.keys()].filter((apex) => {
      return !this.#withheld.has(apex) && !this.#freshUntilMs.has(apex) && this.#hasExpired(apex)
    })
    for (const apex of expired) this.#withhold(apex)
    if (expired.length > 0) this.#options.onExpired(expired)
  }

  #withhold(apex: string): void {
    if (this.#withheld.has(apex)) return
    const since = dateOf(this.#held.get(apex)!.wallMs)
    this.#withheld.set(apex, since)
    this.#options.onChange(apex, since)
  }

  #lift(apex: string): void {
    if (this.#withheld.delete(apex)) this.#options.onChange(apex, null)
  }

  #hasExpired(apex: string): boolean {
    const lease = this.#held.get(apex)
    return lease !== undefined && this.#sinceMs(lease) >= lease.forMs
  }

  /** How long ago something was: by the clock that has gone further. */
  #sinceMs({ steadyMs, wallMs }: Moment): number {
    const now = this.#now()
    return Math.max(now.steadyMs - steadyMs, now.wallMs - wallMs)
  }

  #now(): Moment {
    const { steady, wall } = this.#options
    return { steadyMs: steady.nowMs(), wallMs: wall.nowMs() }
  }
}

/** One without end was at the beginning of time. */
const dateOf = (ms: number) => new Date(Math.max(0, Number.isFinite(ms) ? Math.round(ms) : 0))
