import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { probe } from '../../../../src/controlplane/health/probes/probe.ts'
import type { HttpMonitor } from '../../../../src/controlplane/model/monitor.ts'
import { anyText } from '../../model/defaults.ts'
import { containing, serveHttp, targetAt } from '../fixture.ts'

const never = new AbortController().signal

/** Probes a server that answers so, whatever it was asked for. */
async function probeCoded(
  t: { teardown(fn: () => unknown): void },
  coding: string,
  body: Buffer,
  changes: Partial<HttpMonitor>,
) {
  const port = await serveHttp(t, (_request, response) => {
    response.setHeader('content-encoding', coding)
    response.end(body)
  })
  return probe(targetAt(port, changes), never)
}

t.test('a probe asks for a body as it is, unless its monitor asks for something else', async (t) => {
  const asked: (string | string[] | undefined)[] = []
  const port = await serveHttp(t, ({ headers }, response) => {
    asked.push(headers['accept-encoding'])
    response.end()
  })
  await probe(targetAt(port), never)
  await probe(targetAt(port, { headers: [['accept-encoding', 'gzip']] }), never)
  t.same(asked, ['identity', 'gzip'])
})

t.test('a body that is coded all the same is decoded', async (t) => {
  const text = 'state: ok, load: 12 %'
  const encoders: readonly (readonly [coding: string, encode: (text: Buffer) => Buffer])[] = [
    ['gzip', gzipSync],
    ['GZIP', gzipSync],
    ['x-gzip', gzipSync],
    ['identity, gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
    ['identity', (plain) => plain],
  ]
  for (const [coding, encode] of encoders) {
    const body = encode(Buffer.from(text))
    t.match(await probeCoded(t, coding, body, { expectBody: containing('ok, load') }), { ok: true }, coding)
    t.match(
      await probeCoded(t, coding, body, { expectBody: containing('down') }),
      { failure: 'body', reason: 'body does not contain "down"' },
      coding,
    )
  }
  const json = gzipSync('{"load": 40}')
  t.match(await probeCoded(t, 'gzip', json, { weight: { kind: 'json', pointer: '/load' } }), {
    weight: { percent: 40 },
  })
})

t.test('what is no coding and stands in its place is passed over', async (t) => {
  const body = Buffer.from('state: ok')
  const labels = [
    'none',
    'UTF-8',
    'utf8, none',
    '8bit',
    'binary',
    'iso-8859-1',
    'aws-chunked',
    'text/html',
    '',
  ]
  for (const label of labels) {
    t.match(await probeCoded(t, label, body, { expectBody: containing('ok') }), { ok: true }, label)
    t.match(
      await probeCoded(t, label, body, { expectBody: containing('down') }),
      { failure: 'body', reason: 'body does not contain "down"' },
      label,
    )
  }
  const coded = await probeCoded(t, 'utf-8, gzip', gzipSync(body), { expectBody: containing('ok') })
  t.match(coded, { ok: true }, 'beside one that is')
})

t.test('a coding matters to those alone who look at the body', async (t) => {
  for (const [coding, body] of [
    ['gzip', 'no gzip'],
    ['pack200', 'whatever'],
  ] as const) {
    t.match(await probeCoded(t, coding, Buffer.from(body), {}), { ok: true })
  }
  const port = await serveHttp(t, (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end()
  })
  const expectBody = { ...anyText, lacks: 'down' }
  for (const method of ['HEAD', 'GET'] as const) {
    t.match(await probe(targetAt(port, { method, expectBody }), never), { ok: true }, 'no octets, no coding')
  }
})

t.test('what can not be decoded says why', async (t) => {
  const expectBody = containing('ok')
  const whole = gzipSync('ok '.repeat(100))
  for (const [coding, body, reason] of [
    ['gzip', Buffer.from('ok'), /^body is "gzip", and can't be decoded: incorrect header check$/],
    ['gzip', whole.subarray(0, 20), /^body is "gzip", and can't be decoded: unexpected end of file$/],
    ['br', Buffer.from('no brotli'), /^body is "br", and can't be decoded: /],
    ['compress', Buffer.from('ok'), /^body is "compress", and can't be decoded: we read no such coding$/],
    ['gzip, br', brotliCompressSync(whole), /^body is "gzip, br", and can't be decoded: we read no/],
  ] as const) {
    t.match(await probeCoded(t, coding, body, { expectBody }), { failure: 'body', reason }, coding)
  }
})

t.test('a body that would grow a thousand times does not', async (t) => {
  const bomb = gzipSync(Buffer.alloc(8_000_000, 'ok '))
  const before = process.memoryUsage()
  t.match(await probeCoded(t, 'gzip', bomb, { expectBody: containing('ok') }), { ok: true })
  t.match(await probeCoded(t, 'gzip', bomb, { expectBody: { ...anyText, lacks: 'down' } }), { ok: true })
  const after = process.memoryUsage()
  const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
  t.ok(grown < 6_000_000, `memory grew by ${grown} octets`)
  // Members of gzip without anything in them, one after another, never come to a text.
  const empty = gzipSync('')
  const endless = Buffer.concat(Array.from({ length: 20_000 }, () => empty))
  t.match(await probeCoded(t, 'gzip', endless, { expectBody: containing('ok') }), {
    failure: 'body',
    reason: 'body is "gzip", and can\'t be decoded: there is too little text in too many octets',
  })
})

t.test('a deadline ends the decoding as well', async (t) => {
  const body = gzipSync('ok')
  const port = await serveHttp(t, (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length })
    response.write(body.subarray(0, 10))
  })
  t.match(await probe(targetAt(port, { timeoutMs: 50, expectBody: containing('ok') }), never), {
    failure: 'timeout',
  })
})
