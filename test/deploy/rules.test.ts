/** The rules for Prometheus: they are right, each is tested, and a mistake in one is found. */
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { describedMetrics } from '../pages/metrics-part.ts'
import { repository } from '../support/daemon.ts'
import { pageBlocks } from '../support/pages.ts'
import { findProgram, missingPrograms } from '../support/program.ts'
import { selectorsOf } from '../support/promql.ts'
import { dashboards, queriesOf } from './dashboards.ts'

interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

interface UnitTest {
  readonly alert_rule_test?: readonly { alertname: string; exp_alerts: readonly unknown[] }[]
  readonly promql_expr_test?: readonly { expr: string; exp_samples: readonly unknown[] }[]
}

const path = 'deploy/prometheus/rules.yaml'
const text = readFileSync(join(repository, path), 'utf8')
const rules = (parse(text) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) =>
  rules.map((rule) => ({ ...rule, name: rule.alert ?? rule.record! })),
)
const alerts = rules.filter(({ alert }) => alert !== undefined)
const records = rules.filter(({ record }) => record !== undefined)
const testFiles = globSync('test/deploy/rules/*.yaml', { cwd: repository }).sort()
const unitTests = testFiles.flatMap(
  (file) => (parse(readFileSync(join(repository, file), 'utf8')) as { tests: UnitTest[] }).tests,
)
const skip = missingPrograms('promtool')

const mistakes = [
  {
    what: 'a parenthesis too few',
    from: '(pooldns_pool_state{state="down"}) == 1',
    to: '(pooldns_pool_state == 1',
    tests: 'members',
    says: /parse error/,
  },
  {
    what: 'another state',
    from: 'pooldns_pool_state{state="down"}',
    to: 'pooldns_pool_state{state="degraded"}',
    tests: 'members',
    says: /PooldnsPoolDown/,
  },
  {
    what: 'a metric that there is not',
    from: 'expr: pooldns_database_up == 0',
    to: 'expr: pooldns_db_up == 0',
    tests: 'servers',
    says: /PooldnsDatabaseDown/,
  },
  { what: 'a threshold', from: '> 0.01', to: '> 0.5', tests: 'answers', says: /PooldnsServfail/ },
  { what: 'a time', from: 'for: 1h', to: 'for: 1m', tests: 'servers', says: /PooldnsDatabaseNewer/ },
  {
    what: 'a label that is lost',
    from: 'without (transport, family, qtype)',
    to: 'without (transport, family, qtype, instance)',
    tests: 'rates',
    says: /dns_queries:rate5m/,
  },
  {
    what: 'a text',
    from: 'has given up events',
    to: 'gave up events',
    tests: 'servers',
    says: /PooldnsEventsLost/,
  },
  {
    what: 'a template',
    from: '{{ $labels.service }} is answered',
    to: '{{ $label.service }} is answered',
    tests: 'answers',
    says: /undefined variable/,
  },
]

/** What promtool says of the rules and of these tests of them, of a copy in which `text` stands for the rules. */
async function verdict(
  t: Test,
  text: string,
  files: readonly string[],
): Promise<{ said: string; passed: boolean }> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-rules-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'deploy/prometheus'), { recursive: true })
  await writeFile(join(folder, path), text)
  await cp(join(repository, 'test/deploy/rules'), join(folder, 'test/deploy/rules'), { recursive: true })
  const runs = [
    ['check', 'rules', '--lint=all', '--lint-fatal', path],
    ['test', 'rules', ...files],
  ].map((args) => spawnSync(findProgram('promtool')!, args, { cwd: folder, encoding: 'utf8' }))
  return {
    said: runs.map(({ stdout, stderr }) => stdout + stderr).join(''),
    passed: runs.every(({ status }) => status === 0),
  }
}

t.test('promtool finds them right', { skip }, async (t) => {
  const { said, passed } = await verdict(t, text, testFiles)
  t.ok(passed, said)
})

t.test('promtool finds a mistake', { skip }, async (t) => {
  for (const { what, from, to, tests, says } of mistakes) {
    t.ok(text.includes(from), what)
    const { said, passed } = await verdict(t, text.replace(from, to), [`test/deploy/rules/${tests}.yaml`])
    t.notOk(passed, what)
    t.match(said, says, what)
  }
})

