import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'
import { type Answer, decode, encode, type Packet, streamEncode } from 'dns-packet'
import t from 'tap'
import { probe } from '../../../../src/controlplane/health/probes/probe.ts'
import type { ProbeVerdict } from '../../../../src/controlplane/health/verdict.ts'
import type { DnsMonitor } from '../../../../src/controlplane/model/monitor.ts'
import { holdTimers } from '../../../support/held-timers.ts'
import { isPending, turn } from '../../timing/hand-clock.ts'
import { closedPort, serveTcp, targetOf, timing } from '../fixture.ts'

const never = new AbortController().signal

const monitorWith = (changes: Partial<DnsMonitor>): DnsMonitor => ({
  ...timing,
  name: 'dns',
  type: 'dns',
  port: 53,
  transport: 'udp',
  qname: 'www.example.test.',
  qtype: 'A',
  expectRcodes: ['NOERROR'],
  expectData: [],
  ...changes,
})

const probePort = (port: number, changes: Partial<DnsMonitor> = {}): Promise<ProbeVerdict> =>
  probe(targetOf(port, monitorWith(changes)), never)

type Reply = (query: Packet, octets: Buffer) => readonly Buffer[]

/** A response to a query, with whatever differs. */
const responding = (query: Packet, changes: Packet = {}): Buffer =>
  encode({ type: 'response', id: query.id!, flags: 0x0100, questions: query.questions!, ...changes })

async function serveUdp(t: { teardown(fn: () => unknown): void }, reply: Reply, port = 0): Promise<number> {
  const socket = createSocket('udp4')
  socket.on('message', (octets, { port: from, address }: RemoteInfo) => {
    for (const response of reply(decode(octets), octets)) socket.send(response, from, address)
  })
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  return socket.address().port
}

const address: Answer = { type: 'A', name: 'www.example.test', ttl: 30, data: '192.0.2.1' }
const other: Answer = { type: 'A', name: 'www.example.test', ttl: 30, data: '192.0.2.2' }

t.test('an address that no socket may go to', async (t) => {
  const failure = await probe({ ...targetOf(53, monitorWith({})), address: '255.255.255.255' }, never)
  // This host does not let it go there, which says nothing of who is.
  t.match(failure, { ok: false, failure: 'aborted', reason: /own fault: (\w+ )?EACCES$/ })
})

t.test('a query, and the data that must be in its answer', async (t) => {
  const seen: Packet[] = []
  const port = await serveUdp(t, (query) => {
    seen.push(query)
    return [responding(query, { answers: [address, other] })]
  })
  t.match(await probePort(port), { ok: true })
  t.match(await probePort(port, { expectData: ['192.0.2.2', '192.0.2.1'] }), { ok: true })
  t.match(await probePort(port, { expectData: ['192.0.2.1', '192.0.2.3'] }), {
    failure: 'answer',
    reason: 'answer lacks A 192.0.2.3',
  })
  t.match(seen[0], {
    opcode: 'QUERY',
    flag_rd: true,
    flag_qr: false,
    questions: [{ name: 'www.example.test', type: 'A', class: 'IN' }],
  })
  t.ok(new Set(seen.map(({ id }) => id)).size > 1, 'ids are drawn')
})

t.test('data is compared as data and not as text', async (t) => {
  const name = 'www.example.test'
  const port = await serveUdp(t, (query) => {
    const { type } = query.questions![0]!
    const answers: Record<string, Answer[]> = {
      AAAA: [{ type: 'AAAA', name, data: '2001:db8::1' }],
      CNAME: [{ type: 'CNAME', name, data: 'Target.Example.test' }],
      MX: [{ type: 'MX', name, data: { preference: 10, exchange: 'mail.example.test' } }],
      TXT: [{ type: 'TXT', name, data: ['v=1', 'Ok; "fine"'] }],
      A: [
        { type: 'CNAME', name, data: 'Target.example.test' },
        { type: 'A', name: 'target.example.test', data: '192.0.2.1' },
      ],
      SOA: [
        {
          type: 'SOA',
          name: 'example.test',
          data: {
            mname: 'ns.example.test',
            rname: 'host.example.test',
            serial: 7,
            refresh: 1,
            retry: 2,
            expire: 3,
            minimum: 4,
          },
        },
      ],
    }
    return [responding(query, { answers: answers[type]! })]
  })
  for (const [qtype, text, held] of [
    ['AAAA', '2001:DB8:0:0::1', true],
    ['AAAA', '2001:db8::2', false],
    ['CNAME', 'target.example.test.', true],
    ['CNAME', 'target.example.test.test.', false],
    ['MX', '10 MAIL.example.test.', true],
    ['MX', '20 mail.example.test.', false],
    ['TXT', 'v=1 "Ok; \\"fine\\""', true],
    ['TXT', 'v=1 "ok; \\"fine\\""', false],
    ['A', '192.0.2.1', true],
    ['SOA', 'ns.example.test. host.example.test. 7 1 2 3 4', true],
  ] as const) {
    const verdict = await probePort(port, { qtype, expectData: [text] })
    t.equal(verdict.ok, held, `${qtype} ${text}`)
  }
})

