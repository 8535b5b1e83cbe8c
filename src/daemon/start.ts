/**
 * The daemon's start and its stop: what comes after what, and why. The parts are joined in `parts.ts`; how far a start has come
 * is a machine in `readiness.ts`.
 *
 * ## Start
 * `startDaemon` takes what needs nobody else: the data directory, so that a first start that can't write its state fails before it
 * binds anything; then HTTP, from which on `/health`, `/ready` and `/metrics` tell what the rest waits for. `bringUp` does the
 * rest, and may wait for long.
 *
 * ## Stop
 * SIGTERM ends in `stop`, which goes through what `startDaemon` has put on its stack, from the last to the first: each part ends
 * before those that it needs. It has ten seconds, shared out in `stop-budget.ts`.
 */
import type { Config } from '../config.ts'
import { startApi } from '../controlplane/api/server.ts'
import { FeedWriter } from '../controlplane/feeds/feed-writer.ts'
import { probesFeed } from '../controlplane/feeds/probes/probes-feed.ts'
import { Database } from '../controlplane/store/database.ts'
import { FeedRetention } from '../controlplane/store/feed-retention.ts'
import { listAllFeeds } from '../controlplane/store/feeds.ts'
import { pruneFleet } from '../controlplane/store/fleet.ts'
import { prune } from '../controlplane/store/retention.ts'
import { pause } from '../controlplane/timing/clock.ts'
import { giveBackAfterStart } from '../dataplane/image/reclaim.ts'
import { formatListenAddress, type ListenAddress } from '../dataplane/listener/listener.ts'
import { createLog, type Logger } from '../telemetry/log.ts'
import { Metrics } from '../telemetry/metrics/metrics.ts'
import { trustSystemAuthorities } from '../trust.ts'
import { version } from '../version.ts'
import { announceTo, failing, hearings } from './announce.ts'
import { apiContext } from './api-context.ts'
import { banner } from './banner.ts'
import { makeReadCache } from './cache.ts'
import { openDataDirectory } from './data-directory.ts'
import { loadDemo } from './demo.ts'
import { comfortableLimit, type DescriptorShares, descriptorLimit, shareDescriptors } from './descriptors.ts'
import { Faults, places } from './faults.ts'
import { leaveAddress } from './http-address.ts'
import { keyFileOf, keyMaker } from './key-file.ts'
import { LimitedNetworks } from './limited-networks.ts'
import { metricsSources } from './metrics-sources.ts'
import { makeOpenTelemetry } from './open-telemetry.ts'
import { joinParts, listenersAmong, type Parts } from './parts.ts'
import { cutBackQueryLog } from './query-log.ts'
import { stopBudget } from './stop-budget.ts'
import type { Supervision } from './supervision.ts'

export interface Daemon extends AsyncDisposable {
  /** Bound HTTP address. */
  readonly http: ListenAddress
  /** Bound DNS addresses; empty until there is something to serve. */
  readonly dns: readonly ListenAddress[]
  /** Resolves once DNS is served and every member has been probed; rejects when the start fails for good. */
  readonly ready: Promise<void>
  /** Takes an error that nobody caught: counts it, and tells the log. */
  fault(error: unknown): void
  /** Whether there is nothing that only a new process could mend, such as a thread that hangs and can't be ended. */
  readonly works: boolean
  /** Ends everything in order, within 10 s. Idempotent. */
  stop(): Promise<void>
}

/** How long DNS waits for other nodes, and for the first lookups of hosts: two attempts at a resolver that is slow. */
const gatherPatienceMs = 3000
const pruneEveryMs = 3_600_000
const feedRetentionEveryMs = 300_000
/** How long a control plane that was killed may take to be gone, whose data directory this one gets. */
const formerPatienceMs = 5_000
const queryLogEveryMs = 60_000
/** Well within the time in which a new cookie secret is accepted but does not sign yet. */
const cookieKeysEveryMs = 60_000
/** Each look logs a line at the most. */
const limitedNetworksEveryMs = 10_000
/** How often location maps are tried again that could not be made. */
const locationsEveryMs = 30_000
/** How often probe times are looked at for services that steer by them. */
const latencyEveryMs = 1000

/**
 * Starts the daemon. Resolves once HTTP is bound; `ready` tells of the rest.
 *
 * @param supervision has DNS answered by a process of its own; null: by threads of this one
 * @throws Error when the data directory can't be used or the HTTP address is taken
 */
