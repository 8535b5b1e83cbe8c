/** The queries that this node answers, on their way into the log. */
import { QueryRecorder } from '../controlplane/queries/query-recorder.ts'
import { appendQueries, pruneQueries } from '../controlplane/store/queries.ts'
import { failing, type Ground, seldom } from './announce.ts'
import type { DataPlane } from './data-plane.ts'

/** Null when none are to be kept. */
export function makeQueryRecorder(ground: Ground, dataPlane: DataPlane): QueryRecorder | null {
  const { config, database, log, metrics, nodeId } = ground
  if (config.queryLogEvery === null) return null
  return new QueryRecorder({
    take: (most) => dataPlane.queries(most),
    store: (queries) => database.record((tx) => appendQueries(tx, nodeId, queries)),
    databaseUp: () => database.up,
    kept: config.queryLogPrefix,
    onLost: (count) => {
      metrics.shed('queries', count)
      log.warn({ count }, 'queries were not kept in the query log')
    },
    onError: seldom(failing(log, 'the query log was not written')),
  })
}

/** Also when none are written any more: what is there ages. */
export function cutBackQueryLog({ config, database, log }: Ground): void {
  pruneQueries(database, { ageMs: config.queryLogKeepMs, rows: config.queryLogRows }, new Date()).catch(
    failing(log, 'the query log was not cut back'),
  )
}
