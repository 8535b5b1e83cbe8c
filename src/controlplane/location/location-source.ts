/**
 * Where location data come from: files that are given, else the country table that is an optional dependency, else nowhere,
 * and then every client that no prefix of a service names is in area 0.
 *
 * Nothing is read, watched or started before the first areas are asked for: most configurations have no use for it.
 *
 * Files change under a running daemon. Their directories are watched, not the files, which are replaced by renaming as a
 * rule; and as not every file system tells (network ones don't), the files are also looked at from time to time. Either way
 * what counts is whether a file is another one than the one that was read. One that can't be used is reported, once, and
 * leaves everything as it was.
 */
import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname } from 'node:path'
import type { AddressText } from '../model/pool.ts'
import { Alarm } from '../timing/alarm.ts'
import { monotonicClock, orAborted } from '../timing/clock.ts'
import { PollLoop } from '../timing/poll-loop.ts'
import { type AreaRequest, type LoadedDatabase, LocationThread, type ServiceMap } from './location-thread.ts'
import type { Place } from './place.ts'

const builtInFile = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb'
const defaultLookEveryMs = 60_000
const defaultSettleMs = 500

export interface LocationSourceOptions {
  /** The most trusted first, a few, as `config.ts` sees to; none: the one that is installed with the program. */
  readonly paths: readonly string[]
  /** The table is another one: areas are to be asked for again. Not called for the first. */
  readonly onChange: () => void
  /** What the table is joined from now. */
  readonly onLoaded?: (databases: readonly LoadedDatabase[]) => void
  /** One line, for the log. */
  readonly onProblem: (problem: string) => void
  /** The thread that reads them died by itself. */
  readonly onDeath?: (reason: string) => void
  /** How often the files are looked at, even if nothing is heard of them; 60 s. */
  readonly lookEveryMs?: number
  /** How long nothing must have been heard before they are looked at: they may be in the middle of being written; 500 ms. */
  readonly settleMs?: number
}

export class LocationSource {
  readonly #options: LocationSourceOptions
  readonly #paths: readonly string[]
  readonly #thread: LocationThread
  /** One for each directory. */
  readonly #watchers: FSWatcher[] = []
  readonly #loop: PollLoop
  /** Rings when the directories have been quiet for long enough. */
  readonly #settled = new Alarm(monotonicClock, () => this.#loop.hint())
  readonly #firstLook = Promise.withResolvers<void>()
  #databases: readonly LoadedDatabase[] = []
  /** What the files were when they were read last. */
  #seen = ''
  /** Whether areas can have been given, which a change puts out of date. */
  #ready = false

  constructor(options: LocationSourceOptions) {
    this.#options = options
    this.#thread = new LocationThread(options.onDeath)
    this.#paths = options.paths.length > 0 ? options.paths : builtInPaths()
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => options.lookEveryMs ?? defaultLookEveryMs,
      // The thread died, maybe for want of memory: the next look tries again.
      onError: (error) => options.onProblem((error as Error).message),
    })
  }

  /** Whether the thread hangs, and can't even be ended. */
  get stuck(): boolean {
    return this.#thread.stuck
  }

  /** What the table is joined from, now; empty before the first areas. */
  get databases(): readonly LoadedDatabase[] {
    return this.#databases
  }

  /** See `LocationThread.areas`. The first call reads the files. */
  async areas(request: AreaRequest, signal?: AbortSignal): Promise<ServiceMap> {
    await orAborted(this.#start(), signal)
    return await this.#thread.areas(request, signal)
  }

  /** Where an address is. The first call reads the files. */
  async placeOf(address: AddressText, signal?: AbortSignal): Promise<Place> {
    await orAborted(this.#start(), signal)
    return await this.#thread.placeOf(address, signal)
  }

  /**
   * In which countries addresses are; null without a database that was given, or is in use. That which came along is not read
   * for this alone.
   */
  async countriesOf(
    addresses: readonly AddressText[],
    signal?: AbortSignal,
  ): Promise<(string | null)[] | null> {
    if (this.#databases.length === 0 && this.#options.paths.length === 0) return null
    await orAborted(this.#start(), signal)
    return this.#databases.length === 0 ? null : await this.#thread.countriesOf(addresses, signal)
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    for (const watcher of this.#watchers.splice(0)) watcher.close()
    this.#settled[Symbol.dispose]()
    await Promise.all([this.#loop.stop(), this.#thread.stop()])
  }

  async #start(): Promise<void> {
    if (this.#loop.signal.aborted) throw new Error('the location source is stopped')
    if (this.#paths.length === 0) return
    if (!this.#loop.started) {
      for (const directory of new Set(this.#paths.map((path) => dirname(path)))) this.#watch(directory)
      this.#loop.start()
    }
    await this.#firstLook.promise
    this.#ready = true
  }

  /** A directory that can't be watched is no problem: its files are looked at all the same. */
  #watch(directory: string): void {
    const { settleMs = defaultSettleMs } = this.#options
    const names = this.#paths.filter((path) => dirname(path) === directory).map((path) => basename(path))
    try {
      const watcher = watch(directory, { persistent: false }, (_, name) => {
        if (name === null || names.includes(name)) this.#settled.set(monotonicClock.nowMs() + settleMs)
      })
      watcher.on('error', () => watcher.close())
      this.#watchers.push(watcher)
    } catch {}
  }

  /** Reads the files if they have changed. */
  async #look(): Promise<boolean> {
    try {
      // Taken before the files are read, so that what changes meanwhile is seen the next time.
      const state = await stateOf(this.#paths)
      if (state !== this.#seen) await this.#load(state)
    } finally {
      this.#firstLook.resolve()
    }
    return false
  }

  async #load(state: string): Promise<void> {
    const { databases, damaged, taken } = await this.#thread.load(this.#paths)
    this.#seen = state
    for (const problem of damaged) this.#options.onProblem(problem)
    if (!taken) return
    this.#databases = databases
    this.#options.onLoaded?.(databases)
    if (this.#ready) this.#options.onChange()
  }
}

/** The file of the optional dependency, if that is installed. */
export function builtInPaths(): readonly string[] {
  try {
    return [createRequire(import.meta.url).resolve(builtInFile)]
  } catch {
    return []
  }
}

/** Another text when a file is another one, in place or by renaming. */
async function stateOf(paths: readonly string[]): Promise<string> {
  const states = paths.map(async (path) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
      return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    }
  })
  return (await Promise.all(states)).join('\n')
}