t.test('each alert is tested while it is to fire and while it is not, and each recording', async (t) => {
  const verdicts = unitTests.flatMap(({ alert_rule_test: tests = [] }) => tests)
  for (const { name: alert } of alerts) {
    const own = verdicts.filter(({ alertname }) => alertname === alert)
    t.ok(
      own.some(({ exp_alerts: expected }) => expected.length > 0),
      `${alert} fires`,
    )
    t.ok(
      own.some(({ exp_alerts: expected }) => expected.length === 0),
      `${alert} does not always`,
    )
  }
  const asked = unitTests.flatMap(({ promql_expr_test: tests = [] }) => tests)
  for (const { name: record } of records) {
    t.ok(
      asked.some(({ expr, exp_samples: samples }) => expr === record && samples.length > 0),
      record,
    )
  }
})

t.test('they ask for metrics that there are, by labels that those have', async (t) => {
  const labels = new Map((await describedMetrics()).map(({ name, labels }) => [name, labels]))
  const recorded = new Set(records.map(({ name }) => name))
  for (const { expr, name: rule } of rules) {
    for (const selector of selectorsOf(expr)) {
      if (selector.name === 'up' || recorded.has(selector.name)) continue
      const name = selector.name.replace(/_bucket$/, '')
      t.ok(labels.has(name), `${rule}: ${name}`)
      for (const label of selector.labels.keys())
        t.ok(labels.get(name)?.has(label), `${rule}: ${selector.text}`)
    }
  }
})

t.test('dashboards ask by labels that metrics have', async (t) => {
  const labels = new Map((await describedMetrics()).map(({ name, labels }) => [name, labels]))
  const values = { datasource: 'a', job: 'a', instance: 'a', service: 'a', pool: 'a', __rate_interval: '5m' }
  // Of the target, and of a histogram.
  const always = ['job', 'instance', 'cluster', 'namespace', 'le']
  for (const [file, dashboard] of dashboards) {
    for (const { of, expression } of queriesOf(dashboard, values)) {
      for (const selector of selectorsOf(expression)) {
        const own =
          labels.get(selector.name) ?? labels.get(selector.name.replace(/_(?:bucket|sum|count)$/, ''))
        // Recorded, or not of the server: whether those are there a real Prometheus says (watched.test.ts).
        if (own === undefined) continue
        for (const label of selector.labels.keys())
          t.ok(own.has(label) || always.includes(label), `${file}, ${of}: ${selector.text}`)
      }
    }
  }
})

t.test('seconds and octets are shown as such', async (t) => {
  const units: [RegExp, string][] = [
    [/_seconds(?:_bucket|_sum)?\{/, 's'],
    [/_bytes\{/, 'bytes'],
  ]
  let seen = 0
  for (const [file, { panels }] of dashboards) {
    // Columns of a table have units of their own.
    for (const { title, type, fieldConfig, targets = [] } of panels.filter(({ type }) => type !== 'table')) {
      const [, unit] = units.find(([metric]) => targets.some(({ expr }) => metric.test(expr))) ?? []
      if (unit === undefined) continue
      seen += 1
      t.equal(fieldConfig?.defaults?.unit, unit, `${file}, ${title} (${type})`)
    }
  }
  t.ok(seen > 8)
})

t.test('an alert says how bad it is, what it is, and where to read on', async (t) => {
  t.ok(alerts.length >= 20)
  t.equal(new Set(alerts.map(({ name }) => name)).size, alerts.length, 'names are there once')
  for (const { name: alert, labels, annotations } of alerts) {
    t.match(alert, /^Pooldns[A-Z]/)
    t.ok(['critical', 'warning', 'info'].includes(labels?.severity ?? ''), alert)
    t.same(Object.keys(annotations ?? {}), ['summary', 'description', 'runbook'], alert)
    t.equal(annotations?.runbook, `docs/alerts/${alert}.md`)
  }
})

t.test(
  'what docs/deploy/monitoring.md configures is taken',
  { skip: missingPrograms('promtool', 'amtool') },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'pooldns-monitoring-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    const blocks = pageBlocks('docs/deploy/monitoring.md').filter(({ language }) => language === 'yaml')
    t.equal(blocks.length, 2)
    for (const { text, line } of blocks) {
      const file = join(folder, `${line}.yaml`)
      await writeFile(file, text.replace('/etc/prometheus/pooldns', join(repository, 'deploy/prometheus')))
      const [program, args] = text.includes('scrape_configs')
        ? (['promtool', ['check', 'config', file]] as const)
        : (['amtool', ['check-config', file]] as const)
      const { status, stdout, stderr } = spawnSync(findProgram(program)!, args, { encoding: 'utf8' })
      t.equal(status, 0, stdout + stderr)
    }
  },
)
