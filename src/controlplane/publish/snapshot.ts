/**
 * The cold-start snapshot: what this node needs to answer when it starts and the database is away. Files in the data
 * directory, each a document that `apply` takes too, with what else we need under `status`:
 *
 *     snapshot/base.json          monitors, pools, services; status: revision, overrides, health, last-known answers,
 *                                 last good addresses of hosts
 *     snapshot/zones/<hash>.json  one zone each, so that an edit rewrites one file
 *
 * Written behind the answering path: some time after a change, out of one transaction of the database, each file whole
 * or not at all (written beside, synced, renamed), the base last. A zone file that is newer than the base after a
 * crash is harmless: it is what the database said a moment later.
 */
import { createHash } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { formatConfiguration, parseConfiguration } from '../document/configuration.ts'
import { formatZoneHead, formatZoneRrset } from '../document/zone.ts'
import { ControlError, type Problem } from '../errors.ts'
import type { MemberHealth, Monitor, Override, Pool, Resolution, Rrset, Service, Zone } from '../model.ts'
import type { LastKnown } from '../steering/select.ts'
import type { CatalogZone } from './catalog.ts'

/** Rises when an older reader would misunderstand the files. */
const formatVersion = 1

export interface SnapshotBase {
  readonly revision: number
  readonly monitors: readonly Monitor[]
  readonly pools: readonly Pool[]
  readonly services: readonly Service[]
  readonly overrides: readonly Override[]
  readonly health: readonly MemberHealth[]
  readonly lastKnown: readonly (readonly [service: string, last: LastKnown])[]
  /** Of every host that has addresses. */
  readonly resolutions: readonly Resolution[]
}

export interface Snapshot extends SnapshotBase {
  readonly writtenAt: Date
  readonly zones: readonly (Zone & { readonly serial: number })[]
}

interface BaseStatus {
  readonly format: number
  readonly revision: number
  readonly writtenAt: string
  /** File by apex. */
  readonly zones: Readonly<Record<string, string>>
  readonly overrides: readonly (Omit<Override, 'since' | 'until'> & { since: string; until: string | null })[]
  readonly health: readonly (Omit<MemberHealth, 'since'> & { since: string })[]
  readonly lastKnown: SnapshotBase['lastKnown']
  /** Absent in files of a version that knew no hosts. */
  readonly resolutions?: readonly (Omit<Resolution, 'since' | 'expiresAt'> & {
    since: string
    expiresAt: string | null
  })[]
}

export class SnapshotFiles {
  readonly #directory: string
  readonly #zones: string

  constructor(dataDir: string) {
    this.#directory = join(dataDir, 'snapshot')
    this.#zones = join(this.#directory, 'zones')
  }

