/**
 * The composition root: what the daemon is made of, and in which order it starts and stops.
 *
 * Start, each step with what it needs from those before:
 * 1. Data directory and admin token: a start that can't write its state fails before it binds anything.
 * 2. HTTP: from here on `/health`, `/ready` and `/metrics` tell what the rest is waiting for.
 * 3. Configuration, from the database or, when that doesn't come, from the snapshot.
 * 4. The addresses of members that are hosts: those from before the start, or one lookup's time for new ones. And what other
 *    nodes say of members, so that none that this node alone can't reach is left out of its first answers.
 * 5. DNS listeners: not before there is something to serve, so that no client is refused a name that we do have.
 * 6. The checker's first round; then the daemon is ready.
 *
 * Stop runs the other way: DNS first answers what it has received, then HTTP finishes its requests, the checker ends,
 * what it found is stored, the snapshot is written, and the database closes last. Each step has its share of ten seconds:
 * requests that hang get five, a compilation is given up at once, the snapshot gets two, the compile thread one.
 */
import { access, constants, mkdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { startApi } from '../controlplane/api/server.ts'
import { CompileThread } from '../controlplane/compile/compile-thread.ts'
import { defaultStaleMs } from '../controlplane/fleet/peers.ts'
import { Follower } from '../controlplane/follow/follower.ts'
import { OverrideExpiry } from '../controlplane/follow/override-expiry.ts'
import { canaryName } from '../controlplane/health/canaries.ts'
import { checkTargets } from '../controlplane/health/check-targets.ts'
import type { Suspicion } from '../controlplane/health/guard.ts'
import { isUnavailable } from '../controlplane/model/errors.ts'
import { memberEvent, type NewEvent } from '../controlplane/model/event.ts'
import type { HealthEvent, MemberHealth } from '../controlplane/model/observation.ts'
import type { Override } from '../controlplane/model/override.ts'
import { HostResolver, type ResolutionChange } from '../controlplane/resolving/host-resolver.ts'
import { lookupBy } from '../controlplane/resolving/lookup.ts'
import { AnswerCounters } from '../controlplane/serve/answer-counters.ts'
import { ImagePump } from '../controlplane/serve/image-pump.ts'
import { LastStates } from '../controlplane/serve/last-states.ts'
import type { CatalogStep } from '../controlplane/serve/publisher.ts'
import { serviceStatus } from '../controlplane/serve/service-status.ts'
import { type ColdStart, coldStart } from '../controlplane/snapshot/cold-start.ts'
import { handedOutBefore } from '../controlplane/snapshot/handed-out-before.ts'
import { type Snapshot, SnapshotFiles } from '../controlplane/snapshot/snapshot.ts'
import { SnapshotWriter } from '../controlplane/snapshot/snapshot-writer.ts'
import { refreshCookieKeys } from '../controlplane/store/cookie-keys.ts'
import { Database } from '../controlplane/store/database.ts'
import { pruneFleet } from '../controlplane/store/fleet.ts'
import { expireOverrides } from '../controlplane/store/overrides.ts'
import { prune } from '../controlplane/store/retention.ts'
import { OwnZones } from '../dataplane/answer/own-zones.ts'
import { AnswerReader } from '../dataplane/counters.ts'
import { only } from '../dataplane/image/serving-set.ts'
import { ServingState } from '../dataplane/image/state.ts'
import { Fleet } from '../dataplane/listener/fleet.ts'
import type { ListenAddress } from '../dataplane/listener/listener.ts'
import { formatListenAddress } from '../dataplane/listener/listener.ts'
import { createLog, type Logger } from '../telemetry/log.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { version } from '../version.ts'
import { adminTokenHash } from './admin-token.ts'
import { answerSettings, readNodeId } from './answer-settings.ts'
import { loadDemo } from './demo/demo.ts'
import { dnsCounters } from './dns-counters.ts'
import { eventParts } from './event-parts.ts'
import { type HealthParts, healthParts } from './health-parts.ts'
import { steeringParts } from './steering-parts.ts'

export interface Daemon extends AsyncDisposable {
  /** Bound HTTP address. */
  readonly http: ListenAddress
  /** Bound DNS addresses; empty until there is something to serve. */
  readonly dns: readonly ListenAddress[]
  /** Resolves once DNS is served and every member has been probed; rejects when the start fails for good. */
  readonly ready: Promise<void>
  /** In order, within 10 s. Idempotent. */
  stop(): Promise<void>
}

/** How long a start waits for a database that doesn't answer before it serves the snapshot. */
const snapshotPatienceMs = 3000
/** How long DNS waits for other nodes, and for the first lookups of hosts: two attempts at a resolver that is slow. */
const resolvePatienceMs = 3000
const pruneEveryMs = 3_600_000
/** Well within the time in which a new cookie secret is accepted but does not sign yet. */
const cookieKeysEveryMs = 60_000

/**
 * Starts the daemon. Resolves once HTTP is bound; `ready` tells of the rest.
 *
 * @throws Error when the data directory can't be used or the HTTP address is taken
 */
export async function startDaemon(config: Config, log: Logger = createLog(config.logLevel)): Promise<Daemon> {
  const stack = new AsyncDisposableStack()
  try {
    return await compose(config, log, stack)
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

async function compose(config: Config, log: Logger, stack: AsyncDisposableStack): Promise<Daemon> {
  const { dataDir } = config
  await prepareDataDirectory(dataDir)
  const tokenHash = await adminTokenHash(config.adminToken, dataDir)
  const nodeId = await readNodeId(dataDir)
  const now = () => new Date()
  const abort = new AbortController()
  const metrics = new Metrics({ version })

  let missing: string | null = 'the database has not answered yet'
  const unavailable = Promise.withResolvers<void>()
  const database = stack.use(
    await Database.open({
      url: config.databaseUrl,
      dataDir,
      onAvailable: () => {
        log.info('the database is available')
        deleteEnded()
      },
      onUnavailable: (reason) => {
        log.warn({ reason }, 'waiting for the database')
        if (missing !== null) missing = `the database is not available: ${reason}`
        unavailable.resolve()
      },
    }),
  )

  const state = new ServingState()
  const fleet = new Fleet({
    listen: config.dnsListen,
    udpWorkers: config.workers,
    udpBackend: config.udpBackend,
    onRestart: (transport, reason) => {
      metrics.workerRestarted()
      log.error({ transport, reason }, 'a DNS worker died and is being replaced')
    },
    onFallback: (reason) => log.error({ reason }, 'batched UDP failed; listening with node:dgram instead'),
    onSkipped: (address) => log.warn({ address }, 'address left out: the host has no such family'),
  })
  const counters = () => [...fleet.counters('udp'), ...fleet.counters('tcp')]
  const answers = new AnswerCounters(() => new AnswerReader(counters()))
  const pump = new ImagePump(async (update) => {
    state.apply(update)
    await fleet.publish(update)
  })

  const onError = (what: string) => (error: unknown) => {
    if (!isUnavailable(error)) log.error({ err: error }, what)
  }
  const files = new SnapshotFiles(dataDir)
  const compiler = stack.use(new CompileThread({ directory: files.images, version }))
  const snapshots = stack.use(
    new SnapshotWriter({
      database,
      files,
      compiler,
      catalog: () => publisher.catalog,
      compiled: () => follower.compiled,
      health: () => [...checker.availability().values()].flatMap((members) => [...members.values()]),
      lastKnown: () => planner.lastKnown(),
      resolutions: () => resolver.lastGood(),
      handedOut: () => handedOut.entries(),
      onError: onError('the snapshot was not written'),
    }),
  )
  // Of webhooks too: whoever may configure one could let this node ask things of itself.
  const { recorder, feed, sender, setWebhooks } = eventParts(stack, {
    database,
    node: nodeId,
    policy: (address) => health.policy.refusal(address),
    log,
    metrics,
    now,
    onError,
  })
  const health: HealthParts = healthParts(stack, {
    config,
    database,
    nodeId,
    version,
    revision: () => publisher.revision,
    onTransitions: (events, _availability, pools) => onTransitions(events, pools),
    onVitals: (pools) => void publisher.refresh(pools),
    onProbe: ({ pool, member }, verdict) =>
      metrics.probe({ pool, member }, verdict.durationMs, verdict.ok ? null : verdict.failure),
    onSuspicion,
    onHold: ({ pool, member }, { untilMs, falls }) => {
      const until = new Date(untilMs)
      log.warn({ pool, member, until, falls }, 'member held down: it changes too often')
      recorder.add([{ kind: 'hold', pool, member, until, reason: `${falls} changes`, at: now() }])
    },
    onSilentCanaries: () =>
      log.warn(
        { canaries: config.canaries.map(canaryName) },
        'no canary has answered yet: they do not count',
      ),
    onError,
  })
  const { checker } = health
  const lastStates = new LastStates()
  const resolver = stack.use(new HostResolver({ lookup: lookupBy(config.resolvers), onChanges: onResolved }))
  const ownZones = new OwnZones(state)
  const steering = steeringParts(stack, {
    config,
    pump,
    answers,
    explainAnswer: (name, type, client) => ownZones.explain(name, type, client),
    facts: {
      measured: (pool, member) => checker.availability().get(pool)?.get(member)?.state ?? 'unknown',
      lastKnown: (pool, member) => lastStates.of(pool, member),
      vitals: (pool, member) => checker.vitals(pool, member),
    },
    resolution: (host) => resolver.resolution(host),
    onPools: (changes) => {
      for (const change of changes) log.info(change, 'pool changed its condition')
      recorder.add(changes.map((change) => ({ kind: 'pool', ...change, at: now() })))
    },
    onDrained: (members) => {
      for (const { pool, member, at } of members) log.info({ pool, member, safeAt: at }, 'member drained')
      recorder.add(members.map((member) => ({ kind: 'drained', ...member })))
    },
    onLocations: (databases) => log.info({ databases }, 'location data read'),
    onProblem: (problem) => log.error({ reason: problem }, 'location data'),
    onError,
    now,
  })
  const { planner, publisher, locations, pools, handedOut, drains } = steering
  const expiry = stack.use(new OverrideExpiry(onOverridesEnded, now))
  const follower = stack.use(
    new Follower({
      database,
      publisher,
      compiler,
      locations,
      known: async () => (await cold)?.start.known ?? null,
      onStep: (step, stored) => onStep(step, stored),
      onZones: () => snapshots.mark(),
      onFailBack: (members) => {
        for (const member of members) checker.failBack(member)
      },
      onBad: (message) => log.error({ reason: message }, 'a row of the database was left out'),
      onError: onError('following the configuration failed; trying again'),
    }),
  )

  function onTransitions(events: HealthEvent[], pools: ReadonlySet<string>): void {
    recorder.add(events.map(memberEvent))
    for (const { pool, member, from, to, reason } of events) {
      lastStates.note({ pool, member, state: to })
      metrics.memberTransition({ pool, member }, to)
      metrics.memberState({ pool, member }, to === 'unknown' ? null : to === 'up')
      log.info({ pool, member, from, to, reason }, 'member changed state')
    }
    void publisher.refresh(pools)
  }

  function onSuspicion(suspicion: Suspicion | null): void {
    const [from, to] =
      suspicion === null ? (['suspect', 'trusted'] as const) : (['trusted', 'suspect'] as const)
    const reason = suspicion?.reason ?? 'members answer again'
    if (suspicion === null) log.info({ reason }, "this node's network is trusted again")
    else log.error({ reason }, "this node's own network is suspect: failures do not count")
    recorder.add([{ kind: 'isolation', from, to, reason, at: now() }])
    health.peers.hint()
  }

  /** Every round gives plans a new time to count TTLs down to; few change anything else. */
  function onResolved(changes: readonly ResolutionChange[]): void {
    const { catalog } = publisher
    const news = changes.filter(({ before, after }) => {
      return before.state !== after.state || before.since !== after.since || before.error !== after.error
    })
    for (const { host, state, addresses, error } of news.map(({ after }) => after)) {
      if (error === null) log.info({ host, state, addresses }, 'host resolved')
      else log.warn({ host, state, addresses, error }, 'host not resolved as it should be')
    }
    if (news.length > 0) {
      health.setTargets(checkTargets(catalog, (host) => resolver.resolution(host)))
      snapshots.mark()
    }
    const members = changes.flatMap(({ after }) => catalog.hosts.get(after.host) ?? [])
    void publisher.refresh(new Set(members.map(({ pool }) => pool)))
  }

  /** What operators did goes into the log, too. */
  function tell(events: readonly NewEvent[]): void {
    recorder.add(events)
    for (const { kind, at: _, ...event } of events) log.info(event, kind)
  }

  function onOverridesEnded(ended: readonly Override[]): void {
    const { catalog } = publisher
    void publisher.refresh(catalog.poolsMatching(ended))
    drains.watch(catalog.drained(now()))
    deleteEnded()
  }

  /** Also when the database comes back: it may have been away when their time came. */
  function deleteEnded(): void {
    if (publisher.revision < 0) return
    database
      .write('system', (write) => expireOverrides(write, now()))
      // Of several nodes one deletes them, and tells of it.
      .then(({ result }) => tell(result.map(expiredEvent)))
      .catch(onError('ended overrides were not deleted'))
  }

  /** Before a step's plans are made: who is probed, what they were when the daemon last ran, which overrides end. */
  function onStep({ catalog }: CatalogStep, stored: readonly MemberHealth[] | null): void {
    const before = publisher.catalog
    if (stored !== null) {
      checker.restore(stored)
      lastStates.restore(stored)
    }
    if (catalog.pools !== before.pools || catalog.monitors !== before.monitors) {
      resolver.setHosts(catalog.hosts.keys())
      const targets = checkTargets(catalog, (host) => resolver.resolution(host))
      health.setTargets(targets)
      lastStates.retain(targets)
      metrics.setMembers(targets)
      for (const [pool, members] of checker.availability()) {
        for (const [member, { state }] of members) {
          metrics.memberState({ pool, member }, state === 'unknown' ? null : state === 'up')
        }
      }
    }
    if (catalog.overrides !== before.overrides) expiry.watch(catalog.overrides.values())
    if (catalog.overrides !== before.overrides || catalog.pools !== before.pools) {
      drains.watch(catalog.drained(now()))
    }
    if (catalog.webhooks !== before.webhooks) setWebhooks(catalog.webhooks)
    snapshots.mark()
  }

  metrics.connect({
    dns: () => dnsCounters(fleet, answers),
    configRevision: () => publisher.revision,
    databaseUp: () => database.up,
    networkSuspect: () => health.suspicion() !== null,
    snapshotWrittenAt: () => snapshots.writtenAt,
    hosts: () =>
      [...publisher.catalog.hosts.values()].flat().map(({ pool, member, host }) => ({
        pool,
        member,
        addresses: resolver.resolution(host).addresses.length,
        failures: resolver.failures(host),
      })),
  })

  const http = await startApi(
    {
      database,
      publisher: {
        revision: () => publisher.revision,
        reached: (revision, signal) => publisher.reached(revision, signal),
      },
      health: {
        availability: () => checker.availability(),
        vitals: (pool, member) => checker.vitals(pool, member),
        firstRoundDone: () => checker.firstRoundDone && resolver.firstRoundDone,
        suspicion: () => health.suspicion(),
        reportTtlMs: (pool, member) => checker.reportTtlMs({ pool, member }),
        report: (report) => health.report(report),
        waitsForFailBack: (pool, member) => checker.waitsForFailBack({ pool, member }),
      },
      dataplane: { canAnswer: () => missing === null && fleet.live('udp') > 0, serving: () => missing },
      events: feed,
      webhookStatus: (name) => sender.status(name),
      tell: (event) => tell([event]),
      node: { id: nodeId, liveForMs: defaultStaleMs },
      ownZones,
      serviceStatus: (name) => serviceStatus(publisher.selection(name)),
      resolution: (host) => resolver.resolution(host),
      handedOut: (pool, member) => handedOut.state(pool, member),
      poolCondition: (name) => pools.conditionOf(name),
      explain: steering.explain,
      adminTokenHash: tokenHash,
      publicTools: config.publicTools,
      resolvers: config.resolvers,
      spoolDirectory: dataDir,
      version,
      kubernetes: config.kubernetes,
      log,
      metrics,
      now,
    },
    config.httpListen,
  )
  const bound = { host: http.address, port: http.port }
  stack.defer(() => http.stop())
  stack.use(fleet)

  let cookieKeys = ''
  /** Gives the workers the cookie secrets of the database, if they are others than those that they have. */
  async function followCookieKeys(): Promise<void> {
    if (!database.up) return
    const keys = await database.record((tx) => refreshCookieKeys(tx, now()))
    const seen = keys.map((key) => Buffer.from(key).toString('hex')).join()
    if (seen === cookieKeys) return
    cookieKeys = seen
    await pump.push({ settings: only(answerSettings(config, nodeId, keys)) })
  }

  async function loadFromDatabase(): Promise<void> {
    await database.ready(abort.signal)
    await followCookieKeys().catch(onError('the cookie secrets were not read'))
    if (config.demo) await loadDemo(database, log)
    follower.start()
    await follower.loaded
  }

  /** Null when there is no snapshot that can be used. */
  async function readSnapshot(): Promise<{ snapshot: Snapshot; start: ColdStart } | null> {
    try {
      const snapshot = await files.read()
      if (snapshot === null) return null
      handedOut.restore(handedOutBefore(snapshot, now()))
      const start = await coldStart(
        snapshot,
        compiler,
        (service) => publisher.planSlot(service),
        (message) => log.error({ reason: message }, 'a part of the snapshot was left out'),
        abort.signal,
      )
      return { snapshot, start }
    } catch (error) {
      if (!abort.signal.aborted) log.error({ err: error }, 'the snapshot was not used')
      return null
    }
  }
  const cold = readSnapshot()

  /** Only when the database keeps us waiting. @returns false when there is no snapshot to serve. */
  async function loadFromSnapshot(): Promise<boolean> {
    const waited = delay(snapshotPatienceMs, undefined, { signal: abort.signal }).catch(() => undefined)
    await Promise.race([unavailable.promise, waited])
    const found = await cold
    if (found === null || publisher.revision >= 0 || abort.signal.aborted) return false
    const { snapshot, start } = found
    const maps = await locations.prepare(start.step.catalog, abort.signal)
    // The database may have come meanwhile, and what it says is newer.
    if (publisher.revision >= 0 || publisher.catalog.revision >= 0 || abort.signal.aborted) return false
    planner.restoreLastKnown(snapshot.lastKnown)
    onStep(start.step, snapshot.health)
    await publisher.adopt(start.step, maps)
    log.warn({ revision: snapshot.revision, writtenAt: snapshot.writtenAt }, 'serving the snapshot')
    return true
  }

  /** In any case, since resolving may fail while the database is there. */
  async function restoreHosts(): Promise<void> {
    try {
      resolver.restore(await files.readResolutions())
    } catch (error) {
      log.warn({ err: error }, 'the last good addresses of hosts were not read')
    }
  }

  async function start(): Promise<void> {
    void pump.push({ settings: only(answerSettings(config, nodeId, [])) })
    await restoreHosts()
    const fromDatabase = loadFromDatabase()
    const fromSnapshot = loadFromSnapshot()
    // Without a snapshot the database is all there is.
    await Promise.race([fromDatabase, fromSnapshot.then((served) => (served ? undefined : fromDatabase))])
    fromDatabase.catch((error: unknown) => {
      if (!abort.signal.aborted) log.error({ err: error }, 'the configuration was not loaded')
    })
    missing = 'the hosts of members are being looked up, and other nodes asked'
    health.start()
    const waited = delay(resolvePatienceMs, undefined, { signal: abort.signal }).catch(() => undefined)
    await Promise.race([Promise.all([resolver.firstRound, health.peers.asked]), waited])
    missing = 'the DNS listeners are starting'
    // Nobody would stop what a stop has gone by.
    if (abort.signal.aborted) return
    await fleet.start()
    if (abort.signal.aborted) return
    missing = null
    snapshots.start()
    recorder.start()
    await Promise.all([checker.firstRound, resolver.firstRound])
  }

  const pruning = setInterval(() => {
    database
      .record(async (tx) => {
        await prune(tx)
        await pruneFleet(tx)
      })
      .catch(onError('old rows were not pruned'))
  }, pruneEveryMs).unref()
  stack.defer(() => clearInterval(pruning))
  const cookieTimer = setInterval(() => {
    followCookieKeys().catch(onError('the cookie secrets were not read'))
  }, cookieKeysEveryMs).unref()
  stack.defer(() => clearInterval(cookieTimer))
  const ready = start().then(() => {
    if (abort.signal.aborted) return
    const dns = fleet.bound.map(formatListenAddress)
    const http = formatListenAddress(bound)
    const { name: udpBackend, reason: udpReason } = fleet.backend
    log.info({ udpBackend, reason: udpReason, workers: config.workers }, 'UDP backend')
    log.info({ dns, http, version, revision: publisher.revision }, 'ready')
  })
  // Whoever awaits it sees the failure; a stop before ready is none.
  ready.catch(() => undefined)

  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= (async () => {
      abort.abort(new Error('the daemon is stopping'))
      await stack.disposeAsync()
    })()
    return stopping
  }
  return {
    http: bound,
    get dns() {
      return fleet.bound
    },
    ready,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function expiredEvent({ pool, member, state, actor, reason, until }: Override): NewEvent {
  return { kind: 'override', pool, member, what: 'expired', state, actor, reason, at: until! }
}

async function prepareDataDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new Error(`POOLDNS_DATA_DIR: ${path} can't be written: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
