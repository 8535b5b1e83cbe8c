/**
 * Follows the store: reads what changed after the revision that this node serves, has the zones concerned compiled, and
 * hands the step to the publisher. Polling is the truth; a hint only makes the next look come at once.
 *
 * The first look at a database reads everything but RRsets that the images of the snapshot hold, and takes those only when
 * the database has the snapshot's revision in its history: its stamp tells. A gap in the changes, or the death of the
 * compile thread, makes everything be read again. Rows and changes of one step are read in one transaction, so a step is
 * one revision.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { CatalogParts, CatalogService } from '../catalog/catalog.ts'
import { Catalog } from '../catalog/catalog.ts'
import type { CompileThread } from '../compile/compile-thread.ts'
import { isUnavailable } from '../model/errors.ts'
import { formatMemberKey, parseMemberKey } from '../model/member-key.ts'
import type { MemberHealth } from '../model/observation.ts'
import type { MemberPattern } from '../model/override-index.ts'
import type { LocationMaps } from '../serve/location-maps.ts'
import type { CatalogStep, Publisher } from '../serve/publisher.ts'
import { type Change, type ChangeBatch, changesSince, stampOf, stampsAfter } from '../store/changes.ts'
import type { Database, Tx } from '../store/database.ts'
import { loadHealth } from '../store/health.ts'
import { getMonitor, listAllMonitors } from '../store/monitors.ts'
import { listOverrides } from '../store/overrides.ts'
import { getPool, listAllPools } from '../store/pools.ts'
import { currentRevision } from '../store/revision.ts'
import { getService, listAllServices, type StoredService } from '../store/services.ts'
import type { Stored } from '../store/stored.ts'
import { getWebhook, listAllWebhooks } from '../store/webhooks.ts'
import { getZoneHead, listAllZones, type ZoneState } from '../store/zones.ts'
import { compileZones, type KnownImages, type Touched, touchedZones, zonesToCompile } from './zone-step.ts'

export interface FollowerOptions {
  readonly database: Database
  readonly publisher: Publisher
  readonly compiler: CompileThread
  /** The images that this node has from before its start; null when there are none. Asked once. */
  readonly known: () => Promise<KnownImages | null>
  /** A step is about to be published: targets may change, the snapshot is out of date for these zones. */
  readonly onStep: (step: CatalogStep, health: readonly MemberHealth[] | null) => void
  /** Makes the location maps of a step before it is published. */
  readonly locations: Pick<LocationMaps, 'prepare'>
  /** Members that an operator lets come back. Those of before the start are not told: a start forgets what waits. */
  readonly onFailBack: (members: readonly MemberPattern[]) => void
  /** Something in the database can't be used; the rest goes on. */
  readonly onBad: (message: string) => void
  /** A look failed for another reason than that the database is away. The next one comes all the same. */
  readonly onError: (error: unknown) => void
}

const pollMs = 1000
/** Changes of one step; what is beyond is the next step's. */
const changeLimit = 1000
/** Changes since the snapshot; with more, everything is read. */
const knownChangeLimit = 20_000

export class Follower implements AsyncDisposable {
  readonly #options: FollowerOptions
  readonly #abort = new AbortController()
  readonly #loaded = Promise.withResolvers<void>()
  #wake: (() => void) | undefined
  #hinted = false
  #loadedOnce = false
  /** Of the compile thread that has the images of what is served. */
  #epoch = 0
  #loop: Promise<void> | undefined
  #hints: Disposable | undefined

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  /** Resolves when the configuration has been loaded from the database once and is served. */
  get loaded(): Promise<void> {
    return this.#loaded.promise
  }

  /** Whether the compile thread has the images of what is served; false before the first load, and when the thread died. */
  get complete(): boolean {
    return this.#loadedOnce && this.#epoch === this.#options.compiler.epoch
  }

  start(): void {
    this.#hints = this.#options.database.listen(() => this.#hint())
    this.#loop = this.#follow()
  }

