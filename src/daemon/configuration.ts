/**
 * From a revision in the database to images in the workers: the follower reads what changed, the compile thread makes zone
 * images, the publisher hands them over with the plans. Beside that, the snapshot: written behind what is served, and read at
 * a start, when the database keeps us waiting.
 */
import type { Catalog, Mark } from '../controlplane/catalog/catalog.ts'
import { CompileThread } from '../controlplane/compile/compile-thread.ts'
import type { StoredZone } from '../controlplane/compile/image-files.ts'
import { Follower } from '../controlplane/follow/follower.ts'
import { servicesOf } from '../controlplane/follow/known-images.ts'
import { Lag } from '../controlplane/follow/lag.ts'
import { type Births, endedBetween, nothingEnded } from '../controlplane/model/births.ts'
import type { MemberHealth } from '../controlplane/model/observation.ts'
import type { WordTarget } from '../controlplane/model/pending-word.ts'
import type { PendingWords } from '../controlplane/offline/pending-words.ts'
import type { HostResolver } from '../controlplane/resolving/host-resolver.ts'
import { Publisher } from '../controlplane/serve/publisher.ts'
import { type ColdStart, coldStart } from '../controlplane/snapshot/cold-start.ts'
import { handedOutBefore } from '../controlplane/snapshot/handed-out-before.ts'
import { type Observed, type Snapshot, SnapshotFiles } from '../controlplane/snapshot/snapshot.ts'
import { SnapshotWriter } from '../controlplane/snapshot/snapshot-writer.ts'
import { isRefused } from '../controlplane/store/changes.ts'
import type { Expected } from '../controlplane/store/identity.ts'
import { orAborted, pause } from '../controlplane/timing/clock.ts'
import { compileBrokenZone } from '../dataplane/image/compile.ts'
import { hostnameToWire } from '../dataplane/wire/name.ts'
import { version } from '../version.ts'
import { failing, type Ground, type Hearing } from './announce.ts'
import type { Answers } from './answers.ts'
import type { Serving } from './data-plane.ts'
import type { Health } from './health.ts'
import { keyFileOf } from './key-file.ts'
import { isSame, LeftBehind, readLeft } from './left-behind.ts'
import type { Signing } from './signing.ts'
import type { SteeringFeeds } from './steering-feeds.ts'
import { stopBudget } from './stop-budget.ts'

/** What a configuration is served with. */
interface Surroundings extends Ground {
  readonly serving: Serving
  readonly hosts: HostResolver
  readonly health: Health
  readonly answers: Answers
  readonly feeds: SteeringFeeds
  readonly signing: Signing
  /** What the database has not been told yet. */
  readonly words: PendingWords
}

/** How long a start waits for a database that doesn't answer before it serves the snapshot. */
const snapshotPatienceMs = 3000
/**
 * The same while clients are answered by what a control plane before us has read, when nobody knows which revision that is: the snapshot may
 * be older, and would take answers back in time.
 */
const answeredPatienceMs = 30_000

/** Between two attempts to load the configuration, where it was not the database's absence that the last one failed for. */
const retryMs = 2000

/** Parts of the snapshot that could not be used, of which `/ready` tells. */
const mostTroubles = 20

interface Cold {
  readonly snapshot: Snapshot
  /** Nothing of it was left out. */
  readonly isWhole: boolean
  /** It is what the control plane before us has left in memory. */
  readonly isLeft: boolean
  readonly start: ColdStart
}

export class Configuration {
  readonly compiler: CompileThread
  readonly snapshots: SnapshotWriter
  /** What the next control plane of this server finds; null where no memory is shared. */
  readonly left: LeftBehind | null
  readonly publisher: Publisher
  readonly follower: Follower
  /** How far this node is behind the database. */
  readonly lag = new Lag()
  readonly #around: Surroundings
  /** The births of what was remembered from the time before the start, until the first catalog. */
  #bornBefore: Births = new Map()
  readonly #files: SnapshotFiles
  /** Null when there is no snapshot that can be used. */
  #cold: Promise<Cold | null> = Promise.resolve(null)
  #snapshotRevision = 0
  /** The id of the database that what is served was read from, or the snapshot while that has not been served; null when not known. */
  #origin: string | null = null
  readonly #away = Promise.withResolvers<void>()