t.test('the rcode that is expected passes, the upper bits of an OPT included', async (t) => {
  const port = await serveUdp(t, (query) => {
    const rcode = query.questions![0]!.name.split('.')[0]
    if (rcode === 'bare') return [encode({ type: 'response', id: query.id!, flags: 5 })]
    const opt: Answer = {
      type: 'OPT',
      name: '.',
      udpPayloadSize: 1232,
      extendedRcode: 1,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    }
    if (rcode === 'badvers') return [responding(query, { additionals: [opt] })]
    return [responding(query, { flags: Number(rcode) })]
  })
  const expect = async (first: string, expectRcodes: string[]) =>
    probePort(port, { qname: `${first}.example.test.`, expectRcodes })
  t.match(await expect('5', ['NOERROR']), { failure: 'status', reason: 'rcode REFUSED' })
  t.match(await expect('3', ['NOERROR', 'NXDOMAIN']), { ok: true })
  t.match(await expect('0', ['NXDOMAIN']), { failure: 'status', reason: 'rcode NOERROR' })
  t.match(await expect('12', ['NOERROR']), { failure: 'status', reason: 'rcode RCODE12' })
  t.match(await expect('badvers', ['NOERROR']), { failure: 'status', reason: 'rcode BADVERS' })
  t.match(
    await expect('bare', ['NOERROR']),
    { failure: 'status', reason: 'rcode REFUSED' },
    'without the question',
  )
})

t.test('what does not answer the question is passed over', async (t) => {
  const deadlineMs = 400
  const deadlines = holdTimers(t, deadlineMs)
  const strays: Record<string, (query: Packet, octets: Buffer) => Buffer> = {
    'has another id': (query) => responding({ ...query, id: query.id! ^ 1 }, { answers: [other] }),
    'answers another question': (query) =>
      responding(query, { questions: [{ name: 'other.example.test', type: 'A' }], answers: [other] }),
    'is a query': (_query, octets) => octets,
    'has no question': ({ id }) => encode({ type: 'response', id: id! }),
    'has several questions': (query) =>
      responding(query, { questions: [...query.questions!, ...query.questions!] }),
    'is no DNS message': () => Buffer.from('hello'),
    'is malformed: it breaks off': (query) => responding(query, { answers: [address] }).subarray(0, -1),
  }
  for (const [what, stray] of Object.entries(strays)) {
    const first = await serveUdp(t, (query, octets) => [
      stray(query, octets),
      responding(query, { answers: [address] }),
    ])
    t.match(
      await probePort(first, { expectData: ['192.0.2.1'] }),
      { ok: true },
      `${what}, and then the answer`,
    )
    const asked = Promise.withResolvers<void>()
    const only = await serveUdp(t, (query, octets) => {
      asked.resolve()
      return [stray(query, octets)]
    })
    const verdict = probePort(only, { timeoutMs: deadlineMs })
    await asked.promise
    await turn()
    t.ok(await isPending(verdict), 'it is there, and something better may come')
    deadlines.end()
    t.match(await verdict, { failure: 'protocol', reason: `the response ${what}` })
  }
  const elsewhere = createSocket('udp4')
  t.teardown(() => elsewhere.close())
  const spoofed = createSocket('udp4')
  spoofed.on('message', (octets, from) => {
    elsewhere.send(responding(decode(octets), { answers: [address] }), from.port, from.address)
  })
  spoofed.bind(0, '127.0.0.1')
  await once(spoofed, 'listening')
  t.teardown(() => spoofed.close())
  const verdict = await probePort(spoofed.address().port, { timeoutMs: 60 })
  t.match(verdict, { failure: 'timeout', reason: 'timeout after 60 ms' }, 'from another port')
})