  async writeZone(zone: CatalogZone, rrsets: AsyncIterable<readonly Rrset[]>): Promise<void> {
    await mkdir(this.#zones, { recursive: true, mode: 0o700 })
    const head = JSON.stringify({ ...formatZoneHead(zone), status: { serial: zone.serial } })
    await writeWhole(join(this.#zones, fileOf(zone.apex)), async function* () {
      yield `{"zones":{${JSON.stringify(zone.apex)}:${head.slice(0, -1)},"rrsets":[`
      let first = true
      for await (const batch of rrsets) {
        for (const rrset of batch) {
          yield `${first ? '' : ','}\n${JSON.stringify(formatZoneRrset(rrset))}`
          first = false
        }
      }
      yield ']}}}\n'
    })
  }

  /** Writes the base for these zones, and deletes the files of others. */
  async writeBase(base: SnapshotBase, apexes: Iterable<string>, now: Date): Promise<void> {
    await mkdir(this.#zones, { recursive: true, mode: 0o700 })
    const files = Object.fromEntries(Array.from(apexes, (apex) => [apex, fileOf(apex)]))
    const { monitors, pools, services, revision, overrides, health, lastKnown, resolutions } = base
    const status = {
      format: formatVersion,
      revision,
      writtenAt: now,
      zones: files,
      overrides,
      health,
      lastKnown,
      resolutions,
    }
    const document = { ...formatConfiguration({ monitors, pools, services, zones: [] }), status }
    await writeWhole(join(this.#directory, 'base.json'), [`${JSON.stringify(document)}\n`])
    const wanted = new Set(Object.values(files))
    for (const file of await readdir(this.#zones)) if (!wanted.has(file)) await rm(join(this.#zones, file))
  }

  /**
   * The last snapshot, or null when there is none.
   *
   * @throws ControlError `invalid` when it is damaged or of another version; the message names the file.
   */
  async read(): Promise<Snapshot | null> {
    const base = await this.#readBase()
    if (base === null) return null
    const { path, status, configuration } = base
    const zones = await Promise.all(
      Object.entries(status.zones).map(([apex, file]) => this.#readZone(apex, file)),
    )
    // Checked together: a service without its zone is a problem.
    const fragments = Object.fromEntries(zones.map(({ apex, fragment }) => [apex, fragment]))
    const parsed = parseConfiguration({ ...configuration, zones: fragments })
    if (!parsed.ok) throw damaged(path, describe(parsed.problems))
    const serials = new Map(zones.map(({ apex, serial }) => [apex, serial]))
    return {
      ...parsed.configuration,
      zones: parsed.configuration.zones.map((zone) => ({ ...zone, serial: serials.get(zone.apex)! })),
      revision: status.revision,
      writtenAt: new Date(status.writtenAt),
      overrides: status.overrides.map(({ since, until, ...rest }) => {
        return { ...rest, since: new Date(since), until: until === null ? null : new Date(until) }
      }),
      health: status.health.map(({ since, ...rest }) => ({ ...rest, since: new Date(since) })),
      lastKnown: status.lastKnown,
      resolutions: readResolutions(status),
    }
  }

  /** Only the last good addresses of hosts, which a start needs even when it has its configuration from the database. */
  async readResolutions(): Promise<readonly Resolution[]> {
    const base = await this.#readBase()
    return base === null ? [] : readResolutions(base.status)
  }

  async #readBase(): Promise<{ path: string; status: BaseStatus; configuration: object } | null> {
    const path = join(this.#directory, 'base.json')
    const document = await readJson(path)
    if (document === null) return null
    const { status, ...configuration } = document as { status: BaseStatus }
    if (status?.format !== formatVersion) throw damaged(path, `its format is not ${formatVersion}`)
    return { path, status, configuration }
  }

  async #readZone(apex: string, file: string): Promise<{ apex: string; fragment: object; serial: number }> {
    const path = join(this.#zones, file)
    const document = (await readJson(path)) as {
      zones?: Record<string, { status?: { serial?: number } }>
    } | null
    const fragment = document?.zones?.[apex]
    const serial = fragment?.status?.serial
    if (fragment === undefined || serial === undefined) throw damaged(path, `zone ${apex} is not in it`)
    return { apex, fragment, serial }
  }
}

function readResolutions({ resolutions = [] }: BaseStatus): Resolution[] {
  return resolutions.map(({ since, expiresAt, ...rest }) => {
    return { ...rest, since: new Date(since), expiresAt: expiresAt === null ? null : new Date(expiresAt) }
  })
}

/** An apex may be longer than a file name and hold any octet. */
function fileOf(apex: string): string {
  return `${createHash('sha256').update(apex).digest('hex').slice(0, 40)}.json`
}

async function writeWhole(
  path: string,
  content: Iterable<string> | (() => AsyncIterable<string>),
): Promise<void> {
  const beside = `${path}.new`
  const file = await open(beside, 'w', 0o600)
  try {
    await file.writeFile(typeof content === 'function' ? content() : content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(beside, path)
}

async function readJson(path: string): Promise<object | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw damaged(path, (error as Error).message)
  }
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
