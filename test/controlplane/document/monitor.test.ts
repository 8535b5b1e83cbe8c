/** Monitors of every type in the document: what is read, what is written, and what is said of what is wrong. */
import t from 'tap'
import { formatMonitor, parseMonitor } from '../../../src/controlplane/document/monitor.ts'
import type { Problem } from '../../../src/controlplane/model/errors.ts'
import { anyText, httpDefaults, timingDefaults, tlsDefaults } from '../model/defaults.ts'
import { certificate } from './monitor-arbitrary.ts'

function read(body: object) {
  const problems: Problem[] = []
  const monitor = parseMonitor('m', body, '', problems)
  return { monitor, problems: problems.map(({ path, message }) => `${path}: ${message}`) }
}

/** The monitor of a good body, held against its own format. */
function monitorOf(body: object) {
  const { monitor, problems } = read(body)
  if (monitor === null) throw new Error(problems.join('\n'))
  const again = read(formatMonitor(monitor))
  return { monitor, again: again.monitor, body: formatMonitor(monitor) }
}

t.test('every field of an http monitor is read and written back', async (t) => {
  const body = {
    type: 'https',
    method: 'POST',
    port: 8443,
    path: '/healthz',
    host: 'www.example.test',
    headers: { 'X-B': '2', Authorization: 'Bearer x y' },
    body: '{"deep":true}',
    expect: { codes: ['200-204', 301], body: 'ok', pattern: '^o', notBody: 'ko', notPattern: 'k$' },
    followRedirects: 2,
    weight: { header: 'X-Load' },
    tls: {
      serverName: 'WWW.example.test',
      ca: certificate,
      clientCertificate: 'probe',
      minDaysLeft: 14,
      endingFails: 'always',
      warnDaysLeft: 30,
    },
    interval: '5s',
    timeout: '1s',
    rise: 1,
    fall: 2,
    clear: 4,
    recheck: '500ms',
    failBack: 'manual',
    failBackDelay: '1m',
    flap: { changes: 5, within: '1h', hold: '30s', maxHold: '2h' },
  }
  const { monitor, again, body: formatted } = monitorOf(body)
  t.same(monitor, {
    name: 'm',
    type: 'https',
    method: 'POST',
    port: 8443,
    path: '/healthz',
    host: 'www.example.test',
    headers: [
      ['authorization', 'Bearer x y'],
      ['x-b', '2'],
    ],
    body: '{"deep":true}',
    expectCodes: [
      { from: 200, to: 204 },
      { from: 301, to: 301 },
    ],
    expectBody: { contains: 'ok', matches: '^o', lacks: 'ko', mismatches: 'k$' },
    followRedirects: 2,
    weight: { kind: 'header', name: 'x-load' },
    tls: {
      serverName: 'www.example.test',
      ca: certificate,
      clientCertificate: 'probe',
      minDaysLeft: 14,
      endingFails: 'always',
      warnDaysLeft: 30,
    },
    intervalMs: 5000,
    timeoutMs: 1000,
    rise: 1,
    fall: 2,
    clear: 4,
    recheckMs: 500,
    failBack: 'manual',
    failBackDelayMs: 60_000,
    flap: { changes: 5, withinMs: 3_600_000, holdMs: 30_000, maxHoldMs: 7_200_000 },
  })
  t.same(again, monitor)
  t.same(formatted, {
    ...body,
    headers: { authorization: 'Bearer x y', 'x-b': '2' },
    weight: { header: 'x-load' },
    tls: { ...body.tls, serverName: 'www.example.test' },
  })
})

