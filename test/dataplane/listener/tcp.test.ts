import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { startTcp } from '../../../src/dataplane/listener/tcp.ts'
import { flagBits, query, readResponse, TcpClient } from '../../support/dns-client.ts'
import { freePort } from '../../support/free-port.ts'
import { answering } from './listening.ts'
import { startListening as start } from './listening-tcp.ts'

const ask = (id: number, name = 'www.example.test') =>
  query(name, name.startsWith('big') ? 'TXT' : 'A', { id })
const answers = async (client: TcpClient) => {
  const message = await client.next()
  return message === null ? null : readResponse(message)
}

t.test('an answer, and the next on the same connection', async (t) => {
  const { open, totals } = await start(t)
  const client = await open()
  for (const id of [1, 2, 3]) {
    t.match(readResponse((await client.exchange(ask(id)))!), {
      id,
      answer: ['www.example.test 300 A 192.0.2.1'],
    })
  }
  t.equal(totals().queries.find(({ family, qtype }) => family === 'ipv4' && qtype === 'A')!.count, 3)
  t.equal(
    totals().durations.reduce((a, b) => a + b),
    3,
  )
})

t.test('an answer over IPv6 is counted as such', async (t) => {
  const { open, totals, endpoint } = await start(t, { host: '::1' })
  t.equal(endpoint.host, '::1')
  const client = await open()
  t.match(readResponse((await client.exchange(ask(1)))!), { id: 1, rcode: 0 })
  t.equal(totals().queries.find(({ family, qtype }) => family === 'ipv6' && qtype === 'A')!.count, 1)
})

t.test('pipelined queries are answered in their order', async (t) => {
  const { open } = await start(t)
  const client = await open()
  client.send(
    ...Array.from({ length: 500 }, (_, id) => ask(id, id % 3 === 0 ? 'nowhere.example.test' : undefined)),
  )
  for (let id = 0; id < 500; id++) {
    const response = await answers(client)
    if (response?.id !== id || response.rcode !== (id % 3 === 0 ? 3 : 0))
      t.fail(`response ${id}`, { response })
  }
})

t.test('messages cut anywhere, octet by octet', async (t) => {
  const { open } = await start(t)
  const client = await open()
  const stream = Buffer.concat([TcpClient.frame(ask(1)), TcpClient.frame(ask(2))])
  for (const octet of stream) {
    await client.write(Buffer.of(octet))
    await turn()
  }
  t.match(await answers(client), { id: 1, rcode: 0 })
  t.match(await answers(client), { id: 2, rcode: 0 })
})

t.test('the end of one message and the beginning of the next in one segment', async (t) => {
  const { open } = await start(t)
  const client = await open()
  const stream = Buffer.concat([1, 2, 3].map((id) => TcpClient.frame(ask(id))))
  const third = Math.ceil(stream.length / 2)
  await client.write(stream.subarray(0, third))
  t.match(await answers(client), { id: 1 })
  await client.write(stream.subarray(third))
  t.match(await answers(client), { id: 2 })
  t.match(await answers(client), { id: 3 })
})

t.test('the longest message, and a long answer', async (t) => {
  const { open } = await start(t)
  const client = await open()
  const longest = Buffer.concat([ask(1), Buffer.alloc(65535 - ask(1).length)])
  t.match(readResponse((await client.exchange(longest))!), { id: 1, answer: { length: 1 } })
  const long = readResponse((await client.exchange(ask(2, 'big.example.test')))!)
  t.equal(long.answer.length, 180)
  t.ok(long.length > 45_000)
})

t.test('malformed messages get their rcode, and the connection stays', async (t) => {
  const { open } = await start(t)
  const client = await open()
  t.match(readResponse((await client.exchange(ask(1).subarray(0, 20)))!), { id: 1, rcode: 1 })
  t.match(readResponse((await client.exchange(query('a.test', 'A', { opcode: 2 })))!), { rcode: 4 })
  t.match(readResponse((await client.exchange(ask(2)))!), { id: 2, rcode: 0 })
})

t.test('what would get silence ends the connection', async (t) => {
  for (const [what, message, dropped] of [
    ['no octets', Buffer.alloc(0), 'short'],
    ['too short', Buffer.alloc(11), 'short'],
    ['a response', query('www.example.test', 'A', { flags: flagBits.qr }), 'response'],
  ] as const) {
    const { open, drops } = await start(t)
    const client = await open()
    client.send(ask(1), message, ask(2))
    t.match(await answers(client), { id: 1 }, what)
    t.equal(await answers(client), null, what)
    t.same(drops(), { [dropped]: 1 })
  }
})

