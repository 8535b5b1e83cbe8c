/** What a plan says of the questions that clients have asked, and what they are answered once it is applied. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { stringify } from 'yaml'
import type { ReplayView } from '../../src/controlplane/apply/replay/replay-view.ts'
import { subnetQuery } from '../dataplane/answer/client-subnet.ts'
import { type DaemonProcess, main, node, startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, TcpClient, UdpClient } from '../support/dns-client.ts'
import { mmdbFile } from '../support/mmdb-writer.ts'
import { type ProcessName, processOf } from '../support/processes.ts'
import { ask } from './ask.ts'
import { eventually } from './fixture.ts'

const folder = await mkdtemp(join(tmpdir(), 'pooldns-e2e-replay-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const places = join(folder, 'places.mmdb')
await writeFile(
  places,
  mmdbFile([
    ['10.1.0.0/16', { country: { iso_code: 'DE' } }],
    ['10.2.0.0/16', { country: { iso_code: 'US' } }],
    ['2001:db8:1::/48', { country: { iso_code: 'FR' } }],
  ]),
)

const soa = { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' }
interface Given {
  readonly eu?: number
  readonly geo?: Record<string, readonly string[]>
  readonly rrsets?: readonly object[]
  readonly services?: Record<string, unknown>
  readonly zones?: Record<string, unknown>
}
const geoService = (country: NonNullable<Given['geo']>) => ({
  steer: 'geo',
  pools: ['us', 'eu'],
  geo: { country, default: ['us'] },
})
const staticRrsets = [
  { name: 'old', type: 'A', data: ['192.0.2.50'] },
  { name: 'mail', type: 'MX', data: ['10 mx1', '20 mx2'] },
  { name: 'kept', type: 'A', data: ['192.0.2.51'] },
  { name: 'kept', type: 'TXT', data: ['x'] },
]
const documentOf = ({ eu = 50, geo, rrsets = staticRrsets, services = {}, zones = {} }: Given) => ({
  pools: {
    eu: { members: { a: { address: '192.0.2.1' }, b: { address: '2001:db8::1' } } },
    us: { members: { a: { address: '192.0.2.2' }, b: { address: '2001:db8::2' } } },
  },
  services: {
    'www.example.test': {
      steer: 'weighted',
      pools: [
        { pool: 'eu', weight: eu },
        { pool: 'us', weight: 50 },
      ],
    },
    ...(geo === undefined ? {} : { 'geo.example.test': geoService(geo) }),
    ...services,
  },
  zones: {
    'example.test': { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }, ...rrsets] },
    ...zones,
  },
})

async function pooldns(daemon: DaemonProcess, args: readonly string[], document: object) {
  const child = spawn(node, [main, ...args, '-f', '-'], {
    env: {
      ...process.env,
      XDG_CONFIG_HOME: folder,
      POOLDNS_SERVER: daemon.http,
      POOLDNS_TOKEN: daemon.token,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(stringify(document))
  const code = new Promise((resolve) => child.once('close', resolve))
  return { stdout: await text(child.stdout), stderr: await text(child.stderr), code: await code }
}

async function replayOf(daemon: DaemonProcess, document: object, prune = true): Promise<ReplayView> {
  const path = `/v1/config?dryRun=true&replay=true&prune=${prune}`
  const response = await daemon.request(path, { method: 'PUT', json: document })
  const plan = (await response.json()) as { replay: ReplayView }
  if (!response.ok) throw new Error(JSON.stringify(plan))
  return plan.replay
}

async function apply(daemon: DaemonProcess, document: object): Promise<void> {
  const response = await daemon.request('/v1/config?prune=true', { method: 'PUT', json: document })
  if (!response.ok) throw new Error(await response.text())
}

/** Asks so often, each time as a client of another network, and counts what is answered. */
async function answersTo(
  daemon: DaemonProcess,
  name: string,
  count: number,
  networkOf = (index: number) => `10.${1 + (index % 2)}.${(index >> 1) % 200}.0`,
): Promise<Map<string, number>> {
  await using client = await UdpClient.open(daemon.dns)
  const counts = new Map<string, number>()
  for (let index = 0; index < count; index++) {
    const request = subnetQuery(name, 'A', networkOf(index), 24)
    const { answer } = readResponse(await client.exchange(request))
    const address = answer.at(-1)?.split(' ').at(-1) ?? ''
    counts.set(address, (counts.get(address) ?? 0) + 1)
  }
  return counts
}