t.test('what is left out has its default, and is left out again', async (t) => {
  t.same(monitorOf({}).monitor, { name: 'm', ...httpDefaults })
  const always = { interval: '10s', timeout: '3s', rise: 2, fall: 3 }
  const cases: [body: object, monitor: object, formatted: object][] = [
    [
      {},
      { type: 'http' },
      {
        type: 'http',
        method: 'GET',
        port: 80,
        path: '/',
        expect: { codes: ['200-299'] },
        followRedirects: 0,
        ...always,
      },
    ],
    [
      { type: 'tcp', port: 25 },
      { type: 'tcp', port: 25, send: null, expect: anyText, tls: null, ...timingDefaults },
      { type: 'tcp', port: 25, ...always },
    ],
    [
      { type: 'tcp', port: 465, tls: true, send: 'EHLO x\r\n', expect: { text: '250', notText: '4' } },
      {
        send: 'EHLO x\r\n',
        expect: { contains: '250', matches: null, lacks: '4', mismatches: null },
        tls: tlsDefaults,
      },
      {
        type: 'tcp',
        port: 465,
        send: 'EHLO x\r\n',
        expect: { text: '250', notText: '4' },
        tls: true,
        ...always,
      },
    ],
    [
      { type: 'tcp', port: 465, tls: { minDaysLeft: 7 } },
      { tls: { ...tlsDefaults, minDaysLeft: 7 } },
      { type: 'tcp', port: 465, tls: { minDaysLeft: 7 }, ...always },
    ],
    [
      { type: 'dns', query: { name: 'WWW.Example.test' } },
      {
        type: 'dns',
        port: 53,
        transport: 'udp',
        qname: 'www.example.test.',
        qtype: 'A',
        expectRcodes: ['NOERROR'],
        expectData: [],
        ...timingDefaults,
      },
      { type: 'dns', port: 53, query: { name: 'www.example.test.', type: 'A' }, ...always },
    ],
    [
      {
        type: 'dns',
        transport: 'tcp',
        query: { name: '.', type: 'mx' },
        expect: { rcodes: ['NOERROR', 'NXDOMAIN'], data: ['10 MAIL.example.test', '10 MAIL.example.test'] },
      },
      { qname: '.', qtype: 'MX', expectData: ['10 MAIL.example.test.'] },
      {
        type: 'dns',
        port: 53,
        transport: 'tcp',
        query: { name: '.', type: 'MX' },
        expect: { rcodes: ['NOERROR', 'NXDOMAIN'], data: ['10 MAIL.example.test.'] },
        ...always,
      },
    ],
    [
      { type: 'grpc', port: 50051 },
      { type: 'grpc', port: 50051, service: '', tls: null, ...timingDefaults },
      { type: 'grpc', port: 50051, ...always },
    ],
    [
      { type: 'grpc', port: 50051, service: 'shop.v1.Shop', tls: {} },
      { service: 'shop.v1.Shop', tls: tlsDefaults },
      { type: 'grpc', port: 50051, service: 'shop.v1.Shop', tls: true, ...always },
    ],
    [{ type: 'push' }, { ttlMs: 30_000 }, { type: 'push', ttl: '30s' }],
    [{ type: 'static', state: 'down' }, { state: 'down' }, { type: 'static', state: 'down' }],
    [
      { type: 'composite', monitors: ['a', 'b'] },
      { monitors: ['a', 'b'], require: 'all', invert: false },
      { type: 'composite', monitors: ['a', 'b'] },
    ],
    [
      { type: 'composite', monitors: ['a', 'b'], require: 2, invert: true },
      { require: 2, invert: true },
      { type: 'composite', monitors: ['a', 'b'], require: 2, invert: true },
    ],
    [
      { flap: {} },
      { flap: { changes: 3, withinMs: 600_000, holdMs: 60_000, maxHoldMs: 3_600_000 } },
      { flap: {} },
    ],
    [{ flap: { hold: '2h' } }, { flap: { maxHoldMs: 7_200_000 } }, { flap: { hold: '2h' } }],
    [
      { weight: { json: '/load/0' } },
      { weight: { kind: 'json', pointer: '/load/0' } },
      { weight: { json: '/load/0' } },
    ],
    [{ interval: '1s' }, { timeoutMs: 1000 }, { interval: '1s', timeout: '1s' }],
  ]
  for (const [body, monitor, formatted] of cases) {
    const found = monitorOf(body)
    t.match(found.monitor, monitor, JSON.stringify(body))
    t.same(found.again, found.monitor)
    if ('type' in formatted) t.same(found.body, formatted)
    else t.match(found.body, formatted)
  }
})

