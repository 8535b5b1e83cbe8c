/**
 * A signed zone with every kind of content and of service, judged by zonemaster, as registries judge zones: from a root on, in a network of
 * their own, where a second server is the root and has the DS. For both algorithms and both ways to deny. Nothing is as bad as a warning that
 * this server could mend; a changed octet of a signature is found, and so is another DS at the parent.
 */
import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { startNameServerNetwork } from '../support/name-server-network.ts'
import { withoutNamespaces } from '../support/namespace.ts'
import { missingPrograms, startProgram } from '../support/program.ts'
import { rrsets } from './dnssec-fixture.ts'
import { put, soa } from './fixture.ts'
import { pools } from './signed-services.ts'
import { apex, full } from './validators.ts'

const execute = promisify(execFile)
const skip = missingPrograms('zonemaster-cli') || (await withoutNamespaces())

/** Public addresses: zonemaster finds fault with others. */
const root = ['9.9.1.1', '2620:fe:1::1']
/** What is asked by this one has another octet in its first signature. */
const changing = '9.9.4.1'
const servers = { ns1: ['9.9.2.1', '2620:fe:2::1'], ns2: ['9.9.3.1', '2620:fe:3::1'] }

/** All but what is no matter of the server: names for addresses, and whose networks they are of, which nobody here can say. */
const tests = [
  'address/address01',
  'connectivity/connectivity01',
  'connectivity/connectivity02',
  'consistency',
  'delegation',
  'dnssec',
  'nameserver',
  'syntax',
  'zone',
]

interface Found {
  readonly level: string
  readonly tag: string
  readonly testcase: string
  readonly args: object
}

const bad = ['WARNING', 'ERROR', 'CRITICAL']

interface World {
  readonly through: readonly string[]
  readonly hints: string
}

/**
 * @param only the tests that are run
 * @param undelegated arguments that take the place of what the parent says
 */
async function found(
  { through, hints }: World,
  only: readonly string[] = tests,
  undelegated: readonly string[] = [],
): Promise<Found[]> {
  const [program, ...args] = [
    ...through,
    'zonemaster-cli',
    '--json',
    '--level',
    'INFO',
    '--no-progress',
    '--hints',
    hints,
  ]
  const chosen = only.flatMap((name) => ['--test', name])
  const { stdout } = await execute(program!, [...args, ...chosen, ...undelegated, apex], {
    maxBuffer: 1 << 24,
  })
  const said = JSON.parse(stdout) as Found[] | { readonly results: Found[] }
  return 'results' in said ? said.results : said
}

