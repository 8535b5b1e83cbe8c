/** Connections that pass from one listener to the next, by the queue that two processes would have. */
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Handover, openHandover } from '../../../src/dataplane/listener/handover.ts'
import { linux, loadSyscalls, type Syscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { startTcp } from '../../../src/dataplane/listener/tcp.ts'
import { query, readResponse, TcpClient } from '../../support/dns-client.ts'
import { patienceMs } from '../../support/patience.ts'
import { answering } from './listening.ts'

const syscalls = loadSyscalls()
const ask = (id: number) => query('www.example.test', 'A', { id })

function open(t: Test) {
  const ends = openHandover(syscalls)
  t.teardown(() => {
    for (const fd of Object.values(ends)) syscalls.close(fd)
  })
  return ends
}

/** A listener that gives away and takes, and ends no connection before that is done. */
async function start(t: Test, handover: Handover) {
  const parts = answering(true)
  const limits = { ...parts.limits, drainTimeoutMs: patienceMs }
  const listener = await startTcp([{ host: '127.0.0.1', port: 0 }], { ...parts, limits, handover })
  t.teardown(() => listener.stop())
  const event = (name: string) => parts.totals().connections.find(({ event }) => event === name)!.count
  return { listener, endpoint: listener.bound[0]!, responses: parts.responses, event }
}

const ignored = () => undefined

t.test('clients notice nothing, whatever they have sent so far', async (t) => {
  const ends = open(t)
  const given = Promise.withResolvers<void>()
  const first = await start(t, new Handover(syscalls, ends, given.resolve))
  const second = await start(t, new Handover(syscalls, ends, ignored))
  using idle = await TcpClient.open(first.endpoint)
  using halfway = await TcpClient.open(first.endpoint)
  for (const client of [idle, halfway]) await client.exchange(ask(1))
  const whole = Buffer.concat([TcpClient.frame(ask(2)), TcpClient.frame(ask(3))])
  await halfway.write(whole.subarray(0, -10))
  t.match(readResponse((await halfway.next())!), { id: 2 })
  const stopped = first.listener.stop(true)
  await given.promise
  second.listener.inherit!()
  await stopped
  t.same([first.event('passed'), first.event('closed'), second.event('accepted')], [2, 0, 2])
  await halfway.write(whole.subarray(-10))
  t.match(readResponse((await halfway.next())!), { id: 3, answer: { length: 1 } })
  t.match(readResponse((await idle.exchange(ask(4)))!), { id: 4, answer: { length: 1 } })
  t.same([first.responses(), second.responses()], [3, 2])
})

t.test('a connection that nobody took waits for the next who begins', async (t) => {
  const ends = open(t)
  const first = await start(t, new Handover(syscalls, ends, ignored))
  using client = await TcpClient.open(first.endpoint)
  await client.exchange(ask(1))
  await first.listener.stop(true)
  client.send(ask(2))
  await start(t, new Handover(syscalls, ends, ignored))
  t.match(readResponse((await client.next())!), { id: 2 })
})

t.test('one whose client has gone meanwhile is closed', async (t) => {
  const ends = open(t)
  const first = await start(t, new Handover(syscalls, ends, ignored))
  const client = await TcpClient.open(first.endpoint)
  await client.exchange(ask(1))
  await first.listener.stop(true)
  client.socket.resetAndDestroy()
  await once(client.socket, 'close')
  const second = await start(t, new Handover(syscalls, ends, ignored))
  while (second.event('closed') === 0) await turn()
  t.equal(second.event('accepted'), 1)
})

t.test('what is given in a turn of the event loop is told once', async (t) => {
  const ends = open(t)
  const told: Promise<void>[] = []
  let next = Promise.withResolvers<void>()
  const handover = new Handover(syscalls, ends, () => {
    told.push(next.promise)
    next.resolve()
  })
  const stream = Object.assign(new Duplex(), { _handle: { fd: ends.take } }) as never
  for (let round = 1; round <= 2; round++) {
    for (let i = 0; i < 3; i++) t.equal(handover.pass(stream, Buffer.alloc(0)), true)
    await next.promise
    t.equal(told.length, round)
    next = Promise.withResolvers()
  }
  for (const { fd } of handover.take()) syscalls.close(fd)
})

t.test('with a queue that is full it is answered, until there is room', async (t) => {
  const ends = open(t)
  let room = false
  const full: Syscalls = {
    ...syscalls,
    sendmsg: (...args) => (room ? syscalls.sendmsg(...args) : -1),
    errno: () => (room ? syscalls.errno() : 11),
  }
  const first = await start(t, new Handover(full, ends, () => second.listener.inherit!()))
  const second = await start(t, new Handover(syscalls, ends, ignored))
  using client = await TcpClient.open(first.endpoint)
  const stopped = first.listener.stop(true)
  for (let id = 0; id < 10; id++) t.match(readResponse((await client.exchange(ask(id)))!), { id })
  t.equal(first.event('passed'), 0)
  room = true
  await stopped
  t.match(readResponse((await client.exchange(ask(20)))!), { id: 20 })
  t.same([first.responses(), second.responses()], [10, 1])
})

t.test('where nothing can be given the connection is closed', async (t) => {
  const ends = { give: 1_000_000, take: 1_000_000 }
  const { listener, endpoint, event } = await start(t, new Handover(syscalls, ends, ignored))
  using client = await TcpClient.open(endpoint)
  await client.exchange(ask(1))
  const stopped = listener.stop(true)
  t.equal(await client.next(), null)
  client.socket.end()
  await stopped
  t.same([event('passed'), event('closed')], [0, 1])
})

t.test('a stream that is more than a socket stays', async (t) => {
  const handover = new Handover(syscalls, open(t), ignored)
  for (const handle of [undefined, null, {}, { fd: -1 }]) {
    const stream = Object.assign(new Duplex(), { _handle: handle })
    t.equal(handover.pass(stream as never, Buffer.alloc(0)), false)
  }
  t.ok(handover.works)
})

/** Sends a message as it is, with a descriptor or without one. */
function sendRaw(give: number, octets: readonly number[], fd: number | null): void {
  const memory = Buffer.alloc(256)
  const address = BigInt(syscalls.address(memory))
  memory.writeBigUInt64LE(address + 64n, 16)
  memory.writeBigUInt64LE(1n, 24)
  memory.writeBigUInt64LE(address + 128n, 64)
  memory.writeBigUInt64LE(BigInt(octets.length), 72)
  memory.set(octets, 128)
  if (fd !== null) {
    memory.writeBigUInt64LE(address + 96n, 32)
    memory.writeBigUInt64LE(24n, 40)
    memory.writeBigUInt64LE(20n, 96)
    memory.writeInt32LE(linux.solSocket, 104)
    memory.writeInt32LE(linux.scmRights, 108)
    memory.writeInt32LE(fd, 112)
  }
  if (syscalls.sendmsg(give, Number(address), 0) < 0) throw new Error(`errno ${syscalls.errno()}`)
}

t.test('what another version has given, or came without its connection, is passed over', async (t) => {
  const ends = open(t)
  const pipe = open(t)
  sendRaw(ends.give, [2, 7, 7], pipe.give)
  sendRaw(ends.give, [1], null)
  sendRaw(ends.give, [1, 0, 30], pipe.give)
  const taken = [...new Handover(syscalls, ends, ignored).take()]
  t.match(taken, [{ fd: Number, begun: Buffer.of(0, 30) }])
  t.equal(taken.length, 1)
  syscalls.close(taken[0]!.fd)
})

t.test('without room for descriptors there is none', (t) => {
  t.throws(() => openHandover({ ...syscalls, socketpair: () => -1, errno: () => 24 }), { code: 'EMFILE' })
  t.end()
})
