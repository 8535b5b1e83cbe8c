import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Worker } from 'node:worker_threads'
import t from 'tap'
import { readCounters } from '../../../src/dataplane/counter-totals.ts'
import { defaultAnswerSettings } from '../../../src/dataplane/image/answer-settings.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import { Fleet, type FleetOptions } from '../../../src/dataplane/listener/fleet.ts'
import { ListenError } from '../../../src/dataplane/listener/listener.ts'
import { loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { unpackSample } from '../../../src/dataplane/sample-reader.ts'
import { formatIpv4 } from '../../../src/dataplane/wire/address.ts'
import { formatName } from '../../../src/dataplane/wire/name.ts'
import { query, readResponse, TcpClient, type TypeName, UdpClient } from '../../support/dns-client.ts'
import { freePort } from '../../support/free-port.ts'
import { leaf } from '../trees.ts'
import { servingUpdate, type ZoneText } from '../zone-text.ts'
import { breakUdpSocket, failing, syscallsWith } from './listening-udp.ts'
import {
  alive,
  askTcp,
  askUdp,
  askUdpOnce,
  generation,
  generationOf,
  question,
  startFleet,
} from './running-fleet.ts'

const eaddrinuse = 98
// Threads start slowly on a machine that is busy with other tests.
t.test('counters of threads are those of now, without waiting', async (t) => {
  const { fleet } = await startFleet(t, {}, generation(1))
  await fleet.refresh()
  t.equal(fleet.counters('udp').length, 1)
})

t.test('questions are sampled over every transport, as long as the settings say so', async (t) => {
  const sampled = (sample: boolean, number: number) => ({
    ...generation(number),
    settings: only({ ...defaultAnswerSettings, sample }),
  })
  for (const udpBackend of ['batch', 'dgram'] as const) {
    const { fleet } = await startFleet(t, { udpBackend, udpWorkers: 2 }, sampled(true, 1))
    const questions = async () => {
      const [sample] = await fleet.sample()
      return Array.from(unpackSample(sample!), ({ name, type, stream, network: { bits, octets } }) => {
        return `${formatName(name)} ${type} ${formatIpv4(octets)}/${bits} ${stream ? 'tcp' : 'udp'}`
      }).sort()
    }
    t.same(await questions(), [])
    await askUdpOnce(fleet, query('A.one.TEST', 'A'))
    await askTcp(fleet, query('x.two.test', 'TXT'))
    await askUdpOnce(fleet, query('version.bind', 'TXT', { class: 3 }))
    t.same(
      await questions(),
      ['a.one.test. 1 127.0.0.0/24 udp', 'x.two.test. 16 127.0.0.0/24 tcp'],
      udpBackend,
    )
    await fleet.publish(sampled(false, 2))
    await askTcp(fleet, query('y.two.test', 'A'))
    t.same(
      await questions(),
      ['a.one.test. 1 127.0.0.0/24 udp'],
      'that of TCP is gone, and no other one begins',
    )
    await fleet.publish(sampled(true, 3))
    await askTcp(fleet, query('z.two.test', 'A'))
    t.same(await questions(), ['a.one.test. 1 127.0.0.0/24 udp', 'z.two.test. 1 127.0.0.0/24 tcp'])
  }
})

t.test('UDP and TCP on every address, with one port for both', async (t) => {
  const listen = [
    { host: '127.0.0.1', port: 0 },
    { host: '::1', port: 0 },
  ]
  const { fleet } = await startFleet(t, { listen, udpWorkers: 2 }, generation(1))
  t.same(
    fleet.bound.map(({ host }) => host),
    ['127.0.0.1', '::1'],
  )
  t.same([fleet.live('udp'), fleet.live('tcp')], [2, 1])
  t.same([fleet.counters('udp').length, fleet.counters('tcp').length], [2, 1])
  for (const endpoint of fleet.bound) {
    await using udp = await UdpClient.open(endpoint)
    t.equal(generationOf(readResponse(await udp.exchange(question))), 1)
    using tcp = await TcpClient.open(endpoint)
    t.equal(generationOf(readResponse((await tcp.exchange(question))!)), 1)
  }
  for (const transport of ['udp', 'tcp'] as const) {
    const counted = readCounters(fleet.counters(transport)).queries.filter(({ count }) => count > 0)
    t.same(counted, [
      { family: 'ipv4', qtype: 'A', count: 1 },
      { family: 'ipv6', qtype: 'A', count: 1 },
    ])
  }
})

t.test(
  'what was told nothing refuses; a query after publish sees the new generation, and none a mixture',
  async (t) => {
    const { fleet } = await startFleet(t, { udpWorkers: 2 })
    t.match(await askUdp(fleet), { rcode: 5 })
    await fleet.publish(generation(1))
    const clients = await Promise.all(Array.from({ length: 16 }, () => UdpClient.open(fleet.bound[0]!)))
    const tcp = await TcpClient.open(fleet.bound[0]!)
    let published = 1
    let asked = 0
    let done = false
    const keepAsking = async (client: UdpClient) => {
      while (!done) {
        const before = published
        const found = generationOf(readResponse(await client.exchange(question)))
        if (found < before) t.fail(`generation ${found} after ${before} was published`)
        asked++
      }
    }
    const asking = clients.map(keepAsking)
    for (let number = 2; number <= 40; number++) {
      await fleet.publish(generation(number))
      published = number
      t.equal(generationOf(readResponse((await tcp.exchange(question))!)), number)
    }
    done = true
    await Promise.all(asking)
    tcp[Symbol.dispose]()
    for (const client of clients) await client[Symbol.asyncDispose]()
    t.ok(asked > 100, `${asked} queries while publishing`)
    const busy = fleet.counters('udp').filter((buffer) => readCounters([buffer]).queries[0]!.count > 0)
    t.equal(busy.length, 2, 'both workers had their share')
  },
)

t.test('a port that somebody else holds fails the start, and nothing stays bound', async (t) => {
  t.test('over TCP it is found at once', async (t) => {
    const other = createServer()
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    t.teardown(() => other.close())
    const { port } = other.address() as { port: number }
    const failure = startFleet(t, { listen: [{ host: '127.0.0.1', port }] })
    await t.rejects(failure, {
      name: 'ListenError',
      code: 'EADDRINUSE',
      message: new RegExp(`^tcp 127.0.0.1:${port}: `),
    })
  })
  t.test('over UDP it is found after TCP could bind, which lets go again', async (t) => {
    // One that no connection of this host has for its own end.
    const port = await freePort()
    const other = createSocket('udp4')
    other.bind(port, '127.0.0.1')
    await once(other, 'listening')
    t.teardown(() => other.close())
    const failure = startFleet(t, { listen: [{ host: '127.0.0.1', port }] })
    await t.rejects(failure, {
      name: 'ListenError',
      code: 'EADDRINUSE',
      message: new RegExp(`^udp 127.0.0.1:${port}: `),
    })
    // TCP, which could bind, was let go.
    const free = createServer()
    free.listen(port, '127.0.0.1')
    await once(free, 'listening')
    free.close()
  })
})

t.test(
  'a UDP port that is taken after TCP got its number: another number is asked for, by events',
  async (t) => {
    const taken = createSocket('udp4')
    t.teardown(() => taken.close())
    const fleet = new Fleet({
      listen: [{ host: '127.0.0.1', port: 0 }],
      udpWorkers: 1,
      udpBackend: 'dgram',
      onRestart: (transport, reason) => t.fail(`${transport} ${reason}`),
      onFallback: (reason) => t.fail(reason),
      onSkipped: (message) => t.fail(message),
    })
    t.teardown(() => fleet.stop())
    // Somebody else may have it, which is as good.
    taken.on('error', () => undefined)
    let port = 0
    const takeIt = (worker: Worker) => {
      if (worker.threadName !== 'dns-udp') return
      process.off('worker', takeIt)
      port = fleet.bound[0]!.port
      taken.bind(port, '127.0.0.1')
    }
    process.on('worker', takeIt)
    await fleet.publish(generation(1))
    await fleet.start()
    t.not(port, 0)
    t.not(fleet.bound[0]!.port, port)
    t.same([fleet.live('udp'), fleet.live('tcp'), fleet.counters('tcp').length], [1, 1, 1])
    t.equal(generationOf(await askUdp(fleet)), 1)
    t.equal(generationOf(await askTcp(fleet)), 1)
  },
)

t.test(
  'a UDP port that is taken after TCP got its number: another number is asked for, in batches',
  async (t) => {
    let binds = 0
    const { call: bind, errno } = failing(loadSyscalls().bind, () => (++binds === 1 ? eaddrinuse : 0))
    const syscalls = () => syscallsWith({ bind, errno })
    const { fleet } = await startFleet(t, { udpBackend: 'batch', syscalls }, generation(1))
    // The other number may be taken as well, by somebody else.
    t.ok(binds >= 2, `${binds}`)
    t.same([fleet.live('udp'), fleet.live('tcp'), fleet.counters('tcp').length], [1, 1, 1])
    t.equal(generationOf(await askUdp(fleet)), 1)
    t.equal(generationOf(await askTcp(fleet)), 1)
  },
)

for (const udpBackend of ['auto', 'dgram'] as const) {
  t.test(`an image that cannot be read leaves the one before it, with UDP by ${udpBackend}`, async (t) => {
    const unreadable: unknown[] = []
    const onUnreadable = (what: unknown) => unreadable.push(what)
    const { fleet, restarts } = await startFleet(t, { udpBackend, onUnreadable }, generation(1))
    const broken = new SharedArrayBuffer(64)
    const { zones, ...rest } = generation(2)
    await fleet.publish({ ...rest, zones: [[zones![0]![0], broken], ...zones!.slice(1)] })
    t.match(unreadable, [{ kind: 'zones', error: /not a zone image/ }])
    for (const response of [await askUdp(fleet), await askTcp(fleet)]) {
      t.match(response, { rcode: 0, answer: ['a.one.test 1 CNAME x.two.test', 'x.two.test 2 A 192.0.2.1'] })
    }
    await fleet.publish(generation(3))
    t.equal(generationOf(await askUdp(fleet)), 3, 'and what comes then is served')
    t.same(restarts, [])
  })
}

for (const udpBackend of ['auto', 'dgram'] as const) {
  t.test(`what never had an image that can be read is SERVFAIL, with UDP by ${udpBackend}`, async (t) => {
    const { fleet, restarts } = await startFleet(t, { udpBackend })
    const broken = new SharedArrayBuffer(64)
    const zones: ZoneText[] = [
      { apex: 'test', lines: ['* 1 A 192.0.2.9', 'in 1 CNAME a.one.test.', 'to 1 CNAME s.two.test.'] },
      { apex: 'one.test', lines: ['a 1 A 192.0.2.1'] },
      { apex: 'two.test', lines: ['x 2 A 192.0.2.1', 's 2 TXT y'], services: { s: 0, u: 1 } },
    ]
    const sound = servingUpdate(zones, [leaf(['192.0.2.7']), leaf(['192.0.2.8'])])
    const { zones: images = [], plans = [] } = sound
    await fleet.publish({
      ...sound,
      zones: [images[0]!, [1, broken], images[2]!],
      plans: [[0, broken], plans[1]!],
    })
    const failed = { rcode: 2, answer: [] }
    const table: [name: string, type: TypeName, response: object][] = [
      ['one.test', 'SOA', { ...failed, flags: 'qr rd' }],
      ['a.one.test', 'A', failed],
      ['a.b.c.one.test', 'AAAA', failed],
      ['in.test', 'A', { rcode: 2, answer: ['in.test 1 CNAME a.one.test'], flags: 'qr aa rd' }],
      ['s.two.test', 'A', failed],
      ['s.two.test', 'AAAA', failed],
      ['s.two.test', 'MX', failed],
      ['s.two.test', 'TXT', { rcode: 0, answer: ['s.two.test 2 TXT "y"'] }],
      ['to.test', 'A', { rcode: 2, answer: ['to.test 1 CNAME s.two.test'] }],
      ['u.two.test', 'A', { rcode: 0, answer: ['u.two.test 30 A 192.0.2.8'] }],
      ['x.two.test', 'A', { rcode: 0, answer: ['x.two.test 2 A 192.0.2.1'] }],
      ['one', 'A', { rcode: 5 }],
      ['other.test', 'A', { rcode: 0, answer: ['other.test 1 A 192.0.2.9'] }],
    ]
    for (const [name, type, response] of table) {
      t.match(await askUdp(fleet, query(name, type)), response, `${name} ${type} over UDP`)
      t.match(await askTcp(fleet, query(name, type)), response, `${name} ${type} over TCP`)
    }
    await fleet.publish({ ...sound, generation: 2 })
    t.match(await askUdp(fleet, query('in.test', 'A')), {
      answer: ['in.test 1 CNAME a.one.test', 'a.one.test 1 A 192.0.2.1'],
    })
    t.match(await askUdp(fleet, query('s.two.test', 'A')), { answer: ['s.two.test 30 A 192.0.2.7'] })
    t.same(restarts, [])
  })
}

t.test('stop, also twice at once', async (t) => {
  const { fleet, restarts } = await startFleet(t, {}, generation(1))
  const tcp = await TcpClient.open(fleet.bound[0]!)
  await tcp.exchange(question)
  const endpoint = fleet.bound[0]!
  await Promise.all([fleet.stop(), fleet.stop()])
  await fleet.stop()
  t.same([fleet.live('udp'), fleet.live('tcp')], [0, 0])
  t.equal(await tcp.next(), null)
  await t.rejects(TcpClient.open(endpoint), { code: 'ECONNREFUSED' })
  t.same(restarts, [])
  await fleet.publish(generation(2))
})

t.test('stop without a start, and by disposal', async (t) => {
  const options: FleetOptions = {
    listen: [],
    udpWorkers: 1,
    udpBackend: 'auto',
    onRestart: () => {},
    onFallback: () => {},
    onSkipped: () => {},
  }
  await new Fleet(options).stop()
  {
    await using fleet = new Fleet({ ...options, listen: [{ host: '127.0.0.1', port: 0 }] })
    await fleet.start()
  }
  t.same(alive('dns-udp'), [])
  t.ok(new ListenError('EACCES', 'x') instanceof Error)
})

t.test(
  'a client that does not read its answers holds up stop for three seconds, and no longer',
  async (t) => {
    const { fleet } = await startFleet(t, {}, generation(1))
    const client = await TcpClient.open(fleet.bound[0]!)
    client.socket.pause()
    client.send(...Array.from({ length: 400 }, () => query('big.two.test', 'TXT')))
    const answered = () => readCounters(fleet.counters('tcp')).responses[0]!.count
    while (answered() < 50) await new Promise((resolve) => setImmediate(resolve))
    const startMs = performance.now()
    await fleet.stop()
    const tookMs = performance.now() - startMs
    t.ok(tookMs > 2_900, `${tookMs} ms`)
    client[Symbol.dispose]()
  },
)

t.test('the backend of UDP, and why', async (t) => {
  const none = () => {
    throw new Error('there is none for plan9 vax')
  }
  for (const [options, backend] of [
    [{ udpBackend: 'auto' }, { name: 'batch', reason: 'the system has what it needs' }],
    [{ udpBackend: 'batch' }, { name: 'batch', reason: 'it was asked for' }],
    [{ udpBackend: 'dgram' }, { name: 'dgram', reason: 'it was asked for' }],
    [
      { udpBackend: 'auto', syscalls: none },
      { name: 'dgram', reason: 'no batched UDP listener: there is none for plan9 vax' },
    ],
  ] as const) {
    const { fleet } = await startFleet(t, options, generation(1))
    t.same(fleet.backend, backend)
    t.equal(generationOf(await askUdp(fleet)), 1)
    await fleet.publish(generation(2))
    t.equal(generationOf(await askUdp(fleet)), 2)
    await fleet.stop()
  }
  await t.rejects(startFleet(t, { udpBackend: 'batch', syscalls: none }), {
    code: 'ENOTSUP',
    message: 'no batched UDP listener: there is none for plan9 vax',
  })
})

t.test('a batched listener that fails is told of, and answers', async (t) => {
  const fallbacks: string[] = []
  const { fleet, restarts } = await startFleet(
    t,
    { udpBackend: 'batch', onFallback: (reason) => fallbacks.push(reason), syscalls: loadSyscalls },
    generation(1),
  )
  breakUdpSocket(fleet.bound[0]!.port)
  while (fallbacks.length === 0) t.equal(generationOf(await askUdp(fleet)), 1)
  t.match(fallbacks, [/^recvmmsg ENOTSOCK/])
  await fleet.publish(generation(2))
  t.equal(generationOf(await askUdp(fleet)), 2)
  t.same(restarts, [])
})
