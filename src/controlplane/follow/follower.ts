/**
 * Follows the store: reads what changed after the revision that this node serves, and has it served.
 *
 * ## Two lanes
 * A look is a transaction that reads the changes. Settings (pools, members, services, overrides, monitors, webhooks, and which
 * zones there are) go to the publisher at once: a drain takes no other lane. Zones wait in the second one (`zone-lane.ts`).
 * When zones are due to be compiled, the look's transaction stays open and their rows are read from it, while the next look
 * opens another one: a turn and its settings are of one revision, and no settings wait for rows. (The embedded
 * database has one connection: there they wait until the rows are read, though not until they are compiled.)
 *
 * What holds:
 *
 * 1. A zone image is handed over behind the settings of its revision, never before: every service that it names has a plan,
 *    which stays while an older image names it (`plan-slots.ts`).
 * 2. A write is served when its settings are and every zone that it touched (`progress.ts`), also by a service that came or went.
 * 3. Zones that changed together are handed over together.
 * 4. Nothing is lost by a turn that fails: its zones go back into the lane.
 *
 * ## When everything is read
 * The first look at a database reads all settings, and all RRsets but those that the images of the snapshot hold, which it
 * takes only when the database has the snapshot's revision in its history. While nothing is served, its settings wait for
 * its zones. After a gap in the changes everything is read again, settings first; after the death of the compile thread all zones.
 *
 * What could not be used is read again each minute (`bad-rows.ts`): nobody says when it has been healed by SQL, and a zone that could not
 * be compiled, for want of memory for instance, would stay as it was until somebody writes to it.
 *
 * ## When the database is another one
 * Each revision has a random stamp. When that of the revision that is served, or of the snapshot, is another one in the database,
 * or the database has not come so far, its history is not the one that led here: it was restored, or made anew. It counts all the
 * same, since operators do that on purpose; so all is read again, and it is told. But an empty one, or one with another id, is more often
 * a mistake (another URL, a lost volume) than a wish: it is told, and not followed until somebody says that it is meant
 * (`api/system/database.ts`).
 *
 * ## Rejected
 * - A transaction of its own for the rows of a turn: a name whose RRset became a service in one write would be neither for a
 *   moment.
 * - Giving up the compilation of a zone that is touched again: one that is touched often enough would never be served.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Catalog, Mark } from '../catalog/catalog.ts'
import type { CompileThread } from '../compile/compile-thread.ts'
import type { Compiled } from '../compile/zone-images.ts'
import { isUnavailable } from '../model/errors.ts'
import type { MemberHealth } from '../model/observation.ts'
import type { MemberPattern } from '../model/override-index.ts'
import type { ZoneToServe } from '../serve/handed-zones.ts'
import type { LocationMaps } from '../serve/location-maps.ts'
import type { CatalogStep, Publisher } from '../serve/publisher.ts'
import { changesSince, type HistoryBreak, historyBreak, isRefused, isStillAt } from '../store/changes.ts'
import type { Database, Tx } from '../store/database.ts'
import { loadHealth } from '../store/health.ts'
import { isOtherSchema } from '../store/schema-version.ts'
import { monotonicClock, orAborted } from '../timing/clock.ts'
import { PollLoop } from '../timing/poll-loop.ts'
import { BadRows } from './bad-rows.ts'
import { type KnownImages, servicesOf, sortZones, wholeZones } from './known-images.ts'
import { type SchemaPart, SchemaParts } from './schema-parts.ts'
import {
  type ChangedSettings,
  changedTogether,
  failBacksOf,
  type Reading,
  readAllSettings,
  readChangedSettings,
  type Touched,
} from './settings.ts'
import { type FollowedTurn, readTurn } from './turn-rows.ts'
import { type Turn, ZoneLane } from './zone-lane.ts'

export interface FollowerOptions {
  readonly database: Database
  readonly publisher: Publisher
  readonly compiler: CompileThread
  /** The images that this node has from before its start; null when there are none. */
  readonly known: () => Promise<KnownImages | null>
  /** A catalog is about to be published: targets may change, the snapshot is out of date. With the first comes what is stored of health. */
  readonly onCatalog: (catalog: Catalog, stored: readonly MemberHealth[] | null) => void
  /** Images of zones are served: the snapshot is out of date. */
  readonly onZones: () => void
  /** Lays over a catalog what the database has not been told yet. */
  readonly amend: (catalog: Catalog) => Catalog
  /** Makes the location maps of a step before it is published. */
  readonly locations: Pick<LocationMaps, 'prepare'>
  /** Members that an operator lets come back. Those of before the start are not told: a start forgets what waits. */
  readonly onFailBack: (members: readonly MemberPattern[]) => void
  /** The database is not the one that it was, and everything is read again; unless it is empty, see above. */
  readonly onBreak: (found: FoundBreak) => void
  /** The id of the database that what this node has was read from; null when it is not known. */
  readonly origin: () => string | null
  /** It is of this database now. */
  readonly onOrigin: (database: string | null) => void
  /** Something in the database can't be used; the rest goes on. */
  readonly onBad: (message: string) => void
  /** A look failed for another reason than that the database is away; null when one did not. */
  readonly onLook: (error: unknown) => void
  /** It is hinted that there is something to read. */
  readonly onHint?: () => void
  /** Images have been made of zones as they are at a revision. */
  readonly onCompiled?: (revision: number) => void
  /** The same. The next look comes all the same. */
  readonly onError: (error: unknown) => void
  /** How long what can't be used is left alone; a minute when left out. */
  readonly badEveryMs?: number
}

