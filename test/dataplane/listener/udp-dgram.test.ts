import type { RemoteInfo, Socket } from 'node:dgram'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openUdp } from '../../../src/dataplane/listener/bound-sockets.ts'
import type { BoundSocket } from '../../../src/dataplane/listener/listener.ts'
import { linux, loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { startUdp, timedEvery } from '../../../src/dataplane/listener/udp-dgram.ts'
import { query, readResponse, UdpClient } from '../../support/dns-client.ts'
import { answering } from './listening.ts'

/** Starts the listener on one address and hands out its socket, as the platform's diagnostics see it. */
async function start(t: Test) {
  const parts = answering(false)
  const sockets: Socket[] = []
  const onSocket = (message: unknown) => sockets.push((message as { socket: Socket }).socket)
  subscribe('udp.socket', onSocket)
  const listener = await startUdp([{ host: '127.0.0.1', port: 0 }], parts)
  unsubscribe('udp.socket', onSocket)
  const endpoint = listener.bound[0]!
  const client = await UdpClient.open(endpoint)
  t.teardown(async () => {
    await client[Symbol.asyncDispose]()
    await listener.stop()
  })
  return { ...parts, listener, endpoint, client, socket: sockets[0]! }
}

const syscalls = loadSyscalls()

/** Starts the listener on a socket that is handed to it. */
async function startOn(bound: BoundSocket) {
  const parts = answering(false)
  const listener = await startUdp([bound], parts)
  // What had come is read.
  for (let before = -1; before !== parts.responses(); await turn()) before = parts.responses()
  return { ...parts, listener }
}

const www = query('www.example.test', 'A')

t.test('one response in so many is timed', async (t) => {
  const { client, totals } = await start(t)
  const timed = () => totals().durations.reduce((a, b) => a + b)
  for (let i = 1; i <= timedEvery + 1; i++) {
    await client.exchange(www)
    // The time is taken when the datagram has been handed to the kernel, so the client may be faster.
    await new Promise((resolve) => setImmediate(resolve))
    t.equal(timed(), i <= timedEvery ? 1 : 2)
  }
})

t.test('source ports that nobody asks from are dropped', async (t) => {
  const { socket, client, drops } = await start(t)
  for (const port of [0, 7, 13, 17, 19, 37]) {
    const from: RemoteInfo = { address: '127.0.0.1', family: 'IPv4', port, size: www.length }
    socket.emit('message', www, from)
  }
  t.match(readResponse(await client.exchange(www)), { rcode: 0 })
  t.same(drops(), { 'source-port': 6 })
})

t.test(
  'when the kernel does not take responses, they are dropped, and served again when it does',
  async (t) => {
    const { socket, client, drops, responses } = await start(t)
    const size = t.intercept(socket, 'getSendQueueSize', { value: () => (4 << 20) + 1 })
    const count = t.intercept(socket, 'getSendQueueCount', { value: () => 1 })
    t.match(readResponse(await client.exchange(www)), { rcode: 0 })
    count.restore()
    client.send(www)
    await once(socket, 'message')
    t.same(drops(), { send: 1 })
    t.equal(responses(), 1)
    size.restore()
    t.match(readResponse(await client.exchange(www)), { rcode: 0 })
  },
)

t.test('a response that is queued keeps its buffer', async (t) => {
  const { socket, client } = await start(t)
  const sent: { buffer: Uint8Array; octets: Buffer }[] = []
  t.intercept(socket, 'send', {
    value: (buffer: Uint8Array, from: number, length: number) => {
      sent.push({ buffer, octets: Buffer.from(buffer.subarray(from, length)) })
    },
  })
  t.intercept(socket, 'getSendQueueCount', { value: () => sent.length })
  for (const id of [1, 2, 3]) {
    client.send(query('www.example.test', 'A', { id }))
    await once(socket, 'message')
  }
  t.same(
    sent.map(({ octets }) => readResponse(octets).id),
    [1, 2, 3],
  )
  t.equal(new Set(sent.map(({ buffer }) => buffer)).size, 3)
  for (const { buffer, octets } of sent) t.ok(octets.equals(buffer.subarray(0, octets.length)))
})

t.test('an address that can not be sent to hurts nobody', async (t) => {
  const { socket, client } = await start(t)
  // A broadcast address as the source: the kernel refuses to send there.
  const from: RemoteInfo = { address: '255.255.255.255', family: 'IPv4', port: 53, size: www.length }
  socket.emit('message', www, from)
  t.match(readResponse(await client.exchange(www)), { rcode: 0 })
})

/** Leaves a socket room for some datagrams. */
function shrink({ fd }: BoundSocket): void {
  const octets = Int32Array.of(8192, ...Array(63))
  syscalls.setsockopt(fd, linux.solSocket, linux.soRcvbuf, syscalls.address(new Uint8Array(octets.buffer)), 4)
}

t.test('what the kernel drops of a socket that was handed over is counted, from now on', async (t) => {
  const bound = openUdp(syscalls, { host: '127.0.0.1', port: 0, dual: false })
  t.teardown(() => syscalls.close(bound.fd))
  await using client = await UdpClient.open(bound)
  const flood = async () => {
    for (let i = 0; i < 500; i++) client.send(www)
    await turn()
  }
  shrink(bound)
  await flood()
  const { listener, drops, responses } = await startOn(bound)
  shrink(bound)
  const before = responses()
  t.same(drops(), {}, 'of before our time others have told')
  for (let round = 1; round <= 2; round++) {
    await flood()
    const all = () => (drops()['receive-queue'] ?? 0) + responses()
    while (all() < before + 500 * round) await turn()
    t.equal(all(), before + 500 * round)
  }
  await flood()
  await listener.stop()
  t.equal(drops()['receive-queue']! + responses(), before + 1500)
})
