/** The kinds of field that only monitors have. Descriptions complete "must be ...", as in `fields.ts`. */
import { X509Certificate } from 'node:crypto'
import { RE2JS, RE2JSException } from 're2js'
import Type from 'typebox'
import { endingRules } from '../model/certificate.ts'
import { canonicalHost } from '../model/host-name.ts'
import type { CodeRange, HttpMonitor, TextExpectation, TlsSettings, WeightSource } from '../model/monitor.ts'
import { Checked, hostText, Name, Plain, Scalar, Text, TextAs, Unshown, Whole, Words } from './fields.ts'
import {
  converted,
  type Entries,
  either,
  type Form,
  fieldsOf,
  list,
  map,
  type RecordForm,
  type Report,
  record,
} from './forms.ts'
import { show } from './schema-check.ts'

/** Characters of what is looked for in a response. */
const maxExpectation = 1024
/**
 * Steps of a pattern. The time of a match grows with them: 64 KiB made for the purpose take up to a second against one of this
 * size, which is a thread's own (`pattern-matcher.ts`). Sensible patterns have up to 50.
 */
const maxSteps = 100
/** More of them can't be within that, and may take half a second of the main thread to compile. */
const maxRepetitions = 400
/** Characters of what a probe sends. */
const maxRequest = 8192
const maxHeaders = 50
const maxHeaderValue = 4096
/** Some sixteen certificates. */
const maxPem = 32_768

export const Codes = list(
  Scalar<string | number, CodeRange>(
    { type: ['integer', 'string'] },
    'a status code or a range of them from 100 to 599, such as 200 or 200-299, that does not end below 200',
    parseCodes,
    ({ from, to }) => (from === to ? from : `${from}-${to}`),
  ),
  { minItems: 1, maxItems: 100 },
)

function parseCodes(written: string | number): CodeRange | null {
  const match = /^(\d{3})(?:-(\d{3}))?$/.exec(String(written))
  if (!match) return null
  const from = Number(match[1])
  const to = Number(match[2] ?? match[1])
  // Interim responses are passed over (RFC 9110 section 15.2): no probe ends with one.
  return from >= 100 && to >= 200 && to <= 599 && from <= to ? { from, to } : null
}

// RFC 9112 section 3.2.1: origin-form; a fragment never goes over the wire.
export const RequestTarget = Text(
  'a request target that begins with "/", of at most 2048 visible ASCII characters without "#"',
  (text) => text.length <= 2048 && /^\/[\x21\x22\x24-\x7e]*$/.test(text),
)

export const HostHeader = Text(
  'a host name or address, with a port if wanted, such as www.example.test or [2001:db8::1]:8080',
  (text) =>
    text.length <= 255 && /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(text) && isHost(text),
)

/** What has the letters and is none, such as 192.0.2.256, [::g], a..b or a port of 70000: no certificate could be for it. */
function isHost(text: string): boolean {
  const url = URL.parse(`http://${text}`)
  return url !== null && canonicalHost(url) !== null
}

/** What a probe sends. */
export const RequestText = boundedText(maxRequest)

function boundedText(most: number) {
  return Text(`a text of 1 to ${most} characters`, (text) => text.length >= 1 && text.length <= most)
}

const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}$/

/** Names that a probe sets itself, that would break its framing, or that ask for what it does not do. */
const refusedHeaders: ReadonlyMap<string, string> = new Map([
  ['host', 'is the field host of the monitor'],
  ['content-length', 'follows from the body'],
  ['transfer-encoding', 'follows from the body'],
  ['connection', 'is always close, since every probe has a connection of its own'],
  ['keep-alive', 'is for connections that are kept, and every probe has one of its own'],
  ['upgrade', 'asks for another protocol, which a probe would not speak'],
  ['te', 'offers to take transfer codings, and a probe reads none but chunks'],
  ['expect', 'asks for leave to send the body, which a probe sends at once'],
])

const HeaderValue = Unshown(
  `a header's value: at most ${maxHeaderValue} visible ASCII characters, with blanks only between them`,
  (text) => text.length <= maxHeaderValue && /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/.test(text),
)

/**
 * Header fields (RFC 9110 section 5), in the order of names, which says nothing (section 5.3), so that it is the same wherever
 * they are kept.
 *
 * @param refused names in lower case that can't be set, each with why
 */