  /** Gives up what is being compiled. */
  async stop(): Promise<void> {
    this.#abort.abort()
    this.#hints?.[Symbol.dispose]()
    this.#hint()
    await this.#loop
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #hint(): void {
    this.#hinted = true
    this.#wake?.()
  }

  async #follow(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      this.#hinted = false
      try {
        const more = await this.#look()
        if (more) continue
      } catch (error) {
        if (!isUnavailable(error) && !signal.aborted) this.#options.onError(error)
      }
      await this.#pause(signal)
    }
  }

  /** Until a hint or the next poll. */
  async #pause(signal: AbortSignal): Promise<void> {
    if (this.#hinted || signal.aborted) return
    const timer = new AbortController()
    const hint = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    await Promise.race([hint, delay(pollMs, undefined, { signal: timer.signal }).catch(() => undefined)])
    timer.abort()
    this.#wake = undefined
  }

  /** Reads and publishes one step. @returns whether there was one. */
  async #look(): Promise<boolean> {
    const { database, publisher, compiler, onStep } = this.#options
    const { complete } = this
    const known = this.#loadedOnce ? null : await this.#options.known()
    this.#abort.signal.throwIfAborted()
    const { epoch } = compiler
    const found = await database.read(async (tx) => {
      const batch = complete ? await changesSince(tx, publisher.catalog.revision, changeLimit) : null
      if (batch?.changes.length === 0) return null
      if (batch !== null) {
        const failBacks = batch.changes.flatMap(({ kind, key }) =>
          kind === 'fail-back' ? [parseMemberKey(key)] : [],
        )
        return { step: await this.#readChanges(tx, batch), health: null, failBacks }
      }
      return { step: await this.#readAll(tx, known), health: await loadHealth(tx), failBacks: [] }
    })
    if (found === null) return false
    const maps = await this.#options.locations.prepare(found.step.catalog, this.#abort.signal)
    // Until it is served whole: should that fail, everything is read again, for this step's changes won't come a second time.
    this.#epoch = Number.NaN
    onStep(found.step, found.health)
    await publisher.adopt(found.step, maps)
    this.#options.onFailBack(found.failBacks)
    this.#epoch = epoch
    this.#loadedOnce = true
    this.#loaded.resolve()
    return true
  }

  async #readAll(tx: Tx, known: KnownImages | null): Promise<CatalogStep> {
    const { publisher, onBad } = this.#options
    const revision = await currentRevision(tx)
    const catalog = new Catalog({
      revision,
      stamp: await stampOf(tx, revision),
      monitors: byName((await listAllMonitors(tx, onBad)).map(({ value }) => value)),
      pools: byName((await listAllPools(tx, onBad)).map(({ value }) => value)),
      services: byName((await listAllServices(tx, onBad)).map(toCatalogService)),
      zones: new Map((await listAllZones(tx)).map(({ value }) => [value.apex, value])),
      overrides: await readOverrides(tx),
      webhooks: byName((await listAllWebhooks(tx)).map(({ value }) => value)),
    })
    const since = known === null ? null : await changesOf(tx, known, revision)
    const { touched, images } =
      known === null || since === null
        ? { touched: new Map(Array.from(catalog.zones.keys(), (apex) => [apex, null])), images: new Map() }
        : zonesToCompile(catalog, known, since, await stampsAfter(tx, known.revision), (service) =>
            publisher.planSlot(service),
          )
    const before = [...publisher.catalog.zones.keys(), ...(known?.zones.keys() ?? [])]
    const compiled = await this.#compile(tx, catalog, touched, before)
    return {
      catalog,
      zones: new Map([...images, ...compiled]),
      services: [...catalog.services.keys()],
      pools: [...catalog.pools.keys()],
    }
  }

  async #readChanges(tx: Tx, { revision, stamp, changes }: ChangeBatch): Promise<CatalogStep> {
    const { publisher, onBad } = this.#options
    const before = publisher.catalog
    const keys = (kind: Change['kind']) =>
      new Set(changes.filter((change) => change.kind === kind).map(({ key }) => key))
    const touched = touchedZones(changes)
    const zones = await patch(before.zones, keys('zone'), async (apex) => value(await getZoneHead(tx, apex)))
    const moved = [...zones.keys()].some((apex) => !before.zones.has(apex)) || zones.size < before.zones.size
    const changed = keys('service')
    const parts: CatalogParts = {
      revision,
      stamp,
      zones,
      monitors: await patch(before.monitors, keys('monitor'), async (name) =>
        value(await getMonitor(tx, name, onBad)),
      ),
      pools: await patch(before.pools, keys('pool'), async (name) => value(await getPool(tx, name, onBad))),
      services: moved
        ? byName((await listAllServices(tx, onBad)).map(toCatalogService))
        : await patch(before.services, changed, async (name) => {
            const stored = await getService(tx, name, onBad)
            return stored === null ? null : toCatalogService(stored)
          }),
      overrides: keys('override').size + keys('pool').size === 0 ? before.overrides : await readOverrides(tx),
      webhooks: await patch(before.webhooks, keys('webhook'), async (name) =>
        value(await getWebhook(tx, name)),
      ),
    }
    const catalog = new Catalog(parts)
    // A pool's change may take overrides along with its members; another monitor may know less of them than the one before.
    const pools = new Set([
      ...keys('pool'),
      ...catalog.poolsJudgedBy(keys('monitor')),
      ...catalog.poolsMatching(Array.from(keys('override'), parseMemberKey)),
    ])
    for (const apex of zonesOfMovedServices(before, catalog)) {
      if (!touched.has(apex)) touched.set(apex, [])
    }
    const images = await this.#compile(tx, catalog, touched, keys('zone'))
    return { catalog, zones: images, services: changed, pools }
  }

  /** @param before apexes of zones that there may have been before */
  #compile(
    tx: Tx,
    catalog: Catalog,
    touched: Touched,
    before: Iterable<string>,
  ): Promise<Map<string, SharedArrayBuffer>> {
    const { publisher, compiler, onBad } = this.#options
    const gone = [...before].filter((apex) => !catalog.zones.has(apex))
    const planSlot = (service: string) => publisher.planSlot(service)
    const { signal } = this.#abort
    return compileZones(tx, catalog, touched, gone, { compiler, planSlot, onBad, signal })
  }
}

