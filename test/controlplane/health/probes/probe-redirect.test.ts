import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import t from 'tap'
import { addressPolicy } from '../../../../src/controlplane/health/probes/address-policy.ts'
import { createProber, probe } from '../../../../src/controlplane/health/probes/probe.ts'
import type { ResolveHost } from '../../../../src/controlplane/health/probes/probe-target.ts'
import type { ProbeVerdict } from '../../../../src/controlplane/health/verdict.ts'
import type { HttpMonitor } from '../../../../src/controlplane/model/monitor.ts'
import { parsePrefix } from '../../../../src/dataplane/wire/prefix.ts'
import { containing, serveHttp, targetAt } from '../fixture.ts'

const never = new AbortController().signal

const redirectTo = (response: ServerResponse, location: string, status = 302): void => {
  response.writeHead(status, { location }).end()
}

/** Starts a server that remembers what it was asked and probes it. */
async function probeWith(
  t: { teardown(fn: () => unknown): void },
  changes: Partial<HttpMonitor>,
  answer: (request: IncomingMessage, response: ServerResponse, port: number) => void,
): Promise<{ verdict: ProbeVerdict; seen: string[]; port: number }> {
  const seen: string[] = []
  const listener: RequestListener = (request, response) => {
    seen.push(`${request.method} ${request.headers.host} ${request.url}`)
    answer(request, response, port)
  }
  const port = await serveHttp(t, listener)
  return { verdict: await probe(targetAt(port, changes), never), seen, port }
}

t.test('without leave to follow, the redirect itself is judged', async (t) => {
  const { verdict, seen } = await probeWith(
    t,
    { expectCodes: [{ from: 301, to: 302 }] },
    (_request, response) => redirectTo(response, '/elsewhere'),
  )
  t.ok(verdict.ok)
  t.equal(seen.length, 1)
})

t.test('a relative redirect stays at the member, its port and its Host header', async (t) => {
  const { verdict, seen } = await probeWith(
    t,
    { path: '/a/b?c', host: 'www.example.test', followRedirects: 1, expectBody: containing('here') },
    ({ url }, response) => (url === '/a/d?e' ? response.end('here') : redirectTo(response, 'd?e#f')),
  )
  t.ok(verdict.ok)
  t.same(seen, ['GET www.example.test /a/b?c', 'GET www.example.test /a/d?e'])
})

t.test('a redirect to the name that was asked goes to the probed address', async (t) => {
  const other = await serveHttp(t, (request, response) => {
    response.writeHead(request.headers.host === `www.example.test:${other}` ? 200 : 500).end()
  })
  const { verdict } = await probeWith(
    t,
    { host: 'www.example.test', followRedirects: 1 },
    (_request, response) => redirectTo(response, `http://WWW.example.test:${other}/`),
  )
  t.ok(verdict.ok, 'though the name does not exist')
})

t.test('a redirect to the same host in another spelling stays at the member, and its origin', async (t) => {
  for (const [host, location] of [
    ['www.example.test', 'www.example.test.'],
    ['www.example.test.', 'www.example.test'],
    ['www.example.test.', 'WWW.EXAMPLE.test.'],
    ['xn--bcher-kva.example', 'b\u00fccher.example.'],
    ['127.0.0.1', '127.1'],
  ] as const) {
    const seen: unknown[] = []
    const port = await serveHttp(t, ({ url, headers }, response) => {
      seen.push([url, headers.host, headers.authorization])
      if (url === '/then') response.end()
      else response.writeHead(302, { location: `http://${location}:${port}/then` }).end()
    })
    const monitor = {
      host: `${host}:${port}`,
      followRedirects: 1,
      headers: [['authorization', 'x']],
    } as const
    t.match(await guarded()(targetAt(port, monitor), never), { ok: true }, location)
    t.same(seen.at(-1), ['/then', `${host}:${port}`, 'x'], 'the Host header as it was written')
  }
})

t.test('a location in UTF-8', async (t) => {
  const { verdict, seen, port } = await probeWith(t, { followRedirects: 1 }, ({ url }, response) => {
    if (url !== '/') response.end()
    else response.writeHead(302, { location: Buffer.from('/gr\u00fcn').toString('latin1') }).end()
  })
  t.ok(verdict.ok)
  t.equal(seen[1], `GET 127.0.0.1:${port} /gr%C3%BCn`)
})