/** A TCP server that answers each connection's first message. */
const serveStream = (t: { teardown(fn: () => unknown): void }, reply: (query: Packet) => Buffer) =>
  serveTcp(t, (socket) => {
    socket.once('data', (octets) => socket.write(reply(decode(octets.subarray(2)))))
  })

t.test(
  'a member that goes on sending what answers nothing is not listened to until the deadline',
  async (t) => {
    const port = await serveUdp(t, (query) =>
      Array.from({ length: 64 }, () => responding({ ...query, id: query.id! ^ 1 }, { answers: [other] })),
    )
    t.match(await probePort(port, { timeoutMs: 60_000 }), {
      failure: 'protocol',
      reason: 'the response has another id, 64 times',
    })
  },
)

t.test('over TCP what does not answer the question fails', async (t) => {
  const port = await serveStream(t, (query) =>
    streamEncode({ type: 'response', id: query.id!, questions: query.questions!, answers: [address] }),
  )
  t.match(await probePort(port, { transport: 'tcp', expectData: ['192.0.2.1'] }), { ok: true })
  const astray = await serveStream(t, (query) =>
    streamEncode({ type: 'response', id: query.id! ^ 1, questions: query.questions! }),
  )
  t.match(await probePort(astray, { transport: 'tcp' }), {
    failure: 'protocol',
    reason: 'the response has another id',
  })
  const empty = await serveStream(t, () => Buffer.of(0, 0))
  t.match(await probePort(empty, { transport: 'tcp' }), {
    failure: 'protocol',
    reason: 'the response is no DNS message',
  })
  const short = await serveTcp(t, (socket) => socket.once('data', () => socket.end(Buffer.of(0, 20, 1, 2))))
  t.match(await probePort(short, { transport: 'tcp' }), { failure: 'reset' })
  const mute = await serveTcp(t, (socket) => socket.resume())
  t.match(await probePort(mute, { transport: 'tcp', timeoutMs: 50 }), { failure: 'timeout' })
  const closed = await closedPort()
  t.match(await probePort(closed, { transport: 'tcp' }), {
    failure: 'connect',
    reason: 'connect ECONNREFUSED',
  })
})

t.test('a message that comes an octet at a time', async (t) => {
  const port = await serveTcp(t, (socket) => {
    socket.once('data', (octets) => {
      const query = decode(octets.subarray(2))
      const response = streamEncode({
        type: 'response',
        id: query.id!,
        questions: query.questions!,
        answers: [address],
      })
      let at = 0
      const drip = setInterval(() => {
        if (at < response.length) socket.write(response.subarray(at, ++at))
      }, 1)
      socket.on('close', () => clearInterval(drip))
    })
  })
  t.match(await probePort(port, { transport: 'tcp', expectData: ['192.0.2.1'] }), { ok: true })
})

t.test('a truncated answer is asked for over TCP, within the deadline', async (t) => {
  const truncated: Reply = (query) => [responding(query, { flags: 0x0200 })]
  const port = await serveStream(t, (query) =>
    streamEncode({
      type: 'response',
      id: query.id!,
      flags: 0x0200,
      questions: query.questions!,
      answers: [address],
    }),
  )
  await serveUdp(t, truncated, port)
  t.match(await probePort(port, { expectData: ['192.0.2.1'] }), { ok: true })
  const mute = await serveTcp(t, (socket) => socket.resume())
  await serveUdp(t, truncated, mute)
  const late = await probePort(mute, { timeoutMs: 80 })
  t.match(late, { failure: 'timeout', reason: 'timeout after 80 ms' })
  const alone = await serveUdp(t, truncated)
  t.match(await probePort(alone), { failure: 'connect', reason: 'connect ECONNREFUSED' })
})

t.test('nobody there, no answer, and called off', async (t) => {
  t.match(await probePort(await closedPort()), { failure: 'connect', reason: 'udp ECONNREFUSED' })
  const asked = Promise.withResolvers<void>()
  const silent = await serveUdp(t, () => {
    asked.resolve()
    return []
  })
  const controller = new AbortController()
  const verdict = probe(targetOf(silent, monitorWith({})), controller.signal)
  await asked.promise
  controller.abort()
  t.match(await verdict, { failure: 'aborted' })
  t.match(await probePort(silent, { timeoutMs: 40 }), { failure: 'timeout' })
  t.match(await probePort(silent, { qtype: 'ANY' }), { failure: 'protocol' }, 'what can not be asked')
})
