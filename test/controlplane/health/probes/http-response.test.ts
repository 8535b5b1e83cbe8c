import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { Client } from 'undici'
import { ResponseReader } from '../../../../src/controlplane/health/probes/http-response.ts'
import { probe } from '../../../../src/controlplane/health/probes/probe.ts'
import { anyText } from '../../model/defaults.ts'
import { serveBytes, serveTcp, targetAt } from '../fixture.ts'
import { responseTable } from './response-table.ts'

const never = new AbortController().signal

/** What a reader makes of octets that come in pieces, as the table says it. */
function read(pieces: readonly Buffer[], method = 'GET'): string {
  let told = ''
  const reader: ResponseReader = new ResponseReader(method, {
    head: (status) => {
      told = `${status}`
    },
    data: (octets) => {
      told += told.includes(' ') ? octets.toString('latin1') : ` ${octets.toString('latin1')}`
    },
    end: () => {
      told += '.'
    },
    malformed: (what) => {
      told = `malformed HTTP response: ${what}`
    },
  })
  for (const piece of pieces) reader.take(piece)
  reader.finish()
  if (!reader.over) return 'connection closed before the end of the response'
  return told.endsWith('.') ? told.slice(0, -1) : told
}

const octetsOf = (text: string) => Buffer.from(text, 'latin1')
const singly = (octets: Buffer) => Array.from(octets, (_, at) => octets.subarray(at, at + 1))

t.test('responses, whole and octet by octet', async (t) => {
  for (const { name, octets, expected, method } of responseTable) {
    const isReason = !/^\d/.test(expected)
    for (const pieces of [[octetsOf(octets)], singly(octetsOf(octets))]) {
      const found = read(pieces, method)
      t.equal(
        isReason ? found.slice(0, expected.length) : found,
        expected,
        `${name}, ${pieces.length} pieces`,
      )
    }
  }
})

t.test('a probe says the same of a member that sends them', async (t) => {
  for (const { name, octets, expected, method = 'GET' } of responseTable) {
    const port = await serveTcp(t, (socket) => {
      socket.once('data', () => socket.end(octetsOf(octets)))
    })
    const expectCodes = [{ from: 100, to: 999 }]
    const body = expected.slice(4)
    const expectBody = body === '' ? anyText : { ...anyText, matches: `^${body}$` }
    const verdict = await probe(targetAt(port, { method, expectCodes, expectBody }), never)
    if (/^\d/.test(expected)) t.match(verdict, { ok: true }, name)
    else t.equal(!verdict.ok && verdict.reason.slice(0, expected.length), expected, name)
    const failure = expected.startsWith('malformed') ? 'protocol' : 'reset'
    if (!verdict.ok) t.equal(verdict.failure, failure, `${name}: a malformed response is no lost connection`)
  }
})

const run = promisify(execFile)
const withoutCurl = await run('curl', ['--version']).then(
  () => false as const,
  () => 'curl is not here',
)

t.test('what we read, curl reads', { skip: withoutCurl }, async (t) => {
  for (const { name, octets, expected, method = 'GET', curl } of responseTable) {
    if (curl === 'refused' || !/^\d/.test(expected)) continue
    const port = await serveTcp(t, (socket) => {
      socket.once('data', () => socket.end(octetsOf(octets)))
    })
    const how = method === 'HEAD' ? ['--head', '-o', '/dev/null'] : []
    const url = `http://127.0.0.1:${port}/`
    const output = await run('curl', ['-sS', '--noproxy', '*', ...how, '-w', '\n%{http_code}', url]).then(
      ({ stdout }) => stdout,
      () => null,
    )
    const [status, body = ''] = output?.split('\n').reverse() ?? []
    const found = output === null ? 'refused' : `${status} ${body}`.trim()
    t.equal(found, expected, name)
  }
})

const token = fc
  .stringMatching(/^[a-z][a-z-]{0,12}$/)
  .filter((name) => !/^(content|transfer|connection|upgrade|keep|proxy|trailer)/.test(name))
const value = fc.stringMatching(/^([!-~]([ -~]{0,20}[!-~])?)?$/)

/** Responses in right form, in all the ways in which one can be delimited. */
const response = fc
  .record({
    status: fc.integer({ min: 200, max: 599 }).filter((status) => status !== 204 && status !== 304),
    interims: fc.nat(3),
    fields: fc.array(fc.tuple(token, value), { maxLength: 4 }),
    body: fc.uint8Array({ maxLength: 200 }),
    chunk: fc.integer({ min: 1, max: 50 }),
    delimited: fc.constantFrom('length', 'chunked', 'closed'),
  })
  .map(({ status, interims, fields, body, chunk, delimited }) => {
    const content = Buffer.from(body)
    const head = [`HTTP/1.1 ${status} Word`, ...fields.map(([name, text]) => `${name}: ${text}`)]
    const parts: Buffer[] = []
    if (delimited === 'length') head.push(`Content-Length: ${content.length}`)
    if (delimited === 'chunked') {
      head.push('Transfer-Encoding: chunked')
      for (let at = 0; at < content.length; at += chunk) {
        const part = content.subarray(at, at + chunk)
        parts.push(octetsOf(`${part.length.toString(16)}\r\n`), part, octetsOf('\r\n'))
      }
      parts.push(octetsOf('0\r\n\r\n'))
    } else parts.push(content)
    const before = 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'.repeat(interims)
    const octets = Buffer.concat([octetsOf(`${before}${head.join('\r\n')}\r\n\r\n`), ...parts])
    return { octets, told: content.length === 0 ? `${status}` : `${status} ${content.toString('latin1')}` }
  })

const cuts = fc.array(fc.nat(400), { maxLength: 6 })

