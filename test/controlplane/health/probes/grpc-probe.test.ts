import { getEventListeners, once } from 'node:events'
import { createSecureServer, createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import t from 'tap'
import { anywhere } from '../../../../src/controlplane/health/probes/address-policy.ts'
import { probeGrpc } from '../../../../src/controlplane/health/probes/grpc-probe.ts'
import { PatternMatcher } from '../../../../src/controlplane/health/probes/pattern-matcher.ts'
import { probe } from '../../../../src/controlplane/health/probes/probe.ts'
import { TlsClient } from '../../../../src/controlplane/health/probes/tls-client.ts'
import type { ProbeVerdict } from '../../../../src/controlplane/health/verdict.ts'
import type { GrpcMonitor } from '../../../../src/controlplane/model/monitor.ts'
import { tlsDefaults } from '../../model/defaults.ts'
import { certificate, certificateFolder, withoutOpenssl } from '../certificates.ts'
import { closedPort, serve, serveBytes, serveHttp, serveTcp, targetOf, timing } from '../fixture.ts'

const never = new AbortController().signal

const monitorWith = (changes: Partial<GrpcMonitor>): GrpcMonitor => ({
  ...timing,
  name: 'api',
  type: 'grpc',
  port: 50051,
  service: '',
  tls: null,
  ...changes,
})

const probePort = (port: number, changes: Partial<GrpcMonitor> = {}): Promise<ProbeVerdict> =>
  probe(targetOf(port, monitorWith(changes)), never)

interface Owner {
  teardown(fn: () => unknown): void
}

/** A real gRPC server. */
async function serveGrpc(owner: Owner, server: Server, credentials = ServerCredentials.createInsecure()) {
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  owner.teardown(() => server.forceShutdown())
  return port
}

function healthyServer() {
  const server = new Server()
  const health = new HealthImplementation({
    '': 'SERVING',
    'shop.Cart': 'NOT_SERVING',
    'shop.Stock': 'UNKNOWN',
  })
  health.addToServer(server)
  return { server, health }
}

t.test('what can not be called at all leaves nothing behind', async (t) => {
  const server = createTcpServer().listen(0, '::1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const closed = once(server, 'connection').then(([socket]: Socket[]) => once(socket!.resume(), 'close'))
  // No URL has a zone in it.
  const stop = new AbortController()
  const tls = new TlsClient(null)
  const patterns = new PatternMatcher()
  const resolve = async () => []
  const context = { policy: anywhere, tls, patterns, resolve, lacks: () => false, stop: stop.signal }
  const target = { ...targetOf(port, monitorWith({})), address: '::1%lo' }
  t.match(await probeGrpc(target, monitorWith({}), context), { failure: 'protocol' })
  await closed
  t.equal(getEventListeners(stop.signal, 'abort').length, 0)
})

t.test('a gRPC server passes when it says that it, or the service, is serving', async (t) => {
  const { server, health } = healthyServer()
  const port = await serveGrpc(t, server)
  t.match(await probePort(port), { ok: true })
  t.match(await probePort(port, { service: 'shop.Cart' }), {
    failure: 'status',
    reason: 'gRPC health NOT_SERVING',
  })
  t.match(await probePort(port, { service: 'shop.Stock' }), {
    failure: 'status',
    reason: 'gRPC health UNKNOWN',
  })
  t.match(await probePort(port, { service: 'shop.None' }), {
    failure: 'status',
    reason: 'gRPC status 5 NOT_FOUND',
  })
  health.setStatus('shop.Cart', 'SERVING')
  t.match(await probePort(port, { service: 'shop.Cart' }), { ok: true })
  health.setStatus('', 'NOT_SERVING')
  t.match(await probePort(port), { failure: 'status', reason: 'gRPC health NOT_SERVING' })
})

t.test('a gRPC server without health', async (t) => {
  const port = await serveGrpc(t, new Server())
  t.match(await probePort(port), { failure: 'status', reason: 'gRPC status 12 UNIMPLEMENTED' })
})

t.test(
  'over TLS the certificate must be of a known authority and of the name that is expected',
  { skip: withoutOpenssl },
  async (t) => {
    const { cert, key } = await certificate(await certificateFolder(t), 'api', 'DNS:api.example.test')
    const credentials = ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }])
    const port = await serveGrpc(t, healthyServer().server, credentials)
    const tls = { ...tlsDefaults, serverName: 'api.example.test', ca: cert.toString() }
    t.match(await probePort(port, { tls }), { ok: true })
    t.match(await probePort(port, { tls: { ...tls, ca: null } }), {
      failure: 'tls',
      reason: 'self-signed certificate',
    })
    t.match(await probePort(port, { tls: { ...tls, serverName: null } }), {
      failure: 'tls',
      reason: /does not match/,
    })
    t.match(await probePort(port, { tls: { ...tls, clientCertificate: 'none' } }), { failure: 'tls' })
    const plain = await probePort(port)
    t.ok(!plain.ok && ['reset', 'protocol'].includes(plain.failure), 'asked without TLS')

    const noAlpn = await serve(
      t,
      createTlsServer({ cert, key }, (socket) => socket.on('error', () => undefined)),
    )
    t.match(await probePort(noAlpn, { tls }), {
      failure: 'protocol',
      reason: 'the server does not take up HTTP/2 (ALPN)',
    })
    const web = createSecureServer({ cert, key }, (_request, response) => response.writeHead(404).end())
    t.match(await probePort(await serve(t, web), { tls }), { failure: 'status', reason: 'status 404' })
  },
)

