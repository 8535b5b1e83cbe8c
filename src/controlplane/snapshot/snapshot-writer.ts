/**
 * Keeps the snapshot on disk close to what is served. Coalesces: however many changes come, there is one pass at a time,
 * and a pass begins a second after the first change that it is to hold, or later where passes take long: a large zone is
 * written whole. Health is written along, and at least every minute. A failure costs nothing but the age of the snapshot,
 * which a metric shows.
 *
 * Settings are written as they are, however far behind them an image is. The revision that the base tells is the last one of which
 * every image is on disk, or a later one: what changed after it is read again by the next start. So a base is written when
 * the images have been, all of them: a pass that is cut short by a stop leaves the old base with some images newer than
 * it, which the next start tells by their stamps. There is no pass while the compile thread lacks images, because it
 * died: no revision could be told.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Catalog } from '../catalog/catalog.ts'
import type { CompileThread } from '../compile/compile-thread.ts'
import type { MemberHealth, Resolution } from '../model/observation.ts'
import type { HandedOutEntry } from '../serve/handed-out.ts'
import type { Mark } from '../serve/progress.ts'
import type { LastKnownEntries } from '../steering/last-known.ts'
import type { Database } from '../store/database.ts'
import type { SnapshotFiles } from './snapshot.ts'

export interface SnapshotWriterOptions {
  readonly database: Pick<Database, 'up'>
  readonly files: SnapshotFiles
  readonly compiler: CompileThread
  readonly catalog: () => Catalog
  /** The last revision of which the compile thread has every image, or a later one; null while that can't be told. */
  readonly compiled: () => Mark | null
  readonly health: () => readonly MemberHealth[]
  readonly lastKnown: () => LastKnownEntries
  readonly resolutions: () => readonly Resolution[]
  readonly handedOut: () => readonly HandedOutEntry[]
  readonly onError: (error: unknown) => void
  readonly settleMs?: number
  /** How long a stop lets a pass go on; 2 s. */
  readonly lastPassMs?: number
}

const defaultSettleMs = 1000
/** Of the ten seconds that the daemon's stop may take. Enough for what changed in the seconds before, not for every zone. */
const defaultLastPassMs = 2000
const longestMs = 60_000
/** Share of the time that passes may take. */
const duty = 1 / 10

export class SnapshotWriter implements AsyncDisposable {
  readonly #options: SnapshotWriterOptions
  readonly #abort = new AbortController()
  /** Ends a pass before it is done. */
  readonly #cut = new AbortController()
  #wake = Promise.withResolvers<void>()
  #loop: Promise<void> | undefined
  #writtenAt: Date | null = null

  constructor(options: SnapshotWriterOptions) {
    this.#options = options
  }

  /** When the files were last known to be what the database says; null before that. */
  get writtenAt(): Date | null {
    return this.#writtenAt
  }

  start(): void {
    this.#loop = this.#run(this.#abort.signal)
  }

  /** Says that something changed. */
  mark(): void {
    this.#wake.resolve()
  }

  /** Ends after a last pass, if the database is there for it, and if it takes no longer than it may. */
  async stop(): Promise<void> {
    this.#abort.abort()
    const { lastPassMs = defaultLastPassMs } = this.#options
    const tooLong = new Error(`stopping: the pass was not done after ${lastPassMs} ms`)
    const timer = setTimeout(() => this.#cut.abort(tooLong), lastPassMs)
    await this.#loop
    clearTimeout(timer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const pause = (ms: number) => delay(ms, undefined, { signal }).catch(() => undefined)
    let restMs = 0
    while (!signal.aborted) {
      const longest = new AbortController()
      const timer = delay(longestMs, undefined, { signal: AbortSignal.any([signal, longest.signal]) })
      await Promise.race([this.#wake.promise, timer.catch(() => undefined)])
      longest.abort()
      await pause(Math.max(this.#options.settleMs ?? defaultSettleMs, restMs))
      this.#wake = Promise.withResolvers()
      const startedAt = performance.now()
      await this.#write()
      restMs = Math.min((performance.now() - startedAt) / duty, longestMs)
    }
  }

  async #write(): Promise<void> {
    const { database, files, compiler, health, lastKnown, resolutions, handedOut } = this.#options
    // Taken first, so that no image is older than that.
    const compiled = this.#options.compiled()
    const catalog = this.#options.catalog()
    if (!database.up || catalog.revision < 0 || compiled === null) return
    try {
      await compiler.persist(this.#cut.signal)
      const base = {
        ...compiled,
        monitors: [...catalog.monitors.values()],
        pools: [...catalog.pools.values()],
        services: Array.from(catalog.services.values(), ({ zone: _, ...service }) => service),
        overrides: [...catalog.overrides.values()],
        health: health(),
        lastKnown: lastKnown(),
        resolutions: resolutions(),
        handedOut: handedOut(),
      }
      await files.writeBase(base, new Date())
      this.#writtenAt = new Date()
    } catch (error) {
      // The next pass tries again, in a minute at the latest.
      this.#options.onError(error)
    }
  }
}
