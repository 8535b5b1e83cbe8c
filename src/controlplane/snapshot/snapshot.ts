/**
 * The cold-start snapshot: what this node needs to answer when it starts and the database is away, or has much to read.
 * Files in the data directory:
 *
 *     snapshot/base.json             a document that `apply` takes too, of monitors, pools and services; status: revision,
 *                                    overrides, health, last-known answers, last good addresses of hosts, members that caches have
 *     snapshot/zones/<hash>.image    one zone each, compiled (`image-files.ts`)
 *
 * Written behind the answering path, some time after a change, each file whole or not at all (written beside, synced,
 * renamed), the base last: an image is of the base's revision or of a later one, and so are the settings in the base. The base says
 * of which history its revision is, so that a start knows whether a database has changes to tell, or is another one.
 *
 * Rejected: zones as documents. A million RRsets as text took half a minute to read.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Mark } from '../catalog/catalog.ts'
import { writeWhole } from '../compile/image-files.ts'
import { formatConfiguration, parseConfiguration } from '../document/configuration.ts'
import { choiceProblems } from '../document/references.ts'
import type { Births } from '../model/births.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import type { Monitor } from '../model/monitor.ts'
import { type MemberHealth, type Resolution, withAddressTimes } from '../model/observation.ts'
import type { Override, ServiceOverride } from '../model/override.ts'
import type { Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import type { HandedOutEntry } from '../serve/handed-out.ts'
import type { FamilyEntries, LastKnownEntries } from '../steering/last-known.ts'

/** Rises when an older reader would misunderstand the files. */
const formatVersion = 3

/** Version 2 remembered whole answers by service: they are dropped. */
const readableVersions: readonly number[] = [2, formatVersion]

export interface SnapshotBase extends Mark {
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
  /** What tells members, pools and services from others of their names. */
  readonly births: Births
  /** Members that are answered, or may be in caches. */
  readonly handedOut: readonly HandedOutEntry[]
}

export interface Snapshot extends SnapshotBase {
  readonly writtenAt: Date
}

/** Something as JSON holds it, times as text. */
type Written<T> = {
  readonly [K in keyof T]: T[K] extends Date ? string : T[K] extends Date | null ? string | null : T[K]
}

interface BaseStatus extends Mark {
  readonly format: number
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
}

/** The fields of a status that hold times, or null. */
const timeFields: readonly string[] = ['since', 'until', 'expiresAt', 'safeAt']

/** Before families were told apart, what was remembered was that of each. */
function readLastKnown(written: BaseStatus['lastKnown']): FamilyEntries {
  if ('ipv4' in written) return written
  const entries = 'pools' in written ? written : { pools: [], services: [] }
  return { ipv4: entries, ipv6: entries, any: entries }
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
    const { monitors, pools, services, births, ...rest } = base
    const status = { format: formatVersion, writtenAt: now, ...rest, births: [...births] }
    const document = { ...formatConfiguration({ monitors, pools, services, zones: [] }), status }
    await writeWhole(join(this.#directory, 'base.json'), Buffer.from(`${JSON.stringify(document)}\n`))
  }

  /**
   * The base that was written last, or null when there is none.
   *
   * @throws ControlError `invalid` when it is damaged or of another version; the message names the file.
   */
  async read(): Promise<Snapshot | null> {
    const base = await this.#readBase()
    if (base === null) return null
    const { path, status, configuration } = base
    const parsed = parseConfiguration(configuration, choiceProblems)
    if (!parsed.ok) throw damaged(path, describe(parsed.problems))
    const { monitors, pools, services } = parsed.configuration
    return {
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
    }
  }

  /** Only the last good addresses of hosts, which a start needs even when it has its configuration from the database. */
  async readResolutions(): Promise<readonly Resolution[]> {
    const base = await this.#readBase()
    return withTimes<Resolution>(base?.status.resolutions)
  }

  async #readBase(): Promise<{ path: string; status: BaseStatus; configuration: object } | null> {
    const path = join(this.#directory, 'base.json')
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    if (text === null) return null
    let document: { status: BaseStatus }
    try {
      document = JSON.parse(text)
    } catch (error) {
      throw damaged(path, (error as Error).message)
    }
    const { status, ...configuration } = document
    if (!readableVersions.includes(status?.format)) {
      throw damaged(path, `its format is not ${readableVersions.join(' or ')}`)
    }
    return { path, status, configuration }
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

function damaged(path: string, why: string): ControlError {
  return new ControlError('invalid', `snapshot ${path} can't be used: ${why}`)
}

function describe(problems: readonly Problem[]): string {
  return problems
    .slice(0, 3)
    .map(({ path, message }) => `${path}: ${message}`)
    .join('; ')
}
