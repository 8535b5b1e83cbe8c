/**
 * Resolvers that tell where their clients are (EDNS client subnet, RFC 7871) and keep answers by that: unbound with its
 * subnetcache module, and dnsdist. Clients of two networks get the answers that are for them, and what is cached for one is
 * never given to the other.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { put, soa } from '../e2e/fixture.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { freePort } from '../support/free-port.ts'
import { missingPrograms, startProgram } from '../support/program.ts'

const name = 'www.example.test'
const [eu, us] = ['192.0.2.1', '198.51.100.1']

const unbound = (port: number, dns: number) => `server:
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  num-threads: 1
  interface: 127.0.0.1@${port}
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  local-zone: "test." nodefault
  module-config: "subnetcache iterator"
  send-client-subnet: 127.0.0.1
  client-subnet-always-forward: yes
remote-control:
  control-enable: no
stub-zone:
  name: "example.test"
  stub-addr: 127.0.0.1@${dns}
`

const dnsdist = (port: number, dns: number) => `
setLocal("127.0.0.1:${port}")
setECSSourcePrefixV4(24)
newServer({address = "127.0.0.1:${dns}", useClientSubnet = true, checkName = "example.test.", checkInterval = 60})
getPool(""):setCache(newPacketCache(1000, {parseECS = true}))
`

/** Clients in 127.1.0.0/16 are Europe's; all others, America's. */
async function startServing(t: Test): Promise<DaemonProcess> {
  const daemon = await startDaemonProcess()
  t.teardown(() => daemon.stop())
  await put(daemon, '/v1/zones/example.test', {
    soa,
    rrsets: [
      { name: '@', type: 'NS', data: ['ns1'] },
      { name: 'ns1', type: 'A', data: ['127.0.0.1'] },
    ],
  })
  await put(daemon, '/v1/pools/eu', { members: { one: { address: eu } } })
  await put(daemon, '/v1/pools/us', { members: { one: { address: us } } })
  await put(daemon, `/v1/services/${name}`, {
    ttl: 300,
    steer: 'geo',
    pools: ['eu', 'us'],
    geo: { cidr: { '127.1.0.0/16': ['eu'] }, default: ['us'] },
  })
  return daemon
}

/** How often the service was answered by the daemon itself. */
async function asked(daemon: DaemonProcess): Promise<number> {
  const text = await (await fetch(`${daemon.http}/metrics`)).text()
  const counts = text.matchAll(/^pooldns_service_answers_total\{service="www\.example\.test",.*\} (\d+)$/gm)
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}

/** What a client at an address of this host gets, and whether it came from the cache. */
async function get(daemon: DaemonProcess, port: number, from: string) {
  const before = await asked(daemon)
  await using client = await UdpClient.open({ host: '127.0.0.1', port }, from)
  const { answer } = readResponse(await client.insist(query(name, 'A'), 2000))
  return {
    answers: answer.map((line) => line.split(' ').at(-1)!),
    cached: (await asked(daemon)) === before,
  }
}

async function configFile(t: Test, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-subnet-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'config')
  await writeFile(file, text)
  return file
}

t.test('behind unbound with subnetcache', { skip: missingPrograms('unbound') }, async (t) => {
  const daemon = await startServing(t)
  const port = await freePort()
  const file = await configFile(t, unbound(port, daemon.dns.port))
  await using program = startProgram('unbound', ['-d', '-c', file])
  await program.said(/start of service/)
  t.same(await get(daemon, port, '127.1.7.1'), { answers: [eu], cached: false })
  t.same(await get(daemon, port, '127.1.7.9'), { answers: [eu], cached: true }, 'the same network')
  t.same(await get(daemon, port, '127.1.200.1'), { answers: [eu], cached: true }, 'within the scope')
  t.same(await get(daemon, port, '127.2.7.1'), { answers: [us], cached: false }, 'another network')
  t.same(await get(daemon, port, '127.3.7.1'), { answers: [us], cached: true }, 'within its scope')
  t.same(await get(daemon, port, '127.1.9.1'), { answers: [eu], cached: true })
})

t.test('dnsdist caches answers for one network', { skip: missingPrograms('dnsdist') }, async (t) => {
  const daemon = await startServing(t)
  const port = await freePort()
  const file = await configFile(t, dnsdist(port, daemon.dns.port))
  await using program = startProgram('dnsdist', ['--supervised', '--disable-syslog', '-C', file])
  await program.said(/Marking downstream .* as 'up'/)
  t.same(await get(daemon, port, '127.1.7.1'), { answers: [eu], cached: false })
  t.same(await get(daemon, port, '127.1.7.9'), { answers: [eu], cached: true }, 'the same network')
  t.same(await get(daemon, port, '127.2.7.1'), { answers: [us], cached: false }, 'another network')
  t.same(await get(daemon, port, '127.2.7.9'), { answers: [us], cached: true })
  t.same(await get(daemon, port, '127.1.7.5'), { answers: [eu], cached: true })
})
