import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { startUdp, timedEvery } from '../../../src/dataplane/listener/udp-dgram.ts'
import { flagBits, query, readResponse, UdpClient } from '../../support/dns-client.ts'
import { answering } from './listening.ts'

/** Starts the listener on one address and hands out its socket, as the platform's diagnostics see it. */
async function start(t: Test, host = '127.0.0.1') {
  const parts = answering(false)
  const sockets: Socket[] = []
  const onSocket = (message: unknown) => sockets.push((message as { socket: Socket }).socket)
  subscribe('udp.socket', onSocket)
  const listener = await startUdp([{ host, port: 0 }], parts.responder, parts.counters, parts.onError)
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

t.test('answers over IPv4 and IPv6, counted apart', async (t) => {
  for (const [host, family] of [
    ['127.0.0.1', 'ipv4'],
    ['::1', 'ipv6'],
  ] as const) {
    const { client, totals, endpoint, listener } = await start(t, host)
    t.equal(endpoint.host, host)
    t.ok(endpoint.port > 0)
    t.same(listener.skipped, [])
    t.same(readResponse(await client.exchange(www)).answer, ['www.example.test 300 A 192.0.2.1'])
    t.same(
      totals().queries.filter(({ count }) => count > 0),
      [{ family, qtype: 'A', count: 1 }],
    )
  }
})

t.test('what does not fit a datagram is truncated', async (t) => {
  const { client } = await start(t)
  const big = readResponse(
    await client.exchange(query('big.example.test', 'TXT', { edns: { payload: 4096 } })),
  )
  t.match(big, { flags: 'qr aa tc rd', length: 34 + 11 })
})

t.test('silence, and the next query is answered', async (t) => {
  const { client, drops } = await start(t)
  client.send(Buffer.alloc(11))
  client.send(query('www.example.test', 'A', { flags: flagBits.qr }))
  client.send(Buffer.alloc(0))
  t.match(readResponse(await client.exchange(www)), { rcode: 0 })
  t.same(drops(), { short: 2, response: 1 })
})

t.test('a burst is answered whole', async (t) => {
  const { client } = await start(t)
  const ids = new Set(Array.from({ length: 200 }, (_, id) => id))
  for (const id of ids) client.send(query('www.example.test', 'A', { id }))
  while (ids.size > 0) ids.delete(readResponse(await client.next()).id)
})

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

t.test('source port 0 is dropped', async (t) => {
  const { socket, client, drops } = await start(t)
  const from: RemoteInfo = { address: '127.0.0.1', family: 'IPv4', port: 0, size: www.length }
  socket.emit('message', www, from)
  t.match(readResponse(await client.exchange(www)), { rcode: 0 })
  t.same(drops(), { 'source-port': 1 })
})

t.test(
  'when the kernel does not take responses, they are dropped, and served again when it does',
  async (t) => {
    const { socket, client, drops, responses } = await start(t)
    const size = t.intercept(socket, 'getSendQueueSize', { value: () => (4 << 20) + 1 })
    client.send(www)
    await once(socket, 'message')
    t.same(drops(), { send: 1 })
    t.equal(responses(), 0)
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
  const { socket, client, errors } = await start(t)
  // A broadcast address as the source: the kernel refuses to send there.
  const from: RemoteInfo = { address: '255.255.255.255', family: 'IPv4', port: 53, size: www.length }
  socket.emit('message', www, from)
  t.match(readResponse(await client.exchange(www)), { rcode: 0 })
  t.same(errors, [])
})

t.test('a socket that fails is told of', async (t) => {
  const { socket, errors } = await start(t)
  const error = new Error('recvmsg EIO')
  socket.emit('error', error)
  t.same(errors, [error])
})

t.test('two listeners share a port', async (t) => {
  const { endpoint, listener, client } = await start(t)
  const other = answering(false)
  const second = await startUdp([endpoint], other.responder, other.counters, other.onError)
  t.same(second.bound, [endpoint])
  await listener.stop()
  await listener.stop()
  // What is left answers every client.
  t.match(readResponse(await client.exchange(www)), { rcode: 0 })
  t.equal(other.responses(), 1)
  await second.stop()
})

t.test('an address in use: an error, and nothing stays bound', async (t) => {
  const other = createSocket('udp4')
  other.bind(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { responder, counters, onError } = answering(false)
  const free = await startUdp([{ host: '127.0.0.1', port: 0 }], responder, counters, onError)
  await free.stop()
  const listen = [...free.bound, { host: '127.0.0.1', port: other.address().port }]
  await t.rejects(startUdp(listen, responder, counters, onError), { code: 'EADDRINUSE' })
  // Without sharing: this would fail if the first socket were still there.
  const exclusive = createSocket('udp4')
  exclusive.bind(free.bound[0]!.port, '127.0.0.1')
  await once(exclusive, 'listening')
  exclusive.close()
})
