/** Random monitors of every type as they may stand in the model. */
import fc from 'fast-check'
import { canonicalHost } from '../../../src/controlplane/model/host-name.ts'
import type {
  CompositeMonitor,
  FlapLimit,
  HttpMonitor,
  Monitor,
  ProbeTiming,
  TextExpectation,
  TlsSettings,
} from '../../../src/controlplane/model/monitor.ts'
import { feedUse, positive, rarely, value } from './feed-use-arbitrary.ts'

/** A certificate that signs itself. */
export const certificate = `
-----BEGIN CERTIFICATE-----
MIIBhTCCASugAwIBAgIUNsE7y5OiEVxPbQHtf+aSmZmMiBUwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMcG9vbGRucyB0ZXN0MCAXDTI2MTEyNDIxMDgwMVoYDzIxMjYx
MDMxMjEwODAxWjAXMRUwEwYDVQQDDAxwb29sZG5zIHRlc3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAARA4F3SuhtFkXIUBoUgGFIsUjgypv8nBPFq7s2Jhe3JZjVH
Wi2lmMIuz68T6KQs5mySSpx+q2sS6D+8oxH/CXdGo1MwUTAdBgNVHQ4EFgQUXAKh
Ce7Xs+todfdUFWH/oMfG6U8wHwYDVR0jBBgwFoAUXAKhCe7Xs+todfdUFWH/oMfG
6U8wDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBExxsty+bTSCTF
bWyxpihgns24559HWt2QwY9epzHoyQIhAPAJt+luozEn6DeC5dS5k4mQuCYm20zq
HJibwLt/exYi
-----END CERTIFICATE-----
`.trimStart()

// Not of digits alone: keys that look like array indexes would be reordered by JavaScript.
export const name = fc.oneof(
  { weight: 5, arbitrary: fc.stringMatching(/^[a-z](?:[a-z0-9._-]{0,14}[a-z0-9])?$/) },
  // Words that JavaScript, YAML or SQL might take for something else.
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'constructor',
      'null',
      'true',
      'no',
      'y',
      '1e3',
      '0x1f',
      '1.5',
      '2001-01-01',
      '12_000',
      'members',
      'status',
      `long${'-'.repeat(45)}g`,
    ),
  },
)
export const port = fc.integer({ min: 1, max: 65535 })
export const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })

const dayMs = 86_400_000
/** Of any characters, in every plane, but for those that PostgreSQL can't keep. */
const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 30 }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 10 }).filter((found) => !found.includes('\0')),
  fc.constantFrom(
    ' ',
    '\r\n',
    '\n\n a',
    '\u0085\u2028\ufeff',
    '- a: b # c',
    '---\n...',
    '\'"\\',
    '~',
    '!!str',
  ),
)
const pattern = fc.constantFrom('ok', '^a+$', '(?i)\\bdown\\b', 'x{3}', 'grün|rot')
const share = fc.double({ min: 0, max: 1, noNaN: true })

function isHost(text: string): boolean {
  const url = URL.parse(`http://${text}`)
  return url !== null && canonicalHost(url) !== null
}

const codes = fc
  .tuple(fc.integer({ min: 100, max: 599 }), fc.integer({ min: 200, max: 599 }))
  .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }))

const expectation: fc.Arbitrary<TextExpectation> = fc.record({
  contains: orNull(text),
  matches: orNull(pattern),
  lacks: orNull(text),
  mismatches: orNull(pattern),
})

const tls: fc.Arbitrary<TlsSettings> = fc.record({
  serverName: orNull(fc.constantFrom('www.example.test', 'a', '_x.y-z.example')),
  ca: orNull(fc.constantFrom(certificate, `# two\n${certificate}${certificate}`)),
  clientCertificate: orNull(name),
  minDaysLeft: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3650 })),
  endingFails: fc.constantFrom('minority', 'always'),
  warnDaysLeft: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3650 })),
})

const flap: fc.Arbitrary<FlapLimit> = fc
  .record({
    changes: fc.integer({ min: 1, max: 1000 }),
    withinMs: fc.integer({ min: 1000, max: 7 * dayMs }),
    holdMs: fc.constantFrom(1000, 60_000, 3_600_000, 7_200_000),
    more: fc.constantFrom(0, 1, 3_540_000),
  })
  .map(({ more, ...limit }) => ({ ...limit, maxHoldMs: limit.holdMs + more }))

