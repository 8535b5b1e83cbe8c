/** What one connection, and all of them, may cost; and that whatever is refused is refused in a problem document. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Connections } from '../../../../src/controlplane/api/admission/connections.ts'
import { defaultHttpLimits, type HttpLimits } from '../../../../src/controlplane/api/admission/limits.ts'
import { HttpError } from '../../../../src/controlplane/api/errors.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { adminToken, startHarness } from '../fixture.ts'
import { get, post, RawConnection, type RawReply } from './raw-connection.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())
const harness = await startHarness(await postgres.createDatabase(), {
  httpLimits: { waitingByConnection: 20 },
})
t.teardown(() => harness[Symbol.asyncDispose]())
const { origin } = harness

function problemOf(reply: RawReply | null): unknown {
  return reply !== null && /^content-type: application\/problem\+json$/im.test(reply.head)
    ? JSON.parse(reply.body)
    : reply
}

t.test('pipelined requests are answered one by one, in their order, up to a bound', async (t) => {
  using some = await RawConnection.open(origin)
  some.send(
    Array.from({ length: 15 }, (_, n) => post('/v1/tools/validate', `{"ip":"192.0.2.${n * 20}"}`)).join(''),
  )
  for (let n = 0; n < 15; n++) {
    t.same(JSON.parse((await some.reply())!.body), { status: n * 20 < 256 })
  }
  some.send(get('/health'))
  t.equal((await some.reply())!.status, 200, 'and the connection goes on')

  using many = await RawConnection.open(origin)
  many.send(get('/openapi.json').repeat(1600))
  const replies = await many.replies()
  t.equal(replies.length, 21, 'the one in work and those that may wait')
  t.ok(replies.every(({ status, body }) => status === 200 && JSON.parse(body).openapi === '3.1.0'))
  t.match(await harness.metrics.text(), /^pooldns_http_connections_ended_total\{reason="pipelining"\} 1$/m)
})

t.test('a body that nobody wants is not read', async (t) => {
  const body = `{"ip":"${'x'.repeat(5000)}"}`
  const large = `POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n`
  for (const [path, status] of [
    ['/nope', 404],
    ['/health', 405],
    ['/v1/pools', 405],
    ['/v1/tools/validate', 413],
    ['/tools/lookup', 413],
    ['/v1/tokens', 401],
  ] as const) {
    using connection = await RawConnection.open(origin)
    // Not one octet of the body is there yet.
    connection.send(large.replace('%s', path))
    t.match(problemOf(await connection.reply()), { status }, path)
    connection.send('x'.repeat(1_000_000) + get('/health'))
    t.equal((await connection.reply())?.status, 200, `${path}: what comes of it is thrown away`)
  }
  for (const [method, path] of [
    ['POST', '/v1/tokens'],
    ['PUT', '/v1/pools/p/override'],
    ['PUT', '/v1/pools/p/members/m/override'],
    ['PUT', '/v1/overrides/p/m'],
    ['PUT', '/v1/pools/p/members/m/report'],
    ['POST', '/v1/pools/p/members/m/fail-back'],
    ['DELETE', '/v1/pools/p'],
  ] as const) {
    const reply = await harness.call(method, path, { padding: 'x'.repeat(5000) })
    t.match(reply, { status: 413, body: { detail: /4096 octets/ } }, `${method} ${path}`)
  }
  using chunked = await RawConnection.open(origin)
  chunked.send(
    `POST /v1/tools/validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
      `${body.length.toString(16)}\r\n${body}\r\n`,
  )
  t.match(problemOf(await chunked.reply()), { status: 413 }, 'without a length')
  using coded = await RawConnection.open(origin)
  coded.send(post('/v1/tools/validate', '{}', 'Content-Encoding: gzip\r\n'))
  t.match(problemOf(await coded.reply()), { status: 415, detail: /Content-Encoding/ })
})

t.test('a client that asks first is told to go on only when its body is wanted', async (t) => {
  const expect = 'Expect: 100-continue\r\n'
  const head = (path: string) => post(path, '{"ip":"192.0.2.1"}', expect).replace(/\{.*/, '')
  using wanted = await RawConnection.open(origin)
  wanted.send(head('/v1/tools/validate'))
  t.equal((await wanted.reply())?.status, 100)
  wanted.send('{"ip":"192.0.2.1"}')
  t.same(JSON.parse((await wanted.reply())!.body), { status: true })
  using unwanted = await RawConnection.open(origin)
  unwanted.send(head('/nope'))
  const refusal = await unwanted.reply()
  t.match(problemOf(refusal), { status: 404 })
  t.match(refusal!.head, /^connection: close$/im, 'what follows could be the body or another request')
  using other = await RawConnection.open(origin)
  other.send(get('/health', 'Expect: something\r\n'))
  t.match(problemOf(await other.reply()), { status: 417 })
})

