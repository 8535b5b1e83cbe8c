/**
 * The cold-start snapshot: what this node needs to answer when it starts and the database is away, or has much to read.
 * Files in the data directory:
 *
 *     snapshot/base.json             a document that `apply` takes too, of feeds, monitors, pools and services; status: format and
 *                                    checksum first, then revision, overrides, health, last-known answers, last good addresses
 *                                    of hosts, members that caches have
 *     snapshot/zones/<hash>.image    one zone each, compiled (`image-files.ts`)
 *
 * Written behind the answering path, some time after a change, each file whole or not at all, the base last: an image is of the base's
 * revision or of a later one, and so are the settings in the base. The base says of which history its revision is, so that a
 * start knows whether a database has changes to tell, or is another one.
 *
 * Of each file the generation before is kept (`files/whole-file.ts`). A base that can't be read, whatever the reason, is told and put
 * aside, and the one before is used; today's images are of later revisions than that, which is allowed in any case.
 *
 * Rejected: zones as documents. A million RRsets as text took half a minute to read.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Catalog, Mark } from '../catalog/catalog.ts'
import { parseConfiguration } from '../document/configuration.ts'
import { choiceProblems } from '../document/references.ts'
import { isSealed, seal, unsealed } from '../files/sealed.ts'
import { beforeOf, putAside, replaceWhole, syncFolder } from '../files/whole-file.ts'
import type { Births } from '../model/births.ts'
import type { Problem } from '../model/errors.ts'
import type { Feed } from '../model/feed.ts'
import type { WrittenLease } from '../model/lease.ts'
import type { Monitor } from '../model/monitor.ts'
import { type MemberHealth, type Resolution, withAddressTimes } from '../model/observation.ts'
import type { Override, ServiceOverride } from '../model/override.ts'
import type { Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import type { HandedOutEntry } from '../serve/handed-out.ts'
import type { StoredReading } from '../serve/readings.ts'
import type { FamilyEntries, LastKnownEntries } from '../steering/last-known.ts'
import { kindTexts } from './part-texts.ts'

/** Rises when an older reader would misunderstand the files. */
const formatVersion = 4

/** Version 2 remembered whole answers by service: they are dropped. Version 3 had no checksum. */
const readableVersions: readonly number[] = [2, 3, formatVersion]

export interface SnapshotBase extends Mark {
  readonly feeds: readonly Feed[]
  readonly monitors: readonly Monitor[]
  readonly pools: readonly Pool[]
  readonly services: readonly Service[]
  readonly overrides: readonly Override[]
  /** Of services that stand in a pool's place. */
  readonly serviceOverrides: readonly ServiceOverride[]
  readonly health: readonly MemberHealth[]
  readonly lastKnown: FamilyEntries
  /** What every host that has addresses resolved to. */
  readonly resolutions: readonly Resolution[]
  /** What tells members, pools, services and feeds from others of their names. */
  readonly births: Births
  /** Members that are answered, or may be in caches. */
  readonly handedOut: readonly HandedOutEntry[]
  /** The newest values of feeds that the configuration goes by. Absent in files of a version that did not know. */
  readonly readings?: readonly StoredReading[]
  /** The id of the database that it was read from; null where that is not known. Absent in files of a version that did not know. */
  readonly database?: string | null
  /** Of this node on zones whose keys are rolled over. Absent in files of a version that did not know. */
  readonly leases?: readonly WrittenLease[]
}

/** What a node knows beside its configuration. */
export type Observed = Pick<
  SnapshotBase,
  'health' | 'lastKnown' | 'resolutions' | 'handedOut' | 'readings' | 'database' | 'leases'
>

export interface Snapshot extends SnapshotBase {
  readonly writtenAt: Date
}

/** Something as JSON holds it, times as text. */
type Written<T> = {
  readonly [K in keyof T]: T[K] extends Date ? string : T[K] extends Date | null ? string | null : T[K]
}

interface BaseStatus extends Mark {
  readonly format: number
  /** See `files/sealed.ts`. Absent in files of a version that had none. */
  readonly crc32?: string
  readonly writtenAt: string
  readonly overrides: readonly Written<Override>[]
  /** Absent in files of a version that did not know. */
  readonly serviceOverrides?: readonly Written<ServiceOverride>[]
  readonly health: readonly Written<MemberHealth>[]
  readonly lastKnown: FamilyEntries | LastKnownEntries | readonly unknown[]
  /** Absent in files of a version that knew no hosts. */
  readonly resolutions?: readonly Written<Resolution>[]
  /** Absent in files of a version that did not know. */
  readonly births?: readonly (readonly [key: string, born: number])[]
  /** Absent in files of a version that did not know. */
  readonly handedOut?: readonly Written<HandedOutEntry>[]
  /** Absent in files of a version that did not know. */
  readonly readings?: readonly StoredReading[]
  readonly database?: string | null
  readonly leases?: readonly Written<WrittenLease>[]
}

/** The fields of a status that hold times, or null. */
const timeFields: readonly string[] = ['since', 'until', 'expiresAt', 'safeAt']

/** Before families were told apart, what was remembered was that of each. */
function readLastKnown(written: BaseStatus['lastKnown']): FamilyEntries {
  if ('ipv4' in written) return written
  const entries = 'pools' in written ? written : { pools: [], services: [] }
  return { ipv4: entries, ipv6: entries, any: entries }
}

