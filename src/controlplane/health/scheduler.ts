/**
 * Runs jobs again and again, each at its own interval, spread over time. It knows nothing of probes: the checker
 * gives it one job per check, which is one monitor of one member.
 *
 * ## When a job runs
 * - A new job runs at once, ahead of nothing and together with every other that is due, up to `concurrency`.
 * - From then on it follows a grid of its own: points one interval apart, whose phase comes from the golden-ratio
 *   sequence. That sequence fills the interval evenly for any number of jobs, and stays even while jobs come and go,
 *   which random phases do only for very many and equal slices only for a fixed number. Where the sequence begins
 *   is random, so that several nodes don't probe a member in step.
 * - Around each grid point the run is moved by up to +-5 % of the interval, so two consecutive runs lie 0.9 to 1.1
 *   intervals apart. Jitter around a grid, and not from run to run, keeps the load even for ever: summed-up jitter
 *   is a random walk that ends in clumps.
 * - A job never runs twice at once: while it runs it is out of the heap, and comes back when it settles. Of the grid
 *   points that have gone by meanwhile only the latest is made up for, so a late job runs once and not once per missed
 *   point, and a probe that takes its whole interval to time out costs no extra one. Points less than half
 *   an interval after the last start are skipped: after a late run, and between the first two, runs may be 0.45 to 1.55
 *   intervals apart.
 * - A run may ask for the next one to come sooner than the grid has it: a failure is looked at again at once. The grid
 *   stays as it is meanwhile.
 * - What waits for a free slot waits in the heap, the longest overdue first. There is no second queue.
 * - One timer serves all jobs. It starts at most `startsPerTurn` of them and then lets the event loop
 *   turn, because starting all 512 takes tens of milliseconds and the control plane has an API to answer and
 *   transitions to publish.
 *
 * ## Bounds
 * The heap has one entry a job, `running` at most `concurrency`.
 */
import { Alarm } from '../timing/alarm.ts'
import { type Clock, monotonicClock } from '../timing/clock.ts'
import { type Due, DueHeap } from './due-heap.ts'

export interface SchedulerOptions {
  /** Most runs at the same time; at least 1. Default 512. */
  readonly concurrency?: number
  /** One that never goes back. */
  readonly clock?: Clock
  /** Uniform in [0, 1). */
  readonly random?: () => number
  /** A run rejected, which is a defect; the job goes on at its next point. Without it the rejection is unhandled. */
  readonly onError?: (error: unknown) => void
}

/**
 * One run of a job. May not reject (`onError`).
 * @param signal aborted when the job is cancelled, or the scheduler stops
 * @returns in how many milliseconds the next run shall begin; null leaves that to the grid
 */
export type Run = (signal: AbortSignal) => Promise<number | null>

/** Where a job stands in the schedule, for another job that is to go on from there. */
export interface JobPosition {
  readonly phase: number
  readonly intervalMs: number
  readonly gridMs: number
  readonly dueMs: number
  readonly startedMs: number
}

/** What `schedule` returns. */
export interface ScheduledJob {
  /** Where it stands now. */
  readonly position: JobPosition
  /** Aborts the run in progress and never starts another. */
  cancel(): void
}

const goldenRatio = (Math.sqrt(5) - 1) / 2
const jitterShare = 0.05
const shortestGapShare = 0.5
const startsPerTurn = 32

/** The longest time from one run to the next, when nothing is late. */
export function longestGapMs(intervalMs: number): number {
  return intervalMs * (1 + 2 * jitterShare)
}

interface Job extends Due {
  readonly run: Run
  /** Share of the interval by which this job's grid is shifted. */
  readonly phase: number
  readonly intervalMs: number
  /** The grid point that `dueMs` was made from. */
  gridMs: number
  /** When the latest run began; -Infinity before the first. */
  startedMs: number
  inFlight: AbortController | null
  cancelled: boolean
  /** What the last run asked for. */
  soonMs: number | null
}

/** There are thousands, so all that is its own is in two fields. */
class Handle implements ScheduledJob {
  readonly #job: Job
  readonly #cancel: (job: Job) => void

  constructor(job: Job, cancel: (job: Job) => void) {
    this.#job = job
    this.#cancel = cancel
  }

  get position(): JobPosition {
    const { phase, intervalMs, gridMs, dueMs, startedMs } = this.#job
    return { phase, intervalMs, gridMs, dueMs, startedMs }
  }

  cancel(): void {
    this.#cancel(this.#job)
  }
}

