/**
 * What each node does for gradual changes: it knows those that there are, takes their steps when they are due, has them go back when
 * it sees that what gains traffic fails, and halts them when somebody else has changed the weights.
 *
 * Time: the clock of the database says, when a node first sees a step, how long it is to the next; from then on the node's steady
 * clock counts. So a clock that is set, wherever, brings no step early and keeps none from coming. Nobody waits for longer than a step
 * takes.
 *
 * A failure is remembered until the change has been told of it: the database may be away just then, and what failed may
 * have come back when it returns.
 *
 * Bounds: `mostActive` changes that run, and as many again that ended lately, in `store/gradual.ts`.
 */
import type { Catalog } from '../catalog/catalog.ts'
import { ControlError, isUnavailable } from '../model/errors.ts'
import type { NewEvent } from '../model/event.ts'
import { type GradualChange, isActive, percentOf } from '../model/gradual.ts'
import type { Author, Database } from '../store/database.ts'
import { currentGradual, readGradual } from '../store/gradual.ts'
import { type Clock, monotonicClock } from '../timing/clock.ts'
import { PollLoop } from '../timing/poll-loop.ts'
import { advance } from './advance.ts'
import type { GradualInput } from './machine.ts'
import { disturbance } from './parts.ts'
import { failureOf, type Watched } from './watch.ts'

export interface MoverOptions {
  readonly database: Database
  /** What this node knows; its catalog has a revision. */
  readonly watched: () => Watched & {
    readonly catalog: Pick<Catalog, 'revision' | 'services'>
  }
  /** Whether this node trusts its own network. One that doesn't leaves changes to others. */
  readonly trusts: () => boolean
  readonly tell: (event: NewEvent) => void
  /** One can't be read, and is left out. */
  readonly onBad: (message: string) => void
  readonly onError: (error: unknown) => void
  readonly clock?: Clock
}

const activePollMs = 1_000
const idlePollMs = 10_000
/** After faults of ours, which come again as a rule. */
const longestPauseMs = 30_000
/** While another node takes a step, or the database is away. */
const takenPollMs = 100
/** So soon after a hint it looks: writes come in bursts, and most of them have nothing to do with a change. */
const activeSettleMs = 20
const idleSettleMs = 250

interface Known {
  readonly change: GradualChange
  /** By the steady clock. */
  readonly dueMs: number
  /** Why it is to go back. */
  failure: string | null
  /** After a fault of ours: how long is waited, and until when, by the steady clock. */
  pauseMs: number
  pausedUntilMs: number
}

interface Wanted {
  readonly input: GradualInput
  readonly reason: string | null
  readonly by: Author
}

export class GradualMover implements AsyncDisposable {
  readonly #options: MoverOptions
  readonly #clock: Clock
  readonly #loop: PollLoop
  #known: ReadonlyMap<number, Known> = new Map()
  /** What was told of those that can't be read. Bound: what is listed. */
  #bad: ReadonlySet<string> = new Set()
  #listening: Disposable | null = null

