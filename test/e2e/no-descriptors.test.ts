/**
 * A daemon that may open nothing any more, for some time: prlimit takes the descriptors from it while it runs, and gives them back.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { promisify } from 'node:util'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, TcpClient, UdpClient } from '../support/dns-client.ts'
import { patience } from '../support/patience.ts'
import { processOf } from '../support/processes.ts'
import { missingPrograms } from '../support/program.ts'
import { eventually, put, soa } from './fixture.ts'

const run = promisify(execFile)
/** Fewer than any process has open. */
const none = 3
const ask = query('a.example.test', 'A')
const answered = { rcode: 0, answer: ['a.example.test 300 A 192.0.2.1'] }

t.test(
  'without a descriptor nobody new is accepted and no member is blamed; with some again all goes on',
  { skip: process.platform === 'linux' ? missingPrograms('prlimit') : 'there is prlimit on Linux only' },
  async (t) => {
    const member = createServer((_request, response) => {
      response.setHeader('connection', 'close').end('ok')
    })
    member.listen(0, '127.0.0.1')
    await once(member, 'listening')
    t.teardown(() => member.close())
    const { port } = member.address() as AddressInfo
    await using daemon = await startDaemonProcess({ env: { POOLDNS_PROBE_ALLOW: '127.0.0.0/8' } })
    await put(daemon, '/v1/zones/example.test', {
      soa,
      rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }],
    })
    // What there is no descriptor for fails at once; only what is not answered for long may not be taken for that.
    const timing = { interval: '5s', timeout: '5s', rise: 1, fall: 1 }
    await put(daemon, '/v1/monitors/web', { type: 'http', port, path: '/', ...timing })
    await put(daemon, '/v1/pools/web', { monitor: 'web', members: { a: { address: '127.0.0.1' } } })
    const up = async () => {
      const response = await daemon.request('/v1/pools/web/members/a')
      return ((await response.json()) as { status: { state: string } }).status.state === 'up'
    }
    await eventually(async () => ((await up()) ? true : undefined))

    const limit = async (descriptors: number) => {
      for (const pid of [processOf(daemon, 'control'), processOf(daemon, 'data')])
        await run('prlimit', ['--pid', String(pid), `--nofile=${descriptors}:`])
    }
    await limit(none)
    const { hostname, port: httpPort } = new URL(daemon.http)
    const { host, port: dnsPort } = daemon.dns
    const waiting = [
      { host, port: dnsPort, octets: Buffer.concat([Buffer.from([0, ask.length]), ask]) },
      { host: hostname, port: Number(httpPort), octets: 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n' },
    ].map(({ octets, ...endpoint }) => {
      const socket = connect(endpoint)
      t.teardown(() => socket.destroy())
      socket.write(octets)
      return socket
    })
    await daemon.line(({ where }) => where === 'probe')
    await using udp = await UdpClient.open(daemon.dns)
    t.match(readResponse(await udp.insist(ask)), answered, 'UDP needs none')

    t.same(
      waiting.map(({ bytesRead }) => bytesRead),
      [0, 0],
      'nobody new is answered',
    )
    await limit(4096)
    // The kernel has kept them meanwhile.
    for (const socket of waiting) await once(socket, 'data', { signal: patience() })
    using client = await TcpClient.open(daemon.dns, '127.0.1.1')
    t.match(readResponse((await client.exchange(ask))!), answered)
    t.ok(await up())
    const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
    t.notMatch(
      metrics,
      /^pooldns_member_transitions_total.*to="down"\} [1-9]/m,
      'it has been up all the while',
    )
    t.match(metrics, /^pooldns_own_faults_total\{where="probe"\} [1-9]/m)
    await put(daemon, '/v1/zones/other.test', { soa, rrsets: [] })
  },
)
