/** compose.yaml, .env and the workflow as data: there is no engine to run them with, so what can be known is checked. */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parse } from 'yaml'
import { readConfig } from '../../src/config.ts'
import { repository } from '../support/daemon.ts'

const read = (path: string) => readFile(join(repository, path), 'utf8')
const text = await read('compose.yaml')
const compose = parse(text, { merge: true })
const { postgres, migrate, pooldns } = compose.services
const two = compose.services['pooldns-two']
const example = await read('deploy/pooldns.env.example')
const secrets = [...example.matchAll(/^([A-Z_]+)=$/gm)].map(([, name]) => name!)

t.test('the daemon and the migration can do as little as possible', async (t) => {
  for (const service of Object.values(compose.services)) {
    t.match(service, { read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
  }
  // Where they write although the file system is not for that: all else that they write is in volumes.
  const written: Record<string, string[]> = {
    postgres: ['/tmp', '/run/postgresql'],
    valkey: ['/tmp', '/data'],
  }
  for (const [name, service] of Object.entries<{ tmpfs: string[] }>(compose.services))
    t.same(service.tmpfs, written[name] ?? ['/tmp'], name)
  for (const service of [migrate, pooldns, two]) {
    t.notOk('cap_add' in service)
    t.notOk('user' in service, 'the image has an unprivileged one')
    t.match(service, { image: 'pooldns', build: { dockerfile: 'Containerfile' } })
  }
  const always = Object.entries<{ profiles?: string[] }>(compose.services).filter(
    ([, { profiles }]) => !profiles,
  )
  t.same(
    always.map(([name]) => name).sort(),
    ['migrate', 'pooldns', 'postgres'],
    'what starts without a profile',
  )
})

t.test('DNS is open to all, HTTP to this host', async (t) => {
  t.same(pooldns.ports, ['9999:9999/udp', '9999:9999/tcp', '127.0.0.1:3000:3000'])
  t.notOk('ports' in postgres)
  t.notOk('ports' in migrate)
})

t.test('the order of start', async (t) => {
  t.same(migrate.depends_on, { postgres: { condition: 'service_healthy' } })
  t.match(pooldns.depends_on, { migrate: { condition: 'service_completed_successfully' } })
  t.match(migrate, { command: ['migrate'], restart: 'no' })
  t.match(pooldns, { command: ['serve'], restart: 'unless-stopped' })
  t.match(postgres.healthcheck.test, ['CMD', 'pg_isready'])
  t.ok(postgres.healthcheck.test.includes('--host=127.0.0.1'), 'not the server of the initialisation')
})

t.test('postgres keeps its data, and makes the roles', async (t) => {
  const [, major] = /^docker\.io\/library\/postgres:(\d+)$/.exec(postgres.image)!
  t.ok(Number(major) >= 18, 'whose volume is the folder above the cluster')
  t.ok(postgres.volumes.includes('postgres:/var/lib/postgresql'))
  const mounts = new Map<string, string>(
    postgres.volumes
      .filter((volume: string) => volume.startsWith('./'))
      .map((volume: string) => [volume.split(':')[1], volume.split(':')[0]]),
  )
  const script = mounts.get('/docker-entrypoint-initdb.d/create-roles.sh')!
  await t.resolves(access(join(repository, script), constants.X_OK))
  const [, sql] = /POOLDNS_ROLES_SQL:-([^}]+)/.exec(await read(script))!
  t.equal(mounts.get(sql!), './deploy/postgres/roles.sql')
})

t.test('every secret has an example without a value, and goes only where it is needed', async (t) => {
  const required = new Set([...text.matchAll(/\$\{(\w+):\?[^}]+\}/g)].map(([, name]) => name!))
  t.same([...required].sort(), [...secrets].sort())
  const all = new Set([...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name!))
  const optional = [...example.matchAll(/^#([A-Z_]+)=.+$/gm)].map(([, name]) => name!)
  t.same([...all].filter((name) => !required.has(name)).sort(), optional.sort())
  const seen = (service: { environment?: Record<string, string> }) =>
    secrets.filter((name) => JSON.stringify(service.environment ?? {}).includes(`{${name}:`))
  t.same(seen(postgres).sort(), ['POOLDNS_DAEMON_PASSWORD', 'POOLDNS_OWNER_PASSWORD', 'POSTGRES_PASSWORD'])
  t.same(seen(migrate), ['POOLDNS_OWNER_PASSWORD'])
  for (const server of [pooldns, two])
    t.same(seen(server).sort(), ['POOLDNS_ADMIN_TOKEN', 'POOLDNS_DAEMON_PASSWORD'])
  for (const name of ['prometheus', 'alertmanager', 'grafana', 'valkey'])
    t.same(seen(compose.services[name]), [], name)
})

t.test(
  'each setting can be given by .env, but for what the container decides, and what is mounted',
  async (t) => {
    const page = await read('docs/configuration.md')
    const names = [...page.matchAll(/^\| `((?:POOLDNS|DATABASE)_[A-Z_]+)` \|/gm)].map(([, name]) => name!)
    t.ok(names.length > 30)
    const decided = ['DATA_DIR', 'DNS_LISTEN', 'HTTP_LISTEN', 'UDP_BACKEND', 'SYNC', 'CERTIFICATE_DIR']
    const missing = names.filter((name) => !(name in pooldns.environment))
    t.same(missing.sort(), decided.map((name) => `POOLDNS_${name}`).sort())
  },
)

t.test('a server has the ten seconds that it takes to end', async (t) => {
  for (const service of [pooldns, two]) {
    const [, seconds] = /^(\d+)s$/.exec(service.stop_grace_period)!
    t.ok(Number(seconds) > 10)
  }
})

t.test('no log fills the disk', async (t) => {
  for (const [name, service] of Object.entries(compose.services))
    t.match(service, { logging: { options: { 'max-size': /^\d+m$/, 'max-file': /^\d$/ } } }, name)
})

t.test('the daemon takes its environment', async (t) => {
  const roles = await read('deploy/postgres/roles.sql')
  const secret = 'c0ffee'.repeat(4)
  for (const [service, role] of [
    [migrate, 'pooldns_owner'],
    [pooldns, 'pooldns'],
    [two, 'pooldns'],
  ] as const) {
    const filled = Object.entries<string>(service.environment).map(([name, value]) => [
      name,
      value.replaceAll(/\$\{\w+:\?[^}]+\}/g, secret).replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1'),
    ])
    const { databaseUrl, probeAllow, canaries, guard } = readConfig([], Object.fromEntries(filled))
    t.equal(databaseUrl, `postgres://${role}:${secret}@postgres:5432/${postgres.environment.POSTGRES_DB}`)
    t.same({ probeAllow, canaries, guard }, { probeAllow: [], canaries: [], guard: true }, 'the defaults')
    t.match(roles, new RegExp(`create role ${role} login`))
  }
})

t.test('the examples of what may be left out are accepted', async (t) => {
  const given = [...example.matchAll(/^#([A-Z_]+)=(.+)$/gm)].map(([, name, value]) => [name!, value!])
  // It is read, and nothing is mounted here.
  const openid =
    'issuer: https://login.example\nclientId: pooldns\norigin: https://dns.example\ngroups: [{ group: ops, scopes: [read] }]\n'
  const POOLDNS_OPENID = join(t.testdir({ 'openid.yaml': openid }), 'openid.yaml')
  t.match(readConfig([], { ...Object.fromEntries(given), POOLDNS_OPENID }), {
    probeAllow: [{ length: 24 }],
    guard: true,
    canaries: [{ port: 443 }, { port: 53 }],
    locationDatabases: ['/etc/pooldns/location/city.mmdb'],
    keyFile: '/etc/pooldns/dnssec.key',
    identityProvider: { clientSecret: 'secret-of-the-client' },
  })
})

t.test('the workflow runs what .ci/run runs, on the Node of package.json', async (t) => {
  const workflow = parse(await read('.github/workflows/ci.yaml'))
  const { steps } = workflow.jobs.test
  t.ok(steps.some(({ run }: { run?: string }) => run === 'bash .ci/run'))
  for (const { uses } of steps) if (uses !== undefined) t.match(uses, /^actions\/[a-z-]+@/)
  const { engines } = JSON.parse(await read('package.json'))
  const setup = steps.find(({ uses }: { uses?: string }) => uses?.startsWith('actions/setup-node@'))
  t.match(engines.node, new RegExp(`^>=${setup.with['node-version']}\\b`))
  const image = workflow.jobs.image.steps.map(({ run }: { run?: string }) => run ?? '').join('\n')
  for (const name of secrets) t.match(image, name)
})

t.test('the scripts are bash', async (t) => {
  for (const script of ['.ci/run', '.ci/weekly', 'deploy/postgres/create-roles.sh']) {
    await t.resolves(promisify(execFile)('bash', ['-n', join(repository, script)]), script)
    t.match(await read(script), /^#!\/bin\/bash\n(?:#.*\n)+set -euo pipefail\n/)
  }
})
