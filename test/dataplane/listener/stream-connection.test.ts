import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { ConnectionTable } from '../../../src/dataplane/listener/connection-table.ts'
import { query, readResponse, TcpClient } from '../../support/dns-client.ts'
import { answering } from './listening.ts'
import { type ListeningOptions, startListening } from './listening-tcp.ts'
import { Transferring } from './transferring.ts'

const ask = (id: number) => query('www.example.test', 'A', { id })
const transfer = query('example.test', 'AXFR', { id: 4711 })

/** A listener whose transfers have so many messages. */
async function start(t: Test, messages: number, options: ListeningOptions & { begun?: Promise<void> } = {}) {
  const { begun, ...rest } = options
  let transferring!: Transferring
  const answerer: ListeningOptions['answerer'] = (responder) => {
    transferring = new Transferring(responder, messages, begun)
    return transferring
  }
  return { ...(await startListening(t, { ...rest, answerer })), transferring }
}

/** Fails unless the next messages are all those of a transfer. */
async function readTransfer(t: Test, client: TcpClient, messages: number): Promise<void> {
  for (let id = 0; id < messages; id++) {
    const message = await client.next()
    const response = message === null ? null : readResponse(message)
    if (response?.id !== id || response.answer.length !== 180) t.fail(`message ${id}`, { response })
  }
}

t.test('an answer of many messages keeps its place among the answers of one', async (t) => {
  const { open, transferring } = await start(t, 20)
  const client = await open()
  client.send(ask(1), transfer, ask(2), transfer)
  t.match(readResponse((await client.next())!), { id: 1 })
  await readTransfer(t, client, 20)
  t.match(readResponse((await client.next())!), { id: 2 })
  await readTransfer(t, client, 20)
  t.match(readResponse((await client.exchange(ask(3)))!), { id: 3 })
  const loopback = [127, 0, 0, 1]
  t.same(transferring.clients, [loopback, loopback])
})

t.test('messages are made as the client reads them', async (t) => {
  const count = 400 // 20 MB, more than the kernel takes
  const { open, transferring } = await start(t, count, { limits: { unreadOctets: 64 << 10 } })
  const client = await open()
  client.socket.pause()
  client.send(transfer, ask(1))
  for (let before = -1; before !== transferring.made || before === 0; ) {
    before = transferring.made
    for (let i = 0; i < 50; i++) await turn()
  }
  t.ok(transferring.made < count, `${transferring.made} of ${count}`)
  client.socket.resume()
  await readTransfer(t, client, count)
  t.match(readResponse((await client.next())!), { id: 1 })
  await transferring.over
})

t.test('while one client reads a transfer without end, the others are answered', async (t) => {
  const { open, transferring } = await start(t, Number.POSITIVE_INFINITY)
  const [reader, other] = [await open(), await open('127.0.0.2')]
  reader.send(transfer)
  await reader.next()
  for (let id = 0; id < 50; id++) t.equal(readResponse((await other.exchange(ask(id)))!).id, id)
  t.ok(transferring.made > 10, `${transferring.made} messages meanwhile`)
  reader.socket.destroy()
  await transferring.over
})

t.test('a client that goes without having read gives up its transfer', async (t) => {
  const { open, transferring } = await start(t, Number.POSITIVE_INFINITY, {
    limits: { unreadOctets: 1000 },
  })
  const client = await open()
  client.socket.pause()
  client.send(transfer)
  for (let before = -1; before !== transferring.made || before === 0; ) {
    before = transferring.made
    for (let i = 0; i < 50; i++) await turn()
  }
  client.socket.resetAndDestroy()
  await transferring.over
})

t.test('stop does not wait for ever for the end of a transfer', async (t) => {
  const limits = { drainTimeoutMs: 50 }
  const { open, listener, transferring } = await start(t, Number.POSITIVE_INFINITY, { limits })
  const client = await open()
  client.send(transfer)
  await client.next()
  await listener.stop()
  await transferring.over
  await client.ended
})

t.test('a client that has closed its side still gets its transfer', async (t) => {
  const { open } = await start(t, 20)
  const client = await open()
  client.socket.end(TcpClient.frame(transfer))
  await readTransfer(t, client, 20)
  t.equal(await client.next(), null)
})

t.test('an answer that comes later holds back what is behind it, on its connection alone', async (t) => {
  const begun = Promise.withResolvers<void>()
  const { open } = await start(t, 1, { begun: begun.promise, limits: { messageTimeoutMs: 20 } })
  const [client, other] = [await open(), await open()]
  client.send(transfer, ask(1))
  client.socket.write(Buffer.of(0))
  for (let id = 0; id < 50; id++) t.equal(readResponse((await other.exchange(ask(id)))!).id, id)
  begun.resolve()
  await readTransfer(t, client, 1)
  t.match(readResponse((await client.next())!), { id: 1 })
  // Only now does the message that has begun have its time.
  await client.ended
})

t.test('a connection over TLS is answered as one over TCP is', async (t) => {
  const parts = answering(true)
  const transferring = new Transferring(parts.responder, 20)
  const table = new ConnectionTable({ ...parts, responder: transferring })
  const psk = { psk: Buffer.alloc(16, 7), identity: 'a' }
  const secret = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const
  const server = createTlsServer({ ...secret, allowHalfOpen: true, pskCallback: () => psk.psk }, (socket) =>
    table.accept(socket, socket.remoteAddress!),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const options = { ...secret, port, host: '127.0.0.1', pskCallback: () => psk }
  const socket: TLSSocket = tlsConnect({ ...options, checkServerIdentity: () => undefined })
  await once(socket, 'secureConnect')
  using client = TcpClient.over(socket)
  client.send(ask(1), transfer, ask(2))
  t.match(readResponse((await client.next())!), { id: 1 })
  await readTransfer(t, client, 20)
  t.match(readResponse((await client.next())!), { id: 2 })
  table.stop()
  t.equal(await client.next(), null)
  await client.ended
})