/** An HTTP/2 server that answers each call by hand. */
const serveCalls = (t: Owner, answer: (stream: ServerHttp2Stream) => void): Promise<number> => {
  const server: Http2Server = createServer()
  server.on('stream', (stream) => {
    stream.on('error', () => undefined)
    answer(stream)
  })
  server.on('sessionError', () => undefined)
  return serve(t, server)
}

const grpc = { ':status': 200, 'content-type': 'application/grpc' } as const

/** Says a message and ends with these trailers. */
const saying = (message: Buffer, trailers: Record<string, string>) => (stream: ServerHttp2Stream) => {
  stream.respond(grpc, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.end(message)
}

const isServing = Buffer.of(0, 0, 0, 0, 2, 8, 1)

t.test('a response that says nothing of health is a failure', async (t) => {
  for (const [what, answer, failure, reason] of [
    ['ok', saying(isServing, { 'grpc-status': '0' }), null, ''],
    ['no trailers', saying(isServing, {}), 'protocol', 'the response has no grpc-status'],
    ['no message', saying(Buffer.alloc(0), { 'grpc-status': '0' }), 'protocol', 'malformed gRPC response'],
    [
      'half a message',
      saying(isServing.subarray(0, 6), { 'grpc-status': '0' }),
      'protocol',
      'malformed gRPC response',
    ],
    [
      'a new status',
      saying(Buffer.of(0, 0, 0, 0, 2, 8, 7), { 'grpc-status': '0' }),
      'status',
      'gRPC health 7',
    ],
    ['a new error', saying(isServing, { 'grpc-status': '99' }), 'status', 'gRPC status 99 (not known)'],
    [
      'trailers alone',
      (stream: ServerHttp2Stream) => stream.respond({ ...grpc, 'grpc-status': '14' }, { endStream: true }),
      'status',
      'gRPC status 14 UNAVAILABLE',
    ],
    [
      'a web page',
      (stream: ServerHttp2Stream) => {
        stream.respond({ ':status': 200, 'content-type': 'text/html' })
        stream.end('<html>')
      },
      'protocol',
      '"text/html" is not gRPC',
    ],
    ['refused', (stream: ServerHttp2Stream) => stream.close(7), 'reset', /REFUSED_STREAM/],
    [
      'a few interim responses',
      (stream: ServerHttp2Stream) => {
        for (let count = 0; count < 8; count++) stream.additionalHeaders({ ':status': 103 })
        saying(isServing, { 'grpc-status': '0' })(stream)
      },
      null,
      '',
    ],
    [
      'interim responses and no other',
      (stream: ServerHttp2Stream) => {
        const more = (): void => {
          if (stream.destroyed) return
          stream.additionalHeaders({ ':status': 103 })
          setImmediate(more)
        }
        more()
      },
      'protocol',
      'more than 8 interim responses',
    ],
    [
      'broken off',
      (stream: ServerHttp2Stream) => {
        stream.respond(grpc)
        stream.write(isServing, () => stream.session!.destroy())
      },
      'reset',
      'connection closed before the end of the response',
    ],
  ] as const) {
    const verdict = await probePort(await serveCalls(t, answer))
    t.match(verdict, failure === null ? { ok: true } : { failure, reason }, what)
  }
})

t.test('a response without an end is cut off', async (t) => {
  const gone = Promise.withResolvers<number>()
  const port = await serveCalls(t, (stream) => {
    let sent = 0
    stream.respond(grpc)
    const more = (): void => {
      while (!stream.destroyed) {
        sent += 16_384
        if (!stream.write(Buffer.alloc(16_384))) return
      }
    }
    stream.on('drain', more)
    stream.on('close', () => gone.resolve(sent))
    more()
  })
  t.match(await probePort(port), { failure: 'protocol', reason: 'the response is too long' })
  const sent = await gone.promise
  t.ok(sent <= 1024 * 1024, `${sent} octets`)
})

t.test('a server that speaks no gRPC fails, with a reason', async (t) => {
  const web = await serveHttp(t, (_request, response) => response.end('hello'))
  t.match(await probePort(web), { failure: 'protocol', reason: /^malformed HTTP\/2: / })
  const ssh = await serveBytes(t, 'SSH-2.0-OpenSSH_9.2\r\n', () => {})
  t.match(await probePort(ssh), { failure: 'protocol', reason: /^malformed HTTP\/2: / })
  const shut = await serveTcp(t, (socket) => socket.once('data', () => socket.end()))
  t.match(await probePort(shut), {
    failure: 'reset',
    reason: 'connection closed before the end of the response',
  })
  const reset = await serveTcp(t, (socket) => socket.once('data', () => socket.resetAndDestroy()))
  t.match(await probePort(reset), { failure: 'reset', reason: 'connection reset' })
  t.match(await probePort(await closedPort()), { failure: 'connect', reason: 'connect ECONNREFUSED' })
})

t.test('no answer, and called off', async (t) => {
  const sockets: Socket[] = []
  const closed = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const port = await serveTcp(t, (socket) => {
    sockets.push(socket)
    socket.once('data', () => asked.resolve())
    socket.on('close', () => closed.resolve())
  })
  const controller = new AbortController()
  const verdict = probe(targetOf(port, monitorWith({})), controller.signal)
  await asked.promise
  controller.abort()
  t.match(await verdict, { failure: 'aborted' })
  await closed.promise
  t.match(await probePort(port, { timeoutMs: 50 }), { failure: 'timeout', reason: 'timeout after 50 ms' })
})
