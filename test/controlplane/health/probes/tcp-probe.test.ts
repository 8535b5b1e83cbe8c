import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import t from 'tap'
import { probe } from '../../../../src/controlplane/health/probes/probe.ts'
import type { ProbeVerdict } from '../../../../src/controlplane/health/verdict.ts'
import type { TcpMonitor } from '../../../../src/controlplane/model/monitor.ts'
import { holdTimers } from '../../../support/held-timers.ts'
import { anyText, tlsDefaults } from '../../model/defaults.ts'
import { certificate, certificateFolder, withoutOpenssl } from '../certificates.ts'
import { closedPort, serve, serveTcp, targetOf, timing } from '../fixture.ts'

const never = new AbortController().signal

const monitorWith = (changes: Partial<TcpMonitor>): TcpMonitor => ({
  ...timing,
  name: 'mail',
  type: 'tcp',
  port: 25,
  send: null,
  expect: anyText,
  tls: null,
  ...changes,
})

const probePort = (port: number, changes: Partial<TcpMonitor> = {}): Promise<ProbeVerdict> =>
  probe(targetOf(port, monitorWith(changes)), never)

t.test('a connection is enough when nothing is expected', async (t) => {
  const received = Promise.withResolvers<string>()
  const port = await serveTcp(t, (socket) =>
    socket.once('data', (chunk) => received.resolve(chunk.toString())),
  )
  t.match(await probePort(port), { ok: true })
  t.match(await probePort(port, { send: 'QUIT\r\n' }), { ok: true })
  t.equal(await received.promise, 'QUIT\r\n')
  t.match(await probePort(await closedPort()), { failure: 'connect', reason: 'connect ECONNREFUSED' })
})

t.test('what is expected decides as soon as it can', async (t) => {
  // Speaks, answers PING, and never ends by itself.
  const closed: Promise<unknown>[] = []
  const port = await serveTcp(t, (socket) => {
    closed.push(once(socket, 'close'))
    socket.write('220 mail.')
    setTimeout(() => socket.write('example.test ready\r\n'), 5)
    socket.on('data', (chunk) => socket.write(chunk.toString() === 'PING\r\n' ? '+PONG\r\n' : '-ERR\r\n'))
  })
  t.match(await probePort(port, { expect: { ...anyText, contains: 'example.test' } }), { ok: true })
  t.match(await probePort(port, { expect: { ...anyText, matches: '^220 .* ready\\r\\n$' } }), { ok: true })
  t.match(await probePort(port, { send: 'PING\r\n', expect: { ...anyText, contains: '+PONG' } }), {
    ok: true,
  })
  const refusing = { contains: '220', matches: 'ready', lacks: '-ERR', mismatches: '5\\d\\d' }
  t.match(await probePort(port, { expect: refusing }), { ok: true }, 'a server that waits has said all')
  t.match(await probePort(port, { send: 'HELO\r\n', expect: refusing }), {
    failure: 'answer',
    reason: 'answer contains "-ERR"',
  })
  const late = await probePort(port, { timeoutMs: 100, expect: { ...anyText, contains: '250' } })
  t.match(late, { failure: 'timeout', reason: 'timeout after 100 ms' })
  await Promise.all(closed)
})

t.test('the end of the stream decides what is left', async (t) => {
  const port = await serveTcp(t, (socket) => socket.end('421 busy'))
  for (const [expect, reason] of [
    [{ contains: '220' }, 'answer does not contain "220"'],
    [{ matches: '^2' }, 'answer does not match "^2"'],
    [{ lacks: 'busy' }, 'answer contains "busy"'],
    [{ mismatches: '^4' }, 'answer matches "^4"'],
    [{ lacks: 'gone' }, null],
    [{ mismatches: '^2' }, null],
    [{ contains: '421', lacks: 'gone' }, null],
  ] as const) {
    const verdict = await probePort(port, { expect: { ...anyText, ...expect } })
    t.match(verdict, reason === null ? { ok: true } : { failure: 'answer', reason }, JSON.stringify(expect))
  }
  const silent = await serveTcp(t, (socket) => socket.end())
  const nothing = await probePort(silent, { expect: { ...anyText, contains: '220' } })
  t.match(nothing, { failure: 'answer', reason: 'answer does not contain "220"' })
})

t.test('a connection that breaks is a failure, whatever came before', async (t) => {
  const port = await serveTcp(t, (socket) => {
    socket.write('22')
    socket.once('data', () => socket.resetAndDestroy())
  })
  const verdict = await probePort(port, { send: 'x', expect: { ...anyText, contains: '220' } })
  t.match(verdict, { failure: 'reset', reason: 'connection reset' })
})