const pollMs = 1000
const defaultBadEveryMs = 60_000
/** Changes of one step; what is beyond is the next step's. */
const changeLimit = 1000

/** A database that is not what came of what this node had from it. */
export interface FoundBreak {
  readonly kind: HistoryBreak
  /** The revision that was served, or of the snapshot. */
  readonly revision: number
}

/** The settings that a look found. */
interface FoundStep extends CatalogStep {
  readonly health: readonly MemberHealth[] | null
  readonly failBacks: readonly MemberPattern[]
  readonly database: string | null
}

/** What a look came to before any rows of zones were read. */
interface Look {
  readonly step: FoundStep | null
  readonly turn: FollowedTurn | null
}

/** The rest of a look's transaction: reads the rows of its turn, and comes to what compiles them. */
type RowReading = Promise<(() => Promise<Compiled>) | null>

export class Follower implements AsyncDisposable {
  readonly #options: FollowerOptions
  readonly #loop: PollLoop
  readonly #loaded = Promise.withResolvers<void>()
  readonly #lane = new ZoneLane()
  readonly #bad = new BadRows()
  /** Bound: a light one and a heavy one. */
  readonly #turns = new Set<Promise<void>>()
  #loadedOnce = false
  /** Settings may not be what was read: they are read from the start. */
  #lost = true
  /** Epoch of the compile thread that has, or is to get, the images of what is served. */
  #epoch = 0
  #hints: Disposable | undefined
  /** There is something to read, as far as anybody says: no look before the look. */
  #hinted = true
  #broken: FoundBreak | null = null
  /** When what can't be used was last read again, by the steady clock. */
  #badReadMs = monotonicClock.nowMs()
  /** The schema, as `newerSchema` has it, under which parts could last not be read. */
  #lackingUnder: string | null = null

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#loop = new PollLoop({
      look: async () => {
        const more = await this.#look()
        options.onLook(null)
        return more
      },
      everyMs: () => pollMs,
      onError: (error) => {
        options.onLook(error)
        options.onError(error)
      },
    })
  }

  /** Resolves when the configuration has been loaded from the database once and is served. */
  get loaded(): Promise<void> {
    return this.#loaded.promise
  }

  /** Rows of the database that can't be used now, a line each. */
  get badRows(): readonly string[] {
    return this.#bad.all
  }

  /** Whether the configuration has been loaded from the database since the start. */
  get hasLoaded(): boolean {
    return this.#loadedOnce
  }

  /**
   * The last revision of which the compile thread has every image, or a later one; null before the first load, and when images
   * were lost with the thread.
   */
  get compiled(): Mark | null {
    const whole = this.#loadedOnce && this.#epoch === this.#options.compiler.epoch
    return whole ? this.#options.publisher.progress.whole : null
  }

  /** Why the database is not followed: that it is empty, or another one, though this node has more; null when it is. */
  get refused(): FoundBreak | null {
    return isRefused(this.#broken?.kind) ? this.#broken : null
  }

  start(): void {
    const { database, onHint } = this.#options
    this.#hints = database.listen(() => {
      onHint?.()
      this.#hint()
    })
    this.#loop.start()
  }

  /**
   * Has zones compiled again that nobody changed: for their signatures.
   *
   * @param touched those that the catalog has are compiled
   */
  recompile(touched: Touched): void {
    const { catalog, progress } = this.#options.publisher
    const there = [...touched].filter(([apex]) => catalog.zones.has(apex))
    for (const [apex] of there) {
      progress.fallBehind(apex, { from: catalog.revision + 1, to: catalog.revision, lost: false })
    }
    this.#lane.touch(new Map(there), catalog)
    this.#hint()
  }

  get #isBadDue(): boolean {
    const { badEveryMs = defaultBadEveryMs } = this.#options
    return !this.#bad.isEmpty && monotonicClock.nowMs() - this.#badReadMs >= badEveryMs
  }

  /** Gives up what is being compiled. */
  async stop(): Promise<void> {
    this.#hints?.[Symbol.dispose]()
    await this.#loop.stop()
    await Promise.all(this.#turns)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #hint(): void {
    this.#hinted = true
    this.#loop.hint()
  }

  /** Whether there is nothing to be done, as a poll finds it nearly always: a glance tells, at a tenth of what a look costs. */
  async #isLevel(): Promise<boolean> {
    const { database, publisher, compiler, origin } = this.#options
    if (this.#hinted || this.#lost || !this.#loadedOnce || this.#broken !== null) return false
    if (this.#bad.lacksParts || this.#epoch !== compiler.epoch || this.#lane.hasNext) return false
    if (this.#isBadDue) return false
    return isStillAt(database, publisher.catalog, origin())
  }

  /** @returns whether there may be more at once */
  async #look(): Promise<boolean> {
    if (await this.#isLevel()) return false
    this.#hinted = false
    const { database, compiler, known } = this.#options
    const { signal } = this.#loop
    const images = this.#loadedOnce || compiler.epoch > 0 ? null : await known()
    signal.throwIfAborted()
    const opening = Promise.withResolvers<Look>()
    const readMs = monotonicClock.nowMs()
    const reading: RowReading = database.read(async (tx) => {
      const look = await this.#open(tx, images)
      opening.resolve(look)
      return look.turn === null ? null : readTurn(tx, look.turn, compiler, signal)
    })
    reading.catch(opening.reject)
    const { step, turn } = await opening.promise
    if (step?.zones !== undefined) {
      await this.#load({ ...step, readMs }, step.zones, images, turn!, reading)
      return true
    }
    const adopted = step === null ? Promise.resolve() : this.#adopt(step)
    if (turn !== null) {
      const run = this.#run(turn, reading, adopted, readMs).finally(() => this.#turns.delete(run))
      this.#turns.add(run)
    }
    await adopted
    if (turn === null) await reading
    this.#noteLoaded()
    return step !== null || turn !== null
  }

  /** Reads the settings, tells the lane what they touch, and takes its next turn. */
  async #open(tx: Tx, known: KnownImages | null): Promise<Look> {
    const { publisher, compiler } = this.#options
    const before = publisher.catalog
    const had = before.revision < 0 ? (known?.catalog ?? before) : before
    const [{ found, database }, changed] = await Promise.all([
      historyBreak(tx, had, this.#options.origin()),
      this.#lost ? null : changesSince(tx, before.revision, changeLimit),
    ])
    this.#noteBreak(found === null ? null : { kind: found, revision: had.revision })
    if (isRefused(found ?? undefined)) return { step: null, turn: null }
    const reading = this.#readingOf(tx)
    // What could not be read may have changed meanwhile.
    const readableAgain = this.#bad.lacksParts && this.#lackingUnder !== this.#options.database.newerSchema
    const batch = found === null && !readableAgain ? changed : null
    const { epoch } = compiler
    if (batch === null) return await this.#openAll(tx, reading, known, { epoch, database })
    let step: FoundStep | null = null
    if (batch.changes.length > 0) {
      const changed = await readChangedSettings(tx, before, batch, reading)
      step = this.#stepTo(changed, failBacksOf(batch.changes), database)
    } else if (this.#isBadDue) step = await this.#readBad(tx, before, reading, database)
    const { catalog } = step ?? publisher
    if (epoch !== this.#epoch) this.#compileAnew(catalog)
    this.#epoch = epoch
    // Rows of later revisions would come without their services.
    return { step, turn: batch.isLast ? this.#take(catalog) : null }
  }

  /** The step to changed settings, of whose zones the lane is told. */
  #stepTo(
    { touched, touchedBy, ...settings }: ChangedSettings,
    failBacks: readonly MemberPattern[],
    database: string | null,
  ): FoundStep {
    for (const [apex, revision] of touchedBy)
      this.#options.publisher.progress.fallBehind(apex, { from: revision, to: revision, lost: false })
    for (const together of changedTogether({ touched, touchedBy }))
      this.#lane.touch(together, settings.catalog)
    return { ...settings, health: null, failBacks, database }
  }

  /** Reads again what can't be used, while nothing else has changed. @returns null when none of the settings has been healed */
  async #readBad(
    tx: Tx,
    before: Catalog,
    reading: Reading,
    database: string | null,
  ): Promise<FoundStep | null> {
    this.#badReadMs = monotonicClock.nowMs()
    this.recompile(this.#bad.zones)
    const { revision, stamp } = before
    const changes = this.#bad.settings.map((place) => ({ ...place, revision, owners: null }))
    if (changes.length === 0) return null
    const { told } = this.#bad
    const again = { revision, stamp, isLast: true, changes }
    let changed: ChangedSettings
    try {
      // It has been told.
      changed = await readChangedSettings(tx, before, again, { ...reading, onBad: () => undefined })
    } catch (error) {
      this.#bad.rereadAll(told)
      throw error
    }
    if (isDeepStrictEqual(this.#bad.told, told)) return null
    // No change will tell of it a second time.
    this.#lost = true
    return this.#stepTo(changed, [], database)
  }

  /** Tells of a break once, however many looks it takes. */
  #noteBreak(found: FoundBreak | null): void {
    const before = this.#broken
    this.#broken = found
    if (found === null || (found.kind === before?.kind && found.revision === before.revision)) return
    this.#options.onBreak(found)
  }

  async #openAll(
    tx: Tx,
    reading: Reading,
    known: KnownImages | null,
    { epoch, database }: { readonly epoch: number; readonly database: string | null },
  ): Promise<Look> {
    const { publisher, onBad } = this.#options
    const before = publisher.catalog
    const lastGood = before.revision < 0 ? (known?.catalog ?? null) : before
    const catalog = await readAllSettings(tx, reading, lastGood)
    const { touched, usable } = await sortZones(tx, catalog, known, publisher.planSlots)
    const gone = [...publisher.zones, ...(known?.zones.keys() ?? [])].filter(
      (apex) => !catalog.zones.has(apex),
    )
    const all = new Map([...touched, ...gone.map((apex) => [apex, null] as const)])
    this.#epoch = epoch
    const step = {
      catalog,
      services: [...catalog.services.keys()],
      pools: [...catalog.pools.keys()],
      health: (await reading.parts.read('health', () => loadHealth(tx, onBad))) ?? [],
      failBacks: [],
      database,
    }
    if (before.revision < 0) {
      const turn = this.#hold({ heavy: true, catalog, touched: all, dropped: new Set() })
      return { step: { ...step, zones: usable }, turn }
    }
    publisher.progress.startOver(all.keys(), catalog.revision)
    this.#lane.touch(all, catalog)
    return { step, turn: this.#take(catalog) }
  }

  /** How settings are read in a transaction that has begun. */
  #readingOf(tx: Tx): Reading {
    const { database, onBad } = this.#options
    const isOther = database.newerSchema !== null
    const parts = new SchemaParts(tx, isOther, (part, reason) => this.#notePart(part, reason))
    return { onBad, bad: this.#bad, parts }
  }

  #notePart(part: SchemaPart, reason: string | null): void {
    const isNews = this.#bad.part(part, reason)
    if (reason === null) return
    this.#lackingUnder = this.#options.database.newerSchema
    if (isNews) this.#options.onBad(`all ${part}: ${reason}`)
  }

  /** Has the zones compiled whose images the compile thread has lost; no revision changed them. */
  #compileAnew(catalog: Catalog): void {
    const { revision } = catalog
    const touched = wholeZones(catalog)
    for (const apex of touched.keys()) {
      this.#options.publisher.progress.fallBehind(apex, { from: revision + 1, to: revision, lost: true })
    }
    this.#lane.touch(touched, catalog)
  }

  #take(catalog: Catalog): FollowedTurn | null {
    const turn = this.#lane.take(catalog)
    return turn === null ? null : this.#hold(turn)
  }

  #hold(turn: Turn): FollowedTurn {
    const { planSlots } = this.#options.publisher
    const services = new Map(
      Array.from(turn.touched.keys(), (apex) => [apex, servicesOf(turn.catalog, apex, planSlots)]),
    )
    for (const named of services.values()) planSlots.hold(named)
    return { turn, services }
  }

  #letGo({ services }: FollowedTurn): void {
    for (const named of services.values()) this.#options.publisher.planSlots.letGo(named)
  }

  /** Has everything served from one moment. */
  async #load(
    step: FoundStep,
    usable: ReadonlyMap<string, ZoneToServe>,
    known: KnownImages | null,
    followed: FollowedTurn,
    reading: RowReading,
  ): Promise<void> {
    try {
      const { zones, kept, missing } = await this.#compile(followed, reading)
      if (missing.length > 0) throw new Error(`there are no images of ${missing.join(', ')}`)
      // One that can't be signed, say, is served as the snapshot has it.
      const asBefore = kept.flatMap((apex) => {
        const held = known?.zones.get(apex)
        return held === undefined ? [] : [[apex, { ...held, isOld: true } as const] as const]
      })
      await this.#adopt({ ...step, zones: new Map<string, ZoneToServe>([...usable, ...asBefore, ...zones]) })
    } finally {
      this.#letGo(followed)
    }
    this.#noteLoaded()
  }

  /** Takes a turn to its end: has its images served, behind the settings of its look. */
  async #run(
    followed: FollowedTurn,
    reading: RowReading,
    adopted: Promise<void>,
    readMs: number,
  ): Promise<void> {
    const { publisher, onZones, onError } = this.#options
    const { turn } = followed
    let left = turn.touched
    try {
      const { zones, kept, missing } = await this.#compile(followed, reading)
      // The loop tells why, and reads everything again.
      if (!(await adopted.then(() => true).catch(() => false))) return
      const gone = [...turn.touched.keys()].filter((apex) => !turn.catalog.zones.has(apex))
      const handed = () => new Map([...zones, ...gone.map((apex) => [apex, null] as const)])
      await orAborted(publisher.prepareZones(handed()), this.#loop.signal)
      for (const apex of turn.dropped) zones.delete(apex)
      await publisher.serve(handed(), readMs)
      left = new Map(missing.map((apex) => [apex, null]))
      publisher.progress.catchUp([...zones.keys(), ...kept, ...gone], turn.catalog.revision)
      onZones()
    } catch (error) {
      if (isOtherSchema(error)) this.#notePart('rrsets', error.message)
      else if (!isUnavailable(error) && !this.#loop.signal.aborted) onError(error)
    } finally {
      this.#letGo(followed)
      this.#lane.end(turn, left)
    }
    this.#noteLoaded()
    // After a failure it is the poll that tries again.
    if (left !== turn.touched && this.#lane.hasNext) this.#hint()
  }

  async #compile(
    { turn, services }: FollowedTurn,
    reading: RowReading,
  ): Promise<{ zones: Map<string, ZoneToServe>; kept: readonly string[]; missing: readonly string[] }> {
    const compile = await reading
    const { images, bad, kept, missing } = await compile!()
    this.#options.onCompiled?.(turn.catalog.revision)
    this.#notePart('rrsets', null)
    const byZone = Map.groupBy(bad, ({ apex }) => apex)
    for (const [apex, owners] of turn.touched) {
      const news = this.#bad.recompiled(apex, owners, byZone.get(apex) ?? [])
      for (const message of news) this.#options.onBad(message)
    }
    const { zones: heads } = turn.catalog
    const zones = images.map(
      ([apex, image]) => [apex, { image, zone: heads.get(apex)!, services: services.get(apex)! }] as const,
    )
    return { zones: new Map(zones), kept, missing }
  }

  #noteLoaded(): void {
    if (this.#loadedOnce || this.#lost || this.#options.publisher.progress.whole === null) return
    this.#loadedOnce = true
    this.#loaded.resolve()
  }

  /** Has settings served. Until they are, everything is to be read again: these changes won't come a second time. */
  async #adopt(step: FoundStep): Promise<void> {
    const { publisher, locations, amend, onCatalog, onOrigin, onFailBack } = this.#options
    const { signal } = this.#loop
    let maps = await locations.prepare(step.catalog, signal)
    // Location data may have been replaced meanwhile.
    if (await orAborted(publisher.prepare({ ...step, catalog: amend(step.catalog) }, maps), signal))
      maps = await locations.prepare(step.catalog, signal)
    this.#lost = true
    const catalog = amend(step.catalog)
    onCatalog(catalog, step.health)
    await publisher.adopt({ ...step, catalog }, maps)
    onOrigin(step.database)
    onFailBack(step.failBacks)
    this.#lost = false
  }
}
