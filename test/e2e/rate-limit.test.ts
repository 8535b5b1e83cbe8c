/**
 * Response rate limiting as a flood meets it: through the real daemon, on the loopback network, where 127.0.0.x is one
 * prefix (/24) and 127.0.1.x another. One worker with one socket answers in the order in which queries came, so an answer
 * to a bystander tells that everything before it has been judged.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { decode } from 'dns-packet'
import t from 'tap'
import { subnetQuery } from '../dataplane/answer/client-subnet.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import {
  type Endpoint,
  flagBits,
  query,
  readResponse,
  TcpClient,
  UdpClient,
  u16Octets,
} from '../support/dns-client.ts'
import { eventually, put, soa } from './fixture.ts'

const perSecond = 50
const slip = 3
const bursts = 40
/** No more than pass in a second. */
const burst = 50
const name = 'a.example.test'
const answered = { rcode: 0, answer: [`${name} 300 A 192.0.2.1`] }

async function start(mode: string): Promise<DaemonProcess> {
  const env = {
    POOLDNS_RRL: mode,
    POOLDNS_RRL_RATE: String(perSecond),
    POOLDNS_RRL_SLIP: String(slip),
    POOLDNS_RRL_EXEMPT: 'none',
    POOLDNS_WORKERS: '1',
  }
  const daemon = await startDaemonProcess({ env })
  await put(daemon, '/v1/zones/example.test', {
    soa,
    rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }],
  })
  return daemon
}

/** A sender that doesn't wait, and counts what comes back. */
class Flood implements Disposable {
  readonly #socket: Socket
  sent = 0
  whole = 0
  truncated = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (octets) => {
      const cut = (octets.readUInt16BE(2) & flagBits.tc) !== 0
      const { answers = [] } = decode(octets)
      if (cut && answers.length === 0) this.truncated++
      else if (!cut && answers.length === 1) this.whole++
      else throw new Error(`neither whole nor truncated: ${octets.toString('hex')}`)
    })
  }

  static async open({ host, port }: Endpoint, address: string): Promise<Flood> {
    const socket = createSocket('udp4')
    socket.bind({ address })
    await once(socket, 'listening')
    socket.connect(port, host)
    await once(socket, 'connect')
    return new Flood(socket)
  }

  send(octets: Uint8Array, count: number): void {
    for (let i = 0; i < count; i++) this.#socket.send(octets)
    this.sent += count
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}

/** The limiter's counters, what was dropped for it, and the answers over UDP. */
async function counted(daemon: DaemonProcess) {
  const text = await (await fetch(`${daemon.http}/metrics`)).text()
  const value = (series: string) => {
    const line = text.split('\n').find((each) => each.startsWith(`pooldns_dns_${series} `))
    return line === undefined ? 0 : Number(line.split(' ').at(-1))
  }
  return {
    drop: value('rate_limited_total{action="drop"}'),
    slip: value('rate_limited_total{action="slip"}'),
    log: value('rate_limited_total{action="log"}'),
    dropped: value('dropped_total{reason="rate-limit"}'),
    responses: value('responses_total{transport="udp",rcode="NOERROR"}'),
  }
}

const clientCookie = Buffer.from('0123456789abcdef', 'hex')
const asking = (cookie: Uint8Array) =>
  query(name, 'A', { edns: { options: Buffer.concat([u16Octets(10, cookie.length), cookie]) } })

/** The whole cookie, client's and server's, of a response. */
function cookieOf(response: Uint8Array): Buffer {
  const opt = (decode(Buffer.from(response)).additionals ?? []).find(({ type }) => type === 'OPT')
  const option = (opt as { options: { code: number; data: Buffer }[] }).options.find(
    ({ code }) => code === 10,
  )
  return option!.data
}

