import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import t from 'tap'
import { probe } from '../../../src/controlplane/health/probe.ts'
import type { ProbeVerdict } from '../../../src/controlplane/health/verdict.ts'
import { type MonitorChanges, serveHttp, targetAt } from './fixture.ts'

const never = new AbortController().signal

const redirectTo = (response: ServerResponse, location: string, status = 302): void => {
  response.writeHead(status, { location }).end()
}

/** Starts a server that remembers what it was asked and probes it. */
async function probeWith(
  t: { teardown(fn: () => unknown): void },
  changes: MonitorChanges,
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
    { path: '/a/b?c', host: 'www.example.test', followRedirects: 1, expectBody: 'here' },
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

t.test('a redirect to another host', async (t) => {
  const other = await serveHttp(t, (request, response) => response.end(request.headers.host))
  const { verdict } = await probeWith(
    t,
    { host: 'www.example.test', followRedirects: 1, expectBody: `127.0.0.1:${other}` },
    (_request, response) => redirectTo(response, `http://127.0.0.1:${other}/`),
  )
  t.ok(verdict.ok)
  const { verdict: nowhere } = await probeWith(t, { followRedirects: 1 }, (_request, response) =>
    redirectTo(response, 'http://name.invalid/'),
  )
  t.equal(!nowhere.ok && nowhere.failure, 'connect')
  t.match(!nowhere.ok && nowhere.reason, /^getaddrinfo /)
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

t.test('too many', async (t) => {
  const { verdict, seen } = await probeWith(t, { followRedirects: 3 }, (_request, response) =>
    redirectTo(response, '/'),
  )
  t.match(verdict, { ok: false, failure: 'redirect', reason: 'more than 3 redirects' })
  t.equal(seen.length, 4)
})

t.test('locations that lead nowhere', async (t) => {
  for (const [location, reason] of [
    ['ftp://example.test/', 'redirect to an unsupported scheme "ftp:"'],
    ['http://[', 'redirect to an invalid location "http://["'],
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

t.test('methods', async (t) => {
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
