/** The cache in front of reads of history and of feeds, and the server that several nodes may share it by. */
import type { Config } from '../config.ts'
import { parseCacheUrl } from '../controlplane/feeds/cache/cache-url.ts'
import { ReadCache } from '../controlplane/feeds/cache/read-cache.ts'
import { failureKinds, SharedServer } from '../controlplane/feeds/cache/shared-server.ts'
import type { Database } from '../controlplane/store/database.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import type { Configuration } from './configuration.ts'

interface CacheGround {
  readonly config: Config
  readonly database: Database
  readonly log: Logger
  readonly metrics: Metrics
}

/** Begins to connect to the shared server, if one is named. */
export function makeReadCache(
  { config, database, log, metrics }: CacheGround,
  configuration: () => Pick<Configuration, 'expected' | 'follower'>,
): ReadCache {
  const cache = new ReadCache({
    shared: config.cacheUrl === null ? null : sharedServer(config.cacheUrl, log, metrics),
    // Null while it is not known, or is another one than it should be.
    database: () => {
      const { expected, follower } = configuration()
      return follower.refused === null ? expected.database : null
    },
    databaseUp: () => database.up,
  })
  metrics.cache.state = () => ({ ...cache.counts, serverUp: cache.sharedUp })
  return cache
}

function sharedServer(url: string, log: Logger, { cache: metrics }: Metrics): SharedServer {
  const server = parseCacheUrl(url)
  metrics.expect(failureKinds)
  const at = `${server.host}:${server.port}`
  return new SharedServer({
    server,
    onAway: (reason) =>
      log.warn({ at, reason }, 'the shared cache is away: what was read is kept in memory alone'),
    onBack: () => log.info({ at }, 'the shared cache is back'),
    onRefused: (reason) => log.warn({ at, reason }, 'the shared cache answered with an error'),
    onFailure: (kind) => metrics.failed(kind),
  })
}
