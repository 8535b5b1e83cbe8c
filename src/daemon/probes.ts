/** What this node's probes find, on its way into the feed `probes`. */
import { ProbeRecorder } from '../controlplane/feeds/probes/probe-recorder.ts'
import { probesFeed } from '../controlplane/feeds/probes/probes-feed.ts'
import { failing, type Ground, seldom } from './announce.ts'

/** Null when nothing is to be kept. */
export function makeProbeRecorder({
  config,
  database,
  feedWriter,
  log,
  metrics,
  nodeId,
}: Ground): ProbeRecorder | null {
  if (!config.probeHistory) return null
  return new ProbeRecorder({
    node: nodeId,
    write: (rows) => feedWriter.write(probesFeed, rows),
    databaseUp: () => database.up,
    onLost: (count) => {
      metrics.shed('probes', count)
      log.warn({ count }, 'what probes found was not kept: the database was away for too long')
    },
    onError: seldom(failing(log, 'what probes found was not written')),
  })
}