export async function startDaemon(
  config: Config,
  supervision: Supervision | null = null,
  log: Logger = createLog(config.logLevel),
): Promise<Daemon> {
  const stopping = new AbortController()
  const { signal } = stopping
  const { nodeId, adminTokenHash, unwritable } = await openDataDirectory(config.dataDir, config.adminToken)
  if (unwritable !== null) {
    log.error(
      { reason: unwritable },
      'the data directory takes nothing: what is to be kept is lost with this run',
    )
  }
  // Before anybody connects.
  trustSystemAuthorities()
  const metrics = new Metrics(
    version,
    metricsSources(() => parts),
  )
  metrics.faults.know([...places, ...hearings])
  const faults = new Faults(log, metrics)
  const announce = announceTo(() => listeners, faults)

  // The stop goes through this list from its end, and each comment says what a part does then. A start that fails ends what it
  // has begun.
  await using begun = new AsyncDisposableStack()
  // Sends what the others have told, when they have ended.
  const openTelemetry = begun.use(
    await makeOpenTelemetry({
      config,
      nodeId,
      log,
      metrics,
      served: (revision, signal) => parts.configuration.publisher.reached(revision, signal),
    }),
  )
  // Closes last but for that: the others store in it what they have.
  const database = begun.use(
    await Database.open({
      url: config.databaseUrl,
      dataDir: config.dataDir,
      lockPatienceMs: formerPatienceMs,
      sync: config.sync,
      auditRetentionMs: config.auditRetentionMs,
      keys: keyMaker(keyFileOf(config)),
      expected: () => parts.configuration.expected,
      onAvailable: () => announce({ kind: 'database-available' }),
      onUnavailable: (reason) => announce({ kind: 'database-away', reason }),
      onNewerSchema: (newer) => announce({ kind: 'schema', newer }),
      onNotKept: (parts) => metrics.shed('history', parts),
      onMigrating: (migration, seconds) =>
        log.info({ migration, seconds }, 'a migration of the database is under way'),
      onDeath: (reason) => announce({ kind: 'thread-died', thread: 'database', reason }),
    }),
  )
  // Forgets what was read, and leaves the server that others share it by.
  const cache = begun.use(makeReadCache({ config, database, log, metrics }, () => parts.configuration))
  const descriptors = countDescriptors(config, log)
  const ground = {
    config,
    database,
    cache,
    feedWriter: new FeedWriter(database),
    nodeId,
    log,
    metrics,
    faults,
    descriptors,
    announce,
    supervision,
    tracing: openTelemetry?.tracing ?? null,
    signal,
  }
  const parts: Parts = joinParts(ground)
  const listeners = listenersAmong(parts)
  const {
    answers,
    bootstraps,
    configuration,
    dataPlane,
    events,
    feeds,
    gradual,
    health,
    hosts,
    overrides,
    pending,
    rollovers,
    signing,
    steeringFeeds,
  } = parts
  await pending.open()
  await events.open()
  // Write the images, and the signatures, that the snapshot lacks.
  begun.use(configuration.compiler)
  begun.use(signing.services.thread)
  // Writes the last snapshot, when all that it holds has come to rest.
  begun.use(configuration.snapshots)
  // Leaves no more.
  begun.use(configuration.left)
  // Stores what members have become, or keeps it for the next start, and what webhooks have not been told yet.
  begun.use(events)
  // Writes what the last probes found.
  if (parts.probes !== null) begun.use(parts.probes)
  // Ends the probes, whose last verdicts are still told, and leaves the fleet.
  begun.use(health)
  // End what goes by time: readings of feeds, lookups, weights that rise, drains, overrides, gradual changes, signatures, rollovers of keys. Nothing changes an answer any more.
  begun.use(gradual)
  begun.use(signing)
  begun.use(rollovers)
  begun.use(bootstraps)
  begun.use(steeringFeeds)
  // Calls off what is asked of sources of feeds.
  begun.use(feeds)
  begun.use(hosts)
  begun.use(answers)
  begun.use(overrides)
  // Keeps for the next start what the database has not been told yet.
  begun.use(pending)
  // Gives up what is being compiled.
  begun.use(configuration.follower)
  // Finishes the requests in progress. What they write is stored, and served by the next start.
  const context = apiContext(parts, adminTokenHash)
  const http = begun.use(await startApi(context, config.httpListen, stopBudget.requestsMs))
  // Commands look for it elsewhere.
  begun.use(leaveAddress(config.dataDir, { host: http.address, port: http.port }))
  // Answers what it has received, while all that it is answered by still stands.
  begun.use(dataPlane)
  // Stores what the workers have left for the query log.
  if (parts.queryLog !== null) begun.use(parts.queryLog)
  begun.use(upkeep(parts))

  return handle(parts, { host: http.address, port: http.port }, begun.move(), stopping)
}

function countDescriptors({ workers, databaseUrl }: Config, log: Logger): DescriptorShares {
  const descriptors = shareDescriptors(descriptorLimit(), { workers, embedded: databaseUrl === null })
  if (descriptors.limit < comfortableLimit) {
    log.warn({ descriptors }, `this process may open few files: have ${comfortableLimit} at least`)
  }
  return descriptors
}