function cut(octets: Buffer, at: readonly number[]): Buffer[] {
  const places = [...at].filter((place) => place < octets.length).sort((a, b) => a - b)
  return [0, ...places].map((place, index) => octets.subarray(place, places[index] ?? octets.length))
}

t.test('what is in right form is read, however it is cut', async () => {
  fc.assert(fc.property(response, cuts, ({ octets, told }, at) => read(cut(octets, at)) === told))
})

t.test('whatever comes has one meaning, however it is cut', async () => {
  const snippets = fc.constantFrom(
    ...responseTable.map(({ octets }) => octets).filter((octets) => octets.length < 500),
    '\r\n',
    '\n',
    '\r',
    ' ',
    '0',
    'HTTP/1.1 200 OK\r\n',
    'content-length: 5\r\n',
    'transfer-encoding: chunked\r\n',
  )
  const broken = fc
    .array(fc.oneof(snippets, fc.string({ unit: 'binary-ascii', maxLength: 5 })), { maxLength: 6 })
    .map((parts) => octetsOf(parts.join('')))
  const changed = fc.tuple(response, fc.nat(), fc.nat(255)).map(([{ octets }, at, octet]) => {
    const copy = Buffer.from(octets)
    copy[at % copy.length] = octet
    return copy
  })
  fc.assert(
    fc.property(fc.oneof(broken, changed), cuts, (octets, at) => {
      const whole = read([octets])
      return read(cut(octets, at)) === whole && read(singly(octets)) === whole
    }),
    { numRuns: 1000 },
  )
})

/** What undici makes of what a server sends: status and body, or null when it refuses. */
async function byUndici(port: number): Promise<string | null> {
  const client = new Client(`http://127.0.0.1:${port}`, { pipelining: 0 })
  try {
    const { statusCode, body } = await client.request({ method: 'GET', path: '/' })
    const text = Buffer.from(await body.arrayBuffer()).toString('latin1')
    return text === '' ? `${statusCode}` : `${statusCode} ${text}`
  } catch {
    return null
  } finally {
    await client.destroy()
  }
}

t.test('undici reads the same in what is in right form', async (t) => {
  let octets = Buffer.alloc(0)
  const port = await serveTcp(t, (socket) => socket.once('data', () => socket.end(octets)))
  await fc.assert(
    fc.asyncProperty(response, async (next) => {
      octets = next.octets
      return (await byUndici(port)) === read([octets])
    }),
  )
})

/** Sizes and versions that undici does not look at, and codings whose octets it takes for the text. */
const kinder = ['version 2.0', 'nine of them', 'chunks in chunks', 'another coding']

t.test('what we refuse, undici refuses', async (t) => {
  let octets = Buffer.alloc(0)
  const port = await serveTcp(t, (socket) => socket.once('data', () => socket.end(octets)))
  for (const { name, octets: text, method = 'GET', expected } of responseTable) {
    if (method !== 'GET' || /^\d/.test(expected) || kinder.includes(name)) continue
    octets = octetsOf(text)
    t.equal(await byUndici(port), null, name)
  }
})

t.test('everything has a bound', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\n'
  const chunked = `${head}transfer-encoding: chunked\r\n\r\n`
  for (const [octets, what] of [
    [`${head}x: ${'y'.repeat(70_000)}`, 'header section too large'],
    [`${head}${'x: y\r\n'.repeat(11_000)}`, 'header section too large'],
    [`${head}x: y\r\n${' z\r\n'.repeat(17_000)}`, 'header section too large'],
    [`HTTP/1.1 200 ${'y'.repeat(70_000)}`, 'header section too large'],
    ['\r\n'.repeat(33_000), 'header section too large'],
    [`HTTP/1.1 103 Early\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`.repeat(4), 'header section too large'],
    [`${chunked}${'0'.repeat(5_000)}`, 'more framing than a body may have'],
    [`${chunked}1;${'x'.repeat(5_000)}`, 'more framing than a body may have'],
    [`${chunked}${`1;${'x'.repeat(4_000)}\r\no\r\n`.repeat(270)}`, 'more framing than a body may have'],
    [`${chunked}0\r\n${'x: y\r\n'.repeat(180_000)}`, 'more framing than a body may have'],
  ] as const) {
    const name = `${octets.slice(0, 60)}…`
    const before = process.memoryUsage().heapUsed
    t.equal(read([octetsOf(octets)]), `malformed HTTP response: ${what}`, name)
    t.ok(process.memoryUsage().heapUsed - before < 100e6, 'memory')
    const port = await serveBytes(t, octets, () => {})
    t.match(await probe(targetAt(port), never), { failure: 'protocol', reason: /too large$|may have$/ }, name)
  }
  // As many chunks as octets are what a body may consist of.
  const small = `${chunked}${'1\r\no\r\n'.repeat(65_000)}0\r\n\r\n`
  t.equal(read([octetsOf(small)]), `200 ${'o'.repeat(65_000)}`)
})

t.test('a member that never comes to its response', async (t) => {
  const gone = Promise.withResolvers<void>()
  const port = await serveTcp(t, (socket) => {
    const more = () => {
      if (!socket.destroyed) socket.write('HTTP/1.1 102 Processing\r\n\r\n', () => setImmediate(more))
    }
    socket.once('data', more)
    socket.on('close', () => gone.resolve())
  })
  t.match(await probe(targetAt(port), never), {
    failure: 'protocol',
    reason: 'malformed HTTP response: more than 8 interim responses',
  })
  await gone.promise
})

t.test('a greeting is told at once, and not when the time is over', async (t) => {
  const port = await serveTcp(t, (socket) => socket.write('220'))
  t.match(await probe(targetAt(port, { timeoutMs: 600_000 }), never), { failure: 'protocol' })
})