for (const udpBackend of ['batch', 'dgram']) {
  t.test(`shares are those that are measured afterwards: ${udpBackend}`, async (t) => {
    const env = { POOLDNS_UDP_BACKEND: udpBackend, POOLDNS_WORKERS: '2' }
    await using daemon = await startDaemonProcess({ env })
    await apply(daemon, documentOf({}))
    const next = documentOf({ eu: 10 })
    t.match(await replayOf(daemon, next), {
      sample: { questions: 0, standsFor: 0, overSeconds: null, enough: false },
    })
    t.match(await pooldns(daemon, ['plan', '--replay'], next), {
      code: 3,
      stdout: /replay: the sample holds no question, so nothing can be said\n/,
    })
    const before = await answersTo(daemon, 'www.example.test', 2000)
    const {
      sample,
      services: [service, ...others],
      changes,
      countries,
    } = await replayOf(daemon, next)
    t.match(sample, { enough: true, overTcp: 0, overSeconds: Number })
    t.ok(Math.abs(sample.standsFor - 2000) < 100, `it stands for ${sample.standsFor}`)
    t.equal(sample.questions, sample.held)
    t.ok(sample.questions > 300 && sample.questions <= 2000, `${sample.questions} questions`)
    t.match(service, {
      service: 'www.example.test',
      share: 1,
      pools: [
        { pool: 'eu', before: 0.5, after: 0.1667 },
        { pool: 'us', before: 0.5, after: 0.8333 },
      ],
      moves: [{ from: 'eu', to: 'us', share: 0.3333 }],
      countries: [],
    })
    t.match(changes, { otherRcode: 0, otherData: 0, otherPool: 0.3333 })
    t.same([others, countries], [[], null])
    t.ok(Math.abs(before.get('192.0.2.1')! / 2000 - 0.5) < 0.05)

    await apply(daemon, next)
    const count = 10_000
    const after = await answersTo(daemon, 'www.example.test', count)
    for (const [pool, address] of [
      ['eu', '192.0.2.1'],
      ['us', '192.0.2.2'],
    ] as const) {
      const measured = after.get(address)! / count
      const predicted = service!.pools.find((each) => each.pool === pool)!.after
      t.ok(Math.abs(measured - predicted) < 0.02, `${pool}: ${measured} measured, ${predicted} predicted`)
    }
  })
}

t.test('by service, country, zone and name, over UDP and TCP', async (t) => {
  await using daemon = await startDaemonProcess({ env: { POOLDNS_LOCATION_DATABASES: places } })
  await apply(daemon, documentOf({ geo: { DE: ['eu'] } }))
  for (const [name, count] of [
    // One socket asks one worker, and a worker keeps 496 of a minute: all of them together are fewer.
    ['geo', 280],
    ['old', 60],
    ['mail', 40],
    ['kept', 60],
    ['later', 40],
  ] as const)
    await answersTo(daemon, `${name}.example.test`, count)
  const tcp = await TcpClient.open(daemon.dns)
  for (const [name, type] of [
    ['mail.example.test', 'MX'],
    ['x.sub.example.test', 'A'],
    ['kept.example.test', 'TXT'],
  ] as const)
    for (let i = 0; i < 20; i++) await tcp.exchange(query(name, type))
  tcp[Symbol.dispose]()
  const next = documentOf({
    // Those of Germany go to us, those of the United States to eu.
    geo: { US: ['eu'] },
    rrsets: [
      { name: 'mail', type: 'MX', data: ['20 mx2', '10 MX1'], ttl: '5s' },
      { name: 'kept', type: 'A', data: ['192.0.2.52'] },
    ],
    services: { 'later.example.test': { pools: ['eu'] } },
    zones: {
      'sub.example.test': {
        soa,
        rrsets: [
          { name: '@', type: 'NS', data: ['ns1'] },
          { name: 'x', type: 'A', data: ['192.0.2.9'] },
        ],
      },
    },
  })
  const { sample, services, changes, zones, names, countries } = await replayOf(daemon, next)
  t.match(sample, { questions: 540, standsFor: 540, overTcp: 0.1111 })
  const round = (part: number) => Math.round((part / 540) * 10_000) / 10_000
  const geo = services.find(({ service }) => service === 'geo.example.test')!
  t.match(geo, {
    questions: 280,
    share: round(280),
    pools: [
      { pool: 'eu', before: 0.5, after: 0.5 },
      { pool: 'us', before: 0.5, after: 0.5 },
    ],
  })
  t.same(geo.countries.map(({ country, moves }) => [country, moves]).sort(), [
    ['DE', [{ from: 'eu', to: 'us', share: 1 }]],
    ['US', [{ from: 'us', to: 'eu', share: 1 }]],
  ])
  t.match(
    services.find(({ service }) => service === 'later.example.test'),
    {
      pools: [
        { pool: null, before: 1, after: 0 },
        { pool: 'eu', before: 0, after: 1 },
      ],
    },
  )
  t.same(
    names.map(({ name, type, before, after, share }) => `${name} ${type} ${before} ${after} ${share}`).sort(),
    [
      `kept.example.test A NOERROR NOERROR ${round(60)}`,
      `kept.example.test TXT NOERROR NODATA ${round(20)}`,
      `later.example.test A NXDOMAIN NOERROR ${round(40)}`,
      `old.example.test A NOERROR NXDOMAIN ${round(60)}`,
      `x.sub.example.test A NXDOMAIN NOERROR ${round(20)}`,
    ].sort(),
    'and the MX, of which the case, the order and the TTL alone are others, is not among them',
  )
  t.match(changes, { otherRcode: round(120), otherData: round(80) })
  const inZone = (apex: string) => zones.find(({ zone }) => zone === apex)
  t.match(inZone('sub.example.test'), { share: round(20), otherRcode: 1, otherData: 0 })
  t.match(inZone('example.test'), { share: round(520) })
  t.ok(
    countries!.some(({ country }) => country === 'DE') && countries!.some(({ country }) => country === null),
  )

  const told = await pooldns(daemon, ['apply', '--dry-run', '--replay', '--prune'], next)
  t.equal(told.code, 3, told.stderr)
  for (const line of [
    /^replayed 540 questions of the last \d.*$/m,
    / {2}50 % of the questions for geo\.example\.test move from eu to us\n/,
    / {4}DE: 100 % from eu to us\n/,
    / {2}zone sub\.example\.test: 100 % get another rcode, 0 % other data\n/,
    / {4}old\.example\.test A: NOERROR -> NXDOMAIN \(11\.1 % of all questions\)\n/,
  ])
    t.match(told.stdout, line)
  const markdown = await pooldns(daemon, ['plan', '--replay', '--prune', '--markdown'], next)
  t.match(markdown.stdout, /\*\*replayed 540 questions .*\*\*\n\n- .*\n/)
  t.match(markdown.stdout, /\n {2}- old\.example\.test A: NOERROR -> NXDOMAIN/)
  t.match(JSON.parse((await pooldns(daemon, ['plan', '--replay', '--prune', '--json'], next)).stdout), {
    replay: { sample: { questions: 540 } },
  })

  await apply(daemon, next)
  t.equal((await ask(daemon.dns, 'old.example.test')).rcode, 'NXDOMAIN')
  t.same((await ask(daemon.dns, 'later.example.test')).answers, ['192.0.2.1'])
  t.same((await ask(daemon.dns, 'x.sub.example.test')).answers, ['192.0.2.9'])
  // The way back, on the same questions.
  const back = await daemon.request('/v1/revisions/1/rollback?dryRun=true&replay=true', { method: 'POST' })
  const { replay } = (await back.json()) as { replay: ReplayView }
  t.ok(
    replay.names.some(
      ({ name, before, after }) => `${name} ${before} ${after}` === 'old.example.test NXDOMAIN NOERROR',
    ),
  )
  t.ok(replay.names.some(({ name, after }) => `${name} ${after}` === 'x.sub.example.test NXDOMAIN'))
})

