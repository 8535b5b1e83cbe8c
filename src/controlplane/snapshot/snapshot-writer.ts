/**
 * Keeps the snapshot on disk close to what is served. However many changes come, there is one pass at a time, a second after the
 * first change that it is to hold, or later where passes take long, and at least every minute, for health. A failure costs
 * nothing but the age of the snapshot, which a metric shows.
 *
 * A snapshot is one file of settings, the base, and a file for each zone image. Every image on disk is of the base's revision
 * or of a later one, and what changed after the base's revision is read again by the next start. So the base is written behind
 * all images; a pass that is cut short leaves the old base with some newer images, which the next start tells by their stamps.
 * While the compile thread lacks images there is no pass, for no revision could be told.
 *
 * What is observed goes on while the database is away, so passes do, too: a server that is started again in an outage is to know what it
 * knew. But not before the first pass with the database: what is served until then may be what could be read of the snapshot.
 */
import type { Catalog, Mark } from '../catalog/catalog.ts'
import type { CompileThread } from '../compile/compile-thread.ts'
import type { SigningThread } from '../signing/signing-thread.ts'
import type { Database } from '../store/database.ts'
import { PollLoop } from '../timing/poll-loop.ts'
import { prepareTexts } from './part-texts.ts'
import { baseOf, type Observed, type SnapshotBase, type SnapshotFiles } from './snapshot.ts'

export interface SnapshotWriterOptions {
  readonly database: Pick<Database, 'up'>
  readonly files: SnapshotFiles
  readonly compiler: CompileThread
  /** Those of services; left out: there are none. */
  readonly signatures?: Pick<SigningThread, 'persist'>
  readonly catalog: () => Catalog
  /** The last revision of which the compile thread has every image, or a later one; null while that can't be told. */
  readonly compiled: () => Mark | null
  /** What this node knows beside its configuration. */
  readonly observed: () => Observed
  /** What is on disk now. */
  readonly onWritten?: (base: SnapshotBase) => void
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
  /** What a start found. */
  #found: { readonly writtenAt: Date | null; readonly troubles: readonly string[] } = {
    writtenAt: null,
    troubles: [],
  }
  /** Why the last pass failed; null when it did not. */
  #failure: string | null = null

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

  /** When the files were last known to be what the database says; null when there are none. */
  get writtenAt(): Date | null {
    return this.#writtenAt ?? this.#found.writtenAt
  }

  /** What is wrong with the files: what a start could not read, until all is written anew, and why they can't be written. */
  get troubles(): readonly string[] {
    const unwritten = this.#failure === null ? [] : [`the snapshot could not be written: ${this.#failure}`]
    return [...this.#found.troubles, ...unwritten]
  }

  /** Notes what a start found. */
  found(writtenAt: Date | null, troubles: readonly string[]): void {
    this.#found = { writtenAt, troubles }
  }

  start(): void {
    this.#loop.start()
  }

  /** Says that something changed. */
  mark(): void {
    this.#loop.hint()
  }

  /** Ends after a last pass, if it takes no longer than it may. */
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
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error)
      throw error
    } finally {
      this.#restMs = Math.min((performance.now() - startedAt) / duty, longestMs)
    }
    return false
  }

  async #write(): Promise<void> {
    const { database, files, compiler, signatures, observed } = this.#options
    // Taken first, so that no image is older than that.
    const compiled = this.#options.compiled()
    const catalog = this.#options.catalog()
    const { up } = database
    if ((!up && this.#writtenAt === null) || catalog.revision < 0) return
    if (compiled === null || this.#cut.signal.aborted) return
    await compiler.persist(this.#cut.signal)
    await signatures?.persist(this.#cut.signal)
    await prepareTexts(catalog)
    const base = baseOf(catalog, compiled, observed())
    // While the database is away the configuration is as old as it was.
    await files.writeBase(base, up ? new Date() : this.#writtenAt!)
    this.#failure = null
    this.#options.onWritten?.(base)
    if (!up) return
    this.#writtenAt = new Date()
    this.#found = { writtenAt: null, troubles: [] }
  }
}