  constructor(options: MoverOptions) {
    this.#options = options
    this.#clock = options.clock ?? monotonicClock
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => this.#everyMs(),
      settleMs: () => (this.#active.length === 0 ? idleSettleMs : activeSettleMs),
      onError: options.onError,
    })
  }

  /** Those that run or are paused, and those that ended lately, the newest first; as the database had them last. */
  get current(): readonly GradualChange[] {
    return Array.from(this.#known.values(), ({ change }) => change)
  }

  /** Begins; not before the members have been probed, or a step would be taken on what nobody knows. */
  start(): void {
    this.#listening ??= this.#options.database.listen(() => this.#loop.hint())
    this.#loop.start()
  }

  /** Says that conditions or the configuration have changed. */
  look(): void {
    if (this.#known.size === 0) return
    this.#noteFailures()
    this.#loop.hint()
  }

  /** Says that there may be other changes than are known. */
  hint(): void {
    this.#loop.hint()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening?.[Symbol.dispose]()
    await this.#loop.stop()
  }

  get #active(): Known[] {
    return [...this.#known.values()].filter(({ change }) => isActive(change))
  }

  #everyMs(): number {
    const active = this.#active
    if (active.length === 0) return idlePollMs
    if (!this.#options.trusts()) return activePollMs
    const times = active.map(({ dueMs, pausedUntilMs }) => Math.max(dueMs, pausedUntilMs))
    const next = Math.min(...times) - this.#clock.nowMs()
    return next > 0 ? Math.min(next, activePollMs) : takenPollMs
  }

  async #look(): Promise<boolean> {
    const { database } = this.#options
    if (!database.up) return false
    await this.#read()
    if (!this.#options.trusts()) return false
    this.#noteFailures()
    let moved = false
    for (const known of this.#known.values()) {
      if (this.#clock.nowMs() < known.pausedUntilMs) continue
      const wanted = this.#wanted(known)
      if (wanted !== null && (await this.#move(known, wanted))) moved = true
    }
    return moved
  }

  /** Reads what is new or has turned; and what could not be read, as whoever heals it by SQL may leave its version. */
  async #read(): Promise<void> {
    const before = this.#known
    const bad = new Set<string>()
    const { current, read } = await this.#options.database.read(async (tx) => {
      const listed = await currentGradual(tx)
      const news = listed.filter(({ id, version }) => before.get(id)?.change.version !== version)
      const found = await readGradual(
        tx,
        news.map(({ id }) => id),
        (reason) => bad.add(reason),
      )
      return { current: listed, read: new Map(found.map((change) => [change.id, change])) }
    })
    for (const reason of bad) if (!this.#bad.has(reason)) this.#options.onBad(reason)
    this.#bad = bad
    const nowMs = this.#clock.nowMs()
    this.#known = new Map(
      current.flatMap(({ id }): [number, Known][] => {
        const change = read.get(id)
        const known = before.get(id)
        if (change === undefined) return known === undefined ? [] : [[id, known]]
        const fresh = { change, dueMs: dueAfter(change, nowMs), pauseMs: 0, pausedUntilMs: 0 }
        return [[id, { ...fresh, failure: known?.failure ?? null }]]
      }),
    )
  }

  #noteFailures(): void {
    if (!this.#options.trusts()) {
      // What was seen before may have been this node's own network already; what is true is seen again.
      for (const known of this.#known.values()) known.failure = null
      return
    }
    for (const known of this.#known.values()) {
      if (isActive(known.change)) known.failure ??= failureOf(known.change, this.#options.watched())
    }
  }

  #wanted({ change, dueMs, failure }: Known): Wanted | null {
    if (!isActive(change)) return null
    const { id, step, steps, actor, message } = change
    const said = (text: string) => `gradual change ${id}${text}`
    const system = (text: string) => ({ actor: 'system', source: 'gradual', message: said(text) }) as const
    if (failure !== null) return { input: 'fail', reason: failure, by: system(` goes back: ${failure}`) }
    // What comes of it is decided by what the database has.
    if (this.#isDisturbed(change)) return { input: 'halt', reason: null, by: system(' is halted') }
    if (change.phase !== 'running' || this.#clock.nowMs() < dueMs) return null
    const why = message === null ? '' : `: ${message}`
    const text = `, step ${Math.min(step + 1, steps.length)} of ${steps.length}${why}`
    return { input: 'due', reason: null, by: { actor, source: 'gradual', message: said(text) } }
  }

  #isDisturbed(change: GradualChange): boolean {
    const { catalog } = this.#options.watched()
    if (catalog.revision < change.revision) return false
    const percent = percentOf(change)
    return change.parts.some((part) => {
      const present =
        part.kind === 'service'
          ? { service: catalog.services.get(part.name) ?? null }
          : { pool: catalog.pools.get(part.name) ?? null }
      return disturbance(part, percent, present) !== null
    })
  }

  /** One that can't be moved keeps no other from being moved. */
  async #move(known: Known, wanted: Wanted): Promise<boolean> {
    const { database, tell, onError } = this.#options
    const { id, version } = known.change
    try {
      const done = await advance(database, { id, version, ...wanted })
      if (done !== null) tell(done.event)
      return done !== null
    } catch (error) {
      if (isUnavailable(error)) return false
      onError(error)
      if (error instanceof ControlError) return await this.#halt(id, version, error.message)
      known.pauseMs = Math.min(Math.max(2 * known.pauseMs, activePollMs), longestPauseMs)
      known.pausedUntilMs = this.#clock.nowMs() + known.pauseMs
      return false
    }
  }

  /** What the database refuses once it refuses again. */
  async #halt(id: number, version: number, reason: string): Promise<boolean> {
    const { database, tell, onError } = this.#options
    const message = `gradual change ${id} is halted: ${reason}`
    const by = { actor: 'system', source: 'gradual', message } as const
    try {
      const done = await advance(database, { id, version, input: 'halt', reason, by })
      if (done !== null) tell(done.event)
      return done !== null
    } catch (error) {
      if (!isUnavailable(error)) onError(error)
      return false
    }
  }
}

/** @returns Infinity for one that does not run */
function dueAfter({ dueInMs, stepMs }: GradualChange, nowMs: number): number {
  return dueInMs === null ? Number.POSITIVE_INFINITY : nowMs + Math.min(Math.max(dueInMs, 0), stepMs)
}
