/**
 * The compile thread as the main thread sees it. Compiling a million RRsets takes seconds, for which neither HTTP nor a DNS
 * worker may wait. The thread keeps the images too, and reads and writes their files.
 *
 * The rows come from the main thread, which reads them in the transaction of the order's revision. Rejected: a connection of the
 * thread's own. It could not see what that transaction sees, and the embedded database has one connection.
 *
 * Large zones come in batches of rows, so an edit waits for a batch, not for a zone. A thread that dies is started again by
 * the next use, without images: `epoch` tells, and everything is compiled anew. An order that is given up is replaced by the next.
 *
 * At a stop, writing ends at the next file; compiling goes on until the thread is terminated after a grace. A file that it
 * was writing then lies beside the old one, which is whole.
 */
// So that the secret is made here, and this thread and the workers have the same.
import '../../dataplane/wire/name-hash-key.ts'
import type { MappedMemory, PlacedImage } from '../../dataplane/image/image-memory.ts'
import type { KeyFile } from '../dnssec/key-file.ts'
import type { SigningReport } from '../model/dnssec.ts'
import { type BeatingThread, type Call, CalledThread, type StopMessage } from '../threads/called-thread.ts'
import { orAborted } from '../timing/clock.ts'
import type { LoadedImages, StoredZone } from './image-files.ts'
import type { Compiled, CompileOrder, ZoneRows } from './zone-images.ts'
import type { ZonePreview } from './zone-preview.ts'

export interface CompileThreadOptions {
  /** The directory of the images' files. */
  readonly directory: string
  /** The version of this program. */
  readonly version: string
  /** Where images may be placed; null where no memory is shared. */
  readonly memory: MappedMemory | null
  /** By which the keys of signed zones are opened; none can be when it is left out. */
  readonly keyFile?: KeyFile
  /** How long a stop waits for the thread to end by itself before it is terminated. */
  readonly graceMs: number
  /** The thread died by itself. */
  readonly onDeath?: (reason: string) => void
}

/** What the thread is started with. */
export type CompileThreadData = Pick<CompileThreadOptions, 'directory' | 'version' | 'memory' | 'keyFile'> &
  BeatingThread

export type ToCompiler =
  | { readonly kind: 'begin'; readonly order: CompileOrder }
  | { readonly kind: 'edit'; readonly id: number; readonly order: CompileOrder }
  | { readonly kind: 'rows'; readonly id: number; readonly rows: readonly ZoneRows[] }
  | { readonly kind: 'finish' | 'load' | 'persist'; readonly id: number }
  | { readonly kind: 'restore'; readonly id: number; readonly zones: readonly StoredZone[] }
  | { readonly kind: 'preview'; readonly id: number; readonly zones: readonly ZonePreview[] }
  | { readonly kind: 'adopt'; readonly id: number; readonly images: readonly PlacedImage[] }
  | StopMessage

/** What the thread answers with. */
export interface Done {
  readonly result: unknown
  /** Placed images that it does not need any more. */
  readonly left: readonly PlacedImage[]
}

/** What a start finds on disk. */
export interface LoadedZones extends LoadedImages {
  readonly signed: readonly SigningReport[]
}

/** Batches of rows. */
type Rows = AsyncIterable<readonly ZoneRows[]> | Iterable<readonly ZoneRows[]>

/** It gives signs while it compiles; between two of them lies a pass over a zone. */
const patience = { stillMs: 1500, busyMs: 3000 }

/** Batches of rows that were sent and not taken yet: one is compiled while the next is fetched. */
const batchesAhead = 2

export class CompileThread implements AsyncDisposable {
  readonly #thread: CalledThread<ToCompiler>
  /** Told of placed images that the thread does not need any more; null for all of them. */
  onLeft: (images: readonly PlacedImage[] | null) => void = () => undefined
  /** Told what zones are signed with, whenever they have been compiled or loaded. */
  onSigned: (reports: readonly SigningReport[]) => void = () => undefined