t.test('a server that talks without end costs 64 KiB', async (t) => {
  const gone = Promise.withResolvers<number>()
  const port = await serveTcp(t, (socket) => {
    const block = Buffer.alloc(64 * 1024, 'all work and no play ')
    let left = 30 * 1024 * 1024
    const more = (): void => {
      while (left > 0) {
        left -= block.length
        if (!socket.write(block)) return
      }
    }
    socket.on('drain', more)
    socket.on('close', () => gone.resolve(socket.bytesWritten - socket.writableLength))
    more()
  })
  const verdict = await probePort(port, { expect: { ...anyText, matches: '(?i)(no play )+makes' } })
  t.match(verdict, { failure: 'answer', reason: 'answer does not match "(?i)(no play )+makes"' })
  const taken = await gone.promise
  t.ok(
    taken < 10 * 1024 * 1024,
    `${taken} octets left the server, of which most wait in buffers of the kernel`,
  )
})

t.test('what a stall of this process has left unread is no quiet of the server', async (t) => {
  const quiet = holdTimers(t, 500)
  const accepted = Promise.withResolvers<Socket>()
  const port = await serveTcp(t, accepted.resolve)
  const verdict = probePort(port, { expect: { ...anyText, contains: '220', lacks: '-ERR' } })
  const socket = await accepted.promise
  socket.write('220 ready\r\n')
  while (quiet.waiting === 0) await turn()
  socket.write('-ERR\r\n')
  quiet.end()
  t.match(await verdict, { failure: 'answer', reason: 'answer contains "-ERR"' })
})

t.test('a server that says an octet at a time', async (t) => {
  const sockets: Socket[] = []
  const port = await serveTcp(t, (socket) => {
    sockets.push(socket)
    const drip = setInterval(() => socket.write('.'), 2)
    socket.on('close', () => clearInterval(drip))
  })
  for (const expect of [{ contains: 'ok' }, { matches: '^\\.*ok' }, { lacks: 'ok' }, { mismatches: 'ok' }]) {
    const verdict = await probePort(port, { timeoutMs: 1500, expect: { ...anyText, ...expect } })
    t.match(verdict, { failure: 'timeout', reason: /^timeout after 1500 ms/ }, JSON.stringify(expect))
  }
})

t.test('a probe that is called off', async (t) => {
  const accepted = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  const port = await serveTcp(t, (socket) => {
    socket.once('data', () => accepted.resolve())
    socket.on('close', () => closed.resolve())
  })
  const controller = new AbortController()
  const monitor = monitorWith({ send: 'x', expect: { ...anyText, contains: 'y' } })
  const verdict = probe(targetOf(port, monitor), controller.signal)
  await accepted.promise
  controller.abort()
  t.match(await verdict, { failure: 'aborted', reason: 'probe aborted' })
  await closed.promise
})

t.test(
  'over TLS a handshake is enough, and has to be with whom is expected',
  { skip: withoutOpenssl },
  async (t) => {
    const identity = await certificate(await certificateFolder(t), 'mail', 'DNS:mail.example.test')
    const port = await serve(
      t,
      createTlsServer(identity, (socket) => {
        socket.on('error', () => undefined)
        socket.write('220 ready\r\n')
      }),
    )
    const tls = { ...tlsDefaults, serverName: 'mail.example.test', ca: identity.cert.toString() }
    const expect = { ...anyText, contains: '220' }
    t.match(await probePort(port, { tls, expect }), { ok: true })
    t.match(await probePort(port, { tls }), { ok: true }, 'a handshake is enough')
    t.match(await probePort(port, { tls: { ...tls, serverName: null } }), {
      failure: 'tls',
      reason: /does not match certificate/,
    })
    t.match(await probePort(port, { tls: { ...tls, minDaysLeft: 400, endingFails: 'always' } }), {
      failure: 'tls',
      reason: 'certificate ends in 364 days, 400 wanted',
    })
    t.match(await probePort(port, { tls: { ...tls, clientCertificate: 'none' } }), { failure: 'tls' })
    const plain = await serveTcp(t, (socket) => socket.write('220 ready\r\n'))
    t.match(await probePort(plain, { tls, expect }), { failure: 'tls', reason: 'wrong version number' })
    t.match(await probePort(port, { expect, timeoutMs: 100 }), { failure: 'timeout' }, 'asked without TLS')
  },
)
