/**
 * Keeps the snapshot on disk close to what is served. Coalesces: however many changes come, there is one pass at a time,
 * and a pass begins a second after the first change that it is to hold. Health is written along, and at least every
 * minute. A failure costs nothing but the age of the snapshot, which a metric shows.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { MemberHealth, Resolution } from '../model.ts'
import type { LastKnown } from '../steering/select.ts'
import type { Database } from '../store/database.ts'
import { listAllMonitors } from '../store/monitors.ts'
import { listOverrides } from '../store/overrides.ts'
import { listAllPools } from '../store/pools.ts'
import { currentRevision } from '../store/revision.ts'
import { streamRrsets } from '../store/rrsets.ts'
import { listAllServices } from '../store/services.ts'
import { listAllZones } from '../store/zones.ts'
import type { SnapshotFiles } from './snapshot.ts'
import { rrsetBatch } from './zone-images.ts'

export interface SnapshotWriterOptions {
  readonly database: Database
  readonly files: SnapshotFiles
  readonly health: () => readonly MemberHealth[]
  readonly lastKnown: () => ReadonlyMap<string, LastKnown>
  readonly resolutions: () => readonly Resolution[]
  readonly onError: (error: unknown) => void
  readonly settleMs?: number
}

const defaultSettleMs = 1000
const longestMs = 60_000

export class SnapshotWriter implements AsyncDisposable {
  readonly #options: SnapshotWriterOptions
  readonly #abort = new AbortController()
  /** Zones whose files may be behind. Bounded by the zones. */
  #dirty = new Set<string>()
  /**
   * Serial of each zone in its file; every change of a zone raises its serial, unless that is fixed. Bounded by the
   * zones.
   */
  readonly #serials = new Map<string, number>()
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

  /** Says what the files hold already, so that a start doesn't write every zone again. */
  assume(zones: Iterable<{ readonly apex: string; readonly serial: number }>): void {
    for (const { apex, serial } of zones) this.#serials.set(apex, serial)
  }

  start(): void {
    this.#loop = this.#run(this.#abort.signal)
  }

  /** Says that these zones changed, or (with none) that something else did. */
  mark(apexes: Iterable<string>): void {
    for (const apex of apexes) this.#dirty.add(apex)
    this.#wake.resolve()
  }

  /** Ends after a last pass, if the database is there for it. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#loop
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const pause = (ms: number) => delay(ms, undefined, { signal }).catch(() => undefined)
    while (!signal.aborted) {
      const longest = new AbortController()
      const timer = delay(longestMs, undefined, { signal: AbortSignal.any([signal, longest.signal]) })
      await Promise.race([this.#wake.promise, timer.catch(() => undefined)])
      longest.abort()
      await pause(this.#options.settleMs ?? defaultSettleMs)
      this.#wake = Promise.withResolvers()
      await this.#write()
    }
  }

  async #write(): Promise<void> {
    const { database, files, health, lastKnown, resolutions } = this.#options
    if (!database.up) return
    const dirty = this.#dirty
    this.#dirty = new Set()
    try {
      await database.read(async (tx) => {
        const zones = new Map((await listAllZones(tx)).map(({ value }) => [value.apex, value]))
        for (const apex of dirty) {
          const zone = zones.get(apex)
          if (zone === undefined) this.#serials.delete(apex)
          if (zone === undefined) continue
          if (zone.soa.fixedSerial === null && this.#serials.get(apex) === zone.serial) continue
          await files.writeZone(zone, streamRrsets(tx, apex, rrsetBatch))
          this.#serials.set(apex, zone.serial)
        }
        const base = {
          revision: await currentRevision(tx),
          monitors: (await listAllMonitors(tx)).map(({ value }) => value),
          pools: (await listAllPools(tx)).map(({ value }) => value),
          services: (await listAllServices(tx)).map(({ value }) => value),
          overrides: await listOverrides(tx),
          health: health(),
          lastKnown: [...lastKnown()],
          resolutions: resolutions(),
        }
        await files.writeBase(base, zones.keys(), new Date())
      })
      this.#writtenAt = new Date()
    } catch (error) {
      for (const apex of dirty) this.#dirty.add(apex)
      this.#options.onError(error)
    }
  }
}
