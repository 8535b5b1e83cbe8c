/** What is counted of feeds that are read from their sources. */
import t from 'tap'
import { Metrics } from '../../../src/telemetry/metrics/metrics.ts'
import { quietSources } from './sources.ts'

t.test('reads of feeds that there are', async (t) => {
  const metrics = new Metrics('1.2.3', quietSources)
  metrics.feeds.retain(['load', 'cost'])
  metrics.feeds.read('load', 3, 1)
  metrics.feeds.read('load', null, 0)
  metrics.feeds.read('gone', 5, 0)
  const text = await metrics.text()
  const lines = new Set(text.split('\n'))
  for (const line of [
    'pooldns_feed_source_reads_total{feed="load",outcome="read"} 1',
    'pooldns_feed_source_reads_total{feed="load",outcome="failed"} 1',
    'pooldns_feed_source_reads_total{feed="cost",outcome="failed"} 0',
    'pooldns_feed_source_rows_total{feed="load"} 3',
    'pooldns_feed_source_left_out_total{feed="load"} 1',
  ])
    t.ok(lines.has(line), line)
  t.notMatch(text, /gone/)
  metrics.feeds.retain(['cost'])
  t.notMatch(await metrics.text(), /feed="load"/)
})