const timing: fc.Arbitrary<ProbeTiming> = fc
  .record({
    intervalMs: fc.integer({ min: 100, max: dayMs }),
    timeoutShare: share,
    recheckShare: orNull(share),
    rise: fc.integer({ min: 1, max: 1000 }),
    fall: fc.integer({ min: 1, max: 1000 }),
    clear: fc.constantFrom(1, 2, 1000),
    failBack: fc.constantFrom('auto' as const, 'manual' as const),
    failBackDelayMs: fc.constantFrom(0, 1, 90_000, 7 * dayMs),
    flap: orNull(flap),
  })
  .map(({ timeoutShare, recheckShare, ...rest }) => {
    const part = (of: number) => Math.max(1, Math.floor(rest.intervalMs * of))
    return {
      ...rest,
      timeoutMs: part(timeoutShare),
      recheckMs: recheckShare === null ? null : part(recheckShare),
    }
  })

const headers = fc
  .dictionary(
    fc.stringMatching(/^x-[a-z0-9!#$%&'*+.^_`|~-]{1,10}$/),
    fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/),
    { maxKeys: 4 },
  )
  .map((found) => Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))

const http: fc.Arbitrary<Omit<HttpMonitor, keyof ProbeTiming>> = fc
  .record({
    name,
    type: fc.constantFrom('http' as const, 'https' as const),
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'OPTIONS'),
    port,
    path: fc.stringMatching(/^\/[a-zA-Z0-9?=&%/_.-]{0,20}$/),
    host: orNull(fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}$/).filter(isHost)),
    headers,
    body: orNull(text),
    expectCodes: fc.array(codes, { minLength: 1, maxLength: 4 }),
    expectBody: expectation,
    followRedirects: fc.integer({ min: 0, max: 10 }),
    weight: fc.constantFrom(
      null,
      { kind: 'header' as const, name: 'x-load' },
      { kind: 'json' as const, pointer: '' },
      { kind: 'json' as const, pointer: '/load/0/~0~1 ü' },
    ),
    tls,
  })
  .map(({ body, ...rest }) => ({
    ...rest,
    body: rest.method === 'GET' || rest.method === 'HEAD' ? null : body,
  }))

const probing = fc.oneof(
  http,
  fc.record({
    name,
    type: fc.constant('tcp' as const),
    port,
    send: orNull(text),
    expect: expectation,
    tls: orNull(tls),
  }),
  fc.record({
    name,
    type: fc.constant('grpc' as const),
    port,
    service: fc.constantFrom('', 'grpc.health.v1.Health', 'x'),
    tls: orNull(tls),
  }),
  fc
    .record({
      name,
      port,
      transport: fc.constantFrom('udp' as const, 'tcp' as const),
      qname: fc.constantFrom('.', 'example.test.', 'a\\.b.example.test.', '_x.example.test.'),
      expectRcodes: fc.shuffledSubarray(['NOERROR', 'NXDOMAIN', 'REFUSED'], { minLength: 1 }),
      answer: fc.constantFrom(
        { qtype: 'A', expectData: [] },
        { qtype: 'AAAA', expectData: ['2001:db8::1', '::1'] },
        { qtype: 'MX', expectData: ['10 mail.example.test.'] },
        { qtype: 'TXT', expectData: ['"a b" "c"'] },
        { qtype: 'TYPE65280', expectData: [] },
        { qtype: 'SOA', expectData: [] },
      ),
    })
    .map(({ answer, ...rest }) => ({ ...rest, ...answer, type: 'dns' as const })),
)

const knowing = fc.oneof(
  fc.record({
    name,
    type: fc.constant('push' as const),
    ttlMs: fc.integer({ min: 1000, max: 7 * dayMs }),
  }),
  fc.record({
    name,
    type: fc.constant('static' as const),
    state: fc.constantFrom('up' as const, 'down' as const),
  }),
  fc
    .tuple(name, feedUse, rarely(value), rarely(value), positive)
    .filter(
      ([, , min, max]) => (min !== null || max !== null) && (min === null || max === null || min <= max),
    )
    .map(([named, use, min, max, back]) => ({
      name: named,
      type: 'feed' as const,
      ...use,
      min,
      max,
      back: min === null || max === null ? back : Math.min(back, (max - min) / 4),
    })),
)

/** Monitors of every type that stands for itself. */
export const monitorArbitrary: fc.Arbitrary<Monitor> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(probing, timing).map(([monitor, when]) => ({ ...monitor, ...when })) },
  { weight: 1, arbitrary: knowing },
)

/** A composite one of some of these. */
export function compositeArbitrary(parts: readonly Monitor[]): fc.Arbitrary<CompositeMonitor> {
  return fc
    .shuffledSubarray(
      parts.map((part) => part.name),
      { minLength: 1 },
    )
    .chain((monitors) =>
      fc.record({
        name: name.map((text) => `composite-${text}`),
        type: fc.constant('composite' as const),
        monitors: fc.constant(monitors),
        require: fc.oneof(
          fc.constantFrom('all' as const, 'any' as const),
          fc.integer({ min: 1, max: monitors.length }),
        ),
        invert: fc.boolean(),
      }),
    )
}