t.test('what can not be replayed is said, and who may not', async (t) => {
  await using daemon = await startDaemonProcess({ env: { POOLDNS_SAMPLE: 'off' } })
  await apply(daemon, documentOf({}))
  await answersTo(daemon, 'www.example.test', 5)
  const next = documentOf({ eu: 10 })
  t.match(await pooldns(daemon, ['plan', '--replay'], next), { code: 1, stderr: /POOLDNS_SAMPLE is off/ })
  t.match(await pooldns(daemon, ['plan'], next), { code: 3 })
  t.match(await pooldns(daemon, ['apply', '--replay'], next), { code: 2, stderr: /--dry-run/ })
  t.match(await pooldns(daemon, ['plan', '--replay', '--database'], next), {
    code: 2,
    stderr: /needs a server/,
  })
  const put = async (path: string, token = daemon.token) => {
    const headers = { authorization: `Bearer ${token}` }
    return (await daemon.request(path, { method: 'PUT', json: next, headers })).status
  }
  t.equal(await put('/v1/config?replay=true'), 400)
  const made = await daemon.request('/v1/tokens', {
    method: 'POST',
    json: { name: 'reader', scopes: ['read'] },
  })
  const { secret } = (await made.json()) as { secret: string }
  t.equal(await put('/v1/config?dryRun=true&replay=true', secret), 403)
})

t.test('the sample outlives the control plane, and ends with the data plane', async (t) => {
  await using daemon = await startDaemonProcess()
  const next = documentOf({ eu: 10 })
  await apply(daemon, documentOf({}))
  await answersTo(daemon, 'www.example.test', 200)
  const again = async (which: ProcessName) => {
    const from = daemon.lines.length
    process.kill(processOf(daemon, which), 'SIGKILL')
    if (which === 'control') await daemon.line(({ msg }) => msg === 'ready', { from })
    return eventually(async () => {
      // Nobody is there to be asked for a moment.
      const replay = await replayOf(daemon, next).catch(() => undefined)
      return which === 'data' && replay?.sample.questions === 200 ? undefined : replay
    })
  }
  t.match(await again('control'), { sample: { questions: 200 } })
  t.match(await again('data'), { sample: { questions: 0 } })
})
