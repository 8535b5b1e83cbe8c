/** Sockets that a process holds for those who answer. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { readCounters } from '../../../src/dataplane/counter-totals.ts'
import { copyOf, deafen } from '../../../src/dataplane/listener/bound-sockets.ts'
import { openHandover } from '../../../src/dataplane/listener/handover.ts'
import { holdSockets } from '../../../src/dataplane/listener/held-sockets.ts'
import { linux, loadSyscalls, type Syscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { query, readResponse, TcpClient, UdpClient } from '../../support/dns-client.ts'
import { freePort } from '../../support/free-port.ts'
import { countingSockets, failing } from './listening-udp.ts'
import { alive, askTcp, askUdp, generation, generationOf, question, startFleet } from './running-fleet.ts'

const syscalls = loadSyscalls()
const isPassed = ({ event }: { readonly event?: string }) => event === 'passed'
const localhost = [{ host: '127.0.0.1', port: 0 }]

for (const udpBackend of ['batch', 'dgram'] as const) {
  t.test(`queries wait in the sockets for the next who answers, with ${udpBackend}`, async (t) => {
    using held = holdSockets(syscalls, { listen: localhost, udpWorkers: 2, merged: true })
    const [endpoint] = held.bound
    t.equal(held.sockets.udp.length, 2)
    t.same(held.skipped, [])
    await using udp = await UdpClient.open(endpoint!)
    udp.send(query('a.one.test', 'A', { id: 7 }))
    using tcp = await TcpClient.open(endpoint!)
    tcp.send(query('a.one.test', 'A', { id: 8 }))
    const handover = openHandover(syscalls)
    t.teardown(() => {
      for (const fd of Object.values(handover)) syscalls.close(fd)
    })
    const options = { sockets: held.sockets, udpBackend, handover }
    const first = await startFleet(t, { ...options, onGave: () => second.fleet.inherit() }, generation(1))
    t.same(first.fleet.bound, held.bound)
    t.equal(generationOf(readResponse(await udp.next())), 1, 'what came before anybody answered')
    t.equal(generationOf(readResponse((await tcp.next())!)), 1)

    let started = false
    const starting = startFleet(t, options, generation(2)).finally(() => (started = true))
    // So that the connection is not idle for too long.
    while (!started) {
      if ((await tcp.exchange(question)) === null) throw new Error('the connection ended')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const second = await starting
    await first.fleet.stop(true)
    t.equal(readCounters(first.fleet.counters('tcp')).connections.find(isPassed)?.count, 1)
    t.equal(generationOf(readResponse((await tcp.exchange(question))!)), 2, 'its connections go on')
    for (let i = 0; i < 20; i++) t.equal(generationOf(await askUdp(second.fleet)), 2)
    t.equal(generationOf(await askTcp(second.fleet)), 2)

    const restarted = second.restarted()
    for (const worker of alive('dns-udp')) await worker.terminate()
    await restarted
    t.equal(
      generationOf(await askUdp(second.fleet)),
      2,
      'a worker that dies has a successor on the same sockets',
    )
    await second.fleet.stop()
    udp.send(query('a.one.test', 'A', { id: 9 }))
    const third = await startFleet(t, options, generation(3))
    t.equal(generationOf(readResponse(await udp.next())), 3, 'what came while nobody answered')
    await third.fleet.stop()
  })
}

t.test('both wildcards of a port are one socket, unless they can not be', async (t) => {
  for (const [merged, sockets] of [
    [true, 1],
    [false, 2],
  ] as const) {
    const port = await freePort()
    const listen = ['0.0.0.0', '::'].map((host) => ({ host, port }))
    using held = holdSockets(syscalls, { listen, udpWorkers: 1, merged })
    t.equal(held.sockets.udp[0]!.length, sockets)
    t.equal(held.sockets.tcp.length, 2)
    for (const udpBackend of merged ? (['batch', 'dgram'] as const) : (['dgram'] as const)) {
      const { fleet } = await startFleet(t, { sockets: held.sockets, udpBackend }, generation(1))
      for (const host of ['127.0.0.1', '::1']) {
        await using client = await UdpClient.open({ host, port })
        t.equal(
          generationOf(readResponse(await client.insist(query('a.one.test', 'A')))),
          1,
          `${udpBackend} ${host}`,
        )
      }
      await fleet.stop()
    }
  }
})

t.test('an address that can not be bound: nothing is left open', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const { counted, open } = countingSockets({})
  const listen = [...localhost, { host: '127.0.0.1', port }]
  t.throws(() => holdSockets(counted, { listen, udpWorkers: 1, merged: true }), {
    code: 'EADDRINUSE',
    message: new RegExp(`^bind EADDRINUSE: .* 127\\.0\\.0\\.1:${port}$`),
  })
  t.equal(open.size, 0)
})

t.test('a port that TCP was given and UDP can not have is asked for again', async (t) => {
  let taken = 1
  const { call, errno } = failing(syscalls.bind, (fd) => (isUdp.has(fd) && taken-- > 0 ? 98 : 0))
  const isUdp = new Set<number>()
  const socket: Syscalls['socket'] = (domain, type, protocol) => {
    const fd = syscalls.socket(domain, type, protocol)
    if ((type & 0xf) === linux.sockDgram) isUdp.add(fd)
    else isUdp.delete(fd)
    return fd
  }
  const { counted, open } = countingSockets({ bind: call, errno, socket })
  {
    using held = holdSockets(counted, { listen: localhost, udpWorkers: 1, merged: true })
    t.equal(held.bound.length, 1)
    t.equal(open.size, 2)
    t.equal(taken, -1)
  }
  t.equal(open.size, 0)
  taken = 1
  const port = await freePort()
  t.throws(
    () => holdSockets(counted, { listen: [{ host: '127.0.0.1', port }], udpWorkers: 1, merged: true }),
    {
      code: 'EADDRINUSE',
    },
  )
  taken = 1000
  t.throws(() => holdSockets(counted, { listen: localhost, udpWorkers: 1, merged: true }), {
    code: 'EADDRINUSE',
  })
  t.equal(open.size, 0)
})

t.test('a host without a family: its wildcard is left out, another address is an error', async (t) => {
  const eafnosupport = 97
  const { call, errno } = failing(syscalls.socket, (domain) => (domain === linux.afInet6 ? eafnosupport : 0))
  const { counted } = countingSockets({ socket: call, errno })
  const hold = (host: string) =>
    holdSockets(counted, { listen: [...localhost, { host, port: 0 }], udpWorkers: 1, merged: true })
  using held = hold('::')
  t.same(
    held.bound.map(({ host }) => host),
    ['127.0.0.1'],
  )
  t.match(held.skipped, [/^\[::\]:0: socket EAFNOSUPPORT/])
  t.throws(() => hold('::1'), { code: 'EAFNOSUPPORT' })
})

t.test('a listen that is refused, and a copy that can not be made, say so', async (t) => {
  const { call, errno } = failing(syscalls.listen, () => 98)
  const { counted, open } = countingSockets({ listen: call, errno })
  t.throws(() => holdSockets(counted, { listen: localhost, udpWorkers: 1, merged: true }), {
    message: /^listen EADDRINUSE/,
  })
  t.equal(open.size, 0)
  t.throws(() => copyOf(syscalls, -1), { code: 'EBADF' })
})

t.test('a copy that is deafened is told of nothing, and the socket goes on', async (t) => {
  using held = holdSockets(syscalls, { listen: localhost, udpWorkers: 1, merged: true })
  const [socket] = held.sockets.udp[0]!
  const copy = copyOf(syscalls, socket!.fd)
  t.teardown(() => syscalls.close(copy))
  await using client = await UdpClient.open(held.bound[0]!)
  client.send(query('a.one.test', 'A'))
  const buffer = new Uint8Array(512)
  const read = (fd: number) => syscalls.read(fd, syscalls.address(buffer), buffer.length)
  deafen({ ...syscalls, socket: () => -1 }, [copy])
  deafen(syscalls, [copy])
  // With no other call of the system between the two.
  t.same([read(copy), syscalls.errno()], [-1, 11], 'EAGAIN')
  t.equal(read(socket!.fd), query('a.one.test', 'A').length)
})