  constructor({ directory, version, memory, keyFile, graceMs, onDeath }: CompileThreadOptions) {
    this.#thread = new CalledThread({
      file: './compile-worker',
      beside: import.meta.url,
      name: 'compile',
      workerData: { directory, version, memory, ...(keyFile === undefined ? {} : { keyFile }) },
      graceMs,
      patience,
      onDeath,
      onEnd: () => this.onLeft(null),
    })
  }

  /** Why nothing can be compiled now; null when it can. */
  get trouble(): string | null {
    return this.#thread.trouble
  }

  /** Whether the thread hangs, and can't even be ended. */
  get stuck(): boolean {
    return this.#thread.stuck
  }

  /** Rises when the thread has lost its images. */
  get epoch(): number {
    return this.#thread.deaths
  }

  /**
   * Compiles. The thread is asked for what there is to do, and for nothing where there is nothing.
   *
   * @param rows of the zones that are compiled whole, each zone's one after another
   * @throws Error when the thread died or was stopped; the reason of `signal` when that aborts
   */
  async compile(order: CompileOrder, rows: Rows, signal?: AbortSignal): Promise<Compiled> {
    const finish = await this.take(order, rows, signal)
    return await finish()
  }

  /**
   * The first part of `compile`: takes the rows, so that the transaction that they come from can end. Orders of whole zones
   * must not overlap; edits may come at any time.
   *
   * @returns the rest
   */
  async take(
    { jobs, ...order }: CompileOrder,
    rows: Rows,
    signal?: AbortSignal,
  ): Promise<() => Promise<Compiled>> {
    signal?.throwIfAborted()
    const { whole = [], edits = [] } = Object.groupBy(jobs, ({ edit }) => (edit === null ? 'whole' : 'edits'))
    if (whole.length > 0) {
      this.#thread.send({ kind: 'begin', order: { ...order, jobs: whole } })
      await this.#send(rows, signal)
    }
    return async () => {
      const parts: Compiled[] = []
      if (edits.length + order.gone.length > 0) {
        const edit = { kind: 'edit', order: { ...order, jobs: edits } } as const
        parts.push((await this.#call((id) => ({ ...edit, id }), signal)) as Compiled)
      }
      if (whole.length > 0) {
        parts.push((await this.#call((id) => ({ kind: 'finish', id }), signal)) as Compiled)
      }
      const signed = parts.flatMap((part) => part.signed)
      if (signed.length > 0) this.onSigned(signed)
      return {
        images: parts.flatMap(({ images }) => images),
        bad: parts.flatMap(({ bad }) => bad),
        kept: parts.flatMap(({ kept }) => kept),
        missing: parts.flatMap(({ missing }) => missing),
        signed,
      }
    }
  }

  /** Compiles zones as they would be; see `ZoneImages.preview`. Throws as `compile` does. */
  async preview(
    zones: readonly ZonePreview[],
    signal?: AbortSignal,
  ): Promise<(readonly [apex: string, image: SharedArrayBuffer | null])[]> {
    if (zones.length === 0) return []
    const images = await this.#call((id) => ({ kind: 'preview', id, zones }), signal)
    return images as (readonly [string, SharedArrayBuffer | null])[]
  }

  /** Reads the files into the thread. Throws as `compile` does. */
  async load(signal?: AbortSignal): Promise<LoadedImages> {
    const loaded = (await this.#call((id) => ({ kind: 'load', id }), signal)) as LoadedZones
    if (loaded.signed.length > 0) this.onSigned(loaded.signed)
    return loaded
  }

  /** Gives the thread images to keep, in the place of those that it has of the same zones. Throws as `compile` does. */
  async restore(zones: readonly StoredZone[], signal?: AbortSignal): Promise<void> {
    await this.#call((id) => ({ kind: 'restore', id, zones }), signal)
  }

  /**
   * Writes the images that are not on disk yet, and deletes the files of zones that are no more. Throws as `compile` does;
   * what is on disk then is whole, but may be of different revisions.
   */
  async persist(signal?: AbortSignal): Promise<void> {
    await this.#call((id) => ({ kind: 'persist', id }), signal)
  }

  /** Tells the thread where images have been placed: it keeps those that it has, and lets go of the others. */
  async adopt(images: readonly PlacedImage[]): Promise<void> {
    const { deaths } = this.#thread
    try {
      await this.#call((id) => ({ kind: 'adopt', id, images }))
    } catch {
      // It ended, and told so, unless it never began.
      if (this.#thread.deaths === deaths) this.onLeft(images)
    }
  }

  /** What the thread has let go of is told, also when nobody waits for its answer any more. */
  async #call(message: (id: number) => ToCompiler & Call, signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted()
    const answered = this.#thread.call(message).then((answer) => {
      const { result, left } = answer as Done
      if (left.length > 0) this.onLeft(left)
      return result
    })
    answered.catch(() => undefined)
    return await orAborted(answered, signal)
  }

  /** Resolves when the thread has taken them all. */
  async #send(rows: Rows, signal: AbortSignal | undefined): Promise<void> {
    const ahead: Promise<unknown>[] = []
    for await (const batch of rows) {
      signal?.throwIfAborted()
      const taken = this.#call((id) => ({ kind: 'rows', id, rows: batch }), signal)
      // It is waited for below, unless the rows end by an error of their own.
      taken.catch(() => undefined)
      ahead.push(taken)
      if (ahead.length > batchesAhead) await ahead.shift()
    }
    await Promise.all(ahead)
  }

  /** Ends the thread, at the latest after the grace; what it did not finish is rejected. Idempotent. */
  async stop(): Promise<void> {
    await this.#thread.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