t.test('a redirect to another host', async (t) => {
  const other = await serveHttp(t, (request, response) => response.end(request.headers.host))
  const { verdict } = await probeWith(
    t,
    { host: 'www.example.test', followRedirects: 1, expectBody: containing(`127.0.0.1:${other}`) },
    (_request, response) => redirectTo(response, `http://127.0.0.1:${other}/`),
  )
  t.ok(verdict.ok)
  const { verdict: nowhere } = await probeWith(t, { followRedirects: 1 }, (_request, response) =>
    redirectTo(response, 'http://name.invalid/'),
  )
  t.match(nowhere, { failure: 'redirect', reason: /^redirect to name.invalid, which does not resolve: E/ })
})

t.test('the last response is judged', async (t) => {
  const { verdict } = await probeWith(t, { followRedirects: 3 }, ({ url }, response) =>
    url === '/gone' ? response.writeHead(410).end() : redirectTo(response, '/gone'),
  )
  t.match(verdict, { ok: false, failure: 'status', reason: 'status 410' })
  const { verdict: bare } = await probeWith(t, { followRedirects: 3 }, (_request, response) => {
    response.writeHead(302).end()
  })
  t.match(bare, { ok: false, failure: 'status', reason: 'status 302' }, 'a redirect to nowhere is a response')
})

t.test('more redirects than the monitor allows fail', async (t) => {
  const { verdict, seen } = await probeWith(t, { followRedirects: 3 }, (_request, response) =>
    redirectTo(response, '/'),
  )
  t.match(verdict, { ok: false, failure: 'redirect', reason: 'more than 3 redirects' })
  t.equal(seen.length, 4)
})

t.test('a redirect to no location that can be asked fails', async (t) => {
  for (const [location, reason] of [
    ['ftp://example.test/', 'redirect to an unsupported scheme "ftp:"'],
    ['http://[', 'redirect to an invalid location "http://["'],
    ['http://./', 'redirect to an invalid location "http://./"'],
    ['https://a..test/', 'redirect to an invalid location "https://a..test/"'],
    ['//a.test../', 'redirect to an invalid location "//a.test../"'],
  ] as const) {
    const { verdict } = await probeWith(t, { followRedirects: 1 }, (_request, response) =>
      redirectTo(response, location),
    )
    t.match(verdict, { ok: false, failure: 'redirect', reason })
  }
  const { verdict: long } = await probeWith(t, { followRedirects: 1 }, (_request, response) =>
    redirectTo(response, `http://[${'x'.repeat(5000)}`),
  )
  t.ok(!long.ok && long.reason.length <= 160, 'a reason has an end')
})

t.test('a redirect keeps the method or makes it GET, as RFC 9110 has it', async (t) => {
  for (const [status, method, then] of [
    [301, 'POST', 'GET'],
    [302, 'POST', 'GET'],
    [303, 'POST', 'GET'],
    [307, 'POST', 'POST'],
    [308, 'POST', 'POST'],
    [302, 'OPTIONS', 'OPTIONS'],
    [303, 'OPTIONS', 'GET'],
    [303, 'HEAD', 'HEAD'],
  ] as const) {
    const { verdict, seen, port } = await probeWith(t, { method, followRedirects: 1 }, ({ url }, response) =>
      url === '/then' ? response.end() : redirectTo(response, '/then', status),
    )
    t.ok(verdict.ok)
    t.equal(seen[1], `${then} 127.0.0.1:${port} /then`, `${status} of ${method}`)
  }
})

/** Refuses what a node in the open would, except for this host. */
const guarded = (resolve?: ResolveHost) =>
  createProber({
    policy: addressPolicy([parsePrefix('127.0.0.1/32')!]),
    certificates: null,
    ...(resolve === undefined ? {} : { resolve }),
  })

const secrets = {
  method: 'POST',
  headers: [
    ['authorization', 'Bearer secret'],
    ['cookie', 'a=secret'],
    ['proxy-authorization', 'Basic secret'],
    ['x-api-key', 'secret'],
    ['content-type', 'text/secret'],
  ],
  body: 'secret body',
} as const

/** A server that keeps everything that it is sent. */
async function listener(t: { teardown(fn: () => unknown): void }, host = '127.0.0.1') {
  const heard: { text: string; path: string }[] = []
  const port = await serveHttp(
    t,
    async (request, response) => {
      const chunks = await Array.fromAsync(request)
      heard.push({
        text: `${request.rawHeaders.join('\n')}\n${Buffer.concat(chunks)}`,
        path: `${request.method} ${request.url}`,
      })
      response.end('ok')
    },
    host,
  )
  return { heard, port }
}

