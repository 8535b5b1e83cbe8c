/**
 * The programs that people ask a server with: dig, kdig, delv and drill each ask the daemon over UDP and TCP, IPv4 and
 * IPv6, and what they print is what is in the zone. Unbound resolves through it each of these ways; how it is set up in
 * production is in `resolvers.test.ts`. That a question came the way that it was meant to is read from the metrics.
 */
import { execFile } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { put } from '../e2e/fixture.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { findProgram, missingPrograms, startProgram } from '../support/program.ts'

const run = promisify(execFile)

interface Way {
  readonly transport: 'udp' | 'tcp'
  readonly family: 'ipv4' | 'ipv6'
  readonly host: string
  readonly port: string
}

interface Client {
  readonly program: string
  /** Words that make it ask one way. */
  words(way: Way): string[]
  /** Whether it goes over to TCP by itself when the response is truncated. */
  readonly goesOverToTcp: boolean
  /** How it prints that the answer is authoritative. */
  readonly authoritative: RegExp
}

const server = ({ host, port }: Way) => [`@${host}`, '-p', port]
const clients: readonly Client[] = [
  {
    program: 'dig',
    words: (way) => [...server(way), '+tries=1', '+time=60', ...(way.transport === 'tcp' ? ['+tcp'] : [])],
    goesOverToTcp: true,
    authoritative: /flags: qr aa rd;/,
  },
  {
    program: 'kdig',
    words: (way) => [...server(way), '+retry=0', '+time=60', ...(way.transport === 'tcp' ? ['+tcp'] : [])],
    goesOverToTcp: true,
    authoritative: /Flags: qr aa rd;/,
  },
  {
    program: 'delv',
    // It is a resolver of its own, which asks for signatures, and here is told not to insist on them.
    words: (way) => [...server(way), '-i', ...(way.transport === 'tcp' ? ['+tcp'] : [])],
    goesOverToTcp: true,
    authoritative: /^; authoritative$/m,
  },
  {
    program: 'drill',
    words: ({ host, port, transport }) => ['-p', port, ...(transport === 'tcp' ? ['-t'] : []), `@${host}`],
    goesOverToTcp: false,
    authoritative: /flags: qr aa rd ;/,
  },
]

const chain = [
  'alias.example.test. 300 IN CNAME www.example.test.',
  'www.example.test. 30 IN A 192.0.2.1',
] as const
const longTexts = 30
const negativeSoa = /SOA ns1\.example\.test\. hostmaster\.example\.test\. /

let daemon: DaemonProcess
let ways: readonly Way[]

t.before(async () => {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const hosts = addresses.some(({ address }) => address === '::1') ? ['127.0.0.1', '[::1]'] : ['127.0.0.1']
  daemon = await startDaemonProcess({
    env: { POOLDNS_DNS_LISTEN: hosts.map((host) => `${host}:0`).join(','), POOLDNS_IDENTITY: 'node-1' },
  })
  await configure()
  ways = (daemon.ready.dns as string[]).flatMap((bound) => {
    const colon = bound.lastIndexOf(':')
    const host = bound.slice(0, colon).replace(/[[\]]/g, '')
    const family = host.includes(':') ? 'ipv6' : 'ipv4'
    const port = bound.slice(colon + 1)
    return (['udp', 'tcp'] as const).map((transport): Way => ({ transport, family, host, port }))
  })
})
t.teardown(() => daemon.stop())

for (const client of clients) {
  t.test(client.program, { skip: missingPrograms(client.program) }, async (t) => {
    for (const way of ways) {
      await t.test(`${way.transport} over ${way.family}`, async (t) => {
        const before = await asked(way)
        await askEach(t, client, way)
        t.ok((await asked(way)) >= before + 3, 'it has come this way')
      })
    }
  })
}

