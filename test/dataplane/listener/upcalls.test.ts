import { performance } from 'node:perf_hooks'
import t from 'tap'
import { Client } from '../../../src/dataplane/answer/client.ts'
import { type FromWorker, type Upcall, upcallLimits } from '../../../src/dataplane/listener/protocol.ts'
import { Upcalls } from '../../../src/dataplane/listener/upcalls.ts'
import { query, readResponse, TcpClient, UdpClient } from '../../support/dns-client.ts'
import { alive, askTcp, askUdp, generation, generationOf, startFleet } from './running-fleet.ts'

/** Calls whose messages and outcomes are kept. */
function calls() {
  const said: FromWorker[] = []
  const outcomes: unknown[] = []
  const upcalls = new Upcalls((message) => said.push(message))
  const client = new Client()
  client.set('192.0.2.7', false)
  const ask = (request: Uint8Array) =>
    upcalls.ask(request, client, (response) => outcomes.push(response && Buffer.from(response).toString()))
  return { said, outcomes, upcalls, ask }
}

t.test('a call has copies of the request and of the address, and is answered by its number', async (t) => {
  const { said, outcomes, upcalls, ask } = calls()
  const batch = Buffer.alloc(100_000, 'x')
  batch.write('first')
  ask(batch.subarray(0, 5))
  batch.write('other')
  ask(batch.subarray(0, 5))
  t.match(said, [
    {
      kind: 'upcall',
      id: 1,
      request: Uint8Array.from(Buffer.from('first')),
      client: Uint8Array.of(192, 0, 2, 7),
    },
    { kind: 'upcall', id: 2, request: Uint8Array.from(Buffer.from('other')) },
  ])
  t.equal((said[0] as Upcall).request.buffer.byteLength, 5, 'nothing beside it is cloned')
  upcalls.settle(2, Buffer.from('two'))
  upcalls.settle(1, null)
  t.same(outcomes, ['two', null])
  upcalls.settle(2, Buffer.from('two'))
  upcalls.settle(3, Buffer.from('three'))
  t.equal(outcomes.length, 2, 'answers to what is over, or was never asked, are ignored')
})

t.test('calls beyond the bound come to nothing at once, until one is over', async (t) => {
  const { underWay } = upcallLimits
  const { said, outcomes, upcalls, ask } = calls()
  for (let i = 0; i <= underWay; i++) ask(Buffer.from('a'))
  t.same([said.length, outcomes], [underWay, [null]])
  upcalls.settle(7, null)
  ask(Buffer.from('b'))
  t.match(said.at(-1), { id: underWay + 1, request: Uint8Array.of(98) })
})

t.test('when nobody is there to answer, all calls come to nothing', async (t) => {
  const { outcomes, upcalls, ask } = calls()
  for (const text of ['a', 'b', 'c']) ask(Buffer.from(text))
  upcalls.end()
  t.same(outcomes, [null, null, null])
  upcalls.end()
  upcalls.settle(1, Buffer.from('late'))
  t.equal(outcomes.length, 3)
})

t.test('calls end when their time is up: by a timer, or when somebody looks', async (t) => {
  const timers: (() => void)[] = []
  t.intercept(globalThis, 'setTimeout', {
    value: (work: () => void) => {
      timers.push(work)
      return { unref: () => undefined }
    },
  })
  let nowMs = 1000
  t.intercept(performance, 'now', { value: () => nowMs })
  const { outcomes, upcalls, ask } = calls()
  upcalls.expire()
  ask(Buffer.from('a'))
  nowMs += 1000
  ask(Buffer.from('b'))
  ask(Buffer.from('c'))
  nowMs += 1999
  upcalls.expire()
  t.same(outcomes, [])
  nowMs++
  upcalls.expire()
  t.same(outcomes, [null], 'the first, by a look')
  timers[1]!()
  t.same(outcomes, [null, null], 'the second, by its timer')
  timers[1]!()
  t.same(outcomes, [null, null])
})