export class Scheduler implements AsyncDisposable {
  readonly #concurrency: number
  readonly #clock: Clock
  readonly #random: () => number
  readonly #onError: ((error: unknown) => void) | undefined
  readonly #waiting = new DueHeap<Job>()
  readonly #running = new Map<Job, Promise<void>>()
  #phase: number
  readonly #alarm: Alarm
  #stopped = false

  constructor(options: SchedulerOptions = {}) {
    const { concurrency = 512, clock = monotonicClock, random = Math.random, onError } = options
    this.#onError = onError
    this.#concurrency = concurrency
    this.#clock = clock
    this.#random = random
    this.#phase = random()
    this.#alarm = new Alarm(clock, () => this.#startDue())
  }

  /** Runs in progress, at most the concurrency limit. */
  get running(): number {
    return this.#running.size
  }

  /**
   * Runs a job every `intervalMs`; the first time as soon as there is a free slot.
   * @param position of another job, whose runs this one's follow as if they were its own
   */
  schedule(intervalMs: number, run: Run, position: JobPosition | null = null): ScheduledJob {
    if (this.#stopped) throw new Error('the scheduler has been stopped')
    const job: Job = {
      run,
      ...(position ?? this.#newPosition(intervalMs)),
      intervalMs,
      heapIndex: -1,
      inFlight: null,
      cancelled: false,
      soonMs: null,
    }
    if (position !== null && position.intervalMs !== intervalMs) this.#regrid(job)
    this.#waiting.put(job)
    this.#arm()
    return new Handle(job, this.#cancel)
  }

  /** Aborts what runs and waits until it has settled. May be called more than once. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#alarm[Symbol.dispose]()
    const settled = [...this.#running.values()]
    for (const job of this.#running.keys()) job.inFlight?.abort()
    await Promise.allSettled(settled)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #newPosition(intervalMs: number): JobPosition {
    const nowMs = this.#clock.nowMs()
    this.#phase = (this.#phase + goldenRatio) % 1
    const phase = this.#phase
    const gridMs = nowMs + phase * intervalMs
    return { phase, intervalMs, gridMs, dueMs: nowMs, startedMs: Number.NEGATIVE_INFINITY }
  }

  /** Moves a job that goes on from another one's position to a grid of its own interval. */
  #regrid(job: Job): void {
    const nowMs = this.#clock.nowMs()
    job.gridMs = nowMs + job.phase * job.intervalMs
    // One that has not run yet is due already.
    if (job.startedMs !== Number.NEGATIVE_INFINITY) this.#setDue(job, nowMs)
  }

  /** One for all handles. */
  readonly #cancel = (job: Job): void => {
    job.cancelled = true
    this.#waiting.remove(job)
    job.inFlight?.abort()
    this.#arm()
  }

  /** Moves the job to the next grid point; of those that have gone by, to the latest, and never near its last start. */
  #setDue(job: Job, nowMs: number): void {
    const { intervalMs } = job
    const earliestMs = Math.max(nowMs - intervalMs, job.startedMs + intervalMs * shortestGapShare)
    const missed = Math.ceil((earliestMs - job.gridMs) / intervalMs)
    if (missed > 0) job.gridMs += missed * intervalMs
    job.dueMs = job.gridMs + (this.#random() * 2 - 1) * jitterShare * intervalMs
  }

  /** Sets the timer to the first job that is due, unless a slot has to become free first. */
  #arm(): void {
    const free = this.#running.size < this.#concurrency
    this.#alarm.set((free ? this.#waiting.peek()?.dueMs : undefined) ?? Number.POSITIVE_INFINITY)
  }

  #startDue(): void {
    const nowMs = this.#clock.nowMs()
    for (let started = 0; started < startsPerTurn && this.#running.size < this.#concurrency; started++) {
      const job = this.#waiting.peek()
      if (job === undefined || job.dueMs > nowMs) break
      this.#waiting.remove(job)
      this.#running.set(job, this.#runOnce(job, nowMs))
    }
    this.#arm()
  }

  async #runOnce(job: Job, nowMs: number): Promise<void> {
    const inFlight = new AbortController()
    job.inFlight = inFlight
    job.startedMs = nowMs
    try {
      job.soonMs = null
      job.soonMs = await job.run(inFlight.signal)
    } catch (error) {
      if (this.#onError === undefined) throw error
      this.#onError(error)
    } finally {
      this.#settle(job)
    }
  }

  #settle(job: Job): void {
    this.#running.delete(job)
    job.inFlight = null
    if (this.#stopped) return
    if (!job.cancelled) {
      const nowMs = this.#clock.nowMs()
      if (job.soonMs === null) this.#setDue(job, nowMs)
      else job.dueMs = nowMs + job.soonMs
      this.#waiting.put(job)
    }
    this.#arm()
  }
}
