import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { BusiestNames } from '../../../src/telemetry/metrics/busiest-names.ts'
import { Metrics } from '../../../src/telemetry/metrics/metrics.ts'
import { busyMetrics, quietSources } from './sources.ts'

t.test('a scrape shows what the data plane has counted, once however often it is made', async (t) => {
  const metrics = busyMetrics()
  await metrics.text()
  const text = await metrics.text()
  for (const line of [
    'pooldns_process_restarts_total{process="data"} 3',
    'pooldns_dns_queries_total{transport="udp",family="ipv4",qtype="A"} 7',
    'pooldns_dns_queries_total{transport="tcp",family="ipv6",qtype="other"} 2',
    'pooldns_dns_responses_total{transport="udp",rcode="NOERROR"} 6',
    'pooldns_dns_dropped_total{reason="short"} 3',
    'pooldns_dns_rate_limited_total{action="slip"} 4',
    'pooldns_tcp_connections_total{event="accepted"} 5',
    'pooldns_tcp_connections_open 2',
    'pooldns_dns_response_duration_seconds_bucket{le="0.0001"} 4',
    'pooldns_dns_response_duration_seconds_bucket{le="0.001"} 5',
    'pooldns_dns_response_duration_seconds_bucket{le="+Inf"} 7',
    'pooldns_dns_response_duration_seconds_sum 0.5',
    'pooldns_dns_response_duration_seconds_count 7',
    'pooldns_service_answers_total{service="www.example.test",pool="p",member="a"} 9',
    'pooldns_config_revision 42',
    'pooldns_config_lag_seconds 1.5',
    'pooldns_database_up 1',
    'pooldns_network_suspect 1',
    'pooldns_unjudged_probes{family="ipv6"} 3',
    'pooldns_snapshot_age_seconds 10',
    'pooldns_resolve_failures_total{pool="p",member="h"} 2',
    'pooldns_resolved_addresses{pool="p",member="h"} 3',
    'pooldns_pool_state{pool="p",state="healthy"} 0',
    'pooldns_pool_state{pool="p",state="degraded"} 1',
    'pooldns_pool_state{pool="p",state="down"} 0',
    'pooldns_service_state{service="www.example.test",state="up"} 1',
    'pooldns_service_override{service="www.example.test",state="drain"} 1',
    'pooldns_service_state{service="www.example.test",state="down"} 0',
    'pooldns_member_weight{pool="p",member="x"} 12.5',
    'pooldns_member_weight{pool="p",member="y"} 0',
    'pooldns_member_override{pool="p",member="x",state="drain"} 1',
    'pooldns_member_held{pool="p",member="y"} 1',
    'pooldns_member_drain_complete{pool="p",member="x"} 1',
    'pooldns_member_drain_complete{pool="p",member="z"} 0',
    'pooldns_events_waiting 7',
    'pooldns_probe_certificate_not_after_seconds{pool="p",member="h"} 1790000000',
    'pooldns_worker_restarts_total 0',
    'pooldns_cache_reads_total{result="hit"} 5',
    'pooldns_cache_reads_total{result="miss"} 4',
    'pooldns_cache_reads_total{result="stale"} 3',
    'pooldns_cache_evictions_total 2',
    'pooldns_cache_entries 6',
    'pooldns_cache_octets 7000',
    'pooldns_cache_server_up 1',
    'pooldns_cache_server_failures_total{reason="late"} 1',
    'pooldns_build_info{version="1.2.3"} 1',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
  t.notMatch(
    text,
    /pooldns_member_(held\{pool="p",member="x"|override\{pool="p",member="y")/,
    'nothing to say',
  )
  t.match(text, /^process_cpu_seconds_total /m)
})

t.test('a snapshot that was never written has no age', async (t) => {
  const text = await new Metrics('x', quietSources).text()
  t.match(text, /^pooldns_database_up 0$/m)
  t.match(text, /^pooldns_network_suspect 0$/m)
  t.notMatch(text, /^pooldns_snapshot_age_seconds /m)
})

t.test('members come and go with the configuration', async (t) => {
  const metrics = busyMetrics()
  const a = { pool: 'p', member: 'a' }
  const b = { pool: 'p', member: 'b' }
  metrics.members.retain([a, b])
  for (const key of [a, b]) {
    metrics.members.state(key, 'up')
    metrics.members.probe(key, 12, null)
    metrics.members.probe(key, 3000, 'timeout')
    metrics.members.transition(key, 'down')
  }
  const text = await metrics.text()
  for (const line of [
    'pooldns_member_up{pool="p",member="a"} 0',
    'pooldns_probe_duration_seconds{pool="p",member="a"} 3',
    'pooldns_probe_failures_total{pool="p",member="a",reason="timeout"} 1',
    'pooldns_member_transitions_total{pool="p",member="a",to="down"} 1',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
  metrics.members.state(b, 'unknown')
  t.notMatch(await metrics.text(), /pooldns_member_up\{pool="p",member="b"\}/)
  metrics.members.retain([b])
  metrics.members.probe(a, 5, 'status')
  metrics.members.transition(a, 'up')
  metrics.members.state(a, 'up')
  t.notMatch(
    await metrics.text(),
    /pooldns_(?:member|probe)\w*\{pool="p",member="a"/,
    'also when a late probe comes in',
  )
  metrics.workerRestarted()
  t.match(await metrics.text(), /^pooldns_worker_restarts_total 1$/m)
})

t.test('two daemons in one process count apart', async (t) => {
  const one = busyMetrics()
  const other = busyMetrics()
  one.lookups.used('a.test', true, 0.1)
  t.match(await one.text(), /^dns_lookup_success 1$/m)
  t.match(await other.text(), /^dns_lookup_success 0$/m)
})

t.test('promtool finds nothing to complain about', async (t) => {
  if (spawnSync('promtool', ['--version']).error !== undefined) {
    t.pass('skipped: promtool is not installed')
    return
  }
  const metrics = busyMetrics()
  metrics.members.retain([{ pool: 'p', member: 'a' }])
  metrics.members.state({ pool: 'p', member: 'a' }, 'up')
  metrics.members.probe({ pool: 'p', member: 'a' }, 5, 'timeout')
  metrics.members.transition({ pool: 'p', member: 'a' }, 'up')
  metrics.lookups.used('a.test', false, 0.2)
  const verdict = spawnSync('promtool', ['check', 'metrics'], {
    input: await metrics.text(),
    encoding: 'utf8',
  })
  t.equal(verdict.stderr + verdict.stdout, '')
  t.equal(verdict.status, 0)
})

t.test('property: the busiest names sum to what was counted, and their number is bounded', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 400 }), (names) => {
      const busiest = new BusiestNames(10)
      let other = 0
      for (const name of names) {
        busiest.count(`n${name}`)
        t.ok(busiest.other >= other)
        other = busiest.other
      }
      const entries = [...busiest.entries()]
      t.ok(entries.length <= 10)
      t.equal(
        entries.reduce((sum, [, count]) => sum + count, busiest.other),
        names.length,
      )
    }),
    { numRuns: 30 },
  )
})

t.test('a busy name stays listed among many that come once', async (t) => {
  const busiest = new BusiestNames(10)
  for (let i = 0; i < 5000; i++) {
    busiest.count(`once-${i}`)
    if (i % 3 === 0) busiest.count('busy')
  }
  t.ok(new Map(busiest.entries()).get('busy')! > 1000)
})

t.test('deliveries of a webhook are shown as long as it is there', async (t) => {
  const metrics = busyMetrics()
  metrics.webhooks.retain(['chat'])
  metrics.webhooks.delivery('chat', 'delivered')
  metrics.webhooks.delivery('chat', 'delivered')
  metrics.webhooks.delivery('gone', 'failed')
  const text = await metrics.text()
  t.match(text, /^pooldns_webhook_deliveries_total\{webhook="chat",outcome="delivered"\} 2$/m)
  t.notMatch(text, /webhook="gone"/)
  metrics.webhooks.retain([])
  t.notMatch(await metrics.text(), /webhook="chat"/)
})

t.test('a scrape asks for what several metrics show once, and each scrape anew', async (t) => {
  let asked = 0
  let read = 0
  const members = () => [{ pool: 'p', member: 'x', weight: ++asked, override: 'drain', held: true }]
  const dns = () => ({ ...quietSources.dns(), durationSumSeconds: ++read })
  const metrics = new Metrics('1.2.3', { ...quietSources, members, dns })
  for (const scrape of [1, 2]) {
    t.match(await metrics.text(), `pooldns_member_weight{pool="p",member="x"} ${scrape}\n`)
    t.equal(asked, scrape)
    t.equal(read, scrape)
  }
})

t.test('what is known to be counted is there before it is', async (t) => {
  const metrics = new Metrics('1.2.3', quietSources)
  metrics.members.retain([{ pool: 'p', member: 'a' }])
  metrics.webhooks.retain(['chat'])
  metrics.faults.know(['probe'])
  const lines = (await metrics.text()).split('\n')
  for (const series of [
    'pooldns_member_transitions_total{pool="p",member="a",to="up"}',
    'pooldns_member_transitions_total{pool="p",member="a",to="down"}',
    ...['delivered', 'retried', 'failed', 'dropped'].map(
      (outcome) => `pooldns_webhook_deliveries_total{webhook="chat",outcome="${outcome}"}`,
    ),
    'pooldns_webhook_events_waiting{webhook="chat"}',
    'pooldns_internal_errors_total{where="probe"}',
    'pooldns_own_faults_total{where="accept-dns"}',
    'pooldns_http_connections_ended_total{reason="stalled"}',
    'pooldns_history_breaks_total{kind="empty"}',
    'pooldns_thread_restarts_total{thread="compile"}',
    'pooldns_shed_total{what="events"}',
    'pooldns_events_waiting',
  ]) {
    t.ok(lines.includes(`${series} 0`), series)
  }
  metrics.faults.internal('probe', 1)
  metrics.faults.know(['probe'])
  t.match(await metrics.text(), /^pooldns_internal_errors_total\{where="probe"\} 1$/m, 'and is kept')
})
