/**
 * Rollovers of zones' keys, driven by one node of the fleet: the live one whose id comes first. Another one goes on when that is gone, and
 * should both try, a step is taken once, since it belongs to a revision. All that a rollover is lies in the database, so a node that is
 * killed, in whatever step, leaves nothing behind.
 *
 * ## What is looked at
 *     the step is served   every node serves its revision, signed by all keys that it takes (`dnssec/rollover-nodes.ts`): then its time counts
 *     the parent           while it matters, once a while: all its servers, or our own zone around it
 *     the time             by the clock of the database, and by the steady clock of this node from when it first saw the step, so that a
 *                          clock that is set forward ends no wait
 */
import type { ParentVerdict } from '../controlplane/dnssec/parent-servers.ts'
import { dueAt, moveRollover, type RolloverEvent, waitOf } from '../controlplane/dnssec/rollover-machine.ts'
import { nodesBefore, nodesBehind } from '../controlplane/dnssec/rollover-nodes.ts'
import { SteadySilence } from '../controlplane/dnssec/steady-silence.ts'
import { defaultStaleMs } from '../controlplane/fleet/peers.ts'
import { isUnavailable } from '../controlplane/model/errors.ts'
import type { NewEvent } from '../controlplane/model/event.ts'
import type { SigningNode } from '../controlplane/model/observation.ts'
import {
  kindOf,
  type RolloverKind,
  type RolloverStep,
  type RolloverWait,
  stepWords,
  type ZoneRollover,
} from '../controlplane/model/rollover.ts'
import { listSigningNodes } from '../controlplane/store/fleet.ts'
import {
  changeRollover,
  type OpenRollover,
  openRollovers,
  type RolloverNews,
} from '../controlplane/store/rollovers.ts'
import { endSigning } from '../controlplane/store/signing.ts'
import { monotonicClock } from '../controlplane/timing/clock.ts'
import { PollLoop } from '../controlplane/timing/poll-loop.ts'
import { failing, type Ground, type Hearing } from './announce.ts'
import { AskedParents, type AskedVerdict } from './asked-parents.ts'

/** Between two looks: with nothing under way, and with something. */
const idleMs = 10_000
const activeMs = 1_000
/** Nodes of which words tell. */
const mostNamed = 8
/** While a step is not served everywhere yet. */
const soonMs = 100
/** Between two attempts to move one that can't be moved. */
const longestPauseMs = 60_000

/** What this node remembers of a rollover. Bounded by the rollovers. */
interface Remembered {
  readonly step: string
  /** By the steady clock; null until its time counts. */
  readonly dueMs: number | null
  /** How long it is left alone, as it could not be moved; 0 when it could. */
  pauseMs: number
  pausedUntilMs: number
}

/** A rollover as metrics tell of it. */
export interface RolloverNow {
  readonly zone: string
  readonly kind: RolloverKind
  readonly step: RolloverStep
  /** `parent-silent`: for the parent, of which this node could not ask all servers. */
  readonly waitsFor: RolloverWait | 'parent-silent'
  readonly stepSeconds: number
  /** Until its wait for caches is over; below 0 when it is overdue. Null when that is not known yet. */
  readonly dueSeconds: number | null
}

interface Surroundings {
  /** Whether this node serves a zone as its keys are now. */
  readonly canSign: (apex: string) => boolean
  /** The revision that this node serves. */
  readonly served: () => number
}

export class Rollovers implements AsyncDisposable {
  readonly #ground: Ground
  readonly #around: Surroundings
  readonly #loop: PollLoop
  #open: readonly OpenRollover[] = []
  /** When that was read, by the steady clock. */
  #readMs = 0
  readonly #remembered = new Map<string, Remembered>()
  readonly #parents: AskedParents
  readonly #silence = new SteadySilence(monotonicClock)
  /** Other nodes, as they were last seen. */
  #others: readonly SigningNode[] = []
  /** The revision at which the DS in a zone of ours was first seen to be as they are to be, by the step that it is of. Bounded by the rollovers. */
  readonly #seenDone = new Map<string, { readonly step: number; readonly revision: number }>()
  #listening: Disposable | null = null
  /** Rows that were told of. Bound: those of one look. */
  #bad: ReadonlySet<string> = new Set()

