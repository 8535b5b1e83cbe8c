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
import type { Catalog, Mark } from '../catalog/catalog.ts'
import type { CompileThread } from '../compile/compile-thread.ts'
import type { MemberHealth, Resolution } from '../model/observation.ts'
import type { HandedOutEntry } from '../serve/handed-out.ts'
import type { LastKnownEntries } from '../steering/last-known.ts'
import type { Database } from '../store/database.ts'
import { PollLoop } from '../timing/poll-loop.ts'
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
  /** How long a stop lets a pass go on. */
  readonly lastPassMs: number
}

const settleMs = 1000
const longestMs = 60_000
/** Share of the time that passes may take. */
const duty = 1 / 10

export class SnapshotWriter implements AsyncDisposable {
  readonly #options: SnapshotWriterOptions
  readonly #loop: PollLoop
  /** Ends a pass before it is done. */
  readonly #cut = new AbortController()
  /** How long the last pass lets the disk and the compile thread rest. */
  #restMs = 0
  #writtenAt: Date | null = null

  constructor(options: SnapshotWriterOptions) {
    this.#options = options
    this.#loop = new PollLoop({
      look: () => this.#pass(),
      everyMs: () => longestMs,
      settleMs: () => Math.max(settleMs, this.#restMs),
      lastLook: true,
      onError: options.onError,
    })
  }

  /** When the files were last known to be what the database says; null before that. */
  get writtenAt(): Date | null {
    return this.#writtenAt
  }

  start(): void {
    this.#loop.start()
  }

  /** Says that something changed. */
  mark(): void {
    this.#loop.hint()
  }

  /** Ends after a last pass, if the database is there for it, and if it takes no longer than it may. */
  async stop(): Promise<void> {
    const { lastPassMs } = this.#options
    const tooLong = new Error(`stopping: the pass was not done after ${lastPassMs} ms`)
    const timer = setTimeout(() => this.#cut.abort(tooLong), lastPassMs)
    await this.#loop.stop()
    clearTimeout(timer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #pass(): Promise<boolean> {
    const startedAt = performance.now()
    try {
      await this.#write()
    } finally {
      this.#restMs = Math.min((performance.now() - startedAt) / duty, longestMs)
    }
    return false
  }

  async #write(): Promise<void> {
    const { database, files, compiler, health, lastKnown, resolutions, handedOut } = this.#options
    // Taken first, so that no image is older than that.
    const compiled = this.#options.compiled()
    const catalog = this.#options.catalog()
    if (!database.up || catalog.revision < 0 || compiled === null) return
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
  }
}