t.test('a field of another type', async (t) => {
  t.same(read({ type: 'tcp', port: 25, path: '/', ttl: '1m', colour: 'red' }).problems, [
    'path: is not for monitors of type tcp',
    'ttl: is not for monitors of type tcp',
    'colour: unknown field "colour", known here: type, port, send, expect, tls, interval, timeout, rise, fall, ' +
      'clear, recheck, failBack, failBackDelay, flap, status',
  ])
  t.same(read({ type: 'push', interval: '1s' }).problems, ['interval: is not for monitors of type push'])
  t.same(read({ state: 'up' }).problems, ['state: is not for monitors of type http'])
  t.match(read({ type: 'dns', expect: { body: 'x' }, query: { name: 'a' } }).problems, [
    /^expect.body: unknown field "body", known here: rcodes, data$/,
  ])
})

t.test('what is wrong is named', async (t) => {
  const cases: [body: object, problem: RegExp][] = [
    [
      { type: 'icmp' },
      /^type: must be one of http, https, tcp, dns, grpc, push, static, feed, composite, not "icmp"$/,
    ],
    [{ type: null }, /^type: must be one of .*, not null$/],
    [{ method: 'DELETE' }, /^method: must be one of GET, HEAD, POST, PUT, OPTIONS, not "DELETE"$/],
    [{ headers: { 'a b': 'x' } }, /^headers\["a b"\]: must be the name of an HTTP header, not "a b"$/],
    [{ headers: { Host: 'x' } }, /^headers\.Host: can't be set: it is the field host of the monitor$/],
    [
      { headers: { 'Content-Length': '1' } },
      /^headers\.Content-Length: can't be set: it follows from the body$/,
    ],
    [{ headers: { 'transfer-encoding': 'chunked' } }, /can't be set: it follows from the body$/],
    [{ headers: { connection: 'keep-alive' } }, /can't be set: it is always close/],
    [{ headers: { TE: 'gzip' } }, /^headers\.TE: can't be set: it offers to take transfer codings/],
    [{ headers: { Expect: '100-continue' } }, /^headers\.Expect: can't be set: it asks for leave/],
    [{ headers: { upgrade: 'websocket' } }, /^headers\.upgrade: can't be set: it asks for another protocol/],
    [{ headers: { 'Keep-Alive': 'max=1' } }, /^headers\.Keep-Alive: can't be set: it is for connections/],
    [{ host: '192.0.2.256' }, /^host: must be a host name or address/],
    [{ host: 'www.example.test:70000' }, /^host: must be a host name or address/],
    [{ host: '[::1::]' }, /^host: must be a host name or address/],
    ...['.', '.a', 'a..b', 'a.test..', `${'a'.repeat(64)}.test`].map((host): [object, RegExp] => [
      { host },
      /^host: must be a host name or address/,
    ]),
    [{ expect: { codes: [101] } }, /^expect\.codes\[0\]: must be a status code/],
    [{ expect: { codes: [200, '100-199'] } }, /^expect\.codes\[1\]: must be a status code/],
    [{ headers: { 'x-a': '1', 'X-A': '2' } }, /^headers\.X-A: x-a is there twice$/],
    [{ headers: { 'x-a': 'a\r\nb: c' } }, /^headers\.x-a: must be a header's value/],
    [{ headers: { 'x-a': ' a' } }, /^headers\.x-a: must be a header's value/],
    [
      { headers: { 'x-a': 7 } },
      /^headers\.x-a: must be a header's value.*, not 7: put it in quotation marks$/,
    ],
    [{ headers: [] }, /^headers: must be an object, not a list$/],
    [{ body: 'x' }, /^body: is not for requests by GET: set a method$/],
    [{ method: 'HEAD', body: 'x' }, /^body: is not for requests by HEAD/],
    [{ method: 'PUT', body: '' }, /^body: must be a text of 1 to 8192 characters/],
    [{ method: 'PUT', body: 'x'.repeat(8193) }, /^body: must be a text of 1 to 8192 characters/],
    [
      { expect: { pattern: '(a' } },
      /^expect\.pattern: must be a regular expression of RE2.*: missing closing \)/,
    ],
    [{ expect: { notPattern: '(?=a)' } }, /^expect\.notPattern: .*no lookaround/],
    [{ expect: { pattern: '(a)\\1' } }, /^expect\.pattern: .*no back-references: invalid escape sequence/],
    [{ expect: { pattern: '((a{100}){100}){100}' } }, /^expect\.pattern: .*invalid repeat count/],
    [
      { expect: { pattern: '(a{1000})'.repeat(110) } },
      /^expect\.pattern: must be .* of at most 100 steps, and this one has 110000 repetitions$/,
    ],
    [
      { expect: { pattern: '(a{30}){30}' } },
      /^expect\.pattern: must be .* of at most 100 steps, and this one compiles to \d{3}$/,
    ],
    [
      { expect: { pattern: '' } },
      /^expect\.pattern: must be a regular expression of RE2 of 1 to 1024 characters/,
    ],
    [
      { expect: { pattern: 'a'.repeat(1025) } },
      /^expect\.pattern: must be a regular expression of RE2 of 1 to 1024/,
    ],
    [
      { expect: { pattern: 7 } },
      /^expect\.pattern: must be a regular expression of RE2 of 1 to 1024 characters, not 7: put it in quotation marks$/,
    ],
    [{ weight: {} }, /^weight: must have one of header and json$/],
    [{ weight: { header: 'x', json: '' } }, /^weight: must have one of header and json$/],
    [{ weight: { header: 'a b' } }, /^weight\.header: must be the name of an HTTP header/],
    [{ weight: { json: 'load' } }, /^weight\.json: must be a JSON pointer \(RFC 6901\)/],
    [{ weight: { json: '/a~2' } }, /^weight\.json: must be a JSON pointer/],
    [{ weight: 'x-load' }, /^weight: must be an object with header or json, not "x-load"$/],
    [{ tls: true }, /^tls: must be an object with the settings of TLS, not true$/],
    [{ tls: { serverName: '192.0.2.1' } }, /^tls\.serverName: must be a host name/],
    [{ tls: { serverName: 'a.' } }, /^tls\.serverName: must be a host name/],
    [{ tls: { ca: 'x' } }, /^tls\.ca: must be certificates in PEM/],
    [{ tls: { ca: certificate.replace('MIIB', 'MIIC') } }, /^tls\.ca: certificate 1 in it can't be read$/],
    [{ tls: { ca: `${certificate}-----BEGIN CERTIFICATE-----\n` } }, /^tls\.ca: must be certificates in PEM/],
    [
      { tls: { ca: `${certificate}-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----` } },
      /^tls\.ca: holds a private key/,
    ],
    [
      { tls: { ca: 'x'.repeat(32_769) } },
      /^tls\.ca: must be certificates in PEM, of at most 32768 characters/,
    ],
    [{ tls: { clientCertificate: '../x' } }, /^tls\.clientCertificate: must be a name/],
    [{ tls: { minDaysLeft: -1 } }, /^tls\.minDaysLeft: must be a whole number from 0 to 3650/],
    [{ type: 'tcp' }, /^port: is required$/],
    [
      { type: 'tcp', port: 1, tls: false },
      /^tls: must be true, or an object with the settings of TLS, not false$/,
    ],
    [
      { type: 'tcp', port: 1, tls: [] },
      /^tls: must be true, or an object with the settings of TLS, not a list$/,
    ],
    [
      { type: 'tcp', port: 1, tls: { sni: 'x' } },
      /^tls\.sni: unknown field "sni", known here: serverName, ca/,
    ],
    [
      { type: 'tcp', port: 1, tls: { minDaysLeft: 'x' } },
      /^tls\.minDaysLeft: must be a whole number.*, not "x"$/,
    ],
    [{ type: 'tcp', port: 1, send: 'a\0' }, /^send: must be a text/],
    [{ type: 'dns' }, /^query: is required$/],
    [{ type: 'dns', query: {} }, /^query\.name: is required$/],
    [{ type: 'dns', query: { name: 'a..b' } }, /^query\.name: .*empty label/],
    [{ type: 'dns', query: { name: 'a', type: 'NOPE' } }, /^query\.type: type NOPE is not known/],
    [{ type: 'dns', query: { name: 'a', type: 'ANY' } }, /^query\.type: type ANY stands for no data/],
    [{ type: 'dns', query: { name: 'a' }, transport: 'quic' }, /^transport: must be one of udp, tcp/],
    [
      { type: 'dns', query: { name: 'a' }, expect: { rcodes: ['noerror'] } },
      /^expect\.rcodes\[0\]: must be one of NOERROR/,
    ],
    [
      { type: 'dns', query: { name: 'a' }, expect: { rcodes: [] } },
      /^expect\.rcodes: must have at least 1 item$/,
    ],
    [{ type: 'dns', query: { name: 'a' }, expect: { data: ['x'] } }, /^expect\.data\[0\]: .*A address/],
    [
      {
        type: 'dns',
        query: { name: 'a', type: 'TXT' },
        expect: { data: ['a '.repeat(2000)] },
      },
      /^expect\.data\[0\]: comes to more than 4096 characters$/,
    ],
    [{ type: 'grpc' }, /^port: is required$/],
    [{ type: 'grpc', port: 1, service: 'a b' }, /^service: must be the name of a gRPC service/],
    [{ type: 'push', ttl: '10ms' }, /^ttl: must be a duration.*from 1s to 7d/],
    [{ type: 'static' }, /^state: is required$/],
    [{ type: 'static', state: 'unknown' }, /^state: must be one of up, down, not "unknown"$/],
    [{ type: 'composite' }, /^monitors: is required$/],
    [{ type: 'composite', monitors: [] }, /^monitors: must have at least 1 item$/],
    [{ type: 'composite', monitors: ['a', 'a'] }, /^monitors\[1\]: monitor a is named twice$/],
    [{ type: 'composite', monitors: ['A'] }, /^monitors\[0\]: must be a name/],
    [
      { type: 'composite', monitors: ['a'], require: 2 },
      /^require: must not be more than there are monitors \(2 > 1\)$/,
    ],
    [
      { type: 'composite', monitors: ['a'], require: 0 },
      /^require: must be all, any, or a whole number from 1 to 32, not 0$/,
    ],
    [{ type: 'composite', monitors: ['a'], require: 'most' }, /^require: must be all, any, .*, not "most"$/],
    [{ recheck: '11s' }, /^recheck: must not be longer than the interval \(11s > 10s\)$/],
    [{ recheck: '0s' }, /^recheck: must be a duration/],
    [{ clear: 0 }, /^clear: must be a whole number from 1 to 1000/],
    [{ failBack: 'never' }, /^failBack: must be one of auto, manual/],
    [{ failBackDelay: '8d' }, /^failBackDelay: must be a duration/],
    [{ flap: true }, /^flap: must be an object with changes, within, hold and maxHold, not true$/],
    [{ flap: { hold: '2m', maxHold: '1m' } }, /^flap\.maxHold: must not be shorter than hold \(1m < 2m\)$/],
    [{ flap: { maxHold: '10s' } }, /^flap\.maxHold: must not be shorter than hold \(10s < 1m\)$/],
    [{ flap: { changes: 0 } }, /^flap\.changes: must be a whole number/],
  ]
  for (const [body, expected] of cases) {
    const { monitor, problems } = read(body)
    t.equal(monitor, null, JSON.stringify(body))
    t.equal(problems.length, 1, problems.join(' | '))
    t.match(problems[0], expected)
  }
})

t.test('all problems of one monitor at once', async (t) => {
  t.same(
    read({
      type: 'https',
      colour: 1,
      state: 'up',
      headers: { host: 'x' },
      weight: {},
      body: 'x',
      timeout: '20s',
      tls: { ca: 'x' },
    }).problems.map((problem) => problem.split(':')[0]),
    ['state', 'colour', 'headers.host', 'weight', 'tls.ca', 'timeout', 'body'],
  )
  for (const body of [null, 7, 'http', []]) {
    const problems: Problem[] = []
    t.equal(parseMonitor('m', body, 'monitors.m', problems), null)
    t.match(problems, [{ path: 'monitors.m', message: /^must be an object with the fields of a monitor/ }])
  }
})