  constructor(around: Surroundings) {
    this.#around = around
    this.#files = new SnapshotFiles(around.config.dataDir)
    const { images: directory } = this.#files
    const { shared } = around.serving
    this.compiler = new CompileThread({
      directory,
      version,
      memory: shared?.mapped ?? null,
      keyFile: keyFileOf(around.config),
      graceMs: stopBudget.compilerMs,
      onDeath: (reason) => around.announce({ kind: 'thread-died', thread: 'compile', reason }),
    })
    this.compiler.onSigned = (reports) => around.signing.watch.tell(reports)
    around.signing.services.onNews = () => this.#keep()
    around.signing.onLeases = () => this.#keep()
    this.compiler.onLeft = (images) => shared?.letGo(images)
    shared?.keptBy((images) => void this.compiler.adopt(images))
    this.publisher = this.#makePublisher()
    this.follower = this.#makeFollower()
    this.snapshots = this.#makeSnapshots()
    this.left =
      shared === undefined
        ? null
        : new LeftBehind({
            shared,
            publisher: this.publisher,
            observed: () => this.#observed(),
            onLeft: (revision) => around.log.debug({ revision }, 'left for the next control plane'),
            onError: around.faults.retried('what is served was not left for the next control plane'),
          })
  }

  /**
   * The revision that the database can't be before, unless it is not the one that it was, and which that was: the one that is served, or
   * of the snapshot while that has not been served; 0 for none.
   */
  get expected(): Expected {
    const revision = Math.max(0, this.publisher.catalog.revision, this.#snapshotRevision)
    return { revision, database: this.#origin }
  }

  readonly hears: Hearing<'configuration'> = {
    'database-away': () => this.#away.resolve(),
    'history-broken': ({ found }) => {
      if (isRefused(found.kind)) this.#away.resolve()
    },
    catalog: () => this.#keep(),
    transitions: ({ pools }) => {
      // What members are now is for the snapshot, too.
      this.#keep()
      void this.publisher.refresh(pools)
    },
    'weights-changed': ({ pools }) => void this.publisher.refresh(pools),
    readings: ({ pools }) => void this.publisher.refresh(pools),
    'overrides-ended': ({ overrides, services }) => {
      void this.publisher.refresh(this.publisher.catalog.poolsMatching(overrides))
      if (services.length > 0) void this.publisher.refreshServices(services.map(({ service }) => service))
    },
    // Every round gives plans a new time to count TTLs down to; few change anything else.
    resolved: ({ changes, news }) => {
      if (news.length > 0) this.#keep()
      const { hosts } = this.publisher.catalog
      const members = changes.flatMap(({ after }) => hosts.get(after.host) ?? [])
      void this.publisher.refresh(new Set(members.map(({ pool }) => pool)))
    },
    'locations-changed': () => void this.#relocate('renew'),
  }

  /** Gives hosts their last good addresses, in any case: resolving may fail while the database is there. */
  async restoreHosts(): Promise<void> {
    this.#around.hosts.restore(await this.#files.readResolutions())
  }

  /**
   * Resolves when the workers have a configuration, of the database or, when that keeps us waiting, of the snapshot.
   *
   * @param prepare what the database is needed for before the first look at the configuration
   */
  async load(prepare: () => Promise<void>): Promise<void> {
    const { log, signal } = this.#around
    this.#cold = this.#readSnapshot()
    const fromDatabase = this.#loadFromDatabase(prepare)
    const fromSnapshot = this.#loadFromSnapshot()
    // Without a snapshot the database is all there is.
    await Promise.race([fromDatabase, fromSnapshot.then((served) => (served ? undefined : fromDatabase))])
    fromDatabase.catch((error: unknown) => {
      if (!signal.aborted) failing(log, 'the configuration was not loaded')(error)
    })
  }

  /** Tries until it has been done, whatever it fails for: nobody else would ever begin to follow the database. */
  async #loadFromDatabase(prepare: () => Promise<void>): Promise<void> {
    const { database, faults, signal } = this.#around
    const failed = faults.retried('the configuration was not loaded; trying again')
    for (;;) {
      try {
        await database.ready(signal)
        await prepare()
        break
      } catch (error) {
        signal.throwIfAborted()
        failed(error)
      }
      await pause(retryMs, signal)
    }
    this.follower.start()
    await this.follower.loaded
    // Its images are not needed any more.
    this.#cold = Promise.resolve(null)
  }

  async #readSnapshot(): Promise<Cold | null> {
    const { log, signal } = this.#around
    const troubles: string[] = []
    let writtenAt: Date | null = null
    const onBad = (reason: string) => {
      log.error({ reason }, 'a part of the snapshot was left out')
      troubles.push(reason)
    }
    try {
      const snapshot = await this.#files.read(onBad)
      if (snapshot === null) return null
      writtenAt = snapshot.writtenAt
      this.#remember(snapshot)
      this.#around.signing.leases.persisted(snapshot.leases ?? [])
      const { zones, damaged } = await this.compiler.load(signal)
      damaged.forEach(onBad)
      const start = await this.#startFrom(snapshot, zones, onBad)
      return { snapshot, start, isWhole: troubles.length === 0, isLeft: false }
    } catch (error) {
      if (!signal.aborted) failing(log, 'the snapshot was not used')(error)
      return null
    } finally {
      this.snapshots.found(writtenAt, troubles.slice(0, mostTroubles))
    }
  }

