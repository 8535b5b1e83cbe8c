/**
 * Ten thousand real connections to a real daemon. They come from several addresses of the loopback network, because one
 * address alone has a share that is much smaller.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t from 'tap'
import { defaultStreamLimits } from '../../src/dataplane/listener/stream-limits.ts'
import { type DaemonOptions, type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { type Endpoint, query, readResponse, TcpClient, UdpClient } from '../support/dns-client.ts'
import { missingPrograms } from '../support/program.ts'
import { eventually, put, soa } from './fixture.ts'

const wanted = 10_000
const fromOneAddress = 600
const addresses = 20
/** At once in the making; the kernel keeps 1,024 that the server has not accepted yet. */
const together = 250
/** What the two processes open besides connections. */
const otherFiles = 500

/** Node raises the soft limit to the hard one when it starts, so this is also what the daemon has. Linux only. */
function openFiles(): number {
  const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit)
}

const tooFew =
  process.platform !== 'linux'
    ? 'only on Linux are all of 127.0.0.0/8 addresses of this host'
    : openFiles() < wanted + otherFiles
      ? `the limit of open files is ${openFiles()}, too few for ${wanted} connections`
      : false

/** Connections that say nothing, and go when this is disposed of. */
class Crowd implements Disposable {
  readonly #sockets: Socket[] = []
  readonly #endpoint: Endpoint
  #ended = 0

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  async open(count: number, localAddress: (index: number) => string): Promise<void> {
    for (let from = 0; from < count; from += together) {
      const batch = Array.from({ length: Math.min(together, count - from) }, (_, i) =>
        this.#connect(localAddress(from + i)),
      )
      await Promise.all(batch)
    }
  }