/** What changed since known images were compiled; null when they are of another history, or it can't be told any more. */
async function changesOf(tx: Tx, known: KnownImages, revision: number): Promise<Touched | null> {
  if (known.stamp === null || (await stampOf(tx, known.revision)) !== known.stamp) return null
  const batch = await changesSince(tx, known.revision, knownChangeLimit)
  return batch?.revision === revision ? touchedZones(batch.changes) : null
}

/** Zones that gained or lost a service: their images name them. */
function zonesOfMovedServices(before: Catalog, after: Catalog): string[] {
  const apexes: string[] = []
  for (const [name, { zone }] of after.services)
    if (before.services.get(name)?.zone !== zone) apexes.push(zone)
  for (const [name, { zone }] of before.services)
    if (after.services.get(name)?.zone !== zone) apexes.push(zone)
  return apexes
}

/** A copy of `before` with the entries of `keys` read anew; null takes one out. */
async function patch<T>(
  before: ReadonlyMap<string, T>,
  keys: ReadonlySet<string>,
  read: (key: string) => Promise<T | null>,
): Promise<ReadonlyMap<string, T>> {
  if (keys.size === 0) return before
  const after = new Map(before)
  for (const key of keys) {
    const found = await read(key)
    if (found === null) after.delete(key)
    else after.set(key, found)
  }
  return after
}

async function readOverrides(tx: Tx): Promise<CatalogParts['overrides']> {
  return new Map((await listOverrides(tx)).map((override) => [formatMemberKey(override), override]))
}

function toCatalogService({ value: service, zone }: StoredService): CatalogService {
  return { ...service, zone }
}

function byName<T extends { readonly name: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.name, item]))
}

function value<T extends ZoneState | object>(stored: Stored<T> | null): T | null {
  return stored === null ? null : stored.value
}