t.test('nothing of the monitor is sent to another origin', async (t) => {
  const { heard, port: other } = await listener(t)
  const prober = guarded(async () => ['127.0.0.1'])
  for (const host of ['other.example.test', 'www.example.test']) {
    const port = await serveHttp(t, (_request, response) =>
      redirectTo(response, `http://${host}:${other}/taken`, 307),
    )
    const monitor = { ...secrets, host: 'www.example.test', followRedirects: 1 }
    t.match(await prober(targetAt(port, monitor), never), { ok: true })
  }
  t.same(
    heard.map(({ path }) => path),
    ['POST /taken', 'POST /taken'],
  )
  for (const { text } of heard) t.notMatch(text, /secret/i)
})

t.test('the same origin gets all of it', async (t) => {
  const seen: string[] = []
  const port = await serveHttp(t, async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request)).toString()
    const { authorization, cookie, 'content-type': type } = request.headers
    seen.push([request.method, authorization, cookie, request.headers['x-api-key'], type, body].join(' '))
    if (request.url === '/') redirectTo(response, '/then', 307)
    else if (request.url === '/then') redirectTo(response, '/last', 302)
    else response.end()
  })
  t.match(await probe(targetAt(port, { ...secrets, followRedirects: 2 }), never), { ok: true })
  const all = 'POST Bearer secret a=secret secret text/secret secret body'
  t.same(seen, [all, all, 'GET Bearer secret a=secret secret  '], 'a GET has no body to describe')
})

t.test('what was dropped stays dropped on the way back', async (t) => {
  const seen: string[] = []
  const other = await serveHttp(t, (_request, response) =>
    redirectTo(response, `http://www.example.test:${home}/back`),
  )
  const home: number = await serveHttp(t, ({ url, headers }, response) => {
    seen.push(`${url} ${headers.authorization ?? 'nothing'}`)
    if (url === '/') redirectTo(response, `http://127.0.0.1:${other}/`)
    else response.end()
  })
  const monitor = {
    ...secrets,
    method: 'GET',
    body: null,
    host: `www.example.test:${home}`,
    followRedirects: 2,
  } as const
  t.match(await guarded()(targetAt(home, monitor), never), { ok: true })
  t.same(seen, ['/ Bearer secret', '/back nothing'])
})

t.test('a redirect to where probes may not go', async (t) => {
  for (const [location, reason] of [
    ['http://169.254.169.254/latest/', '169.254.169.254 is link-local and not allowed to be probed'],
    ['http://2852039166/', '169.254.169.254 is link-local and not allowed to be probed'],
    ['http://[::ffff:169.254.169.254]/', '::ffff:a9fe:a9fe is link-local and not allowed to be probed'],
    ['http://127.0.0.2/', '127.0.0.2 is loopback and not allowed to be probed'],
    ['http://0.0.0.0/', '0.0.0.0 is unspecified and not allowed to be probed'],
    ['http://inside.example.test/', '::1 is loopback and not allowed to be probed'],
  ] as const) {
    const port = await serveHttp(t, (_request, response) => redirectTo(response, location))
    const prober = guarded(async () => ['127.0.0.1', '::1'])
    const verdict = await prober(targetAt(port, { followRedirects: 1 }), never)
    t.match(verdict, { ok: false, failure: 'refused', reason }, location)
  }
})

t.test('a name that means something else the second time', async (t) => {
  const { heard: good, port } = await listener(t)
  // Where the name would lead after the judgement: the same port of another loopback address.
  const bad: string[] = []
  const trap = createServer((request, response) => {
    bad.push(request.url!)
    response.end('ok')
  }).listen(port, '127.0.0.2')
  await once(trap, 'listening')
  t.teardown(() => trap.close())
  let asked = 0
  const prober = guarded(async () => (++asked === 1 ? ['127.0.0.1'] : ['127.0.0.2']))
  const from = await serveHttp(t, (_request, response) =>
    redirectTo(response, `http://rebind.example.test:${port}/`),
  )
  t.match(await prober(targetAt(from, { followRedirects: 1 }), never), { ok: true })
  t.equal(asked, 1, 'a name is resolved once')
  t.equal(good.length, 1)
  t.match(await prober(targetAt(from, { followRedirects: 1 }), never), {
    failure: 'refused',
    reason: '127.0.0.2 is loopback and not allowed to be probed',
  })
  t.same(bad, [])
})

t.test('a name that takes for ever, or has nothing', async (t) => {
  const port = await serveHttp(t, (_request, response) => redirectTo(response, 'http://slow.example.test/'))
  const monitor = { followRedirects: 1, timeoutMs: 100 }
  const slow = guarded(() => new Promise(() => {}))
  t.match(await slow(targetAt(port, monitor), never), { failure: 'timeout', reason: 'timeout after 100 ms' })
  const empty = guarded(async () => [])
  t.match(await empty(targetAt(port, { followRedirects: 1 }), never), {
    failure: 'redirect',
    reason: 'redirect to slow.example.test, which has no address',
  })
})
