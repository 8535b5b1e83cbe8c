import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { addressPolicy } from '../../../../src/controlplane/health/probes/address-policy.ts'
import { createProber, probe } from '../../../../src/controlplane/health/probes/probe.ts'
import type { HttpMonitor } from '../../../../src/controlplane/model/monitor.ts'
import { parsePrefix } from '../../../../src/dataplane/wire/prefix.ts'
import { anyText } from '../../model/defaults.ts'
import { serveHttp, targetAt } from '../fixture.ts'

const never = new AbortController().signal
const probePort = (port: number, changes: Partial<HttpMonitor>) => probe(targetAt(port, changes), never)

t.test('headers and a body of the monitor', async (t) => {
  const seen: { request: IncomingMessage; body: string }[] = []
  const port = await serveHttp(t, async (request, response) => {
    seen.push({ request, body: Buffer.concat(await Array.fromAsync(request)).toString() })
    response.end()
  })
  const headers = [
    ['x-probe', 'yes'],
    ['user-agent', 'mine'],
  ] as const
  const body = 'wie gehts? grün'
  for (const method of ['PUT', 'POST', 'GET', 'OPTIONS'] as const) {
    t.match(await probePort(port, { method, body, headers }), { ok: true }, method)
    const { request, body: received } = seen.pop()!
    t.equal(request.method, method)
    t.equal(received, body)
    t.equal(request.headers['content-length'], String(Buffer.byteLength(body)))
    t.equal(request.headers['x-probe'], 'yes')
    t.equal(request.headers['user-agent'], 'mine')
    t.equal(request.headers.accept, '*/*')
  }
})

t.test('what a body must and must not hold', async (t) => {
  const port = await serveHttp(t, ({ url }, response) => {
    if (url !== '/long') {
      for (const piece of ['state: ', 'ok, load', ': 12', ' %']) response.write(piece)
      response.end()
    } else response.end(`${'.'.repeat(64 * 1024)}state: down`)
  })
  for (const [expectBody, reason] of [
    [{ matches: '^state: (ok|fine), load: \\d{1,2} %$' }, null],
    [{ matches: '^ok' }, 'body does not match "^ok"'],
    [{ lacks: 'down' }, null],
    [{ lacks: 'ok, load: 1' }, 'body contains "ok, load: 1"'],
    [{ mismatches: 'load: \\d{3}' }, null],
    [{ mismatches: '(?i)LOAD: \\d\\d' }, 'body matches "(?i)LOAD: \\d\\d"'],
    [{ contains: 'state', matches: 'ok', lacks: 'down', mismatches: 'x' }, null],
    [{ contains: 'state', matches: 'ok', lacks: '12', mismatches: 'x' }, 'body contains "12"'],
  ] as const) {
    const verdict = await probePort(port, { expectBody: { ...anyText, ...expectBody } })
    t.match(verdict, reason === null ? { ok: true } : { failure: 'body', reason }, JSON.stringify(expectBody))
  }
  for (const unseen of [{ lacks: 'down' }, { mismatches: 'down' }]) {
    t.match(
      await probePort(port, { path: '/long', expectBody: { ...anyText, ...unseen } }),
      { ok: true },
      'beyond 64 KiB',
    )
  }
})

t.test('a pattern that would take other engines for ever', async (t) => {
  const port = await serveHttp(t, (_request, response) => response.end(`${'a'.repeat(60_000)}!`))
  const verdict = await probePort(port, { expectBody: { ...anyText, matches: '(a+)+$' } })
  t.match(verdict, { failure: 'body', reason: 'body does not match "(a+)+$"' })
})

t.test('a weight from the response', async (t) => {
  const port = await serveHttp(t, ({ url }, response) => {
    const said = decodeURIComponent(url!.slice(1))
    response.setHeader('x-weight', said)
    response.end(`{"load": {"weights": [${said.startsWith('x') ? '"?"' : `"${said}"`}, 7]}}`)
  })
  for (const [said, heard] of [
    ['50', { percent: 50 }],
    ['12.5', { percent: 12.5 }],
    ['0%', { percent: 0 }],
    ['100 %', { percent: 100 }],
    ['101', { problem: 'weight not understood: 101' }],
    ['-1', { problem: 'weight not understood: -1' }],
    ['x', { problem: /^weight not understood: [x?]$/ }],
  ] as const) {
    for (const weight of [
      { kind: 'header', name: 'X-Weight' },
      { kind: 'json', pointer: '/load/weights/0' },
    ] as const) {
      const verdict = await probePort(port, { path: `/${encodeURIComponent(said)}`, weight })
      t.match(verdict, { ok: true, weight: heard }, `${said} by ${weight.kind}`)
    }
  }
  const absent = await probePort(port, { path: '/1', weight: { kind: 'header', name: 'x-other' } })
  t.notOk('weight' in absent)
  const number = await probePort(port, { path: '/1', weight: { kind: 'json', pointer: '/load/weights/1' } })
  t.match(number, { weight: { percent: 7 } })
  const marked = await serveHttp(t, (_request, response) => response.end('\ufeff{"load": 30}'))
  t.match(await probePort(marked, { weight: { kind: 'json', pointer: '/load' } }), {
    weight: { percent: 30 },
  })
  const failing = await probePort(port, {
    path: '/1',
    weight: { kind: 'header', name: 'x-weight' },
    expectBody: { ...anyText, contains: 'nothing of the kind' },
  })
  t.notOk('weight' in failing, 'a failure has none')
})

t.test('a member where probes may not go is not connected to', async (t) => {
  let connections = 0
  const port = await serveHttp(t, (_request, response) => {
    connections++
    response.end()
  })
  const proberFor = (...allowed: string[]) =>
    createProber({ policy: addressPolicy(allowed.map((text) => parsePrefix(text)!)), certificates: null })
  const verdict = await proberFor()(targetAt(port), never)
  t.match(verdict, { failure: 'refused', reason: '127.0.0.1 is loopback and not allowed to be probed' })
  t.equal(connections, 0)
  t.match(await proberFor('127.0.0.1/32')(targetAt(port), never), { ok: true })
})