export function headersWithout(refused: ReadonlyMap<string, string>): Form<HttpMonitor['headers']> {
  const key = Checked({ description: 'the name of an HTTP header' }, (name) => {
    const why = refused.get(name.toLowerCase())
    if (!tokenPattern.test(name)) return `must be the name of an HTTP header, not ${show(name)}`
    return why === undefined ? null : `can't be set: it ${why}`
  })
  return converted(
    map(HeaderValue, { maxProperties: maxHeaders }, { key, check: checkHeaders }),
    (entries) =>
      entries
        .map(([name, value]) => [name.toLowerCase(), value] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    (headers) => headers,
  )
}

/** What a probe sends. */
export const Headers = headersWithout(refusedHeaders)

/** No name is there in two spellings. */
function checkHeaders(entries: Entries<string>, report: Report): void {
  const seen = new Set<string>()
  for (const [key] of entries) {
    const name = key.toLowerCase()
    if (seen.has(name)) report(`${name} is there twice`, key)
    seen.add(name)
  }
}

interface WeightFields {
  readonly header: string | null
  readonly json: string | null
}

const weight = fieldsOf<WeightFields>()
/** Where a response says its member's weight. */
export const Weight: Form<WeightSource> = converted(
  record(
    {
      header: weight.optional(
        'header',
        Text('the name of an HTTP header', (text) => tokenPattern.test(text)),
        null,
      ),
      json: weight.optional(
        'json',
        Text(
          'a JSON pointer (RFC 6901) of at most 255 characters, such as /load/0/weight',
          (text) => text.length <= 255 && /^(?:\/(?:[^~/]|~[01])*)*$/.test(text),
        ),
        null,
      ),
    },
    { description: 'an object with header or json' },
  ),
  ({ header, json }, path, problems): WeightSource | undefined => {
    if (header !== null && json === null) return { kind: 'header', name: header.toLowerCase() }
    if (json !== null && header === null) return { kind: 'json', pointer: json }
    problems.push({ path, message: 'must have one of header and json' })
    return undefined
  },
  (source) => ({
    header: source.kind === 'header' ? source.name : null,
    json: source.kind === 'json' ? source.pointer : null,
  }),
)

/** Checked by compiling it. RE2 refuses what it could not run in linear time, and counts repetitions against their product. */
const Pattern = Checked(
  {
    maxLength: maxExpectation,
    description: `a regular expression of RE2 of 1 to ${maxExpectation} characters`,
  },
  patternProblem,
)

function patternProblem(pattern: string): string | null {
  if (pattern.length > maxExpectation) return null // its length has been complained about
  if (pattern === '' || pattern.includes('\0') || !pattern.isWellFormed()) {
    return `must be a regular expression of RE2 of 1 to ${maxExpectation} characters, not ${show(pattern)}`
  }
  try {
    const repeats = repetitions(pattern)
    if (repeats > maxRepetitions) {
      return `must be a regular expression of at most ${maxSteps} steps, and this one has ${repeats} repetitions`
    }
    const steps = RE2JS.compile(pattern).programSize()
    return steps > maxSteps
      ? `must be a regular expression of at most ${maxSteps} steps, and this one compiles to ${steps}`
      : null
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    const why = error.message.replace('error parsing regexp: ', '')
    return `must be a regular expression of RE2, which has no lookaround and no back-references: ${why}`
  }
}

/** How often parts of a pattern are to be repeated, all in all; those in classes and behind a backslash are no repetitions. */
function repetitions(pattern: string): number {
  const bare = pattern.replace(/\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]])*\]/gs, ' ')
  const counts = bare.matchAll(/\{(\d+)(?:,(\d*))?\}/g)
  return [...counts].reduce((sum, [, least, most]) => sum + Number(most || least), 0)
}

const ExpectedText = boundedText(maxExpectation)

export const nothingExpected: TextExpectation = {
  contains: null,
  matches: null,
  lacks: null,
  mismatches: null,
}

const expected = fieldsOf<TextExpectation>()
/** What the body of a response must and must not hold. */
export const bodyExpectation = {
  body: expected.optional('contains', ExpectedText, null),
  pattern: expected.optional('matches', Pattern, null),
  notBody: expected.optional('lacks', ExpectedText, null),
  notPattern: expected.optional('mismatches', Pattern, null),
}

/** The same of what comes over a plain connection. */
export const ExpectedStream: Form<TextExpectation> = record({
  text: expected.optional('contains', ExpectedText, null),
  pattern: expected.optional('matches', Pattern, null),
  notText: expected.optional('lacks', ExpectedText, null),
  notPattern: expected.optional('mismatches', Pattern, null),
})

// RFC 6066 section 3: no address, no final dot.
const ServerName = TextAs('a host name, such as www.example.test', (text) =>
  text.endsWith('.') ? null : (hostText(text)?.slice(0, -1) ?? null),
)

const Certificates = Checked(
  {
    maxLength: maxPem,
    description: `certificates in PEM, of at most ${maxPem} characters together`,
  },
  pemProblem,
)

export const plainTls: TlsSettings = {
  serverName: null,
  ca: null,
  clientCertificate: null,
  minDaysLeft: 0,
  endingFails: 'minority',
  warnDaysLeft: 0,
}

const tls = fieldsOf<TlsSettings>()
export const Tls: RecordForm<TlsSettings> = record(
  {
    serverName: tls.optional('serverName', ServerName, plainTls.serverName),
    ca: tls.optional('ca', Certificates, plainTls.ca),
    clientCertificate: tls.optional('clientCertificate', Name, plainTls.clientCertificate),
    minDaysLeft: tls.optional('minDaysLeft', Whole(0, 3650), plainTls.minDaysLeft),
    endingFails: tls.optional('endingFails', Words(endingRules), plainTls.endingFails),
    warnDaysLeft: tls.optional('warnDaysLeft', Whole(0, 3650), plainTls.warnDaysLeft),
  },
  { title: 'Tls', description: 'an object with the settings of TLS' },
)

/** The field `tls` of monitors that are without TLS unless they say so. */
export const TlsOrTrue: Form<TlsSettings> = either(
  converted(
    Plain<true>(Type.Unsafe<true>({ const: true })),
    () => plainTls,
    (): true => true,
  ),
  Tls,
  {
    description: 'true, or an object with the settings of TLS',
    isShort: (settings) => Object.keys(Tls.format(settings)).length === 0,
  },
)

function pemProblem(text: string): string | null {
  if (text.length > maxPem) return null // its length has been complained about
  // Whoever may read the configuration would read the key.
  if (/PRIVATE KEY/.test(text)) return 'holds a private key, which belongs in no configuration'
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  const begun = text.match(/-----BEGIN /g)?.length ?? 0
  if (blocks.length === 0 || blocks.length !== begun || text.includes('\0') || !text.isWellFormed()) {
    return 'must be certificates in PEM (-----BEGIN CERTIFICATE----- and so on)'
  }
  const bad = blocks.findIndex((block) => !isCertificate(block))
  return bad < 0 ? null : `certificate ${bad + 1} in it can't be read`
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}