t.test('a message that has begun must be whole in time', async (t) => {
  const limits = { messageTimeoutMs: 60, idleTimeoutMs: 60_000 }
  for (const [what, octets] of [
    ['one octet', Buffer.of(0)],
    ['only the length', Buffer.of(0, 30)],
    ['half a message', TcpClient.frame(ask(1)).subarray(0, 20)],
    ['a whole message and one octet', Buffer.concat([TcpClient.frame(ask(1)), Buffer.of(0)])],
  ] as const) {
    const { open } = await start(t, { limits })
    const client = await open()
    await client.write(octets)
    await client.ended
    t.pass(what)
  }
})

t.test('octets that trickle in buy no more time', async (t) => {
  const { open } = await start(t, { limits: { messageTimeoutMs: 100 } })
  const client = await open()
  const message = TcpClient.frame(Buffer.alloc(65535))
  let sent = 0
  const timer = setInterval(() => client.socket.write(message.subarray(sent, ++sent)), 20)
  t.teardown(() => clearInterval(timer))
  await client.ended
  t.ok(sent < 50, `closed after ${sent} octets`)
})

t.test('each message has its own time', async (t) => {
  const { open } = await start(t, { limits: { messageTimeoutMs: 150 } })
  const client = await open()
  const message = TcpClient.frame(ask(1))
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  // Every segment ends one message and begins the next; together they take longer than one may.
  client.socket.write(message.subarray(0, 10))
  for (let passedMs = 0; passedMs < 400; passedMs += 30) {
    mock.timers.tick(30)
    client.socket.write(Buffer.concat([message.subarray(10), message.subarray(0, 10)]))
    t.match(await answers(client), { id: 1 })
  }
  mock.timers.tick(150)
  t.equal(await answers(client), null, 'one that is never whole has no more than its own')
})

t.test('an idle connection is closed, before and after a message', async (t) => {
  const { open, responses } = await start(t, { limits: { idleTimeoutMs: 60 } })
  const silent = await open()
  let client = await open()
  // On a busy machine one may have been idle before it asks.
  while ((await client.exchange(ask(1))) === null) client = await open()
  await Promise.all([silent.ended, client.ended])
  t.equal(responses(), 1)
})

t.test('when there is no room, the quietest connection makes it', async (t) => {
  const { open } = await start(t, { limits: { connections: 3 } })
  const [first, second, third] = [await open(), await open(), await open()]
  for (const client of [first, second, third]) await client.exchange(ask(1))
  await first.exchange(ask(2))
  const fourth = await open('127.0.0.2')
  t.match(readResponse((await fourth.exchange(ask(3)))!), { id: 3 })
  await second.ended
  for (const client of [first, third, fourth])
    t.match(readResponse((await client.exchange(ask(4)))!), { id: 4 })
})

t.test('an address has a share of its own', async (t) => {
  const { open } = await start(t, { limits: { connections: 3, connectionsPerAddress: 2 } })
  const other = await open('127.0.0.2')
  const [first, second] = [await open(), await open()]
  for (const client of [first, second]) await client.exchange(ask(1))
  const third = await open()
  await third.exchange(ask(1))
  await first.ended
  for (const client of [other, second, third])
    t.match(readResponse((await client.exchange(ask(2)))!), { id: 2 })
})

t.test('with room for one, the second connection takes the place of the first', async (t) => {
  for (const limits of [{ connectionsPerAddress: 1 }, { connections: 1 }]) {
    const { open } = await start(t, { limits })
    const first = await open()
    await first.exchange(ask(1))
    const second = await open()
    await first.ended
    t.match(readResponse((await second.exchange(ask(2)))!), { id: 2 })
  }
})

t.test('a client that has closed its side still gets its answers', async (t) => {
  const { open } = await start(t)
  const client = await open()
  client.socket.end(Buffer.concat([TcpClient.frame(ask(1)), TcpClient.frame(ask(2, 'big.example.test'))]))
  t.match(await answers(client), { id: 1 })
  t.match(await answers(client), { id: 2, answer: { length: 180 } })
  t.equal(await answers(client), null)
  await client.ended
})

t.test('a client that closes in the middle of a message', async (t) => {
  const { open } = await start(t)
  const client = await open()
  client.socket.end(TcpClient.frame(ask(1)).subarray(0, 9))
  t.equal(await answers(client), null)
})

t.test('a client that does not read stops being read from, and loses nothing', async (t) => {
  const { open, responses } = await start(t, { limits: { unreadOctets: 64 << 10 } })
  const client = await open()
  client.socket.pause()
  const count = 400 // 20 MB of answers, more than the kernel takes
  client.send(...Array.from({ length: count }, (_, id) => ask(id, 'big.example.test')))
  const settled = async () => {
    for (let before = -1; before !== responses() || before === 0; ) {
      before = responses()
      for (let i = 0; i < 50; i++) await turn()
    }
    return responses()
  }
  const answered = await settled()
  t.ok(answered < count, `${answered} of ${count} answered`)
  // What the kernel took comes on top of the limit.
  client.socket.end()
  client.socket.resume()
  for (let id = 0; id < count; id++) {
    const response = await answers(client)
    if (response?.id !== id) t.fail(`response ${id}`)
  }
  t.equal(await answers(client), null)
})

