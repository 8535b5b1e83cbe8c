/** Whether a server answers at all, as somebody is told who waits for it. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { ServerPool } from '../../../src/controlplane/store/server-pool.ts'

/** An ErrorResponse (PostgreSQL documentation, "Message Formats"): it is still starting, so it is there. */
const refusal = (() => {
  const fields = Buffer.from('SFATAL\0C57P03\0Mthe database system is starting up\0\0')
  const head = Buffer.from('E\0\0\0\0')
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
})()

/** The pool of a server in this process. @param hear what it does with one who connects */
async function poolOf(t: Test, hear: (socket: Socket) => void): Promise<ServerPool> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    hear(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const pool = new ServerPool('postgres', { connectionString: `postgres://a@127.0.0.1:${port}/a` }, () => {})
  t.teardown(async () => {
    await pool.end()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return pool
}

const never = new AbortController().signal

t.test('a server is there that refuses, and one that says nothing is not', async (t) => {
  const refusing = await poolOf(t, (socket) => void socket.once('data', () => socket.end(refusal)))
  t.equal(await refusing.isAlive(never), true)
  const silent = await poolOf(t, (socket) => void socket.resume())
  t.equal(await silent.isAlive(never), false)
  const hurried = new AbortController()
  const asked = silent.isAlive(hurried.signal)
  hurried.abort()
  t.equal(await asked, false)
})

t.test('that this process stood still is no silence of the server', async (t) => {
  const pool = await poolOf(t, (socket) => void socket.once('data', () => socket.end(refusal)))
  const asked = pool.isAlive(never)
  // For longer than it is waited for.
  const until = performance.now() + 1100
  while (performance.now() < until);
  t.equal(await asked, true)
})
