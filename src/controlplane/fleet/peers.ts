/**
 * The other nodes on the database: tells them that this one is there and what it has measured, and hears the same of them,
 * along with the reports on members that came in elsewhere. One exchange is one transaction, once a second while pools want
 * a majority or members are reported on, else every four seconds, which is for the list of nodes alone. Verdicts are
 * written, read and gone through when they are others than before.
 *
 * What others say is good for `staleMs`: a node whose row is older has no vote, and when this node has not reached the
 * database for so long, nobody has, and it decides alone. So does a node that is the only one. An exchange is as old as its
 * beginning, and a timer of its own sees to it, for an exchange may hang longer than that.
 *
 * Bounds: a vote for each member of pools that want a majority, of each live node; reports that wait to be stored, one a member.
 */
import type { Votes } from '../health/quorum.ts'
import type { LeaseRenewal } from '../model/lease.ts'
import { formatMemberKey, type MemberKey } from '../model/member-key.ts'
import type { MemberReport, NodeRecord, NodeVerdicts } from '../model/observation.ts'
import type { Database } from '../store/database.ts'
import { beat, leave, lookAround, type Peer, readReports, readVerdicts, saveReports } from '../store/fleet.ts'
import { Alarm } from '../timing/alarm.ts'
import { monotonicClock } from '../timing/clock.ts'
import { PollLoop } from '../timing/poll-loop.ts'

export interface PeersOptions {
  readonly database: Database
  /** Who this node is, but for what changes. */
  readonly node: { readonly id: string; readonly name: string | null; readonly version: string }
  /** The revision that this node serves, and what tells it from another one of its number. */
  readonly served: () => { readonly revision: number; readonly stamp: string | null }
  /** Whether this node doubts its own network. */
  readonly suspect: () => boolean
  /** Zones that this node can't sign, as `schema/fleet.ts` has them. Left out: none. */
  readonly unsigned?: () => readonly string[]
  /** Its leases on zones, renewed by a heartbeat when that has arrived (`dnssec/zone-leases.ts`). Left out: it has none. */
  readonly leases?: { renew(): LeaseRenewal }
  /**
   * What this node has measured of the members that nodes agree upon; null when there are none. The same object as long
   * as nothing has changed.
   */
  readonly verdicts: () => NodeVerdicts | null
  /** Whether there are members that are reported on. */
  readonly takesReports: () => boolean
  /** Members of which others say something else than before. */
  readonly onVotes: (members: readonly MemberKey[]) => void
  /** Reports from the database; some of them come again. */
  readonly onReports: (reports: readonly MemberReport[]) => void
  /** The revision at which a member came to be: who measures by one before speaks of what had its name. 0 when not told. */
  readonly since?: (pool: string, member: string) => number
  /** Something in the database can't be read; the rest goes on. */
  readonly onBad: (message: string) => void
  /** `currentUntilMs` has moved on. */
  readonly onCurrent?: () => void
  /** `nodes` are those of now. */
  readonly onNodes?: () => void
  readonly onError: (error: unknown) => void
  readonly staleMs?: number
  readonly everyMs?: number
}

/** How long what a node has said counts, in milliseconds. Several times the time between two exchanges. */
export const defaultStaleMs = 10_000
const defaultEveryMs = 1000
/** When there is nothing to agree upon. A node must still be heard twice before it counts as gone. */
const idleFactor = 4

interface Said {
  readonly version: number
  readonly byPool: NodeVerdicts
  revision: number
}
const mostTold = 1000

export class Peers {
  readonly #options: PeersOptions
  readonly #staleMs: number
  readonly #startedAt = new Date()
  /** What was said, by node. Another map once what was said has run out. */
  #said = new Map<string, Said>()
  /** Reports by pool and member. */
  readonly #reports = new Map<string, MemberReport>()
  #reportsSince: Date | null = null
  #nodes: readonly NodeRecord[] = []
  /** All reports are to be read, not those alone that are new. */
  #readAgain = false
  #currentUntilMs = monotonicClock.nowMs()
  /** When the last exchange began that ended well. */
  #exchangedMs = monotonicClock.nowMs()
  #catchingUpUntilMs = Number.NEGATIVE_INFINITY
  /** The verdicts that the others can read; undefined before the first exchange. */
  #sent: NodeVerdicts | null | undefined
  #version = 0
  /** Whether there was no other node at the last exchange. */
  #alone = true
  /** Runs out with what the others have said. */
  readonly #stale = new Alarm(monotonicClock, () => this.#dropStale())
  readonly #loop: PollLoop
  readonly #asked = Promise.withResolvers<void>()

