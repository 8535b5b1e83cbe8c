/** What a command says of a server that does not answer. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { ApiClient } from '../../src/commands/api-client.ts'
import { freePort } from '../support/free-port.ts'

/** A server that ends a connection when it has read a request. */
const server = createServer((socket: Socket) => {
  socket.on('error', () => {}).on('data', () => socket.destroy())
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
t.teardown(() => server.close())
const { port } = server.address() as { port: number }
const gone = new ApiClient(`http://127.0.0.1:${port}`, 'token')

t.test('a change whose reply never came may have been done, and it says so', async (t) => {
  for (const method of ['PUT', 'POST', 'DELETE', 'PATCH']) {
    const message =
      /: other side closed; whether it was done is not known: all of it was, or nothing; "pooldns history" tells$/
    await t.rejects(gone.ask('/v1/config?prune=true', { method }), { message }, method)
  }
})

t.test('what changes nothing, or never arrived, leaves no doubt', async (t) => {
  await t.rejects(gone.ask('/v1/zones'), { message: /: other side closed$/ })
  await t.rejects(gone.ask('/v1/config?dryRun=true&prune=true', { method: 'PUT' }), {
    message: /: other side closed$/,
  })
  const none = new ApiClient(`http://127.0.0.1:${await freePort()}`, 'token')
  await t.rejects(none.ask('/v1/config', { method: 'PUT' }), { message: /ECONNREFUSED 127\.0\.0\.1:\d+$/ })
})

t.test('a reply that breaks off says what is known', async (t) => {
  const heads: string[] = []
  const half = createServer((socket: Socket) => {
    socket.on('error', () => {}).once('data', () => socket.end(heads.shift()!))
  })
  half.listen(0, '127.0.0.1')
  await once(half, 'listening')
  t.teardown(() => half.close())
  const breaking = new ApiClient(`http://127.0.0.1:${(half.address() as { port: number }).port}`, 'token')
  heads.push('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"changed": true,')
  await t.rejects(breaking.ask('/v1/config', { method: 'PUT' }), {
    message: /: it was done, and the reply broke off: .+; "pooldns history" tells$/,
  })
  heads.push('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 100\r\n\r\n{"detail": "no')
  await t.rejects(breaking.ask('/v1/config', { method: 'PUT' }), { message: /: 503 Service Unavailable$/ })
  heads.push('HTTP/1.1 204 No Content\r\n\r\n')
  t.equal((await breaking.ask('/v1/pools/x', { method: 'DELETE' })).status, 204)
  heads.push('HTTP/1.1 200 OK\r\ncontent-length: 2\r\netag: "7"\r\n\r\n{}')
  const whole = await breaking.ask('/v1/pools/x', { method: 'PUT' })
  t.same([await whole.json(), whole.headers.get('etag')], [{}, '"7"'])
})
