import type { RemoteInfo, Socket } from 'node:dgram'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import t, { type Test } from 'tap'
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