t.test('octets that break HTTP get a problem document, behind the replies that came before', async (t) => {
  for (const [octets, status, before] of [
    ['nonsense\r\n\r\n', 400, 0],
    [`${get('/health')}${get('/ready')}nonsense\r\n\r\n`, 400, 2],
    [get('/', 'x: y\r\n'.repeat(100_000)), 431, 0],
    [get(`/${'x'.repeat(20_000)}`), 431, 0],
    ['GET /health HTTP/1.1\r\n\r\n', 400, 0],
    ['GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400, 0],
    [
      'POST /v1/tools/validate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
      400,
      0,
    ],
    [
      'POST /v1/tools/validate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
      0,
    ],
    ['CONNECT a.test:443 HTTP/1.1\r\nHost: localhost\r\n\r\n', 405, 0],
    ['TRACE /health HTTP/1.1\r\nHost: localhost\r\n\r\n', 405, 0],
    ['OPTIONS /health HTTP/1.1\r\nHost: localhost\r\n\r\n', 405, 0],
    ['OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n', 404, 0],
    ['PURGE /health HTTP/1.1\r\nHost: localhost\r\n\r\n', 405, 0],
    [get(`/v1/pools/${'x'.repeat(5000)}`), 414, 0],
    [get('/v1/pools/%zz'), 400, 0],
  ] as const) {
    using connection = await RawConnection.open(origin)
    connection.send(octets)
    for (let count = 0; count < before; count++) t.equal((await connection.reply())?.status, 200)
    t.match(
      problemOf(await connection.reply()),
      { status, type: /^urn:pooldns:problem:/ },
      octets.slice(0, 60),
    )
  }
})

t.test('targets in absolute form and older clients are served', async (t) => {
  using connection = await RawConnection.open(origin)
  connection.send(get('http://localhost/health?x'))
  t.equal((await connection.reply())?.status, 200)
  connection.send(get('http://localhost/'))
  t.match(JSON.parse((await connection.reply())!.body), { version: '1.2.3' })
  using old = await RawConnection.open(origin)
  old.send('GET /health HTTP/1.0\r\n\r\n')
  t.equal((await old.replies()).length, 1)
})

t.test('documents are made once, and the page has all its parts', async (t) => {
  for (const path of ['/openapi.json', '/docs/json', '/docs/yaml', '/docs/static/swagger-ui-bundle.js']) {
    const [first, second, head] = await Promise.all([
      fetch(origin + path),
      fetch(origin + path),
      fetch(origin + path, { method: 'HEAD' }),
    ])
    const text = await first.text()
    t.equal(text, await second.text(), path)
    t.equal(head.headers.get('content-length'), String(Buffer.byteLength(text)))
    t.equal((await head.text()).length, 0)
  }
  for (const path of ['/docs/', '/docs/static/swagger-ui.css', '/docs/static/swagger-initializer.js']) {
    const reply = await fetch(origin + path)
    t.equal(reply.status, 200, path)
    t.match(reply.headers.get('content-security-policy'), /default-src/)
    await reply.text()
  }
})

/** A server with nothing behind it, whose clock the test turns. */
async function startBare(
  t: Test,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  limits: Partial<HttpLimits> = {},
) {
  const clock = { ms: 0 }
  const losses: string[] = []
  const connections = new Connections({
    // Looks are the test's.
    limits: { ...defaultHttpLimits, lookMs: 1_000_000, ...limits },
    onLoss: (loss) => losses.push(loss),
    now: () => clock.ms,
  })
  const server = connections.createServer(handler, 60_000)
  server.on('clientError', (_error, socket) =>
    connections.broken(socket as never, new HttpError(400, 'bad-request', 'broken')),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const bare = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin: bare, connections, clock, losses }
}

/** More than the kernel takes for a client that does not read. */
const huge = Buffer.alloc(64 * 1024 * 1024, 'x')

t.test('a reply that gains nothing for half a minute is ended, and one that gains goes on', async (t) => {
  const pending = Promise.withResolvers<void>()
  const served = new Set<ServerResponse>()
  const { origin, connections, clock, losses } = await startBare(t, ({ url }, response) => {
    served.add(response)
    if (url === '/wait') return
    response.writeHead(200, { 'content-length': huge.length })
    if (url === '/trickle') response.write(huge.subarray(0, 48 * 1024 * 1024))
    else response.end(huge)
    if (served.size === 4) pending.resolve()
  })
  using stalled = await RawConnection.open(origin)
  using reader = await RawConnection.open(origin)
  using waiting = await RawConnection.open(origin)
  using stream = await RawConnection.open(origin)
  waiting.send(get('/wait'))
  stalled.send(get('/'))
  reader.send(get('/'))
  stream.send(get('/trickle'))
  await pending.promise
  connections.look()
  clock.ms = 29_999
  connections.look()
  t.same(losses, [])
  let read = 0
  reader.socket.on('data', (chunk) => {
    read += chunk.length
  })
  while (read < 16 * 1024 * 1024) await once(reader.socket, 'data')
  clock.ms = 30_000
  connections.look()
  t.same(losses, ['stalled', 'stalled'], 'the reply and the stream')
  await Promise.all([stalled.ended(), stream.ended()])
  while (read < huge.length) await once(reader.socket, 'data')
  t.equal(connections.size, 2)
})

t.test('replies that hold too much together make room, the oldest first', async (t) => {
  const { origin, connections, losses } = await startBare(
    t,
    (_request, response) => {
      const own = Buffer.from(huge)
      connections.holds(response, own)
      response.end(own)
    },
    { replyOctets: 2 * huge.length },
  )
  using first = await RawConnection.open(origin)
  using second = await RawConnection.open(origin)
  using third = await RawConnection.open(origin)
  for (const connection of [first, second, third]) {
    connection.send(get('/'))
    // The next one comes when this has begun.
    await once(connection.socket, 'readable')
  }
  await first.ended()
  t.same(losses, ['memory'])
  t.equal(connections.size, 2)
})

t.test('octets that replies share count once, so that unread documents put out nothing else', async (t) => {
  const shared = Buffer.from(huge)
  const { origin, connections, losses } = await startBare(
    t,
    ({ url }, response) => {
      const octets = url === '/own' ? Buffer.from(huge) : shared
      connections.holds(response, octets)
      response.end(octets)
    },
    { replyOctets: 2 * huge.length },
  )
  using opened = new DisposableStack()
  const begin = async (path: string) => {
    const connection = opened.use(await RawConnection.open(origin))
    connection.send(get(path))
    await once(connection.socket, 'readable')
    return connection
  }
  const oldest = await begin('/own')
  const documents: RawConnection[] = []
  for (let count = 0; count < 5; count++) documents.push(await begin('/document'))
  t.same(losses, [])
  // They count until the last of them is gone, and no longer.
  for (const document of documents.splice(1)) document.socket.destroy()
  while (connections.size > 2) await turn()
  await begin('/own')
  await oldest.ended()
  t.same(losses, ['memory'])
  documents[0]!.socket.destroy()
  while (connections.size > 1) await turn()
  await begin('/own')
  t.same(losses, ['memory'])
})

t.test('a body that nobody wants has an end', async (t) => {
  const { origin, connections, clock, losses } = await startBare(
    t,
    (_request, response) => void response.writeHead(413, { 'content-length': 0 }).end(),
    { unwantedOctets: 1024 * 1024 },
  )
  const head = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n'
  using late = await RawConnection.open(origin)
  late.send(head)
  t.equal((await late.reply())?.status, 413)
  using long = await RawConnection.open(origin)
  long.send(head)
  t.equal((await long.reply())?.status, 413)
  connections.look()
  t.same(losses, [])
  long.send('x'.repeat(2 * 1024 * 1024))
  while (losses.length === 0) {
    await turn()
    connections.look()
  }
  await long.ended()
  clock.ms = 10_000
  connections.look()
  await late.ended()
  t.same(losses, ['unwanted', 'unwanted'])
})

t.test('the quietest connection makes room', async (t) => {
  const { origin, connections, losses } = await startBare(t, ({ url }, response) => {
    if (url === '/') response.writeHead(200, { 'content-length': 0 }).end()
  })
  t.equal(connections.endQuietest(), false)
  using busy = await RawConnection.open(origin)
  busy.send(get('/wait'))
  using idle = await RawConnection.open(origin)
  idle.send(get('/'))
  await idle.reply()
  using later = await RawConnection.open(origin)
  later.send(get('/'))
  await later.reply()
  for (const connection of [idle, later, busy]) {
    t.equal(connections.endQuietest(), true)
    await connection.ended()
  }
  t.same(losses, ['quiet', 'quiet', 'quiet'])
})

t.test(
  'at one connection too many the quietest goes, and one with a request in work last of all',
  async (t) => {
    const held: ServerResponse[] = []
    const { origin, connections, losses } = await startBare(
      t,
      ({ url }, response) => {
        if (url === '/held') held.push(response)
        else response.writeHead(200, { 'content-length': 0 }).end()
      },
      { connections: 3 },
    )
    using long = await RawConnection.open(origin)
    long.send(get('/held'))
    while (held.length === 0) await turn()
    using silent = await RawConnection.open(origin)
    using half = await RawConnection.open(origin)
    half.send('GET / HTTP/1.1\r\nhost: loc')
    const asking: RawConnection[] = []
    for (const gone of [silent, half]) {
      const next = await RawConnection.open(origin)
      t.teardown(() => next[Symbol.dispose]())
      asking.push(next)
      next.send(get('/'))
      t.equal((await next.reply())!.status, 200)
      await gone.ended()
    }
    // Its reply makes it the latest.
    held.pop()!.writeHead(200, { 'content-length': 0 }).end()
    t.equal((await long.reply())!.status, 200)
    using fifth = await RawConnection.open(origin)
    fifth.send(get('/held'))
    await asking[0]!.ended()
    asking[1]!.send(get('/held'))
    long.send(get('/held'))
    while (held.length < 3) await turn()
    using sixth = await RawConnection.open(origin)
    sixth.send(get('/'))
    t.equal((await sixth.reply())!.status, 200, 'also when nobody is quiet')
    await fifth.ended()
    t.equal(connections.size, 3)
    t.same(losses, ['quiet', 'quiet', 'quiet', 'quiet'])
  },
)

t.test('connections that go by themselves leave room', async (t) => {
  const answer = (_request: IncomingMessage, response: ServerResponse) => response.end()
  const { origin, connections, losses } = await startBare(t, answer, { connections: 2 })
  for (let count = 0; count < 10; count++) {
    using connection = await RawConnection.open(origin)
    connection.send(get('/', 'Connection: close\r\n'))
    await connection.reply()
    await connection.ended()
    while (connections.size > 0) await turn()
  }
  t.same(losses, [])
})

t.test('too many requests that wait over all leave each connection a few', async (t) => {
  const held: ServerResponse[] = []
  const { origin } = await startBare(t, (_request, response) => void held.push(response), { waiting: 0 })
  using connection = await RawConnection.open(origin)
  connection.send(get('/').repeat(50))
  const replies = connection.replies()
  for (let count = 0; count < 5; count++) {
    while (held.length === 0) await turn()
    held.pop()!.writeHead(200, { 'content-length': 0 }).end()
  }
  t.equal((await replies).length, 5)
})

t.test('bodies that wait behind others are bounded', async (t) => {
  const { origin, losses } = await startBare(t, () => undefined, { waitingBodyOctets: 5000 })
  using connection = await RawConnection.open(origin)
  connection.send(get('/') + post('/', 'x'.repeat(3000)))
  connection.send(post('/', 'x'.repeat(3000)))
  while (losses.length === 0) await turn()
  t.same(losses, ['pipelining'])
})

t.test('what comes during a stop is refused in a problem document', async (t) => {
  const asked = Promise.withResolvers<void>()
  const published = Promise.withResolvers<void>()
  const stopping = await startHarness(await postgres.createDatabase(), {
    publisher: {
      reached: () => {
        asked.resolve()
        return published.promise
      },
    },
  })
  using connection = await RawConnection.open(stopping.origin)
  const write = post(
    '/v1/monitors/m',
    '{"type":"static","state":"up"}',
    `Authorization: Bearer ${adminToken}\r\n`,
  )
  connection.send(write.replace('POST', 'PUT') + get('/health'))
  await asked.promise
  const stopped = stopping[Symbol.asyncDispose]()
  const refused = async () =>
    RawConnection.open(stopping.origin).then(
      (other) => {
        other[Symbol.dispose]()
        return false
      },
      () => true,
    )
  while (!(await refused())) await turn()
  published.resolve()
  t.equal((await connection.reply())?.status, 201, 'what was in work is finished')
  const refusal = await connection.reply()
  t.match(problemOf(refusal), { status: 503, type: 'urn:pooldns:problem:stopping' })
  t.match(refusal?.head, /^retry-after: /im)
  await connection.ended()
  await stopped
})
