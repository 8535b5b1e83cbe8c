/** Workers that hang, each in its way, while others answer. */
import { writeSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { Fleet } from '../../../src/dataplane/listener/fleet.ts'
import { holdSockets } from '../../../src/dataplane/listener/held-sockets.ts'
import { linux, loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import type { Transport } from '../../../src/dataplane/listener/transports.ts'
import { query, TcpClient, UdpClient } from '../../support/dns-client.ts'
import { alive, askTcp, askUdp, generation, generationOf, startFleet } from './running-fleet.ts'

const entry = new URL('./worker-that-hangs.ts', import.meta.url)
const hanging = (id: number) => query('a.one.test', 'A', { id, opcode: 2 })
const ways = { busy: 1, waiting: 2 } as const

/** Until no worker of a transport answers. Soon another one will, so each turn of the event loop is looked at. */
async function untilNoneAnswers(fleet: Fleet, transport: Transport): Promise<void> {
  while (fleet.live(transport) > 0) await turn()
}

for (const udpBackend of ['batch', 'dgram'] as const) {
  for (const [way, id] of Object.entries(ways)) {
    t.test(`a UDP worker (${udpBackend}) that hangs ${way} is replaced, and is published to`, async (t) => {
      const { fleet, restarts, restarted } = await startFleet(t, { udpBackend, entry }, generation(1))
      const noticed = restarted()
      await using client = await UdpClient.open(fleet.bound[0]!)
      client.send(hanging(id))
      // It may have heard of this one before the query, or never.
      const published = fleet.publish(generation(2))
      t.equal(generationOf(await askTcp(fleet)), 2)
      await noticed
      await published
      t.match(restarts, [/^udp: it hangs: no sign of life in \d+ ms, \d+ of them busy$/])
      t.equal(generationOf(await askUdp(fleet)), 2)
      t.equal(fleet.stuck, false)
    })
  }
}

for (const udpBackend of ['batch', 'dgram'] as const) {
  t.test(`what comes to a UDP worker (${udpBackend}) that hangs is answered by the next one`, async (t) => {
    const listen = [{ host: '127.0.0.1', port: 0 }]
    const held = holdSockets(loadSyscalls(), { listen, udpWorkers: 1, merged: true })
    t.teardown(() => held[Symbol.dispose]())
    const { fleet } = await startFleet(t, { udpBackend, entry, sockets: held.sockets }, generation(1))
    await using client = await UdpClient.open(fleet.bound[0]!)
    client.send(hanging(ways.waiting))
    await untilNoneAnswers(fleet, 'udp')
    const ids = Array.from({ length: 100 }, (_, i) => i)
    for (const id of ids) client.send(query('a.one.test', 'A', { id }))
    const answered: number[] = []
    while (answered.length < ids.length) answered.push((await client.next()).readUInt16BE(0))
    t.same(answered, ids)
  })
}

t.test('the TCP worker hangs: UDP is answered, and TCP again by another one', async (t) => {
  const { fleet, restarts, restarted } = await startFleet(t, { entry }, generation(1))
  const noticed = restarted()
  using client = await TcpClient.open(fleet.bound[0]!)
  client.send(hanging(ways.waiting))
  let hangs = true
  const asking = (async () => {
    while (hangs) t.equal(generationOf(await askUdp(fleet)), 1)
  })()
  await untilNoneAnswers(fleet, 'tcp')
  t.equal(fleet.live('udp'), 1)
  await noticed
  hangs = false
  await asking
  t.match(restarts, [/^tcp: it hangs/])
  t.equal(generationOf(await askTcp(fleet)), 1)
})

t.test('a thread that can not be ended is told of, and has a successor when it can', async (t) => {
  const syscalls = loadSyscalls()
  const fd = syscalls.eventfd(0, linux.eventCloexec)
  const { fleet, restarts, restarted } = await startFleet(t, { entry }, generation(1))
  const noticed = restarted()
  await using client = await UdpClient.open(fleet.bound[0]!)
  client.send(hanging(fd))
  while (!fleet.stuck) t.equal(generationOf(await askTcp(fleet)), 1)
  t.same([fleet.live('udp'), restarts], [0, []])
  writeSync(fd, new Uint8Array(new BigUint64Array([1n]).buffer))
  await noticed
  t.equal(generationOf(await askUdp(fleet)), 1)
  t.equal(fleet.stuck, false)
  syscalls.close(fd)
})

t.test('a fleet is stopped while a worker hangs', async (t) => {
  const { fleet, restarts } = await startFleet(t, { entry }, generation(1))
  using client = await TcpClient.open(fleet.bound[0]!)
  client.send(hanging(ways.busy))
  await untilNoneAnswers(fleet, 'tcp')
  await fleet.stop()
  t.same(alive('dns-tcp'), [])
  t.match(restarts, { length: Number })
})

t.test('and while one has begun to, which nobody has seen yet', async (t) => {
  const { fleet } = await startFleet(t, { entry }, generation(1))
  using client = await TcpClient.open(fleet.bound[0]!)
  await client.write(TcpClient.frame(hanging(ways.waiting)))
  t.equal(fleet.live('tcp'), 1)
  await fleet.stop()
  t.same(alive('dns-tcp'), [])
})