/** What a daemon is to those who started it. */
function handle(
  parts: Parts,
  http: ListenAddress,
  started: AsyncDisposable,
  stopping: AbortController,
): Daemon {
  const { dataPlane, faults, readiness } = parts
  const ready = bringUp(parts, http)
  // Whoever awaits it sees the failure; a stop before ready is none.
  ready.catch(() => undefined)
  let stopped: Promise<void> | undefined
  const stop = () => {
    if (stopped === undefined) {
      readiness.go('stopping')
      parts.database.hurry()
      stopping.abort(new Error('the daemon is stopping'))
      stopped = Promise.resolve(started[Symbol.asyncDispose]())
    }
    return stopped
  }
  return {
    http,
    get dns() {
      return dataPlane.bound
    },
    ready,
    get works() {
      const { database, configuration, answers, signing } = parts
      const threads = [database, configuration.compiler, answers.source, signing.services.thread]
      return !threads.some(({ stuck }) => stuck)
    },
    fault: (error) => faults.internal('uncaught', error),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Goes from HTTP alone to DNS. Resolves when the daemon is ready, or has been told to stop. */
async function bringUp(parts: Parts, http: ListenAddress): Promise<void> {
  const { config, configuration, dataPlane, events, feeds, gradual, health, hosts, log, steeringFeeds } =
    parts
  const { overrides, pending, readiness, serving, settings, signal } = parts
  void settings.begin()
  await configuration.restoreHosts()
  await configuration.load(() => prepareDatabase(parts))
  readiness.go('loaded')
  steeringFeeds.start()
  overrides.start()
  pending.start()
  // What hosts resolve to, and what other nodes say, so that no member is left out of the first answers that this node alone
  // can't reach.
  health.peers.start()
  await Promise.race([Promise.all([hosts.firstRound, health.peers.asked]), pause(gatherPatienceMs, signal)])
  readiness.go('gathered')
  // DNS, not before there is something to serve: no client is refused a name that we do have. Nobody would stop what a stop
  // has gone by.
  if (signal.aborted) return
  await dataPlane.start()
  if (parts.supervision?.isAnswering === true) {
    await dataPlane.refresh()
    serving.counters.beginAnew()
  }
  if (signal.aborted) return
  readiness.go('bound')
  configuration.snapshots.start()
  parts.signing.start()
  configuration.left?.start()
  events.start()
  feeds.start()
  parts.probes?.start()
  parts.queryLog?.start()
  await Promise.all([health.checker.firstRound, hosts.firstRound])
  if (signal.aborted) return
  readiness.go('checked')
  // What gains traffic is known now.
  gradual.start()
  parts.rollovers.start()
  parts.bootstraps.start()
  const { name: udpBackend, reason } = dataPlane.backend
  log.info({ udpBackend, reason, workers: config.workers }, 'UDP backend')
  const dns = dataPlane.bound.map(formatListenAddress)
  const { revision } = configuration.publisher
  log.info({ dns, http: formatListenAddress(http), version, revision }, 'ready')
  giveBackAfterStart()
  if (process.stdout.isTTY !== true) return
  const { adminToken, dataDir, demo } = config
  const tokenGiven = adminToken !== null
  process.stdout.write(banner({ version, dns: dataPlane.bound, http, dataDir, tokenGiven, demo }))
}

/** What the first look at the configuration comes after. */
async function prepareDatabase({ config, database, feedWriter, log, settings }: Parts): Promise<void> {
  await settings.follow(database).catch(failing(log, 'the cookie secrets were not read'))
  if (!config.demo) return
  if (await loadDemo(database, feedWriter)) log.info('the demo was loaded into the empty database')
}

/** What is done again and again, whatever happens, until it is disposed of. */
function upkeep(parts: Parts): Disposable {
  const { config, configuration, database, dataPlane, faults, log, settings, signal } = parts
  const limitedNetworks = new LimitedNetworks()
  const feedRetention = new FeedRetention(database, (reason) =>
    log.error({ reason }, 'a row of the database was left out'),
  )
  const every = (ms: number, run: () => void) => setInterval(() => faults.contain('upkeep', run), ms).unref()
  const timers = [
    every(pruneEveryMs, () => {
      database
        .record(async (tx) => {
          await prune(tx)
          await pruneFleet(tx)
        })
        .catch(failing(log, 'old rows were not pruned'))
        .then(() => database.tidyUp())
        .catch(failing(log, 'the embedded database was not tidied up'))
    }),
    every(feedRetentionEveryMs, () => {
      database
        .read((tx) => listAllFeeds(tx, () => {}))
        .then((feeds) => feedRetention.run([probesFeed, ...feeds], new Date(), signal))
        .catch(failing(log, 'old rows of feeds were not dropped'))
    }),
    every(queryLogEveryMs, () => cutBackQueryLog(parts)),
    every(cookieKeysEveryMs, () => {
      settings.follow(database).catch(failing(log, 'the cookie secrets were not read'))
    }),
    every(limitedNetworksEveryMs, () => {
      const { rateLimit } = config
      if (rateLimit !== null) limitedNetworks.look(dataPlane.counters('udp'), rateLimit, log)
    }),
    every(locationsEveryMs, () => void configuration.completeLocations()),
    every(latencyEveryMs, () => {
      configuration.publisher.refreshLatencies().catch((error) => faults.internal('upkeep', error))
    }),
  ]
  return { [Symbol.dispose]: () => timers.forEach(clearInterval) }
}
