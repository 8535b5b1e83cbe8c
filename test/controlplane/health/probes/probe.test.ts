import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import { probe } from '../../../../src/controlplane/health/probes/probe.ts'
import type { ProbeVerdict } from '../../../../src/controlplane/health/verdict.ts'
import type { HttpMonitor } from '../../../../src/controlplane/model/monitor.ts'
import { holdTimers } from '../../../support/held-timers.ts'
import { anyText } from '../../model/defaults.ts'
import { closedPort, containing, serveBytes, serveHttp, serveTcp, targetAt } from '../fixture.ts'

const never = new AbortController().signal
const probePort = (port: number, changes: Partial<HttpMonitor> = {}): Promise<ProbeVerdict> =>
  probe(targetAt(port, changes), never)

/** A verdict without its duration, which is checked apart. */
function told(verdict: ProbeVerdict): unknown {
  const { durationMs, ...rest } = verdict
  t.ok(durationMs >= 0, 'a duration')
  return rest
}

const passed = { ok: true }
const failed = (failure: string, reason: string) => ({ ok: false, failure, reason })
const cutOff = failed('reset', 'connection closed before the end of the response')

t.test('a request says what the monitor says', async (t) => {
  const seen: IncomingMessage[] = []
  const port = await serveHttp(t, (request, response) => {
    seen.push(request)
    response.end('ok')
  })
  t.same(told(await probePort(port, { path: '/healthz?deep=1', method: 'POST' })), passed)
  t.same(told(await probePort(port, { host: 'www.example.test' })), passed)
  t.same(told(await probePort(port, { method: 'HEAD' })), passed)
  const [first, second, third] = seen
  t.equal(first?.method, 'POST')
  t.equal(first?.url, '/healthz?deep=1')
  t.equal(first?.headers.host, `127.0.0.1:${port}`, 'the probed address without a host of the monitor')
  t.equal(first?.headers['content-length'], '0')
  t.equal(first?.headers.connection, 'close')
  t.equal(second?.headers.host, 'www.example.test')
  t.equal(third?.method, 'HEAD')
})

t.test('every probe opens a connection of its own', async (t) => {
  let connections = 0
  const port = await serveTcp(t, (socket) => {
    connections++
    socket.on('data', () =>
      socket.write('HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok'),
    )
  })
  for (let count = 0; count < 3; count++) t.same(told(await probePort(port)), passed)
  t.equal(connections, 3)
})

t.test('a member at an IPv6 address is probed, with brackets in its Host', async (t) => {
  let host: string | undefined
  const port = await serveHttp(
    t,
    (request, response) => {
      host = request.headers.host
      response.end()
    },
    '::1',
  ).catch(() => null)
  if (port === null) {
    t.comment('no IPv6 loopback here')
    return
  }
  t.same(told(await probe(targetAt(port, {}, '::1'), never)), passed)
  t.equal(host, `[::1]:${port}`)
})

t.test('a status in one of the ranges that are expected passes, any other fails', async (t) => {
  const port = await serveHttp(t, ({ url }, response) => {
    response.writeHead(Number(url?.slice(1))).end()
  })
  t.same(told(await probePort(port, { path: '/503' })), failed('status', 'status 503'))
  t.same(told(await probePort(port, { path: '/204' })), passed)
  t.same(told(await probePort(port, { path: '/302' })), failed('status', 'status 302'))
  const expectCodes = [
    { from: 401, to: 401 },
    { from: 500, to: 503 },
  ]
  for (const [code, good] of [
    [400, false],
    [401, true],
    [402, false],
    [499, false],
    [500, true],
    [503, true],
    [504, false],
    [200, false],
  ] as const) {
    t.equal((await probePort(port, { path: `/${code}`, expectCodes })).ok, good, `${code}`)
  }
})

t.test('an interim response is not the answer', async (t) => {
  const port = await serveBytes(
    t,
    'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n',
  )
  t.same(told(await probePort(port)), failed('status', 'status 503'))
})

