/** Queries by HTTP: what is sent, what of it goes wrong, and what is read at the most. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { ask, mostOctets, SourceFault } from '../../../../src/controlplane/feeds/prometheus/query.ts'
import type { PrometheusSource } from '../../../../src/controlplane/model/feed.ts'
import { freePort } from '../../../support/free-port.ts'

const source = (prometheus: string, more: Partial<PrometheusSource> = {}): PrometheusSource => ({
  prometheus,
  query: 'up{job="a b"} > 0 & x',
  everyMs: 60_000,
  timeoutMs: 30_000,
  entity: '{instance}',
  column: null,
  headers: [],
  ...more,
})

const anywhere = () => null
const never = new AbortController().signal

async function serve(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

async function faultOf(asked: Promise<string>): Promise<SourceFault> {
  try {
    await asked
  } catch (error) {
    if (error instanceof SourceFault) return error
    throw error
  }
  throw new Error('it was answered')
}

t.test('what is asked', async (t) => {
  const seen: { request: IncomingMessage; body: string }[] = []
  const origin = await serve(t, (request, response) => {
    void text(request).then((body) => {
      seen.push({ request, body })
      response.end('{"status":"success"}')
    })
  })
  const headers = [
    ['authorization', 'Bearer s3cr3t'],
    ['x-scope-orgid', 'shop'],
  ] as const
  t.equal(await ask(source(`${origin}/base`, { headers }), anywhere, never), '{"status":"success"}')
  const [{ request, body }] = seen as [(typeof seen)[0]]
  t.match(request, {
    method: 'POST',
    url: '/base/api/v1/query',
    headers: { authorization: 'Bearer s3cr3t', 'x-scope-orgid': 'shop', 'user-agent': 'pooldns' },
  })
  t.same(Object.fromEntries(new URLSearchParams(body)), {
    query: 'up{job="a b"} > 0 & x',
    timeout: '30000ms',
    limit: '10001',
  })
})

t.test('what goes wrong is told', async (t) => {
  let answer: RequestListener = () => undefined
  const origin = await serve(t, (request, response) => answer(request, response))
  const told = async (listener: RequestListener, more: Partial<PrometheusSource> = {}) => {
    answer = listener
    return (await faultOf(ask(source(origin, more), anywhere, never))).message
  }
  const refusal = '{"status":"error","errorType":"bad_data","error":"1:3: parse error: unexpected \\n"}'
  t.equal(
    await told((_, response) => response.writeHead(400).end(refusal)),
    'status 400: 1:3: parse error: unexpected',
  )
  t.equal(
    await told((_, response) => response.writeHead(502).end('<html>token of the gateway</html>')),
    'status 502',
    'what others than a Prometheus say is told to nobody',
  )
  t.equal(
    await told((_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()),
    'status 302: redirects are not followed',
  )
  t.equal(
    await told((_, response) => response.writeHead(401).end('{"status":"success","error":"x"}')),
    'status 401',
  )
  t.equal(await told((_, response) => response.destroy()), 'socket hang up')
  t.equal(
    await told((_, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('{"status":')
      response.once('drain', () => undefined)
      setImmediate(() => response.destroy())
    }),
    'connection closed before the answer was whole',
    'half of an answer is none',
  )
  t.equal(await told(() => undefined, { timeoutMs: 100 }), 'timeout after 100 ms')
  t.equal(
    await told((_, response) => void response.writeHead(200).write('{'), { timeoutMs: 100 }),
    'timeout after 100 ms',
    'one that begins to answer has no more time',
  )
  const port = await freePort()
  t.match((await faultOf(ask(source(`http://127.0.0.1:${port}`), anywhere, never))).message, /ECONNREFUSED/)
})

t.test('no more is read than may be', async (t) => {
  let ended = false
  let sent = 0
  const origin = await serve(t, (_request, response) => {
    response.socket!.once('close', () => {
      ended = true
    })
    const chunk = Buffer.alloc(65_536, 'x')
    const more = () => {
      while (!ended && response.write(chunk)) sent += chunk.length
    }
    response.on('drain', more)
    more()
  })
  const { message } = await faultOf(ask(source(origin), anywhere, never))
  t.equal(message, 'its answer has more than 8 MiB: have the query give fewer series')
  t.ok(sent < mostOctets + 64 * 1024 * 1024, 'and the connection was ended')
})

t.test('interim responses without end are none that are waited for', async (t) => {
  const server = createTcpServer((socket) => {
    const send = () => {
      while (!socket.destroyed && socket.write('HTTP/1.1 102 Processing\r\n\r\n'));
    }
    socket
      .on('error', () => undefined)
      .on('drain', send)
      .once('data', send)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const endless = source(`http://127.0.0.1:${port}`, { timeoutMs: 60_000 })
  t.equal((await faultOf(ask(endless, anywhere, never))).message, 'more than 8 interim responses')
})

t.test('nobody is asked whose address is refused', async (t) => {
  let connected: Socket | undefined
  const origin = await serve(t, (request, response) => {
    connected = request.socket
    response.end()
  })
  const refuses = (address: string) => (address.startsWith('127.') || address === '::1' ? 'loopback' : null)
  t.equal((await faultOf(ask(source(origin), refuses, never))).message, 'loopback')
  const named = origin.replace('127.0.0.1', 'localhost')
  t.equal((await faultOf(ask(source(named), refuses, never))).message, 'loopback')
  t.equal(connected, undefined)
})

t.test('it can be called off', async (t) => {
  const called = new AbortController()
  const origin = await serve(t, () => called.abort())
  t.match(await faultOf(ask(source(origin), anywhere, called.signal)), {
    message: 'The operation was aborted',
  })
  t.equal((await faultOf(ask(source(origin), anywhere, called.signal))).message, 'called off')
})
