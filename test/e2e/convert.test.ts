/**
 * Configurations of gdnsd, PowerDNS and Route 53, converted and applied, and then asked beside the servers that they are made for: while every
 * member is up, while one fails, and while all do. For Route 53, which runs nowhere else, gdnsd has the same members.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { RecordType } from 'dns-packet'
import t, { type Test } from 'tap'
import { type DaemonProcess, main, node, startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { mmdbFile } from '../support/mmdb-writer.ts'
import { missingPrograms, type Program, startProgram } from '../support/program.ts'
import { ask, type Server } from './ask.ts'
import { askFor, networkOf } from './client.ts'
import { eventually, timing } from './fixture.ts'
import { sharesOf } from './shares.ts'

const configurations = fileURLToPath(new URL('../commands/convert/', import.meta.url))
// gdnsd's control socket has a path of at most 108 octets.
const folder = await mkdtemp(join(tmpdir(), 'convert-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

/** Hosts of members: each has a page, that may fail, and a door, that may be closed. */
const hosts = ['127.0.1.1', '127.0.1.2', '127.0.1.3']
const [pagePort, doorPort] = [await freePort(), await freePort()]
const ill = new Set<string>()
const pages = hosts.map((host) =>
  createServer((_, response) => response.writeHead(ill.has(host) ? 503 : 200).end('ok\n')).listen(
    pagePort,
    host,
  ),
)
const doors = hosts.map((host) => createTcpServer((socket) => socket.destroy()).listen(doorPort, host))
await Promise.all([...pages, ...doors].map((server) => once(server, 'listening')))
t.teardown(() => {
  for (const page of pages) page.closeAllConnections()
  for (const server of [...pages, ...doors]) server.close()
})

/** Where clients of these tests are; the databases of all servers say so. */
const places = [
  ['10.10.0.0/16', { continent: { code: 'EU' }, country: { iso_code: 'DE' } }],
  ['10.11.0.0/16', { continent: { code: 'EU' }, country: { iso_code: 'CH' } }],
  [
    '10.20.0.0/16',
    { continent: { code: 'NA' }, country: { iso_code: 'US' }, subdivisions: [{ iso_code: 'NY' }] },
  ],
  [
    '10.21.0.0/16',
    { continent: { code: 'NA' }, country: { iso_code: 'US' }, subdivisions: [{ iso_code: 'CA' }] },
  ],
  ['10.22.0.0/16', { continent: { code: 'NA' }, country: { iso_code: 'MX' } }],
  ['10.30.0.0/16', { continent: { code: 'AN' }, country: { iso_code: 'AQ' } }],
] as const
/** One client of each, and some of networks that configurations name, or that nobody knows. */
const clients = [
  '10.10.1.0/24',
  '10.11.1.0/24',
  '10.20.1.0/24',
  '10.21.1.0/24',
  '10.22.1.0/24',
  '10.30.1.0/24',
  '10.1.1.0/24',
  '10.2.1.0/24',
  '10.3.1.0/24',
  '10.99.1.0/24',
]
const database = join(folder, 'places.mmdb')
await writeFile(database, mmdbFile(places, { databaseType: 'GeoIP2-City' }))

