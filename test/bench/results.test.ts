import t from 'tap'
import { chart } from './chart.ts'
import { divideCores, parseCoreList, parseTally } from './measure.ts'
import { versionIn } from './peers.ts'
import { figuresOf, type Measurement, ratioOf } from './results.ts'
import { loadTable, markdown, overviewTable } from './table.ts'

const references = { peer: 'gdnsd', echo: 'echo' }

function measurement(scenario: string, server: string, round: number, cpu: number): Measurement {
  const rest = { sent: 1000, completed: 999, lost: 1, queriesPerSecond: 350_000, rcodes: { NOERROR: 999 } }
  return { scenario, server, round, ...rest, cpuMicrosecondsPerQuery: cpu, userMicrosecondsPerQuery: cpu / 4 }
}

// The second round ran on a machine half as fast.
const measurements = [
  measurement('hit', 'echo', 1, 4),
  measurement('hit', 'pooldns batch', 1, 2),
  measurement('hit', 'gdnsd 3.8.1', 1, 2.5),
  measurement('hit', 'pooldns batch', 2, 4),
  measurement('hit', 'gdnsd 3.8.1', 2, 5),
  measurement('flood', 'pooldns batch', 1, 3),
  measurement('flood', 'gdnsd 3.8.1', 1, 500),
]

t.test('figures are medians over the rounds', async (t) => {
  const [, pooldns] = figuresOf(measurements, 'hit')
  t.match(pooldns, { server: 'pooldns batch', rounds: 2, cpu: { median: 3, min: 2, max: 4 }, lost: 2 })
})

t.test('ratios are made within a round', async (t) => {
  const side = { scenario: 'hit', server: 'pooldns batch' }
  t.same(ratioOf(measurements, side, { scenario: 'hit', server: 'gdnsd 3.8.1' }), {
    median: 0.8,
    min: 0.8,
    max: 0.8,
  })
  t.same(ratioOf(measurements, side, { scenario: 'hit', server: 'echo' }), {
    median: 0.5,
    min: 0.5,
    max: 0.5,
  })
  t.equal(ratioOf(measurements, { ...side, server: 'echo' }, { scenario: 'lb', server: 'echo' }), null)
})

t.test('a table has a row for each server, with what it is compared to', async (t) => {
  t.equal(
    markdown(loadTable(measurements, { name: 'flood', title: 'random names' }, references)),
    `**flood: random names**

| server | CPU µs a query | in user space | queries/s | lost | to gdnsd | to the echo | to its own hit |
| --- | --- | --- | --- | --- | --- | --- | --- |
| pooldns batch | 3.00 (3.00..3.00) | 0.75 | 350,000 | 1 | 0.01 (0.01..0.01) | – | 1.50 (1.50..1.50) |
| gdnsd 3.8.1 | 500 (500..500) | 125.00 | 350,000 | 1 | 1.00 (1.00..1.00) | – | 200.00 (200.00..200.00) |
`,
  )
  t.same(overviewTable(measurements, ['hit', 'flood'], references).rows, [
    ['echo', '4.00 (1.60)', '–'],
    ['pooldns batch', '3.00 (0.80)', '3.00 (0.01)'],
    ['gdnsd 3.8.1', '3.75 (1.00)', '500 (1.00)'],
  ])
})

t.test('the chart shows the scenarios that were measured, with their titles escaped', async (t) => {
  const scenarios = [
    { name: 'hit', title: 'names & <addresses>' },
    { name: 'flood', title: 'random names' },
    { name: 'lb', title: 'nothing measured' },
  ]
  const svg = chart(measurements, scenarios)
  t.match(svg, /^<svg [\s\S]*<\/svg>\n$/)
  t.match(svg, 'names &amp; &lt;addresses&gt;')
  t.notMatch(svg, 'nothing measured')
  t.notMatch(svg, /NaN|Infinity|undefined/)
  const bars = [...svg.matchAll(/<rect x="\d+" y="[\d.]+" width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  )
  t.equal(bars.length, 5)
  t.equal(Math.round(bars[4]! / bars[3]!), 6, 'a bar is cut off at six times the least')
  t.match(svg, />500<\/text>/, 'and says what it is')
})

t.test('what dnsperf says', async (t) => {
  const output = `
  Queries sent:         20618
  Queries completed:    20611 (99.97%)
  Queries lost:         7 (0.03%)

  Response codes:       NOERROR 20000 (97.04%), NXDOMAIN 611 (2.96%)
  Queries per second:   20553.585064
`
  t.same(parseTally(output), {
    sent: 20618,
    completed: 20611,
    lost: 7,
    queriesPerSecond: 20553.585064,
    rcodes: { NOERROR: 20000, NXDOMAIN: 611 },
  })
  t.throws(() => parseTally('Error: unable to bind'), /no figures[\s\S]*unable to bind/)
})

t.test('the version of a server is found in what it says', async (t) => {
  t.equal(versionIn('gdnsd version 3.8.1\nUsage: /usr/sbin/gdnsd'), '3.8.1')
  t.equal(versionIn('knotd (Knot DNS), version 3.2.6'), '3.2.6')
  t.equal(versionIn('BIND 9.18.49-1~deb12u3-Debian (Extended Support Version) <id:>'), '9.18.49')
  t.equal(versionIn('Nov 21 04:44:45 PowerDNS Authoritative Server 4.7.3 (C) 2001-2022'), '4.7.3')
  t.equal(versionIn('none'), 'of an unknown version')
})

t.test('cores are parsed, and divided between server and generator', async (t) => {
  t.same(parseCoreList('0-2,5,7-8'), [0, 1, 2, 5, 7, 8])
  t.same(divideCores([0, 1], 1), { server: '0', generator: '1', shared: false })
  t.same(divideCores([0, 1], 2), { server: '0,1', generator: '1', shared: true })
  t.same(divideCores([2, 3, 4, 5], 2), { server: '2,3', generator: '4,5', shared: false })
  t.same(divideCores([3], 1), { server: '3', generator: '3', shared: true })
})