  constructor(ground: Ground, around: Surroundings) {
    this.#ground = ground
    this.#around = around
    this.#parents = new AskedParents(ground, async (rollover, verdict) => {
      const { isDone, ttlSeconds, says } = this.#heedNodes(rollover, verdict)
      if (await this.#send(rollover, { kind: 'parent', isDone, ttlSeconds }, says)) this.#loop.hint()
    })
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => this.#everyMs(),
      onError: failing(ground.log, 'a rollover of keys was not moved'),
    })
  }

  readonly hears: Hearing<'rollovers'> = {
    catalog: () => this.#loop.hint(),
    'database-available': () => this.#loop.hint(),
  }

  /** Those that are under way, as the database had them last. */
  get states(): RolloverNow[] {
    const sinceMs = monotonicClock.nowMs() - this.#readMs
    return this.#open.map(({ rollover, signing, cachedUntil, nowMs }) => {
      const wait = waitOf(rollover)
      const due = dueAt(rollover, { ...signing, cachedUntil })
      const isSilent = wait === 'parent' && this.#parents.isSilent(rollover.apex)
      return {
        zone: rollover.apex,
        kind: kindOf(rollover),
        step: rollover.step,
        waitsFor: isSilent ? 'parent-silent' : wait,
        stepSeconds: (nowMs + sinceMs - rollover.stepSince) / 1000,
        dueSeconds: due === null || wait === 'parent' ? null : (due - nowMs - sinceMs) / 1000,
      }
    })
  }

  start(): void {
    this.#listening ??= this.#ground.database.listen(() => this.#loop.hint())
    this.#loop.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening?.[Symbol.dispose]()
    await this.#loop.stop()
    await this.#parents[Symbol.asyncDispose]()
  }

  #everyMs(): number {
    if (this.#open.length === 0) return idleMs
    const waits = this.#open.some(
      ({ rollover }) => rollover.countedFrom === null && rollover.step !== 'parent',
    )
    return waits ? soonMs : activeMs
  }

  async #look(): Promise<boolean> {
    const { database, nodeId } = this.#ground
    if (!database.up) return false
    const bad = new Set<string>()
    const { open, nodes } = await database.read(async (tx) => {
      const open = await openRollovers(tx, null, (reason) => bad.add(reason))
      return { open, nodes: open.length === 0 ? [] : await listSigningNodes(tx) }
    })
    for (const reason of bad)
      if (!this.#bad.has(reason)) this.#ground.log.error({ reason }, 'a row of the database was left out')
    this.#bad = bad
    this.#open = open
    this.#readMs = monotonicClock.nowMs()
    const apexes = new Set(open.map(({ rollover }) => rollover.apex))
    for (const apex of this.#remembered.keys()) if (!apexes.has(apex)) this.#remembered.delete(apex)
    for (const apex of this.#seenDone.keys()) if (!apexes.has(apex)) this.#seenDone.delete(apex)
    this.#parents.retain(apexes)
    for (const each of open) this.#remember(each)
    const others = nodes.filter(({ id }) => id !== nodeId)
    this.#others = this.#silence.of(others)
    const drives = others.every(({ id, silentMs }) => id > nodeId || silentMs > defaultStaleMs)
    if (!drives) return false
    // What this node said of itself last may be of seconds ago, unless that is of another history of the database.
    const own = nodes.find(({ id }) => id === nodeId)?.revision === -1 ? -1 : this.#around.served()
    let moved = false
    for (const each of open) {
      if (this.#loop.signal.aborted) return false
      if (await this.#tryToDrive(each, own)) moved = true
    }
    return moved
  }

  /** One that can't be moved, as somebody broke a row of its zone, keeps no other from being moved, and is tried less and less often. */
  async #tryToDrive(open: OpenRollover, served: number): Promise<boolean> {
    const { apex } = open.rollover
    const remembered = this.#remembered.get(apex)!
    if (monotonicClock.nowMs() < remembered.pausedUntilMs) return false
    try {
      const moved = await this.#drive(open, served)
      remembered.pauseMs = 0
      return moved
    } catch (error) {
      if (isUnavailable(error)) throw error
      if (remembered.pauseMs === 0)
        this.#ground.log.error({ zone: apex, err: error }, 'a rollover of keys was not moved')
      remembered.pauseMs = Math.min(Math.max(2 * remembered.pauseMs, activeMs), longestPauseMs)
      remembered.pausedUntilMs = monotonicClock.nowMs() + remembered.pauseMs
      return false
    }
  }

  #remember({ rollover, signing, cachedUntil, nowMs }: OpenRollover): void {
    const { apex, revision, countedFrom } = rollover
    const due = dueAt(rollover, { ...signing, cachedUntil })
    // The times of a zone may be changed while it waits.
    const step = `${revision} ${countedFrom} ${due}`
    if (this.#remembered.get(apex)?.step === step) return
    const dueMs = due === null ? null : monotonicClock.nowMs() + Math.max(0, due - nowMs)
    this.#remembered.set(apex, { step, dueMs, pauseMs: 0, pausedUntilMs: 0 })
  }

  /** Whether it has come further. */
  async #drive(open: OpenRollover, served: number): Promise<boolean> {
    const { rollover } = open
    const { apex, step, countedFrom, revision } = rollover
    const { dueMs } = this.#remembered.get(apex)!
    if (countedFrom === null && step !== 'parent' && served >= revision && this.#around.canSign(apex)) {
      const isServed = nodesBehind(this.#others, rollover).length === 0
      return isServed && (await this.#send(rollover, { kind: 'served' }))
    }
    const asks = rollover.entry && (step === 'publish' || step === 'parent' || step === 'ds-out')
    if (asks) this.#parents.ask(open)
    const isDue = dueMs !== null && monotonicClock.nowMs() >= dueMs
    return isDue && (await this.#send(rollover, { kind: 'due' }))
  }

  /**
   * What a parent that is a zone of ours says is what every node serves of it: one that has lost the database goes on answering the former DS,
   * and has no lease on that zone.
   */
  #heedNodes({ apex, step, revision: stepIs }: ZoneRollover, verdict: AskedVerdict): ParentVerdict {
    const { isDone, ownRevision } = verdict
    const known = this.#seenDone.get(apex)
    if (!isDone || step !== 'parent' || ownRevision === null) {
      this.#seenDone.delete(apex)
      return verdict
    }
    const revision = known?.step === stepIs ? known.revision : ownRevision
    this.#seenDone.set(apex, { step: stepIs, revision })
    const before = nodesBefore(this.#others, revision)
    if (before.length === 0) return verdict
    const says = `${verdict.says}, but not all servers serve that yet: ${before.slice(0, mostNamed).join('; ')}`
    return { ...verdict, isDone: false, says }
  }

  async #send(rollover: ZoneRollover, event: RolloverEvent, says: string | null = null): Promise<boolean> {
    const { apex, revision } = rollover
    const by = { actor: 'dnssec', source: 'dnssec', message: null } as const
    const { result: news } = await this.#ground.database.write(by, async (write) => {
      const found = await changeRollover(
        write,
        apex,
        revision,
        ({ rollover, signing, cachedUntil, nowMs }) =>
          moveRollover(rollover, event, { ...signing, cachedUntil }, Math.round(nowMs)),
        says,
      )
      await write.settled()
      if (found?.endsSigning) await endSigning(write, apex, {})
      return found
    })
    if (news === null) return false
    for (const told of eventsOf(news)) this.#ground.announce({ kind: 'operated', events: [told] })
    return (
      news.after === null ||
      news.after.step !== news.before.step ||
      news.after.countedFrom !== news.before.countedFrom
    )
  }
}

/** What is told of it. */
function eventsOf({ before, to, after, endsSigning }: RolloverNews): NewEvent[] {
  const { apex: zone } = before
  const at = new Date()
  if (after === null) {
    const end =
      to === 'cancelled' ? 'the keys are those of before' : 'the new keys have taken the place of the old'
    return [{ kind: 'dnssec', zone, what: to, reason: endsSigning ? 'it is not signed any more' : end, at }]
  }
  if (after.step === before.step && after.reverting === before.reverting) return []
  const back = after.reverting ? ', on its way back' : ''
  return [
    { kind: 'dnssec', zone, what: 'step', reason: `${after.step}${back}: ${stepWords[after.step]}`, at },
  ]
}
