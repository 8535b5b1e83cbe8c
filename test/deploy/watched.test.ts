/**
 * A daemon that has something of each kind, watched as people do: by a real Prometheus with our rules, whose answers fill every panel of
 * our dashboards, and a real Alertmanager, which tells a webhook of an alert and of its end.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { certificate, certificateFolder, withoutOpenssl } from '../controlplane/health/certificates.ts'
import { ask, askUntil } from '../e2e/ask.ts'
import { type Backend, eventually, put, soa, startBackend, timing } from '../e2e/fixture.ts'
import { type DaemonProcess, repository, startDaemonProcess } from '../support/daemon.ts'
import { pages } from '../support/pages.ts'
import { patience } from '../support/patience.ts'
import { missingPrograms } from '../support/program.ts'
import { type Prometheus, startAlertmanager, startPrometheus } from '../support/prometheus.ts'
import { selectorsOf } from '../support/promql.ts'
import { startUpstream } from '../support/upstream.ts'
import { dashboards, queriesOf } from './dashboards.ts'

const skip = withoutOpenssl || missingPrograms('prometheus', 'prometheus-alertmanager')
const rulesFile = join(repository, 'deploy/prometheus/rules.yaml')
const tlsName = 'member.example'

interface Alert {
  readonly status: 'firing' | 'resolved'
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

t.test('a daemon that is watched', { skip }, async (t) => {
  const folder = await certificateFolder(t)
  const ending = await certificate(folder, 'ending', `DNS:${tlsName}`, ['-days', '10'])
  const renewed = await certificate(folder, 'renewed', `DNS:${tlsName}`, ['-days', '90'])
  await using upstream = await startUpstream()
  upstream.says.set('lb.provider.example A', { ttl: 60, data: ['192.0.2.9'] })
  await using backend = await startBackend(ending)
  await using flapping = await startBackend()
  // Port 9 is nobody's.
  const env = { POOLDNS_RESOLVERS: upstream.address, POOLDNS_CACHE_URL: 'redis://127.0.0.1:9' }
  await using daemon = await startDaemonProcess({ env })
  await using receiver = await startReceiver()
  await using alertmanager = await startAlertmanager(`
route: { receiver: hook, group_by: [...], group_wait: 0s, group_interval: 1s }
receivers: [{ name: hook, webhook_configs: [{ url: "${receiver.url}", send_resolved: true }] }]
`)
  const address = daemon.http.replace('http://', '')
  await using prometheus = await startPrometheus(`
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
rule_files: ["${rulesFile}"]
alerting: { alertmanagers: [{ static_configs: [{ targets: ["${alertmanager.address}"] }] }] }
scrape_configs: [{ job_name: pooldns, static_configs: [{ targets: ["${address}"] }] }]
`)
  // What happens from now on is seen to rise.
  await comes(prometheus, 'pooldns_build_info')
  await configure(daemon, { backend, flapping, ca: `${ending.cert}\n${renewed.cert}`, hook: receiver.url })
  await happen(daemon, flapping)

  const values = {
    datasource: 'prometheus',
    job: 'pooldns',
    instance: address,
    service: 'www.example.test',
    pool: '.*',
    __rate_interval: '5m',
  }
  const names = namesOn(await (await fetch(`${daemon.http}/metrics`)).text())

  for (const [file, dashboard] of dashboards) {
    await t.test(`the dashboard ${file}`, async (t) => {
      const queries = queriesOf(dashboard, values)
      t.ok(queries.length > 10)
      for (const { of, expression } of queries) {
        t.same(strangersAmong(expression, names), [], `${of}: ${expression}`)
        await comes(prometheus, expression)
      }
    })
  }

  await t.test('a mistake in a dashboard is found', async (t) => {
    t.same(strangersAmong('sum(rate(pooldns_dns_querys_total[5m]))', names), ['pooldns_dns_querys_total'])
    t.same(await prometheus.query('pooldns_pool_state{state="dwn"}'), [])
    await t.rejects(prometheus.query('sum(pooldns_member_up'), /parse error/)
    t.throws(() => queriesOf(withQuery('pooldns_member_up{pool="$pol"}'), values), /\$pol in/)
    t.throws(() => strangersAmong('sum(pooldns_member_up', names), /no expression/)
  })

  await t.test('whatever a rule asks for is there', async (t) => {
    const { groups } = parse(readFileSync(rulesFile, 'utf8')) as {
      groups: { rules: { expr: string; alert?: string; record?: string }[] }[]
    }
    for (const { expr, record } of groups.flatMap(({ rules }) => rules)) {
      for (const { text, name, labels } of selectorsOf(expr)) {
        // One value of a label may have nothing, as there is nobody whom it is about.
        const values = [...labels].flatMap(([label, values]) => values.map((value) => ({ label, value })))
        const each = text.includes('=~')
          ? values.map(({ label, value }) => `${name}{${label}=~"${value}"}`)
          : [text]
        for (const selector of each) await comes(prometheus, selector)
      }
      if (record !== undefined) await comes(prometheus, record)
    }
    t.ok(groups.length > 0)
  })

  await t.test('an alert is told when it begins and when it ends', async (t) => {
    const isOurs = ({ labels }: Alert) =>
      labels.alertname === 'PooldnsCertificateEnds' && labels.member === 'one'
    const firing = await receiver.heard((alert) => isOurs(alert) && alert.status === 'firing')
    t.match(firing.labels, { pool: 'web', job: 'pooldns', severity: 'warning' })
    t.match(firing.annotations.summary, /^a certificate of web\/one ends in 9d /)
    t.ok(pages.has(firing.annotations.runbook!), 'and has a page')
    backend.renew(renewed)
    await receiver.heard((alert) => isOurs(alert) && alert.status === 'resolved')
  })
})

interface World {
  readonly backend: Backend
  readonly flapping: Backend
  readonly ca: string
  readonly hook: string
}

/** Something of each kind that metrics tell of. */
async function configure(daemon: DaemonProcess, { backend, flapping, ca, hook }: World): Promise<void> {
  const at = (address: string, port: number) => ({ address, probe: { address: '127.0.0.1', port } })
  await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  await put(daemon, '/v1/zones/signed.test', {
    soa,
    rrsets: [
      { name: '@', type: 'NS', data: ['ns1'] },
      { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
    ],
    dnssec: { enabled: true },
  })
  const roll = await daemon.request('/v1/zones/signed.test/dnssec/roll', { method: 'POST', json: {} })
  if (!roll.ok) throw new Error(`roll: ${roll.status} ${await roll.text()}`)
  await put(daemon, '/v1/monitors/web', { ...timing, type: 'https', tls: { ca, serverName: tlsName } })
  const flap = { changes: 1, within: '10m', hold: '10m', maxHold: '1h' }
  await put(daemon, '/v1/monitors/flapping', { ...timing, flap })
  // Port 9 is nobody's.
  const members = {
    one: at('192.0.2.1', backend.port),
    two: at('192.0.2.2', backend.port),
    gone: at('192.0.2.3', 9),
  }
  await put(daemon, '/v1/pools/web', { monitor: 'web', members })
  await put(daemon, '/v1/pools/flapping', {
    monitor: 'flapping',
    members: { one: at('192.0.2.4', flapping.port) },
  })
  await put(daemon, '/v1/pools/hosts', { members: { lb: { host: 'lb.provider.example' } } })
  await put(daemon, '/v1/pools/gone', { monitor: 'web', members: { gone: at('192.0.2.5', 9) } })
  const www = { pools: ['web', 'hosts', 'flapping'], ttl: 1, whenAllDown: 'servfail' }
  await put(daemon, '/v1/services/www.example.test', www)
  await put(daemon, '/v1/services/gone.example.test', { pools: ['gone'], whenAllDown: 'servfail' })
  await put(daemon, '/v1/services/flapping.example.test', { pools: ['flapping'], whenAllDown: 'nodata' })
  await put(daemon, '/v1/webhooks/chat', { url: hook })
  const source = { prometheus: 'http://127.0.0.1:9', query: 'up', entity: '{instance}', every: '1s' }
  await put(daemon, '/v1/feeds/read', { columns: { value: {} }, source })
  await put(daemon, '/v1/feeds/load', { columns: { percent: {}, used: {}, free: {} } })
  const time_instant = new Date().toISOString()
  const rows = [
    { time_instant, id_entity: 'one', percent: 10 },
    { time_instant, id_entity: 'fed', used: 5 },
  ]
  const pushed = await daemon.request('/v1/feeds/load/rows', { method: 'POST', json: rows })
  if (!pushed.ok) throw new Error(`POST: ${pushed.status} ${await pushed.text()}`)
  const shed = { feed: 'load', column: 'percent', above: 80, to: 100 }
  const weight = { feed: 'load', column: 'free' }
  const capacity = { feed: 'load', column: 'used', limit: 100 }
  const fed = { one: { address: '192.0.2.6', shed }, two: { address: '192.0.2.7', weight } }
  await put(daemon, '/v1/pools/fed', { select: 'weighted', capacity, members: fed })
}

async function happen(daemon: DaemonProcess, flapping: Backend): Promise<void> {
  for (const healthy of [true, false, true, false]) {
    flapping.healthy = healthy
    await askUntil(daemon.dns, 'flapping.example.test', healthy ? ['192.0.2.4'] : [])
  }
  // It is held from when it would be up again.
  flapping.healthy = true
  await put(daemon, '/v1/pools/web/members/two/override', { state: 'drain', reason: 'new disk' })
  await put(daemon, '/v1/pools/web/members/gone/override', { state: 'down', reason: 'it is gone' })
  await put(daemon, '/v1/services/www.example.test/override', { state: 'up', reason: 'they are there' })
  await askUntil(daemon.dns, 'www.example.test', ['192.0.2.1'])
  await eventually(async () => {
    const { rcode } = await ask(daemon.dns, 'gone.example.test')
    return rcode === 'SERVFAIL' ? true : undefined
  })
  for (const name of ['www', 'none'])
    await fetch(`${daemon.http}/v1/tools/lookup?domain=${name}.example.test`)
}

/** Takes what Alertmanager says; what comes from anybody else is taken and forgotten. */
async function startReceiver() {
  const alerts: Alert[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    response.end()
    const body = JSON.parse(Buffer.concat(parts).toString()) as { alerts?: Alert[] }
    alerts.push(...(body.alerts ?? []))
    server.emit('heard')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async heard(matches: (alert: Alert) => boolean): Promise<Alert> {
      for (let from = 0; ; ) {
        const found = alerts.slice(from).find(matches)
        if (found !== undefined) return found
        from = alerts.length
        await once(server, 'heard', { signal: patience() })
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Waits until an expression comes to something, which is a number. Prometheus tells nobody when it has scraped. */
async function comes(prometheus: Prometheus, expression: string): Promise<void> {
  const signal = patience()
  for (;;) {
    const samples = await prometheus.query(expression)
    if (samples.some(({ value: [, value] }) => value !== 'NaN')) return
    if (signal.aborted) throw new Error(`nothing came of ${expression}`)
    await delay(100)
  }
}

/** Names that an expression asks for and nobody exports. */
function strangersAmong(expression: string, exported: ReadonlySet<string>): string[] {
  return selectorsOf(expression)
    .map(({ name }) => name)
    .filter((name) => !exported.has(name) && name !== 'ALERTS')
}

/** The names that series have on a page of metrics. */
function namesOn(page: string): ReadonlySet<string> {
  return new Set(Array.from(page.matchAll(/^([a-z]\w*)[ {]/gm), ([, name]) => name!))
}

function withQuery(expr: string) {
  const [dashboard] = [...dashboards.values()]
  const panel = {
    ...dashboard!.panels.find(({ targets }) => targets !== undefined)!,
    targets: [{ refId: 'A', expr }],
  }
  return { ...dashboard!, panels: [panel] }
}

t.test('the dashboards are as Grafana takes them', async (t: Test) => {
  t.same([...dashboards.keys()], ['pooldns-node', 'pooldns-overview', 'pooldns-service'])
  for (const [file, { uid, title, panels, templating }] of dashboards) {
    t.equal(uid, file)
    t.match(title, /^pooldns: /)
    t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'each panel has an id of its own')
    t.equal(templating.list[0]?.type, 'datasource')
    const taken = new Set<string>()
    for (const { title, type, gridPos, datasource, targets = [] } of panels) {
      const { x, y, w, h } = gridPos
      t.ok(x >= 0 && w > 0 && h > 0 && x + w <= 24, `${title} is within the width`)
      const cells = Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`)
      t.notOk(
        cells.some((cell) => taken.has(cell)),
        `${title} covers nothing else`,
      )
      for (const cell of cells) taken.add(cell)
      if (type === 'row') continue
      t.equal(datasource?.uid, `\${datasource}`, `${title} asks the Prometheus that was chosen`)
      t.ok(targets.length > 0)
      t.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length)
    }
  }
})
