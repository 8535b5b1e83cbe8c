/**
 * What compose.yaml starts by its profiles: the file by the schema of the Compose specification, what is mounted by the programs that read it,
 * and whether ports, names and folders fit each other.
 */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Ajv } from 'ajv'
import t from 'tap'
import { parse } from 'yaml'
import { repository } from '../support/daemon.ts'
import { pageBlocks } from '../support/pages.ts'
import { missingPrograms } from '../support/program.ts'

const run = promisify(execFile)
const read = (path: string) => readFile(join(repository, path), 'utf8')

interface Service {
  readonly profiles?: readonly string[]
  readonly image: string
  readonly command?: readonly string[]
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

const text = await read('compose.yaml')
const services: Readonly<Record<string, Service>> = parse(text, { merge: true }).services
const { prometheus, alertmanager, grafana, valkey, pooldns } = services
const two = services['pooldns-two']!
const compose = 'deploy/compose'

// The linter's own rules are of taste; the schema that it brings is that of the Compose specification.
const { $schema: _, ...schema } = JSON.parse(await read('node_modules/dclint/schemas/compose.schema.json'))
const isCompose = new Ajv({
  strict: false,
  allErrors: true,
  validateFormats: false,
}).compile(schema)

/** What the schema says against a text, a line each. */
function composeErrors(text: string): string[] {
  if (isCompose(parse(text, { merge: true }))) return []
  return isCompose.errors!.map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  )
}

t.test('it is what the Compose specification has', async (t) => {
  t.same(composeErrors(text), [])
  t.match(composeErrors(text.replace('    read_only: true', '    readonly: true')).join('\n'), /readonly/)
  t.match(composeErrors(text.replace('restart: "no"', 'restart: [no]')).join('\n'), /restart/)
})

t.test('the profiles', async (t) => {
  const named = Object.entries(services).map(([name, { profiles = [] }]) => [name, profiles.join()])
  t.same(Object.fromEntries(named), {
    postgres: '',
    migrate: '',
    pooldns: '',
    'pooldns-two': 'two-nodes',
    prometheus: 'monitoring',
    alertmanager: 'monitoring',
    grafana: 'monitoring',
    valkey: 'valkey',
  })
})

t.test('all that is mounted is there, and each volume has a name', async (t) => {
  const { volumes } = parse(text)
  const used = new Set<string>()
  for (const [name, service] of Object.entries(services)) {
    for (const [from] of (service.volumes ?? []).map((volume) => volume.split(':'))) {
      if (from!.startsWith('./')) await t.resolves(stat(join(repository, from!)), `${name}: ${from}`)
      else used.add(from!)
    }
  }
  t.same([...used].sort(), Object.keys(volumes).sort())
})

t.test('ports of the host: DNS for all, the rest for this host, none twice', async (t) => {
  const ports = Object.values(services).flatMap(({ ports = [] }) => ports)
  t.equal(new Set(ports.map((port) => port.replace(/:\d+(?=\/|$)/, ''))).size, ports.length)
  t.same(
    ports.filter((port) => !port.startsWith('127.0.0.1:')),
    ['9999:9999/udp', '9999:9999/tcp', '9998:9999/udp', '9998:9999/tcp'],
  )
})

t.test('two nodes share all but their data directory, their ports and their name', async (t) => {
  const common = ({ ports: _, volumes: __, profiles: ___, environment, ...rest }: Service) => {
    const { POOLDNS_IDENTITY: ____, ...settings } = environment!
    return { ...rest, settings }
  }
  t.same(common(two), common(pooldns!))
  t.same(two.volumes, ['data-two:/var/lib/pooldns'])
  t.equal(two.environment!.POOLDNS_IDENTITY, 'two')
  for (const name of ['pooldns', 'pooldns-two'])
    t.match(
      pooldns!.environment!.POOLDNS_HTTP_HOSTS,
      new RegExp(`[-,]${name}[,}]`),
      `${name} is a name of HTTP`,
    )
})