async function setUp(t: Test) {
  const folder = await temporaryDataFolder('pooldns-zonemaster-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const network = await startNameServerNetwork([...root, changing, ...Object.values(servers).flat()])
  t.teardown(() => network[Symbol.asyncDispose]())
  const start = async (addresses: readonly string[], port: number) => {
    const dns = addresses.map((address) => `${address.includes(':') ? `[${address}]` : address}:53`).join(',')
    const env = {
      POOLDNS_DNS_LISTEN: dns,
      POOLDNS_HTTP_LISTEN: `${network.address}:${port}`,
      POOLDNS_WORKERS: '1',
    }
    const daemon = await startDaemonProcess({ env, through: network.through })
    t.teardown(() => daemon.stop())
    return daemon
  }
  const [above, daemon] = await Promise.all([start(root, 3001), start(Object.values(servers).flat(), 3002)])
  const addressesOf = (name: string, [v4, v6]: readonly string[]) => [
    { name, type: 'A', data: [v4] },
    { name, type: 'AAAA', data: [v6] },
  ]
  const glue = Object.entries(servers).flatMap(([name, addresses]) => addressesOf(full(name), addresses))
  const ns = Object.keys(servers)
  await put(above, '/v1/zones/@', {
    soa: { mname: 'a.root.', rname: 'hostmaster.root.' },
    rrsets: [
      { name: '@', type: 'NS', data: ['a.root.'] },
      ...addressesOf('a.root', root),
      { name: apex, type: 'NS', data: ns.map((name) => `${full(name)}.`) },
      ...glue,
    ],
  })
  const kept = rrsets.filter(
    ({ name, type }) => name !== 'ns1' && name !== 'alias' && !(name === '@' && type === 'NS'),
  )
  await put(daemon, `/v1/zones/${apex}`, {
    soa: { ...soa, refresh: '4h', retry: '1h', expire: '14d', minimum: '1h' },
    ttl: '1h',
    rrsets: [
      ...kept,
      { name: '@', type: 'NS', data: ns },
      { name: '@', type: 'TXT', data: ['"v=spf1 -all"'] },
      { name: 'mail', type: 'A', data: ['9.9.2.25'] },
      ...Object.entries(servers).flatMap(([name, addresses]) => addressesOf(name, addresses)),
      { name: 'target1', type: 'A', data: ['9.9.2.31'] },
      { name: 'target2', type: 'A', data: ['9.9.2.32'] },
    ],
  })
  for (const [name, pool] of Object.entries(pools)) {
    const called = name === '@' ? 'apex' : name
    await put(daemon, `/v1/pools/${called}`, pool)
    await put(daemon, `/v1/services/${full(name)}`, { pools: [called], ttl: 20 })
  }
  const hints = join(folder, 'hints')
  await writeFile(hints, `. 3600 NS a.root.\na.root. 3600 A ${root[0]}\na.root. 3600 AAAA ${root[1]}\n`)
  return { above, daemon, through: network.through, hints }
}

const path = `/v1/zones/${apex}/dnssec`

/** Has the zone signed, and the parent know of it. */
async function sign(above: DaemonProcess, daemon: DaemonProcess, dnssec: object): Promise<void> {
  const response = await daemon.request(path, { method: 'PATCH', json: { enabled: true, ...dnssec } })
  if (!response.ok) throw new Error(await response.text())
  await put(above, `/v1/zones/@/rrsets/${apex}/DS`, { ttl: '1h', data: await dsOf(daemon) })
}

/** What the parent is to have. */
async function dsOf(daemon: DaemonProcess): Promise<string[]> {
  const { status } = (await (await daemon.request(path)).json()) as {
    status: { keys: { ds: string; atParent: boolean }[] }
  }
  return status.keys.filter(({ atParent }) => atParent).map(({ ds }) => ds)
}

t.test('zonemaster finds nothing to say', { skip }, async (t) => {
  const world = await setUp(t)
  const { above, daemon } = world
  for (const algorithm of [13, 15]) {
    if (algorithm === 15) await daemon.request(`${path}?force=true`, { method: 'DELETE' })
    for (const denial of ['nsec', 'nsec3']) {
      await sign(above, daemon, { algorithm, denial })
      const all = await found(world, denial === 'nsec3' ? ['dnssec'] : tests)
      const tags = all.map(({ tag }) => tag)
      for (const tag of ['ALGORITHM_OK', `DS10_HAS_${denial.toUpperCase()}`, 'DS15_HAS_CDS_AND_CDNSKEY'])
        t.ok(tags.includes(tag), `it looked: ${tag}`)
      t.same(
        all.filter(({ level }) => bad.includes(level)),
        [],
        `algorithm ${algorithm}, ${denial}`,
      )
    }
  }
  const entry = fileURLToPath(new URL('forwarder-entry.ts', import.meta.url))
  const [ip, ...inside] = world.through
  await using forwarder = startProgram(ip!, [...inside, process.execPath, entry, changing, servers.ns1[0]!])
  await forwarder.said(/started/)
  const errors = async (address: string) => {
    const ds = (await dsOf(daemon))[0]!.split(' ').join(',')
    const parent = ['--ns', `${full('ns1')}/${address}`, '--ds', ds]
    return (await found(world, ['dnssec'], parent)).filter(({ level }) => level === 'ERROR')
  }
  t.same(await errors(servers.ns1[0]!), [])
  t.ok((await errors(changing)).length > 0, 'a changed octet')
  const wrong = `1 13 2 ${'AB'.repeat(32)}`
  await put(above, `/v1/zones/@/rrsets/${apex}/DS`, { ttl: '1h', data: [wrong] })
  const said = await found(world, ['dnssec'])
  t.ok(
    said.some(({ level }) => level === 'ERROR'),
    `with another DS: ${said.map(({ tag }) => tag)}`,
  )
})
