import { setImmediate as nextTurn } from 'node:timers/promises'
import { Counter, Registry } from 'prom-client'
import t from 'tap'
import { renderPage } from '../../../src/telemetry/metrics/exposition.ts'
import { Metrics } from '../../../src/telemetry/metrics/metrics.ts'
import { expose, exposeCounts } from '../../../src/telemetry/metrics/series.ts'
import { quietSources } from './sources.ts'

t.test('names, labels and values are written as the format says', async (t) => {
  const registry = new Registry()
  const texts = ['plain', 'a "quoted" \\ back\nslash', 'Zürich €', '😀']
  const values = [1, 0.1, 1e21, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0]
  expose(registry, 'gauge', 'texts', 'Say\n\\ "it".', () =>
    texts.map((text, index) => ({ labels: { text, index }, value: 1 })),
  )
  expose(registry, 'gauge', 'numbers', 'Numbers.', () => values.map((value) => ({ labels: {}, value })))
  exposeCounts(registry, 'none_total', 'None.', () => [])
  new Counter({ name: 'theirs_total', help: 'Of prom-client.', registers: [registry] }).inc(3)
  t.same(String(await renderPage(registry, 0)).split('\n'), [
    '# HELP texts Say\\n\\\\ "it".',
    '# TYPE texts gauge',
    'texts{text="plain",index="0"} 1',
    'texts{text="a \\"quoted\\" \\\\ back\\nslash",index="1"} 1',
    'texts{text="Zürich €",index="2"} 1',
    'texts{text="😀",index="3"} 1',
    '# HELP numbers Numbers.',
    '# TYPE numbers gauge',
    'numbers 1',
    'numbers 0.1',
    'numbers 1e+21',
    'numbers NaN',
    'numbers +Inf',
    'numbers -Inf',
    'numbers 0',
    '# HELP none_total None.',
    '# TYPE none_total counter',
    '# HELP theirs_total Of prom-client.',
    '# TYPE theirs_total counter',
    'theirs_total 3',
    '',
  ])
})

t.test('a page that outgrows what was expected is whole', async (t) => {
  const registry = new Registry()
  const name = '€'.repeat(40)
  const many = (count: number) => () =>
    Array.from({ length: count }, (_, i) => ({ labels: { name, i }, value: i }))
  expose(registry, 'gauge', 'many', 'Many.', many(20_000))
  const page = String(await renderPage(registry, 10)).split('\n')
  t.equal(page.length, 20_003)
  t.equal(page[2 + 12_345], `many{name="${name}",i="12345"} 12345`)
})

t.test('the largest configuration costs little, and holds up nothing else', async (t) => {
  const metrics = largest()
  // By the processor's time: the machine may have much else to do.
  const cpuMs = () => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  let longestMs = 0
  let isDone = false
  const watching = (async () => {
    for (let last = cpuMs(); !isDone; last = cpuMs()) {
      await nextTurn()
      longestMs = Math.max(longestMs, cpuMs() - last)
    }
  })()
  const before = cpuMs()
  const { plain: page } = await metrics.page()
  const tookMs = cpuMs() - before
  isDone = true
  await watching
  const lines = String(page).split('\n').length
  t.comment(`${lines} lines, ${page.length} octets, ${tookMs} ms of CPU, ${longestMs} ms at a time`)
  t.ok(lines < 500_000)
  t.ok(page.length < 48_000_000)
  // Half a second on an idle machine; prom-client alone took seven times as much.
  t.ok(tookMs < 2_500)
  t.ok(longestMs < 250)
})

/** 10,000 services and pools, 50,000 members: as many as docs/limits.md says. */
function largest(): Metrics {
  const pools = Array.from({ length: 10_000 }, (_, i) => `pool-${i}.eu-central`)
  const services = Array.from({ length: 10_000 }, (_, i) => `www${i}.some-customer.example.com`)
  const membersOf = (pool: string) => Array.from({ length: 5 }, (_, i) => ({ pool, member: `member-${i}` }))
  const members = pools.flatMap(membersOf)
  const serviceAnswers = services.flatMap((service, i) =>
    membersOf(pools[i]!).map((member) => ({ service, ...member, count: 12_345 })),
  )
  const dns = { ...quietSources.dns(), serviceAnswers }
  const metrics = new Metrics('1.2.3', {
    ...quietSources,
    dns: () => dns,
    pools: () => pools.map((pool) => ({ pool, state: 'healthy' })),
    services: () => services.map((service) => ({ service, state: 'up', override: null })),
    members: () => members.map((member) => ({ ...member, weight: 100, override: null, held: false })),
    certificates: () => members.map((member) => ({ ...member, notAfterMs: 1_790_000_000_000 })),
  })
  metrics.members.retain(members)
  for (const member of members) {
    metrics.members.state(member, 'up')
    metrics.members.probe(member, 12.3, 'timeout')
  }
  return metrics
}