t.test('Prometheus takes its configuration', { skip: missingPrograms('promtool') }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-compose-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await cp(join(repository, 'deploy/prometheus'), join(folder, 'rules'), { recursive: true })
  const original = await read(`${compose}/prometheus.yaml`)
  const check = async (text: string) => {
    await writeFile(
      join(folder, 'prometheus.yaml'),
      text.replace('/etc/prometheus/rules', join(folder, 'rules')),
    )
    return await run('promtool', ['check', 'config', join(folder, 'prometheus.yaml')])
  }
  t.match((await check(original)).stdout, /SUCCESS: [1-9]\d* rule files? found/)
  await t.rejects(check(original.replace('scrape_interval', 'scrape_intervall')), {
    message: /scrape_intervall/,
  })
  const { rule_files, alerting, scrape_configs } = parse(original)
  t.same(rule_files, ['/etc/prometheus/rules/*.yaml'])
  t.ok(prometheus!.volumes!.includes('./deploy/prometheus:/etc/prometheus/rules:ro'))
  t.same(alerting.alertmanagers[0].static_configs[0].targets, ['alertmanager:9093'])
  t.match(scrape_configs[0], {
    job_name: 'pooldns',
    static_configs: [{ targets: ['pooldns:3000'] }],
    dns_sd_configs: [{ names: ['pooldns-two'], port: 3000 }],
  })
})

t.test('Alertmanager takes its configuration', { skip: missingPrograms('amtool') }, async (t) => {
  const path = join(repository, compose, 'alertmanager.yaml')
  t.match((await run('amtool', ['check-config', path])).stdout, /SUCCESS/)
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-compose-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const wrong = join(folder, 'alertmanager.yaml')
  await writeFile(wrong, (await readFile(path, 'utf8')).replace('receiver: people', 'receiver: everybody'))
  await t.rejects(run('amtool', ['check-config', wrong]), { message: /check-config/ })
  const severe = [
    'config',
    'routes',
    'test',
    `--config.file=${path}`,
    'alertname=PooldnsServerDown',
    'severity=critical',
  ]
  t.equal((await run('amtool', severe)).stdout.trim(), 'people')
  const slight = ['config', 'routes', 'test', `--config.file=${path}`, 'alertname=Any', 'severity=info']
  t.equal((await run('amtool', slight)).stdout.trim(), 'nobody')
})

t.test('Alertmanager keeps to itself what the page on monitoring says', async (t) => {
  const shown = pageBlocks('docs/deploy/monitoring.md').find(({ text }) => text.includes('inhibit_rules:'))!
  const own = parse(await read(`${compose}/alertmanager.yaml`))
  t.same(own.inhibit_rules, parse(shown.text).inhibit_rules)
})

t.test('each configuration is where its program looks for it', async (t) => {
  for (const [service, name] of [
    [prometheus!, 'prometheus'],
    [alertmanager!, 'alertmanager'],
  ] as const) {
    const [, file] = /^--config\.file=(.*)$/.exec(service.command![0]!)!
    t.ok(service.volumes!.includes(`./${compose}/${name}.yaml:${file}:ro`), name)
  }
})

t.test('Grafana finds Prometheus and the dashboards', async (t) => {
  const { datasources } = parse(await read(`${compose}/grafana/datasources/prometheus.yaml`))
  t.match(datasources, [{ type: 'prometheus', url: 'http://prometheus:9090', isDefault: true }])
  const { providers } = parse(await read(`${compose}/grafana/dashboards/pooldns.yaml`))
  t.ok(grafana!.volumes!.includes(`./deploy/grafana:${providers[0].options.path}:ro`))
  t.ok(grafana!.volumes!.includes(`./${compose}/grafana:/etc/grafana/provisioning:ro`))
  t.equal(grafana!.environment!.GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION, 'true', 'nobody has admin/admin')
})

t.test('the cache is the one of the example, and keeps nothing', async (t) => {
  const [, url] = /^#POOLDNS_CACHE_URL=(.*)$/m.exec(await read('deploy/pooldns.env.example'))!
  t.match(new URL(url!), { protocol: 'redis:', hostname: 'valkey', port: '6379' })
  t.notOk('volumes' in valkey!)
  t.match(
    valkey!.command!.join(' '),
    /--save {2}--appendonly no --maxmemory \d+mb --maxmemory-policy allkeys-lru/,
  )
})