t.test('a flood from one prefix gets a few truncated answers, and costs nobody else theirs', async (t) => {
  await using daemon = await start('on')
  const { dns } = daemon
  using tcp = await TcpClient.open(dns, '127.0.0.7')
  const cookie = cookieOf((await tcp.exchange(asking(clientCookie)))!)
  t.equal(cookie.length, 24)
  const forged = Buffer.from(cookie)
  forged[23]! ^= 1

  using plain = await Flood.open(dns, '127.0.0.2')
  using forging = await Flood.open(dns, '127.0.0.3')
  await using bystander = await UdpClient.open(dns, '127.0.1.1')
  await using proved = await UdpClient.open(dns, '127.0.0.7')
  const startMs = performance.now()
  for (let i = 0; i < bursts; i++) {
    plain.send(query(name, 'A'), burst / 2)
    forging.send(asking(forged), burst / 2)
    const other = readResponse(await bystander.exchange(query(name, 'A')))
    const known = readResponse(await proved.exchange(asking(cookie)))
    const direct = readResponse((await tcp.exchange(query(name, 'A')))!)
    t.match([other, known, direct], [answered, answered, answered], 'another prefix, a valid cookie, TCP')
    t.notMatch(`${other.flags} ${known.flags} ${direct.flags}`, /tc/)
  }
  const seconds = (performance.now() - startMs) / 1000

  const sent = plain.sent + forging.sent
  const seen = await counted(daemon)
  // The client's side of what went out may still be on its way.
  await eventually(async () => plain.truncated + forging.truncated === seen.slip || undefined)
  const whole = plain.whole + forging.whole
  t.comment(`${sent} sent in ${seconds.toFixed(2)} s: ${whole} answered, ${JSON.stringify(seen)}`)
  t.equal(seen.drop + seen.slip, sent - whole, 'all above the limit is either dropped or truncated')
  // The proved client is counted with its prefix, so now and then the turn to be truncated was its own, and passed.
  const turns = (sent - whole) / slip
  t.ok(Math.abs(seen.slip - turns) <= 1 + bursts / slip, `one in ${slip} is truncated`)
  t.equal(seen.dropped, seen.drop)
  t.equal(seen.log, 0)
  t.equal(seen.responses, whole + seen.slip + 2 * bursts)
  t.ok(whole <= perSecond * (1 + seconds), `${whole} in ${seconds} s`)
  t.ok(whole >= perSecond, 'what a second allows passes')
  const line = await daemon.line(({ msg }) => msg === 'responses are rate limited')
  t.match(line, { level: 'warn', networks: [{ network: '127.0.0.0/24' }], others: 0 })
})

t.test('a resolver that asks for a thousand client subnets gets every answer', async (t) => {
  await using daemon = await start('on')
  await put(daemon, '/v1/pools/web', {
    select: 'hash',
    members: { a: { address: '192.0.2.8' }, b: { address: '192.0.2.9' } },
  })
  await put(daemon, '/v1/services/lb.example.test', { pools: ['web'] })
  await using resolver = await UdpClient.open(daemon.dns, '127.0.0.2')
  for (let i = 0; i < 1000; i++) {
    const response = readResponse(
      await resolver.exchange(subnetQuery('lb.example.test', 'A', `10.${i >> 8}.${i & 255}.0`, 24)),
    )
    if (response.flags !== 'qr aa rd' || response.answer.length !== 1) t.fail(`subnet ${i}`, response)
  }
  t.match(await counted(daemon), { drop: 0, slip: 0 })
})

t.test('to log means to count, and nothing else', async (t) => {
  await using daemon = await start('log')
  await using client = await UdpClient.open(daemon.dns, '127.0.0.2')
  const sent = 10 * perSecond
  const startMs = performance.now()
  for (let i = 0; i < sent; i++) {
    const response = readResponse(await client.exchange(query(name, 'A')))
    if (response.flags !== 'qr aa rd' || response.answer.length !== 1) t.fail(`response ${i}`, response)
  }
  const seconds = (performance.now() - startMs) / 1000
  const seen = await counted(daemon)
  t.match(seen, { drop: 0, slip: 0, dropped: 0, responses: sent })
  const least = sent - Math.ceil(perSecond * (1 + seconds))
  t.ok(seen.log >= least && seen.log <= sent - perSecond, `${seen.log} of ${sent} in ${seconds} s`)
})
