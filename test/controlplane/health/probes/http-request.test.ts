/** Whatever a monitor may say is sent, and as it says it. */
import type { Socket } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { parseMonitor } from '../../../../src/controlplane/document/monitor.ts'
import { encodeRequest } from '../../../../src/controlplane/health/probes/http-request.ts'
import { probe } from '../../../../src/controlplane/health/probes/probe.ts'
import type { HttpMonitor } from '../../../../src/controlplane/model/monitor.ts'
import { serveTcp } from '../fixture.ts'

const never = new AbortController().signal

/** Names that some client, server or library does something of its own about. */
const wellKnown = [
  'accept accept-charset accept-encoding accept-language authorization cache-control connection content-encoding',
  'content-language content-length content-location content-md5 content-range content-type cookie cookie2 date dnt',
  'early-data expect forwarded from host http2-settings if-match if-modified-since if-none-match if-range',
  'if-unmodified-since keep-alive max-forwards origin pragma proxy-authorization proxy-connection range referer',
  'sec-fetch-site sec-websocket-key set-cookie te trailer transfer-encoding upgrade upgrade-insecure-requests',
  'user-agent via warning x-forwarded-for __proto__ constructor',
].flatMap((line) => line.split(' '))

const name = fc.oneof(
  fc.constantFrom(...wellKnown),
  fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/),
  fc.string({ maxLength: 5 }),
)
const value = fc.oneof(
  fc.constantFrom('100-continue', 'close', 'chunked', 'trailers', 'websocket', '', 'gzip'),
  fc.stringMatching(/^[!-~]([\t -~]{0,30}[!-~])?$/),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
const host = fc.oneof(
  fc.constantFrom(
    'www.example.test',
    'WWW.example.test.',
    'a_b',
    '[::1]',
    '[::1]:80',
    '192.0.2.1',
    '1',
    '1.2.3.999',
  ),
  fc.stringMatching(/^[A-Za-z0-9._-]{1,20}(:\d{1,5})?$/),
  fc.stringMatching(/^\[[0-9a-f:.]{1,12}\]$/),
)

/** Reads one request, and answers it. */
function requestsTo(t: { teardown(fn: () => unknown): void }) {
  const seen: string[] = []
  const port = serveTcp(t, (socket: Socket) => {
    let text = ''
    socket.on('data', (octets) => {
      text += octets.toString('latin1')
      if (text.includes('\r\n\r\n')) {
        seen.push(text)
        socket.end('HTTP/1.1 204 No Content\r\n\r\n')
      }
    })
  })
  return { port, last: () => seen.at(-1)! }
}

t.test('what is taken is sent', async (t) => {
  const server = requestsTo(t)
  const port = await server.port
  let [taken, refused] = [0, 0]
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(name, value, { maxKeys: 3 }),
      fc.option(host, { nil: undefined }),
      fc.stringMatching(/^\/[ -~]{0,20}$/),
      fc.constantFrom('GET', 'POST', 'HEAD', 'PUT', 'OPTIONS'),
      async (headers, host, path, method) => {
        const body = { headers, path, method, ...(host === undefined ? {} : { host }) }
        const monitor = parseMonitor('web', body, '', [])
        if (monitor === null) {
          refused++
          return
        }
        taken++
        const target = { pool: 'pool', member: 'member', address: '127.0.0.1', port } as const
        const timeoutMs = 20_000
        const verdict = await probe({ ...target, monitor: { ...(monitor as HttpMonitor), timeoutMs } }, never)
        t.ok(verdict.ok, JSON.stringify([body, verdict]))
        const [first, ...lines] = server.last().split('\r\n')
        t.equal(first, `${method} ${path} HTTP/1.1`)
        if (host !== undefined) t.equal(lines[0], `host: ${host}`)
        for (const [name, text] of Object.entries(headers)) {
          const own = lines.filter((line) => line.startsWith(`${name.toLowerCase()}:`))
          t.same(own, [`${name.toLowerCase()}: ${text}`], 'once')
        }
      },
    ),
    { numRuns: 400 },
  )
  t.ok(taken > 50, `${taken} were taken`)
  t.ok(refused > 50, `${refused} were refused`)
})

t.test('each name that some library would not send', async (t) => {
  const server = requestsTo(t)
  const port = await server.port
  const refused: string[] = []
  for (const name of wellKnown) {
    const monitor = parseMonitor('web', { headers: JSON.parse(`{"${name}": "a"}`) }, '', [])
    if (monitor === null) refused.push(name)
    else {
      const target = {
        pool: 'pool',
        member: 'member',
        address: '127.0.0.1',
        port,
        monitor: monitor as HttpMonitor,
      }
      t.match(await probe(target, never), { ok: true }, name)
      t.match(server.last(), `\r\n${name}: a\r\n`)
    }
  }
  t.same(refused, [
    'connection',
    'content-length',
    'expect',
    'host',
    'keep-alive',
    'te',
    'transfer-encoding',
    'upgrade',
  ])
})

t.test('rows that nobody checked break no request', async (t) => {
  const request = { method: 'GET', path: '/', host: 'a', headers: [], body: null } as const
  for (const wrong of [
    { path: '/a b' },
    { path: '/\r\nx: y' },
    { path: 'a' },
    { path: '/ü' },
    { host: 'a b' },
    { host: 'a\r\nb' },
    { host: '' },
    { headers: [['x', 'a\r\nb: c']] },
    { headers: [['x\n', 'a']] },
    { headers: [['x', 'grün']] },
  ] as const) {
    t.match(
      encodeRequest({ ...request, ...wrong }),
      { failure: 'protocol', reason: /^invalid / },
      JSON.stringify(wrong),
    )
  }
})