async function pooldns(args: readonly string[], env: Record<string, string> = {}, input = '') {
  const child = spawn(node, [main, ...args], {
    env: { ...process.env, XDG_CONFIG_HOME: folder, POOLDNS_DATA_DIR: join(folder, 'none'), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(input)
  const code = new Promise((resolve) => child.once('close', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { stdout, stderr, code: await code }
}

/**
 * A daemon with what `convert` makes of a configuration; probes come more often than Route 53 can be told. None of the
 * others doubts its own network when everybody fails, so this one does not either.
 */
async function startConverted(t: Test, args: readonly string[]): Promise<DaemonProcess> {
  const converted = await pooldns(['convert', ...args])
  t.equal(converted.code, 3, 'each of these configurations has something that is left out')
  // A host that is only slow, as this process may be, is none that fails.
  const document = converted.stdout
    .replaceAll(/interval: \d+s/g, `interval: ${timing.interval}`)
    .replaceAll(/timeout: \d+m?s/g, `timeout: ${timing.timeout}\n    recheck: ${timing.recheck}`)
    .replaceAll(/fall: \d+/g, `fall: ${timing.fall}`)
  t.match(await pooldns(['check', '-f', '-'], {}, converted.stdout), { code: 0 })
  const daemon = await startDaemonProcess({
    env: { POOLDNS_LOCATION_DATABASES: database, POOLDNS_GUARD: 'off' },
  })
  t.teardown(() => daemon.stop())
  const env = { POOLDNS_SERVER: daemon.http, POOLDNS_TOKEN: daemon.token }
  t.match(await pooldns(['apply', '-f', '-'], env, document), { code: 0, stderr: '' })
  t.match(await pooldns(['apply', '-f', '-'], env, document), { code: 0, stdout: /nothing to do/ })
  return daemon
}

async function startGdnsd(): Promise<{ folder: string; program: Program; dns: Server }> {
  const own = await mkdtemp(join(folder, 'g-'))
  const port = await freePort()
  await cp(join(configurations, 'gdnsd'), own, { recursive: true })
  await mkdir(join(own, 'geoip'), { recursive: true })
  await cp(database, join(own, 'geoip', 'places.mmdb'))
  const config = await readFile(join(own, 'config'), 'utf8')
  const options = `listen => 127.0.0.1:${port}, run_dir => ${own}/run, state_dir => ${own}/state, udp_threads => 1, tcp_threads => 1`
  await writeFile(
    join(own, 'config'),
    config
      .replace(/listen => \S+/, options)
      .replaceAll('8080', String(pagePort))
      .replaceAll('8443', String(doorPort)),
  )
  const program = startProgram('gdnsd', ['-c', own, 'start'])
  await program.said(/DNS listeners started/)
  return { folder: own, program, dns: { host: '127.0.0.1', port } }
}

/** Debian has the backend for master files in a package of its own. */
function missingPdns(): string | false {
  const backend = globSync('/usr/lib/{*/,}pdns/libbindbackend.so')
  return missingPrograms('pdns_server') || (backend.length === 0 && 'not installed: pdns-backend-bind')
}

async function startPdns(): Promise<{ zone: string; program: Program; dns: Server }> {
  const own = await mkdtemp(join(folder, 'p-'))
  const port = await freePort()
  const zone = join(own, 'example.test.zone')
  const source = await readFile(join(configurations, 'powerdns', 'example.test.zone'), 'utf8')
  await writeFile(zone, source.replaceAll('8080', String(pagePort)).replaceAll('8443', String(doorPort)))
  await writeFile(join(own, 'named.conf'), `zone "example.test" { type native; file "${zone}"; };\n`)
  const settings = {
    launch: 'bind',
    'bind-config': join(own, 'named.conf'),
    'local-address': '127.0.0.1',
    'local-port': port,
    'socket-dir': own,
    'enable-lua-records': 'yes',
    'lua-health-checks-interval': 1,
    'edns-subnet-processing': 'yes',
    'cache-ttl': 0,
    'query-cache-ttl': 0,
    'negquery-cache-ttl': 0,
    'security-poll-suffix': '',
    daemon: 'no',
    guardian: 'no',
  }
  await writeFile(
    join(own, 'pdns.conf'),
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
  const program = startProgram('pdns_server', [`--config-dir=${own}`])
  await program.said(/Done launching threads|ready to distribute questions/)
  return { zone, program, dns: { host: '127.0.0.1', port } }
}

interface Question {
  /** Below `example.test`. */
  readonly name: string
  readonly type?: RecordType
  /** What the other server calls it. */
  readonly there?: string
}

const full = (name: string) => (name === '@' ? 'example.test' : `${name}.example.test`)

const answerOf = async (server: Server, name: string, type: RecordType) => {
  const { rcode, answers } = await ask(server, full(name), type)
  return { rcode, answers }
}

/** Waits until both answer with the same. */
async function compare(t: Test, here: Server, there: Server, questions: readonly Question[]): Promise<void> {
  for (const question of questions) {
    const { name, type = 'A' } = question
    let [ours, theirs] = [{}, {}]
    await eventually(async () => {
      ours = await answerOf(here, name, type)
      theirs = await answerOf(there, question.there ?? name, type)
      return JSON.stringify(ours) === JSON.stringify(theirs) || undefined
    })
    t.same(ours, theirs, `${name} ${type}: ${JSON.stringify(ours)}`)
  }
}

/** Each answer has some of these, as many as that. */
async function eachIs(
  t: Test,
  server: Server,
  name: string,
  of: readonly string[],
  count: number,
): Promise<void> {
  for (let nth = 0; nth < 20; nth++) {
    const { answers } = await ask(server, full(name))
    t.ok(answers.length === count && answers.every((answer) => of.includes(answer)), `${name}: ${answers}`)
  }
}

const queries = 1_000

/** What is wrong with shares that are to be these, within six standard deviations; null when nothing is. */
function otherShares(
  found: ReadonlyMap<string, number>,
  shares: Readonly<Record<string, number>>,
): string | null {
  const total = Object.values(shares).reduce((sum, share) => sum + share, 0)
  const wrong = [...new Set([...found.keys(), ...Object.keys(shares)])].filter((answer) => {
    const share = (shares[answer] ?? 0) / total
    const bound = 6 * Math.sqrt((share * (1 - share)) / queries)
    return !found.has(answer) || Math.abs(found.get(answer)! - share) > bound
  })
  return wrong.length === 0 ? null : `${wrong.join()} of ${JSON.stringify([...found])}`
}

/** Waits until the shares are these at both: the others' probes may take who is only slow for failed. */
async function compareShares(
  t: Test,
  servers: readonly Server[],
  name: string,
  shares: Readonly<Record<string, number>>,
): Promise<void> {
  for (const server of servers) {
    let wrong: string | null = null
    await eventually(async () => {
      wrong = otherShares(await sharesOf(server, full(name), queries), shares)
      return wrong === null ? true : undefined
    }).catch(() => undefined)
    t.equal(wrong, null, `${name}: ${JSON.stringify(shares)}`)
  }
}

async function compareClients(t: Test, here: Server, there: Server, name: string): Promise<void> {
  for (const client of clients) {
    let [ours, theirs] = [{}, {}]
    await eventually(async () => {
      const own = await askFor(here, full(name), client)
      const other = await askFor(there, full(name), client)
      ours = { rcode: own.rcode, answers: own.answers }
      theirs = { rcode: other.rcode, answers: other.answers }
      return JSON.stringify(ours) === JSON.stringify(theirs) || undefined
    })
    t.same(ours, theirs, `${name} for ${client}: ${JSON.stringify(ours)}`)
  }
}

/** Waits until a name is answered with this by all. */
async function settle(
  servers: readonly (readonly [Server, string])[],
  wanted: readonly string[],
): Promise<void> {
  for (const [server, name] of servers) {
    await eventually(async () => {
      const { answers } = await ask(server, full(name))
      return answers.join() === wanted.join() || undefined
    })
  }
}

async function withIll(failing: readonly string[], work: () => Promise<void>): Promise<void> {
  for (const host of failing) ill.add(host)
  try {
    await work()
  } finally {
    ill.clear()
  }
}

const [one, two, three] = hosts as [string, string, string]

t.test('gdnsd', { skip: missingPrograms('gdnsd') }, async (t) => {
  const gdnsd = await startGdnsd()
  t.teardown(() => gdnsd.program.stop())
  const daemon = await startConverted(t, ['gdnsd', gdnsd.folder])
  const [here, there] = [daemon.dns, gdnsd.dns]
  const both = [here, there]
  const plain: Question[] = [
    ...['shop', 'few', 'db', 'even', 'fixed', 'sites', 'there', 'backup', 'www.part', 'mail', 'ns1'].map(
      (name) => ({ name }),
    ),
    { name: 'few', type: 'AAAA' },
    { name: 'shop', type: 'AAAA' },
    { name: '@', type: 'MX' },
    { name: '@', type: 'NS' },
    { name: 'text', type: 'TXT' },
    { name: 'text' },
    { name: 'nobody' },
  ]
  const all = async (t: Test, shop: readonly string[]) => {
    await settle(
      both.map((server) => [server, 'shop'] as const),
      shop,
    )
    await compare(t, here, there, plain)
    await compareClients(t, here, there, 'geo')
  }
  await t.test('all up', async (t) => {
    await all(t, hosts)
    await compareShares(t, both, 'mixed', { [one]: 60, [two]: 30, [three]: 10 })
    await compareShares(t, both, 'cdn', { 'left.cdn.test': 3, 'right.cdn.test': 1 })
  })
  await t.test('one fails', async (t) => {
    await withIll([two], async () => {
      await all(t, [one, three])
      await compareShares(t, both, 'mixed', { [one]: 60, [three]: 10 })
    })
  })
  await t.test('another fails', (t) => withIll([one], () => all(t, [two, three])))
  await t.test('all fail', async (t) => {
    await withIll(hosts, async () => {
      // Others are answered by all members when all are down, so they do not show it.
      for (const name of ['backup', 'backup1', 'backup2'])
        await settle(
          both.map((server) => [server, name] as const),
          ['sorry.cdn.test'],
        )
      await compare(t, here, there, plain)
      await compareClients(t, here, there, 'geo')
      await compareShares(t, both, 'mixed', { [one]: 60, [two]: 30, [three]: 10 })
    })
  })
})

t.test('PowerDNS', { skip: missingPdns() }, async (t) => {
  const pdns = await startPdns()
  t.teardown(() => pdns.program.stop())
  const daemon = await startConverted(t, ['powerdns', pdns.zone])
  const [here, there] = [daemon.dns, pdns.dns]
  const both = [here, there]
  const plain: Question[] = [
    ...['fixed', 'both', 'mail', 'ns1', 'nobody'].map((name) => ({ name })),
    { name: 'shop', type: 'AAAA' },
    { name: 'where', type: 'AAAA' },
    { name: 'any', type: 'AAAA' },
    { name: '@', type: 'MX' },
    { name: '@', type: 'NS' },
    { name: 'x.any' },
  ]
  const watched: Question[] = [{ name: 'shop' }, { name: 'sets' }, { name: 'door' }]
  await t.test('all up', async (t) => {
    await compare(t, here, there, [...plain, ...watched])
    const three = { '192.0.2.1': 60, '192.0.2.2': 30, '192.0.2.3': 10 }
    await compareShares(t, both, 'share', three)
    await compareShares(t, both, 'any', { '192.0.2.1': 1, '192.0.2.2': 1, '192.0.2.3': 1 })
    await compareShares(t, both, 'cdn', { 'left.cdn.test': 1, 'right.cdn.test': 1 })
    for (const server of both) await eachIs(t, server, 'two', Object.keys(three), 2)
    for (const name of ['where', 'views']) await compareClients(t, here, there, name)
  })
  await t.test('a client keeps its member, and members have their shares of clients', async (t) => {
    const networks = Array.from(
      { length: queries },
      (_, index) => `${networkOf(index).replace(/\.0\/24$/, '.9')}/32`,
    )
    for (const [name, share] of [
      ['same', 0.5],
      ['wsame', 0.75],
    ] as const) {
      for (const server of both) {
        let first = 0
        for (const network of networks) {
          const [answer] = (await askFor(server, full(name), network)).answers
          if (answer === '192.0.2.1') first++
        }
        const bound = 6 * Math.sqrt((share * (1 - share)) / queries)
        t.ok(
          Math.abs(first / queries - share) <= bound,
          `${name}: ${first} of ${queries} clients, about ${share}`,
        )
        const [once, again] = [
          await askFor(server, full(name), networks[0]!),
          await askFor(server, full(name), networks[0]!),
        ]
        t.same(once.answers, again.answers)
      }
    }
  })
  await t.test('one fails', async (t) => {
    await withIll([two], async () => {
      await settle(
        both.map((server) => [server, 'shop'] as const),
        [one, three],
      )
      await settle(
        both.map((server) => [server, 'sets'] as const),
        [one],
      )
      await compare(t, here, there, [...plain, ...watched])
    })
  })
  await t.test('the first set fails, and then the other', async (t) => {
    await settle(
      both.map((server) => [server, 'sets'] as const),
      [one, two],
    )
    await withIll([one, two], async () => {
      await settle(
        both.map((server) => [server, 'sets'] as const),
        [three],
      )
      await settle(
        both.map((server) => [server, 'shop'] as const),
        [three],
      )
      await compare(t, here, there, watched)
    })
    await withIll(hosts, async () => {
      await settle(
        both.map((server) => [server, 'sets'] as const),
        hosts,
      )
      // Any of them, though one of those that are up would be all of them.
      for (const server of both) {
        await eventually(async () => (await ask(server, full('shop'))).answers.length === 1 || undefined)
        await eachIs(t, server, 'shop', hosts, 1)
      }
      await compare(t, here, there, plain)
    })
  })
  await t.test('a door is closed', async (t) => {
    doors[1]!.close()
    await settle(
      both.map((server) => [server, 'door'] as const),
      [one],
    )
    await compare(t, here, there, watched)
    doors[0]!.close()
    await settle(
      both.map((server) => [server, 'door'] as const),
      [one, two],
    )
    await compare(t, here, there, watched)
    for (const [index, door] of doors.slice(0, 2).entries())
      await once(door.listen(doorPort, hosts[index]), 'listening')
  })
})

/** Who gets what of the names that are chosen by place, by the rules of Route 53; gdnsd has no such maps beside it. */
const byPlace: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  geo: {
    '10.10.1.0/24': [one],
    '10.11.1.0/24': [two],
    '10.20.1.0/24': ['192.0.2.9'],
    '10.21.1.0/24': [three],
    '10.99.1.0/24': ['192.0.2.9'],
  },
  some: { '10.10.1.0/24': ['192.0.2.10'], '10.20.1.0/24': [], '10.99.1.0/24': [] },
  fast: { '10.10.1.0/24': ['192.0.2.11'], '10.20.1.0/24': ['192.0.2.12'] },
  close: { '10.10.1.0/24': ['192.0.2.13'], '10.20.1.0/24': ['192.0.2.14'] },
}

t.test('Route 53, with gdnsd for its stand-in', { skip: missingPrograms('gdnsd') }, async (t) => {
  const gdnsd = await startGdnsd()
  t.teardown(() => gdnsd.program.stop())
  const own = await mkdtemp(join(folder, 'r-'))
  const files = ['zone.json', 'checks.json'].map((name) => join(own, name))
  for (const file of files) {
    const source = await readFile(join(configurations, 'route53', file.slice(own.length + 1)), 'utf8')
    await writeFile(file, source.replaceAll('8080', String(pagePort)))
  }
  const daemon = await startConverted(t, ['route53', ...files])
  const [here, there] = [daemon.dns, gdnsd.dns]
  const both = [here, there]
  const alike: Question[] = [
    ...['shop', 'db', 'mail', 'nobody'].map((name) => ({ name })),
    { name: 'www', there: 'shop' },
    { name: '@', there: 'mail' },
    { name: '@', type: 'MX' },
    { name: 'shop', type: 'AAAA' },
  ]
  const clientsGet = async (t: Test, name: string, expected: Readonly<Record<string, readonly string[]>>) => {
    for (const [client, answers] of Object.entries(expected)) {
      await eventually(
        async () => (await askFor(here, full(name), client)).answers.join() === answers.join() || undefined,
      )
      t.pass(`${name} for ${client}: ${answers}`)
    }
  }
  await t.test('all up', async (t) => {
    await settle(
      both.map((server) => [server, 'shop'] as const),
      hosts,
    )
    await compare(t, here, there, alike)
    await compareShares(t, both, 'mixed', { [one]: 60, [two]: 30, [three]: 10 })
    await compareShares(t, both, 'cdn', { 'left.cdn.test': 3, 'right.cdn.test': 1 })
    for (const [name, expected] of Object.entries(byPlace)) await clientsGet(t, name, expected)
    t.same((await ask(here, 'x.any.example.test')).answers, ['192.0.2.30'], 'a wildcard')
    t.same((await ask(here, full('db'), 'AAAA')).answers, ['2001:db8::2'])
  })
  await t.test('one fails', async (t) => {
    await withIll([two], async () => {
      await settle(
        both.map((server) => [server, 'shop'] as const),
        [one, three],
      )
      await compare(t, here, there, alike)
      await compareShares(t, both, 'mixed', { [one]: 60, [three]: 10 })
      await eventually(async () =>
        (await ask(here, full('db'), 'AAAA')).answers.join() === '2001:db8::3' ? true : undefined,
      )
      t.pass('the other family goes by its own checks')
      await clientsGet(t, 'geo', { '10.11.1.0/24': [one], '10.10.1.0/24': [one] })
    })
  })
  await t.test('all fail', async (t) => {
    await withIll(hosts, async () => {
      for (const name of ['backup', 'backup1', 'backup2']) await settle([[there, name]], ['sorry.cdn.test'])
      await clientsGet(t, 'geo', { '10.10.1.0/24': ['192.0.2.9'], '10.11.1.0/24': ['192.0.2.9'] })
      await compare(t, here, there, alike)
      await compareShares(t, both, 'mixed', { [one]: 60, [two]: 30, [three]: 10 })
    })
  })
})