t.test('a text is found in the first 64 KiB of a body, in however many pieces they come', async (t) => {
  const port = await serveHttp(t, ({ url }, response) => {
    if (url === '/split') {
      response.writeHead(200)
      for (const piece of ['all is', ' w', 'e', 'll', ' here']) response.write(piece)
      response.end()
    } else if (url === '/utf8') response.end('zustand: grün')
    else if (url === '/far') response.end(`${'.'.repeat(64 * 1024 - 2)}well`)
    else if (url === '/near') response.end(`${'.'.repeat(64 * 1024 - 4)}well`)
    else response.end('no')
  })
  t.same(told(await probePort(port, { path: '/split', expectBody: containing('is well') })), passed)
  t.same(told(await probePort(port, { path: '/utf8', expectBody: containing('grün') })), passed)
  t.same(
    told(await probePort(port, { expectBody: containing('ok') })),
    failed('body', 'body does not contain "ok"'),
  )
  t.same(told(await probePort(port, { path: '/near', expectBody: containing('well') })), passed)
  t.same(
    told(await probePort(port, { path: '/far', expectBody: containing('well') })),
    failed('body', 'body does not contain "well"'),
    'text beyond the first 64 KiB does not count',
  )
  const long = await probePort(port, { expectBody: containing('x'.repeat(1000)) })
  t.equal(!long.ok && long.reason, `body does not contain "${'x'.repeat(60)}…"`)
})

t.test('a body that ends with the connection is complete', async (t) => {
  const port = await serveBytes(t, 'HTTP/1.0 200 OK\r\n\r\nall is well')
  t.same(told(await probePort(port, { expectBody: containing('well') })), passed)
})

t.test('a huge body is cut, not read', async (t) => {
  const size = 30 * 1024 * 1024
  let taken = 0
  let gone = Promise.withResolvers<void>()
  const port = await serveHttp(t, (_request, response) => {
    const { socket } = response
    response.writeHead(200, { 'content-length': size })
    const block = Buffer.alloc(64 * 1024, 'ok ')
    let written = 0
    const more = (): void => {
      while (written < size && !response.destroyed) {
        written += block.length
        if (!response.write(block)) return
      }
    }
    response.on('drain', more)
    response.on('close', () => {
      taken = socket!.bytesWritten - socket!.writableLength
      gone.resolve()
    })
    more()
  })
  for (const changes of [
    { expectBody: containing('ok') },
    { expectBody: { ...anyText, mismatches: 'ko' } },
  ]) {
    gone = Promise.withResolvers()
    const before = process.memoryUsage()
    t.same(told(await probePort(port, changes)), passed)
    await gone.promise
    const after = process.memoryUsage()
    t.ok(taken < size / 3, `${taken} octets left the server, of which most wait in buffers of the kernel`)
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
    t.ok(grown < 10 * 1024 * 1024, `memory grew by ${grown} octets, those of the server included`)
  }
})

t.test('a probe ends with its deadline, however slowly a member answers', async (t) => {
  await t.test('no answer at all', async (t) => {
    const closed = Promise.withResolvers<void>()
    const port = await serveTcp(t, (socket) => {
      socket.resume()
      socket.on('close', () => closed.resolve())
    })
    const verdict = await probePort(port, { timeoutMs: 40 })
    t.same(told(verdict), failed('timeout', 'timeout after 40 ms'))
    t.ok(verdict.durationMs >= 39, 'not before its time')
    await closed.promise
  })
  await t.test('a body that drips, even when the expected text has come', async (t) => {
    const port = await serveHttp(t, (_request, response) => {
      response.writeHead(200)
      response.write('ok')
      const drip = setInterval(() => response.write('.'), 5)
      response.on('close', () => clearInterval(drip))
    })
    t.same(told(await probePort(port, { timeoutMs: 60 })), failed('timeout', 'timeout after 60 ms'))
    t.same(
      told(await probePort(port, { timeoutMs: 60, expectBody: containing('ok') })),
      failed('timeout', 'timeout after 60 ms'),
    )
  })
  await t.test('one deadline for all hops', async (t) => {
    const port = await serveHttp(t, (_request, response) => {
      setTimeout(() => response.writeHead(302, { location: '/' }).end(), 15)
    })
    const verdict = await probePort(port, { timeoutMs: 70, followRedirects: 1000 })
    t.same(told(verdict), failed('timeout', 'timeout after 70 ms'))
  })
  await t.test('a stall of this process does not count against the member', async (t) => {
    const deadline = holdTimers(t, 200)
    const asked = Promise.withResolvers<ServerResponse>()
    const port = await serveHttp(t, (_request, response) => asked.resolve(response))
    const verdict = probePort(port, { timeoutMs: 200 })
    const response = await asked.promise
    response.end('ok')
    deadline.end()
    t.same(told(await verdict), passed)
  })
})