/** The server's end of the next connection. */
function nextAccepted(): Promise<Socket> {
  return new Promise((resolve) => {
    const channel = 'net.server.socket'
    const onMessage = (message: unknown) => {
      unsubscribe(channel, onMessage)
      resolve((message as { socket: Socket }).socket)
    }
    subscribe(channel, onMessage)
  })
}

t.test('a client that never reads is idle, and is closed', async (t) => {
  const { open, responses } = await start(t, {
    limits: { unreadOctets: 1000, idleTimeoutMs: 100, messageTimeoutMs: 20 },
  })
  // On a busy machine one may have been idle before it asks.
  while (responses() === 0) {
    const closed = nextAccepted().then((socket) => once(socket, 'close'))
    const client = await open()
    client.socket.pause()
    client.send(...Array.from({ length: 400 }, (_, id) => ask(id, 'big.example.test')))
    await closed
  }
  t.ok(responses() < 400, `${responses()} answered`)
})

t.test('what came before the stop is answered, also to a client that has yet to read', async (t) => {
  const { open, listener } = await start(t, { limits: { unreadOctets: 1000, drainTimeoutMs: 60_000 } })
  const accepted = nextAccepted()
  const client = await open()
  const socket = await accepted
  client.socket.pause()
  client.send(...Array.from({ length: 400 }, (_, id) => ask(id, 'big.example.test')))
  while (socket.writableLength === 0) await turn()
  const stopped = listener.stop()
  client.socket.resume()
  for (let id = 0; id < 400; id++) if ((await answers(client))?.id !== id) t.fail(`response ${id}`)
  t.equal(await answers(client), null)
  client.socket.end()
  await stopped
})

t.test('whoever has asked for more than is answered sees an end, and no reset', async (t) => {
  const { open, listener, responses } = await start(t, { limits: { unreadOctets: 1000, drainTimeoutMs: 0 } })
  const accepted = nextAccepted()
  const client = await open()
  const socket = await accepted
  client.socket.pause()
  client.send(...Array.from({ length: 2000 }, (_, id) => ask(id, 'big.example.test')))
  while (socket.writableLength === 0) await turn()
  const stopped = listener.stop()
  while (socket.writable) await turn()
  client.socket.resume()
  let read = 0
  while ((await client.next()) !== null) read++
  t.equal(read, responses())
  t.ok(read < 2000, `${read} of 2000`)
  t.equal(client.socket.errored, null)
  client.socket.end()
  await stopped
})

t.test('a reset by the client is nothing', async (t) => {
  const { open } = await start(t)
  const client = await open()
  await client.exchange(ask(1))
  client.socket.resetAndDestroy()
  const other = await open()
  t.match(readResponse((await other.exchange(ask(2)))!), { id: 2 })
})

t.test('a connection that is reset before it is accepted', async (t) => {
  const { open, endpoint } = await start(t)
  const done = new Int32Array(new SharedArrayBuffer(4))
  const script = `
    const { connect } = require('node:net')
    const { done, endpoint } = require('node:worker_threads').workerData
    const socket = connect(endpoint, () => {
      socket.resetAndDestroy()
      socket.on('close', () => { Atomics.store(done, 0, 1); Atomics.notify(done, 0) })
    })`
  const worker = new Worker(script, { eval: true, workerData: { done, endpoint } })
  await once(worker, 'online')
  // This thread accepts nothing while it waits.
  Atomics.wait(done, 0, 0, 5000)
  const client = await open()
  t.match(readResponse((await client.exchange(ask(1)))!), { id: 1 })
  await worker.terminate()
})

t.test('stop answers what was received, ends the connections, takes no new ones', async (t) => {
  const { open, listener, endpoint } = await start(t, { limits: { drainTimeoutMs: 60_000 } })
  const [idle, busy] = [await open(), await open()]
  await Promise.all([idle.exchange(ask(0)), busy.exchange(ask(0))])
  busy.send(ask(1), ask(2, 'big.example.test'))
  t.match(await answers(busy), { id: 1 })
  const stopped = listener.stop()
  t.match(await answers(busy), { id: 2, answer: { length: 180 } })
  t.equal(await answers(busy), null)
  t.equal(await answers(idle), null)
  await stopped
  await listener.stop()
  const late = connect(endpoint)
  const [error] = await once(late, 'error')
  t.equal(error.code, 'ECONNREFUSED')
})

t.test('an address in use: an error, and nothing stays bound', async (t) => {
  const other = createServer()
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const taken = other.address() as { port: number }
  const parts = answering(true)
  const listen = [await freePort(), taken.port].map((port) => ({ host: '127.0.0.1', port }))
  await t.rejects(startTcp(listen, parts), { code: 'EADDRINUSE' })
  const again = await startTcp(listen.slice(0, 1), parts)
  t.same(again.bound, listen.slice(0, 1))
  t.same(again.skipped, [])
  await again.stop()
})