async function askEach(t: Test, client: Client, way: Way): Promise<void> {
  const ask = async (name: string, type: string) =>
    (await run(findProgram(client.program)!, [...client.words(way), name, type])).stdout
  const answer = await ask('alias.example.test', 'A')
  t.same(recordsIn(answer), chain)
  t.match(answer, client.authoritative)

  const none = await ask('none.example.test', 'A')
  t.match(none, /NXDOMAIN/)
  t.match(none.replace(/\s+/g, ' '), negativeSoa)

  const long = await ask('long.example.test', 'TXT')
  if (way.transport === 'tcp' || client.goesOverToTcp) t.equal(recordsIn(long).length, longTexts)
  else t.match(long, /truncated/)
}

/** The RRs that a program prints: what is no comment, with single spaces. */
function recordsIn(output: string): string[] {
  const lines = output.split('\n').map((line) => line.trim().replace(/\s+/g, ' '))
  return lines.filter((line) => line !== '' && !line.startsWith(';'))
}

t.test('options that kdig understands', { skip: missingPrograms('kdig') }, async (t) => {
  const [way] = ways
  const words = ['+nsid', '+cookie', '+subnet=198.51.100.0/24', 'alias.example.test', 'A']
  const { stdout } = await run(findProgram('kdig')!, [...server(way!), ...words])
  t.match(stdout, /NSID: \w+ "node-1"/)
  t.match(stdout, /CLIENT-SUBNET: 198\.51\.100\.0\/24\/0/)
  t.match(stdout, /COOKIE: [0-9A-F]{48}/i)
})

t.test('unbound gets answers by every transport', { skip: missingPrograms('unbound') }, async (t) => {
  for (const way of ways) {
    await t.test(`${way.transport} over ${way.family}`, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'pooldns-unbound-'))
      t.teardown(() => rm(folder, { recursive: true, force: true }))
      const port = await freePort()
      const file = join(folder, 'unbound.conf')
      await writeFile(file, unboundConfiguration(folder, port, way))
      const before = await asked(way)
      await using unbound = startProgram('unbound', ['-d', '-c', file])
      await unbound.said(/start of service/)
      const resolver = new Resolver({ timeout: 60_000, tries: 3 })
      resolver.setServers([`127.0.0.1:${port}`])
      t.same(await resolver.resolve4('alias.example.test'), ['192.0.2.1'])
      t.equal((await resolver.resolveTxt('long.example.test')).length, longTexts)
      await t.rejects(resolver.resolve4('none.example.test'), { code: 'ENOTFOUND' })
      t.ok((await asked(way)) >= before + 3, 'it has come this way')
    })
  }
})

function unboundConfiguration(
  folder: string,
  port: number,
  { transport, family, host, port: to }: Way,
): string {
  return `server:
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  interface: 127.0.0.1@${port}
  port: ${port}
  do-ip4: yes
  do-ip6: ${family === 'ipv6' ? 'yes' : 'no'}
  tcp-upstream: ${transport === 'tcp' ? 'yes' : 'no'}
  do-not-query-localhost: no
  local-zone: "test." nodefault
  module-config: "iterator"
stub-zone:
  name: "example.test"
  stub-addr: "${host}@${to}"
remote-control:
  control-enable: no
`
}

/** Questions that have come one way so far. */
async function asked({ transport, family }: Way): Promise<number> {
  const text = await (await daemon.request('/metrics')).text()
  const counts = text.matchAll(/^pooldns_dns_queries_total\{([^}]*)\} (\d+)$/gm)
  return [...counts]
    .filter(([, labels]) => labels!.includes(`"${transport}"`) && labels!.includes(`"${family}"`))
    .reduce((sum, [, , count]) => sum + Number(count), 0)
}

async function configure(): Promise<void> {
  const text = 'x'.repeat(100)
  await put(daemon, '/v1/zones/example.test', {
    soa: { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' },
    rrsets: [
      { name: '@', type: 'NS', data: ['ns1.example.test.'] },
      { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
      { name: 'alias', type: 'CNAME', data: ['www.example.test.'] },
      { name: 'long', type: 'TXT', data: Array.from({ length: longTexts }, (_, i) => `"${text}${i}"`) },
    ],
  })
  await put(daemon, '/v1/pools/web', { members: { one: { address: '192.0.2.1' } } })
  await put(daemon, '/v1/services/www.example.test', { pools: ['web'] })
}