  /** What has been told of bad rows: some come again at every look. Bound: `mostTold`. */
  readonly #bad = new Set<string>()
  readonly #tellOnce = (message: string) => {
    if (this.#bad.has(message)) return
    if (this.#bad.size === mostTold) this.#bad.clear()
    this.#bad.add(message)
    this.#options.onBad(message)
  }

  constructor(options: PeersOptions) {
    this.#options = options
    this.#staleMs = options.staleMs ?? defaultStaleMs
    const everyMs = options.everyMs ?? defaultEveryMs
    const isBusy = () => options.verdicts() !== null || options.takesReports()
    this.#loop = new PollLoop({
      look: () => this.#exchange(),
      everyMs: () => (isBusy() ? everyMs : everyMs * idleFactor),
      // However much there is to say: not more often than ten times in `everyMs`.
      settleMs: () => everyMs / 10,
      onError: options.onError,
    })
  }

  start(): void {
    this.#loop.start()
  }

  /** Resolves when the others have been asked once since the start, or could not be. */
  get asked(): Promise<void> {
    return this.#asked.promise
  }

  /** All nodes, this one included, as the last exchange had them. */
  get nodes(): readonly NodeRecord[] {
    return this.#nodes
  }

  /** What the others say of a member; null when there are none that count. */
  votes(pool: string, member: string): Votes | null {
    if (this.#said.size === 0) return null
    let up = 0
    let down = 0
    const since = this.#options.since?.(pool, member) ?? 0
    for (const { byPool, revision } of this.#said.values()) {
      if (revision < since) continue
      const verdict = byPool[pool]?.[member]
      if (verdict === 'up') up++
      else if (verdict === 'down') down++
    }
    return { up, down }
  }

  /** Says that this node has measured something new: others need not wait for the next exchange. */
  hint(): void {
    this.#loop.hint()
  }

  /** Says that this node serves a later revision: somebody may wait to hear that of every node. */
  served(): void {
    if (!this.#alone) this.#loop.hint()
  }

  /**
   * Until when, by the monotonic clock, reports from the database are known: one that ends later may have been renewed, and we would not have heard. Behind
   * the present while the database is away, and then for as long as other nodes may need to store what they were told meanwhile.
   */
  get currentUntilMs(): number {
    return this.#currentUntilMs
  }

  /** Reads every report again: members have come that some of them may be on. */
  readReportsAgain(): void {
    this.#readAgain = true
    this.#loop.hint()
  }

  /** Takes a report for the other nodes. */
  add(report: MemberReport): void {
    this.#reports.set(formatMemberKey(report), report)
    this.#loop.hint()
  }

  /** Ends after having said good-bye, if the database is there for it. */
  async stop(): Promise<void> {
    await this.#loop.stop()
    this.#stale[Symbol.dispose]()
    if (!this.#loop.started || !this.#options.database.up) return
    await this.#options.database.record((tx) => leave(tx, this.#options.node.id)).catch(() => undefined)
  }

  async #exchange(): Promise<boolean> {
    try {
      if (this.#options.database.up) await this.#talk()
    } finally {
      this.#asked.resolve()
    }
    return false
  }

  async #talk(): Promise<void> {
    const reports = [...this.#reports.values()]
    this.#reports.clear()
    if (this.#readAgain) this.#reportsSince = null
    this.#readAgain = false
    const beganMs = monotonicClock.nowMs()
    const renewal = this.#options.leases?.renew()
    try {
      const heard = await this.#options.database.record((tx) => this.#say(tx, reports, renewal?.leases ?? {}))
      renewal?.arrived()
      this.#sent = heard.sent
      this.#alone = heard.alone
      this.#nodes = heard.nodes
      this.#options.onNodes?.()
      this.#reportsSince = heard.since
      if (heard.reports.length > 0) this.#options.onReports(heard.reports)
      this.#noteCurrent(beganMs)
      // When all ran out meanwhile, the next exchange reads it anew; this one left out what was known then.
      if (monotonicClock.nowMs() >= beganMs + this.#staleMs || heard.said !== this.#said) return
      this.#stale.set(beganMs + this.#staleMs)
      this.#take(heard.voters, heard.verdicts)
    } catch (error) {
      // Those that came meanwhile are newer.
      for (const report of reports) {
        const key = formatMemberKey(report)
        if (!this.#reports.has(key)) this.#reports.set(key, report)
      }
      throw error
    }
  }

  #noteCurrent(beganMs: number): void {
    if (beganMs - this.#exchangedMs > this.#staleMs) this.#catchingUpUntilMs = beganMs + this.#staleMs
    this.#exchangedMs = beganMs
    if (beganMs < this.#catchingUpUntilMs) return
    this.#currentUntilMs = beganMs
    this.#options.onCurrent?.()
  }

  async #say(
    tx: Parameters<typeof beat>[0],
    reports: readonly MemberReport[],
    leases: Readonly<Record<string, number>>,
  ) {
    const { node, served, suspect, takesReports, unsigned } = this.#options
    const sent = this.#options.verdicts()
    const news = sent !== this.#sent
    if (news) this.#version++
    // Of a daemon that was started anew they are other ones, too.
    const version = this.#startedAt.getTime() + this.#version
    await beat(tx, {
      ...node,
      startedAt: this.#startedAt,
      ...served(),
      suspect: suspect(),
      unsigned: unsigned?.() ?? [],
      leases,
      verdicts: news ? { version, byPool: sent ?? {} } : null,
    })
    await saveReports(tx, reports)
    const { nodes, peers } = await lookAround(tx, node.id, this.#staleMs)
    const voters = peers.filter(({ suspect }) => !suspect)
    const said = this.#said
    const changed = voters.filter((voter) => said.get(voter.id)?.version !== voter.version)
    const verdicts = await readVerdicts(
      tx,
      changed.map(({ id }) => id),
      this.#tellOnce,
    )
    const alone = peers.length === 0
    const heard = { sent, said, nodes, alone, voters, verdicts }
    if (!takesReports()) return { ...heard, reports: [], since: null }
    return { ...heard, ...(await readReports(tx, this.#reportsSince, this.#tellOnce)) }
  }

  #take(
    voters: readonly Peer[],
    news: readonly { readonly id: string; readonly version: number; readonly byPool: NodeVerdicts }[],
  ): void {
    const changed = new Map<string, MemberKey>()
    const live = new Map(voters.map((voter) => [voter.id, voter]))
    for (const [id, { byPool }] of this.#said) {
      if (live.has(id)) continue
      this.#said.delete(id)
      addDifferences(byPool, {}, changed)
    }
    for (const { id, version, byPool } of news) {
      addDifferences(this.#said.get(id)?.byPool ?? {}, byPool, changed)
      this.#said.set(id, { version, byPool, revision: this.#said.get(id)?.revision ?? -1 })
    }
    for (const [id, said] of this.#said) this.#catchUp(said, live.get(id)!.revision, changed)
    this.#tell(changed)
  }

  /** A node measures by a later revision than before: its word on members that have come since counts from now on. */
  #catchUp(said: Said, revision: number, changed: Map<string, MemberKey>): void {
    const before = said.revision
    said.revision = revision
    if (before < 0 || before === revision || this.#options.since === undefined) return
    for (const [pool, members] of Object.entries(said.byPool)) {
      for (const member of Object.keys(members)) {
        if (this.#options.since(pool, member) > before)
          changed.set(formatMemberKey({ pool, member }), { pool, member })
      }
    }
  }

  /** This node has not reached the database for too long: it is on its own. */
  #dropStale(): void {
    const changed = new Map<string, MemberKey>()
    for (const { byPool } of this.#said.values()) addDifferences(byPool, {}, changed)
    this.#said = new Map()
    this.#tell(changed)
  }

  #tell(changed: ReadonlyMap<string, MemberKey>): void {
    if (changed.size > 0) this.#options.onVotes([...changed.values()])
  }
}

/** Adds the members of which one says something else than the other. */
function addDifferences(before: NodeVerdicts, after: NodeVerdicts, into: Map<string, MemberKey>): void {
  for (const [one, other] of [
    [before, after],
    [after, before],
  ] as const) {
    for (const [pool, members] of Object.entries(one)) {
      const others = Object.hasOwn(other, pool) ? other[pool]! : {}
      for (const member of Object.keys(members)) {
        if (members[member] === others[member]) continue
        const key = { pool, member }
        into.set(formatMemberKey(key), key)
      }
    }
  }
}