  async #connect(localAddress: string): Promise<void> {
    const socket = connect({ ...this.#endpoint, localAddress })
    this.#sockets.push(socket)
    // Those that the server has no room for are ended by it.
    await once(socket, 'connect')
    socket.on('error', () => undefined).resume()
    socket.once('close', () => this.#ended++)
  }

  /** Resolves when the server has ended so many of them. */
  async lost(count: number): Promise<void> {
    await eventually(async () => (this.#ended >= count ? true : undefined))
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** TCP connections by what happened to them, and `open`. */
async function connections(daemon: DaemonProcess): Promise<Record<string, number>> {
  const text = await (await fetch(`${daemon.http}/metrics`)).text()
  const events = [...text.matchAll(/^pooldns_tcp_connections_total\{event="(\w+)"\} (\d+)$/gm)]
  const open = /^pooldns_tcp_connections_open (\d+)$/m.exec(text)?.[1]
  return {
    ...Object.fromEntries(events.map(([, event, count]) => [event, Number(count)])),
    open: Number(open),
  }
}

async function start(options: DaemonOptions = {}): Promise<DaemonProcess> {
  const daemon = await startDaemonProcess(options)
  const rrsets = [{ name: 'a', type: 'A', data: ['192.0.2.1'] }]
  await put(daemon, '/v1/zones/example.test', { soa, rrsets })
  return daemon
}

const ask = query('a.example.test', 'A')
const answered = { rcode: 0, answer: ['a.example.test 300 A 192.0.2.1'] }

t.test('10,000 idle connections do not keep others from being answered', { skip: tooFew }, async (t) => {
  await using daemon = await start()
  using crowd = new Crowd(daemon.dns)

  // One address alone takes no more than its share.
  await crowd.open(fromOneAddress, () => '127.0.0.2')
  {
    using other = await TcpClient.open(daemon.dns, '127.0.1.1')
    t.match(readResponse((await other.exchange(ask))!), answered)
    const seen = await connections(daemon)
    t.equal(seen.accepted, fromOneAddress + 1)
    const tooMany = fromOneAddress - defaultStreamLimits.connectionsPerAddress
    const ended = seen.evicted! + seen.idle!
    t.ok(seen.evicted! <= tooMany && ended >= tooMany, `${seen.evicted} were evicted for their number`)
    // Where this took long, some more were idle for too long.
    t.equal(seen.open! + ended, fromOneAddress + 1)
  }

  // A client that came before the crowd and goes on asking keeps its connection.
  using before = await TcpClient.open(daemon.dns, '127.0.1.1')
  const rest = wanted - fromOneAddress
  // So few at a time that it does not itself become one that is silent for too long.
  const few = rest / 40
  for (let from = 0; from < rest; from += few) {
    await crowd.open(few, (index) => `127.0.0.${10 + ((from + index) % addresses)}`)
    t.match(readResponse((await before.exchange(ask))!), answered, `with ${from + few} more`)
  }
  using after = await TcpClient.open(daemon.dns, '127.0.1.1')
  t.match(readResponse((await after.exchange(ask))!), answered, 'a client that comes behind them all')

  const seen = await connections(daemon)
  t.comment(JSON.stringify(seen))
  t.equal(seen.accepted, wanted + 3)
  t.ok(seen.open! <= defaultStreamLimits.connections, `${seen.open} are open`)
  const tooMany = seen.accepted! - defaultStreamLimits.connections
  t.ok(seen.evicted! <= tooMany, `${seen.evicted} were evicted, none while there was room`)
  const ended = seen.evicted! + seen.idle!
  t.ok(ended + seen.closed! >= tooMany, `${ended} had to go`)
  await crowd.lost(ended)
  t.match(seen, { refused: 0, slow: 0 })

  await using udp = await UdpClient.open(daemon.dns)
  t.match(readResponse(await udp.exchange(ask)), answered, 'UDP')
  t.equal((await fetch(`${daemon.http}/health`)).status, 200)
})

t.test(
  'a daemon that may not open so many files holds fewer connections',
  { skip: process.platform === 'linux' ? missingPrograms('prlimit') : 'there is prlimit on Linux only' },
  async (t) => {
    const files = 512
    await using daemon = await start({ through: ['prlimit', `--nofile=${files}`] })
    using crowd = new Crowd(daemon.dns)
    await crowd.open(2 * files, (index) => `127.0.0.${10 + (index % addresses)}`)
    using client = await TcpClient.open(daemon.dns, '127.0.1.1')
    t.match(readResponse((await client.exchange(ask))!), answered)
    const seen = await connections(daemon)
    t.equal(seen.accepted, 2 * files + 1, 'the kernel turned none away')
    t.ok(seen.open! < files, `${seen.open} are open`)
    // What the daemon opens for itself still finds room.
    t.equal((await daemon.request('/v1/zones/example.test')).status, 200)
    await put(daemon, '/v1/zones/other.test', { soa, rrsets: [] })
  },
)

t.test(
  'idle connections of every kind keep nobody from being probed, asked and answered',
  { skip: process.platform === 'linux' ? missingPrograms('prlimit') : 'there is prlimit on Linux only' },
  async (t) => {
    const files = 512
    let probes = 0
    const member = createServer((_request, response) => {
      probes++
      response.setHeader('connection', 'close').end('ok')
    })
    member.listen(0, '127.0.0.1')
    await once(member, 'listening')
    t.teardown(() => member.close())
    const { port } = member.address() as AddressInfo
    await using daemon = await start({
      through: ['prlimit', `--nofile=${files}`],
      env: { POOLDNS_PROBE_ALLOW: '127.0.0.0/8' },
    })
    // What there is no descriptor for fails at once; only what is not answered for long may not be taken for that.
    const timing = { interval: '5s', timeout: '5s', rise: 1, fall: 1 }
    await put(daemon, '/v1/monitors/web', { type: 'http', port, path: '/', ...timing })
    const members = { a: { address: '127.0.0.1' } }
    await put(daemon, '/v1/pools/web', { monitor: 'web', select: 'all', members })
    const state = async () => {
      const { status } = (await (await daemon.request('/v1/pools/web/members/a')).json()) as MemberBody
      return status
    }
    await eventually(async () => ((await state()).state === 'up' ? true : undefined))

    using http = new Crowd(parseEndpoint(daemon.http))
    using dns = new Crowd(daemon.dns)
    await http.open(2 * files, () => '127.0.0.1')
    await dns.open(2 * files, (index) => `127.0.0.${10 + (index % addresses)}`)
    const before = probes
    await eventually(async () => (probes >= before + 2 ? true : undefined))
    t.match(await state(), { state: 'up' })
    t.equal((await fetch(`${daemon.http}/health`)).status, 200)
    using client = await TcpClient.open(daemon.dns, '127.0.1.1')
    t.match(readResponse((await client.exchange(ask))!), answered)
    await put(daemon, '/v1/zones/other.test', { soa, rrsets: [] })
    const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
    t.match(metrics, /^pooldns_http_connections_ended_total\{reason="quiet"\} [1-9]/m)
    t.notMatch(
      metrics,
      /^pooldns_member_transitions_total.*to="down"\} [1-9]/m,
      'it has been up all the while',
    )
    t.notMatch(metrics, /^pooldns_own_faults_total\{.*\} [1-9]/m, 'nothing was lacking')
    t.ok(Number(/^process_open_fds (\d+)$/m.exec(metrics)![1]) < files)
  },
)

interface MemberBody {
  readonly status: { readonly state: string }
}

function parseEndpoint(url: string): Endpoint {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}