/** @param mark of what is served, settings and zones */
export function baseOf(catalog: Catalog, { revision, stamp }: Mark, observed: Observed): SnapshotBase {
  return {
    revision,
    stamp,
    feeds: [...catalog.feeds.values()],
    monitors: [...catalog.monitors.values()],
    pools: [...catalog.pools.values()],
    services: [...catalog.services.values()],
    overrides: [...catalog.overrides.values()],
    serviceOverrides: catalog.serviceOverrides,
    births: catalog.births,
    ...observed,
  }
}

/** A base as text, of one line. */
export function formatBase(base: SnapshotBase, now: Date): string {
  const {
    feeds: _,
    monitors: __,
    pools: ___,
    services: ____,
    births,
    overrides,
    serviceOverrides,
    ...rest
  } = base
  const words = { overrides: overrides.map(told), serviceOverrides: serviceOverrides.map(told) }
  const head = { format: formatVersion, crc32: unsealed, writtenAt: now }
  const status = { ...head, ...rest, ...words, births: [...births] }
  return seal(`{${[`"status":${JSON.stringify(status)}`, ...kindTexts(base)].join(',')}}`)
}

/** @throws Error when it is no base of a version that we know */
export function parseBase(text: string): Snapshot {
  return snapshotOf(readText(text))
}

export class SnapshotFiles {
  /** Directory of the images. */
  readonly images: string
  readonly #directory: string

  constructor(dataDir: string) {
    this.#directory = join(dataDir, 'snapshot')
    this.images = join(this.#directory, 'zones')
  }

  async writeBase(base: SnapshotBase, now: Date): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    await replaceWhole(this.#path, Buffer.from(`${formatBase(base, now)}\n`))
    await syncFolder(this.#directory)
  }

  /**
   * The base that was written last, or the one before when that can't be used; null when there is none that can.
   *
   * @param onBad told of each that can't be used, with its name and the reason; it is put aside
   */
  async read(onBad: (message: string) => void): Promise<Snapshot | null> {
    for (const path of [this.#path, beforeOf(this.#path)]) {
      try {
        const base = await readBase(path)
        if (base !== null) return snapshotOf(base)
      } catch (error) {
        onBad(`snapshot ${path} can't be used: ${(error as Error).message}`)
        await putAside(path)
      }
    }
    return null
  }

  /**
   * Only the last good addresses of hosts, which a start needs even when it has its configuration from the database. None where
   * there is nothing that can be read, which `read` tells.
   */
  async readResolutions(): Promise<readonly Resolution[]> {
    for (const path of [this.#path, beforeOf(this.#path)]) {
      const base = await readBase(path).catch(() => null)
      if (base !== null) return withTimes<Resolution>(base.status.resolutions)
    }
    return []
  }

  get #path(): string {
    return join(this.#directory, 'base.json')
  }
}

/** What the database has not been told yet is kept in a file of its own, which says so. */
function told<T extends { readonly pending?: true }>({ pending: _, ...word }: T): Omit<T, 'pending'> {
  return word
}

interface Base {
  readonly status: BaseStatus
  readonly configuration: object
}

/** Null when there is no such file. @throws Error when it can't be read, or is no base of a version that we know */
async function readBase(path: string): Promise<Base | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  return text === null ? null : readText(text)
}

/** @throws Error when it is no base of a version that we know */
function readText(text: string): Base {
  if (text === '') throw new Error('it is empty')
  const { status, ...configuration } = JSON.parse(text.trimEnd()) as { status?: Partial<BaseStatus> }
  const { format, crc32: digits } = status ?? {}
  if (typeof format === 'number' && format > formatVersion) {
    throw new Error(`a newer version wrote it (format ${format}, and this one knows ${formatVersion})`)
  }
  if (!readableVersions.includes(format!)) {
    throw new Error(`its format is none of ${readableVersions.join(', ')}`)
  }
  if (format === formatVersion && !isSealed(text.trimEnd(), digits)) {
    throw new Error('its checksum is wrong')
  }
  return { status: status as BaseStatus, configuration }
}

/** @throws Error when what is written is no configuration */
function snapshotOf({ status, configuration }: Base): Snapshot {
  const parsed = parseConfiguration(configuration, choiceProblems)
  if (!parsed.ok) throw new Error(describe(parsed.problems))
  const { feeds, monitors, pools, services } = parsed.configuration
  return {
    feeds,
    monitors,
    pools,
    services,
    revision: status.revision,
    stamp: status.stamp,
    writtenAt: new Date(status.writtenAt),
    overrides: withTimes<Override>(status.overrides),
    serviceOverrides: withTimes<ServiceOverride>(status.serviceOverrides),
    health: withTimes<MemberHealth>(status.health).map(withAddressTimes),
    lastKnown: readLastKnown(status.lastKnown),
    resolutions: withTimes<Resolution>(status.resolutions),
    births: new Map(status.births),
    handedOut: withTimes<HandedOutEntry>(status.handedOut),
    ...(status.readings === undefined ? {} : { readings: status.readings }),
    ...(status.database === undefined ? {} : { database: status.database }),
    ...(status.leases === undefined ? {} : { leases: withTimes<WrittenLease>(status.leases) }),
  }
}

function withTimes<T>(written: readonly Written<T>[] = []): T[] {
  return written.map((one) => {
    const fields = Object.entries(one).map(([name, value]) => {
      return [name, timeFields.includes(name) && value !== null ? new Date(value as string) : value]
    })
    return Object.fromEntries(fields) as T
  })
}

function describe(problems: readonly Problem[]): string {
  return problems
    .slice(0, 3)
    .map(({ path, message }) => `${path}: ${message}`)
    .join('; ')
}