t.test('a connection that fails is told by its cause', async (t) => {
  t.same(told(await probePort(await closedPort())), failed('connect', 'connect ECONNREFUSED'))

  const reset = await serveTcp(t, (socket) => socket.once('data', () => socket.resetAndDestroy()))
  t.same(told(await probePort(reset)), failed('reset', 'connection reset'))

  const silent = await serveTcp(t, (socket) => socket.once('data', () => socket.end()))
  t.same(told(await probePort(silent)), cutOff)

  let accepted = 0
  const shut = await serveTcp(t, (socket) => {
    accepted++
    socket.destroy()
  })
  const verdict = await probePort(shut)
  t.equal(!verdict.ok && verdict.failure, 'reset')
  t.equal(accepted, 1, 'no second attempt')
})

t.test('a response that breaks off is a lost connection or a breach, never a pass', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\n'
  for (const answer of [
    'HTTP/1.1 200',
    `${head}content-length: 10\r\n\r\n12345`,
    `${head}connection: close\r\ncontent-length: 10\r\n\r\n12345`,
    `${head}transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n`,
    `${head}connection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n`,
  ]) {
    const port = await serveBytes(t, answer)
    t.same(told(await probePort(port, { expectBody: containing('123') })), cutOff, JSON.stringify(answer))
  }
})

t.test('a reset in the middle of a body', async (t) => {
  const port = await serveTcp(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nall is', () => socket.resetAndDestroy())
    })
  })
  const verdict = await probePort(port, { expectBody: containing('all') })
  t.same(told(verdict), failed('reset', 'connection reset'))
})

t.test('what comes and is no HTTP is a breach of the protocol', async (t) => {
  for (const [answer, reason] of [
    ['SSH-2.0-OpenSSH_9.2\r\n', /^malformed HTTP response: it does not begin with HTTP/],
    ['HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n', /^malformed HTTP response: Content-Length "many"$/],
    [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`, /: header section too large$/],
  ] as const) {
    const port = await serveBytes(t, answer, () => {})
    const verdict = await probePort(port)
    t.equal(!verdict.ok && verdict.failure, 'protocol', answer.slice(0, 40))
    t.match(!verdict.ok && verdict.reason, reason)
  }
  const port = await serveHttp(t, (_request, response) => response.end())
  for (const changes of [{ host: 'no host' }, { host: 'a\r\nb' }, { path: '/with space' }]) {
    const verdict = await probePort(port, changes)
    t.match(verdict, { failure: 'protocol', reason: /^[iI]nvalid / }, JSON.stringify(changes))
  }
})

t.test('a probe that is called off ends at once', async (t) => {
  const accepted = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  const port = await serveTcp(t, (socket) => {
    socket.once('data', () => accepted.resolve())
    socket.on('close', () => closed.resolve())
  })
  const aborted = failed('aborted', 'probe aborted')
  const controller = new AbortController()
  const verdict = probe(targetAt(port), controller.signal)
  await accepted.promise
  controller.abort()
  t.same(told(await verdict), aborted)
  await closed.promise
  t.same(told(await probe(targetAt(port), controller.signal)), aborted, 'and one that was called off before')
  const connecting = new AbortController()
  const early = probe(targetAt(port), connecting.signal)
  connecting.abort()
  t.same(told(await early), aborted, 'and one that is not connected yet')
})