const entry = new URL('./worker-that-asks.ts', import.meta.url)
const patient = new URL('./worker-that-asks.ts?patient', import.meta.url)
const update = (id: number) => query('example.test', 'SOA', { id, opcode: 5 })
/** What the main thread answers with: the request as a response of rcode 9. */
function notauth(request: Uint8Array): Uint8Array {
  const response = Uint8Array.from(request)
  response.set([0x80 | request[2]!, 9], 2)
  return response
}

for (const udpBackend of ['batch', 'dgram'] as const) {
  t.test(`a worker asks the main thread while it answers, with ${udpBackend}`, async (t) => {
    const clients: number[][] = []
    const held = Promise.withResolvers<void>()
    const onUpcall = async (request: Uint8Array, client: Uint8Array) => {
      clients.push([...client])
      if (request[1] === 1) await held.promise
      if (request[1] === 2) return null
      if (request[1] === 3) throw new Error('no')
      return notauth(request)
    }
    const { fleet, restarts } = await startFleet(t, { udpBackend, entry: patient, onUpcall }, generation(1))
    const endpoint = fleet.bound[0]!
    await using udp = await UdpClient.open(endpoint)
    using tcp = await TcpClient.open(endpoint)
    udp.send(update(1))
    tcp.send(update(1))
    t.equal(generationOf(await askUdp(fleet)), 1, 'others are answered meanwhile')
    t.equal(generationOf(await askTcp(fleet)), 1)
    held.resolve()
    t.match(readResponse(await udp.insist(update(1))), { id: 1, opcode: 5, rcode: 9 })
    t.match(readResponse((await tcp.next())!), { id: 1, opcode: 5, rcode: 9 })
    for (const id of [2, 3]) {
      t.match(readResponse(await udp.insist(update(id))), { id, rcode: 2 }, 'nothing came of it')
      tcp.send(update(id), update(4))
      t.match(readResponse((await tcp.next())!), { id: 4, rcode: 9 })
    }
    t.ok(clients.length >= 8)
    t.ok(clients.every((client) => client.join('.') === '127.0.0.1'))
    await fleet.publish(generation(2))
    t.equal(generationOf(await askUdp(fleet)), 2)
    t.same(restarts, [])
  })

  t.test(`where nobody can be asked, nothing comes of it, with ${udpBackend}`, async (t) => {
    const { fleet } = await startFleet(t, { udpBackend, entry }, generation(1))
    await using udp = await UdpClient.open(fleet.bound[0]!)
    t.match(readResponse(await udp.insist(update(5))), { id: 5, rcode: 2 })
  })

  t.test(`a main thread that never answers is given up, with ${udpBackend}`, async (t) => {
    const onUpcall = () => new Promise<null>(() => undefined)
    const { fleet } = await startFleet(t, { udpBackend, entry, onUpcall }, generation(1))
    await using udp = await UdpClient.open(fleet.bound[0]!)
    t.match(readResponse(await udp.insist(update(6))), { id: 6, rcode: 2 })
  })
}

t.test('who is asked may throw at once, which is silence as well', async (t) => {
  const onUpcall = (): Promise<null> => {
    throw new TypeError('x is not a function')
  }
  const { fleet, restarts } = await startFleet(t, { entry, onUpcall }, generation(1))
  await using udp = await UdpClient.open(fleet.bound[0]!)
  t.match(readResponse(await udp.insist(update(8))), { id: 8, rcode: 2 })
  t.same(restarts, [])
})

t.test('an answer that comes when the worker that asked is gone is heard by nobody', async (t) => {
  const asked = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const onUpcall = async (request: Uint8Array) => {
    asked.resolve()
    await held.promise
    return notauth(request)
  }
  const { fleet, restarted } = await startFleet(t, { entry: patient, onUpcall }, generation(1))
  await using udp = await UdpClient.open(fleet.bound[0]!)
  udp.send(update(7))
  await asked.promise
  const noticed = restarted()
  await alive('dns-udp')[0]!.terminate()
  await noticed
  held.resolve()
  t.equal(generationOf(await askUdp(fleet)), 1)
  t.match(readResponse(await udp.insist(update(7))), { id: 7, rcode: 9 }, 'its successor asks anew')
})