  /** What the control plane before us has left, if it is of what is served; else null. */
  async #readLeft(served: Mark): Promise<Cold | null> {
    const { log, serving, signal } = this.#around
    const onBad = (reason: string) => {
      throw new Error(reason)
    }
    try {
      const left = readLeft(serving.shared!, served)
      if (left === null) return null
      this.#remember(left.base)
      await this.compiler.restore(left.zones, signal)
      const start = await this.#startFrom(left.base, left.zones, onBad)
      return { snapshot: left.base, start, isWhole: true, isLeft: true }
    } catch (error) {
      if (!signal.aborted) failing(log, 'what the control plane before has left was not used')(error)
      return null
    }
  }

  /** Takes over what is known of the time before the start. */
  #remember(snapshot: Snapshot): void {
    const { answers, feeds } = this.#around
    feeds.readings.restore(snapshot.readings ?? [])
    if (this.publisher.catalog.revision < 0) {
      this.#snapshotRevision = snapshot.revision
      this.#origin = snapshot.database ?? null
    }
    answers.handedOut.restore(handedOutBefore(snapshot, new Date()))
    answers.planner.lastKnown.restore(snapshot.lastKnown)
    this.#around.signing.leases.restore(snapshot.leases ?? [])
    this.#bornBefore = snapshot.births
  }

  #startFrom(
    snapshot: Snapshot,
    zones: readonly StoredZone[],
    onBad: (reason: string) => void,
  ): Promise<ColdStart> {
    return coldStart(snapshot, zones, this.compiler, this.publisher.planSlots, onBad, this.#around.signal)
  }

  /** @returns false when there is no snapshot to serve, or the database has come first. */
  async #loadFromSnapshot(): Promise<boolean> {
    const { answers, log, serving, signal, supervision } = this.#around
    const { publisher } = this
    const before = serving.shared?.before ?? null
    const isUnknown = supervision?.isAnswering === true && before === null
    const patienceMs = isUnknown ? answeredPatienceMs : snapshotPatienceMs
    await Promise.race([this.#away.promise, pause(patienceMs, signal)])
    let found = await this.#cold
    // The database may come while we wait, and what it says is newer.
    const late = () => publisher.revision >= 0 || publisher.catalog.revision >= 0 || signal.aborted
    if (late()) return false
    if (before !== null && !(found?.isWhole === true && isSame(before, found.snapshot))) {
      const old = found?.snapshot.revision ?? null
      const left = this.#readLeft(before)
      // Its images are now those that the compile thread has.
      this.#cold = left.then((each) => each ?? found)
      found = await left
      if (late()) return false
      if (found === null) {
        const said =
          'the snapshot is not what clients are answered by: they go on with that until the database is there'
        log.warn({ revision: old, served: before.revision }, said)
        return false
      }
    }
    if (found === null) return false
    const { snapshot, start, isLeft } = found
    let maps = await answers.locations.prepare(start.catalog, signal)
    // Location data may have been replaced meanwhile.
    if (await orAborted(publisher.prepare(start, maps), signal))
      maps = await answers.locations.prepare(start.catalog, signal)
    if (late()) return false
    const catalog = this.#around.words.over(start.catalog)
    this.#announceCatalog(catalog, snapshot.health)
    await publisher.adopt({ ...start, catalog }, maps)
    const { revision, writtenAt } = snapshot
    const what = isLeft ? 'serving what the control plane before was serving' : 'serving the snapshot'
    log.warn({ revision, writtenAt }, what)
    return true
  }

  /** Lays the words that wait for the database over what is served, after one on `target`. Resolves when the workers serve it. */
  async amend(target: WordTarget): Promise<void> {
    const { announce, words } = this.#around
    const { publisher } = this
    const { catalog: before } = publisher
    const catalog = words.over(before)
    announce({ kind: 'catalog', before, catalog, ended: nothingEnded, stored: null })
    if ('service' in target) await publisher.amend(catalog, [], [target.service])
    else await publisher.amend(catalog, catalog.poolsMatching([target]), [])
  }

  /** Signs zones anew out of what this node has, while the database is away. */
  async resign(apexes: readonly string[]): Promise<void> {
    const { publisher } = this
    const { catalog } = publisher
    const zones = apexes.flatMap((apex) => catalog.zones.get(apex) ?? [])
    const services = new Map(zones.map(({ apex }) => [apex, servicesOf(catalog, apex, publisher.planSlots)]))
    const edit = { owners: [], text: '[]' }
    const jobs = zones.map((zone) => ({ zone, services: services.get(zone.apex)!, edit }))
    const order = { revision: catalog.revision, stamp: catalog.stamp, jobs, gone: [] }
    const { images } = await this.compiler.compile(order, [], this.#around.signal)
    await publisher.serve(
      new Map(
        images.map(([apex, image]) => {
          return [apex, { image, zone: catalog.zones.get(apex)!, services: services.get(apex)! }]
        }),
      ),
    )
    this.#keep()
  }

  /** Has zones answered with SERVFAIL that this node has no lease on any more. */
  async withhold(apexes: readonly string[]): Promise<void> {
    const { publisher } = this
    const { catalog, planSlots } = publisher
    const zones = apexes.flatMap((apex) => catalog.zones.get(apex) ?? [])
    const withheld = zones.map((zone) => {
      const image = compileBrokenZone(hostnameToWire(zone.apex))
      return [zone.apex, { image, zone, services: servicesOf(catalog, zone.apex, planSlots) }] as const
    })
    await publisher.serve(new Map(withheld))
    this.left?.mark()
  }

  /** What a start is to know has changed. */
  #keep(): void {
    this.snapshots.mark()
    this.left?.mark()
  }

  #observed(): Observed {
    const { answers, feeds, health, hosts, signing } = this.#around
    return {
      health: [...health.checker.availability().values()].flatMap((members) => [...members.values()]),
      lastKnown: answers.planner.lastKnown.entries(),
      resolutions: hosts.lastGood(),
      handedOut: answers.handedOut.entries(),
      readings: feeds.readings.entries(),
      database: this.#origin,
      leases: signing.leases.written,
    }
  }

  #announceCatalog(catalog: Catalog, stored: readonly MemberHealth[] | null): void {
    const before = this.publisher.catalog
    this.#snapshotRevision = 0
    this.#around.serving.shared?.mark(catalog)
    const known = before.revision < 0 ? this.#bornBefore : before.births
    this.#bornBefore = new Map()
    const ended = endedBetween(known, catalog.births)
    this.#around.announce({ kind: 'catalog', before, catalog, ended, stored })
    this.lag.read(catalog.revision)
    this.#around.tracing?.changes.read(catalog.revision)
  }

  /** Makes the location maps that could not be made when they were needed. */
  completeLocations(): Promise<void> {
    return this.#relocate('complete')
  }

  /** Other location data, other areas; or some that were missing. */
  async #relocate(how: 'renew' | 'complete'): Promise<void> {
    const { answers, log, signal } = this.#around
    try {
      const maps = await answers.locations[how](() => this.publisher.catalog, signal)
      if (maps !== null) await this.publisher.relocate(maps)
    } catch (error) {
      if (!signal.aborted) failing(log, 'location maps were not made anew')(error)
    }
  }

  #makePublisher(): Publisher {
    const { faults, announce, serving, answers, health } = this.#around
    const { planner, locations, handedOut, pools, fed, services, drains } = answers
    return new Publisher({
      pump: serving.pump,
      planner,
      locations,
      handedOut,
      signing: this.#around.signing.services.plans,
      leases: this.#around.signing.leases,
      pools,
      onPools: (changes) => announce({ kind: 'pools', changes }),
      fed,
      onSteering: (changes) => announce({ kind: 'steering', changes }),
      services,
      onServices: (changes) => announce({ kind: 'services', changes }),
      onServed: () => drains.look(),
      onProgress: () => {
        health.peers.served()
        this.left?.mark()
        this.lag.served(this.publisher.revision)
      },
      onError: (what, error) => faults.retried(what)(error),
    })
  }

  #makeFollower(): Follower {
    const { announce, answers, database, faults, health, log, tracing, words } = this.#around
    return new Follower({
      database,
      publisher: this.publisher,
      compiler: this.compiler,
      locations: answers.locations,
      amend: (catalog) => words.over(catalog),
      known: async () => (await this.#cold)?.start ?? null,
      onCatalog: (catalog, stored) => this.#announceCatalog(catalog, stored),
      onZones: () => this.#keep(),
      onFailBack: (members) => members.forEach((member) => void health.checker.failBack(member)),
      onLook: (error) => this.lag.looked(error),
      ...(tracing && {
        onHint: () => tracing.changes.hinted(),
        onCompiled: (revision: number) => tracing.changes.compiled(revision),
      }),
      origin: () => this.#origin,
      onOrigin: (database) => {
        this.#origin = database
      },
      onBreak: (found) => announce({ kind: 'history-broken', found }),
      onBad: (reason) => log.error({ reason }, 'a row of the database was left out'),
      onError: faults.retried('following the configuration failed; trying again'),
    })
  }

  #makeSnapshots(): SnapshotWriter {
    const { database, health, log, signing } = this.#around
    return new SnapshotWriter({
      database,
      files: this.#files,
      compiler: this.compiler,
      signatures: signing.services.thread,
      catalog: () => this.publisher.catalog,
      compiled: () => this.follower.compiled,
      observed: () => this.#observed(),
      onWritten: ({ leases = [] }) => {
        // The others are to hear of them.
        if (signing.leases.persisted(leases)) health.peers.hint()
      },
      onError: failing(log, 'the snapshot was not written'),
      lastPassMs: stopBudget.snapshotMs,
    })
  }
}
