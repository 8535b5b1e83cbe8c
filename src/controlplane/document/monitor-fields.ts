/** The kinds of field that only monitors have. Descriptions complete "must be ...", as in `fields.ts`. */
import { X509Certificate } from 'node:crypto'
import { RE2JS, RE2JSException } from 're2js'
import Type, { type Static } from 'typebox'
import type { CodeRange, TextExpectation, TlsSettings } from '../model/monitor.ts'
import { hostText, isHost, Name, Text, Whole } from './fields.ts'
import { Either, show } from './schema-check.ts'

/** Characters of what is looked for in a response. */
const maxExpectation = 1024
/**
 * Steps of a pattern. The time of a match grows with them, and it is the event loop's: 64 KiB made for the purpose take some
 * 0.4 s against one of this size. It would take a limit of 16 to keep that below 50 ms, and sensible patterns have up to 50.
 */
const maxSteps = 100
/** Characters of what a probe sends. */
const maxRequest = 8192
const maxHeaders = 50
const maxHeaderValue = 4096
/** Some sixteen certificates. */
const maxPem = 32_768

const codesDescription = 'a status code or a range of them from 100 to 599, such as 200 or 200-299'

export const Codes = Type.Array(
  Type.Refine(
    Type.Unsafe<string | number>({ type: ['integer', 'string'], description: codesDescription }),
    (value) => parseCodes(value) !== null,
    (value) => `must be ${codesDescription}, not ${show(value)}`,
  ),
  { minItems: 1, maxItems: 100 },
)

export function parseCodes(value: string | number): CodeRange | null {
  const match = /^(\d{3})(?:-(\d{3}))?$/.exec(String(value))
  if (!match) return null
  const from = Number(match[1])
  const to = Number(match[2] ?? match[1])
  return from >= 100 && to <= 599 && from <= to ? { from, to } : null
}

export function formatCodes({ from, to }: CodeRange): string | number {
  return from === to ? from : `${from}-${to}`
}

// RFC 9112 section 3.2.1: origin-form; a fragment never goes over the wire.
export const RequestTarget = Text(
  'a request target that begins with "/", of at most 2048 visible ASCII characters without "#"',
  (text) => text.length <= 2048 && /^\/[\x21\x22\x24-\x7e]*$/.test(text),
)

export const HostHeader = Text(
  'a host name or address, with a port if wanted, such as www.example.test or [2001:db8::1]:8080',
  (text) => text.length <= 255 && /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(text),
)

/** What a probe sends. */
export const RequestText = boundedText(maxRequest)

function boundedText(most: number) {
  return Text(`a text of 1 to ${most} characters`, (text) => text.length >= 1 && text.length <= most)
}

/** Name and value of header fields (RFC 9110 section 5); names are checked by `headerProblem`. */
export const Headers = Type.Record(
  Type.String(),
  Text(
    `a header's value: at most ${maxHeaderValue} visible ASCII characters, with blanks only between them`,
    (text) => text.length <= maxHeaderValue && /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/.test(text),
  ),
  { maxProperties: maxHeaders },
)

const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}$/

/** Names that a probe sets itself, or that would break its framing. */
const refusedHeaders: ReadonlyMap<string, string> = new Map([
  ['host', 'is the field host of the monitor'],
  ['content-length', 'follows from the body'],
  ['transfer-encoding', 'follows from the body'],
  ['connection', 'is always close, since every probe has a connection of its own'],
])

/** What is wrong with the name of a header that a probe is to send; null when nothing is. */
export function headerProblem(name: string): string | null {
  if (!tokenPattern.test(name)) return `must be the name of an HTTP header, not ${show(name)}`
  const why = refusedHeaders.get(name.toLowerCase())
  return why === undefined ? null : `can't be set: it ${why}`
}

const HeaderName = Text('the name of an HTTP header', (text) => tokenPattern.test(text))

const jsonPointerDescription = 'a JSON pointer (RFC 6901) of at most 255 characters, such as /load/0/weight'

/** Where a response says its member's weight; the parser sees to it that there is one of the two. */
export const Weight = Type.Object(
  {
    header: Type.Optional(HeaderName),
    json: Type.Optional(
      Text(jsonPointerDescription, (text) => text.length <= 255 && /^(?:\/(?:[^~/]|~[01])*)*$/.test(text)),
    ),
  },
  { additionalProperties: false, description: 'an object with header or json' },
)

/** Checked by compiling it. RE2 refuses what it could not run in linear time, and counts repetitions against their product. */
export const Pattern = Type.Refine(
  Type.String({
    maxLength: maxExpectation,
    description: `a regular expression of RE2 of 1 to ${maxExpectation} characters`,
  }),
  (value) => patternProblem(value) === null,
  (value) => patternProblem(value) ?? '',
)

function patternProblem(pattern: string): string | null {
  if (pattern.length > maxExpectation) return null // its length has been complained about
  if (pattern === '' || pattern.includes('\0') || !pattern.isWellFormed()) {
    return `must be a regular expression of RE2 of 1 to ${maxExpectation} characters, not ${show(pattern)}`
  }
  try {
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

const ExpectedText = boundedText(maxExpectation)

/** What the body of a response must and must not hold. */
export const bodyExpectation = {
  body: Type.Optional(ExpectedText),
  pattern: Type.Optional(Pattern),
  notBody: Type.Optional(ExpectedText),
  notPattern: Type.Optional(Pattern),
}

/** The same of what comes over a plain connection. */
export const textExpectation = {
  text: Type.Optional(ExpectedText),
  pattern: Type.Optional(Pattern),
  notText: Type.Optional(ExpectedText),
  notPattern: Type.Optional(Pattern),
}

interface ExpectationBody {
  readonly body?: string
  readonly text?: string
  readonly pattern?: string
  readonly notBody?: string
  readonly notText?: string
  readonly notPattern?: string
}

export function expectationFrom(body: ExpectationBody | undefined): TextExpectation {
  return {
    contains: body?.body ?? body?.text ?? null,
    matches: body?.pattern ?? null,
    lacks: body?.notBody ?? body?.notText ?? null,
    mismatches: body?.notPattern ?? null,
  }
}

/** @param what how the two fields for substrings are called: `body` and `notBody`, or `text` and `notText` */
export function formatExpectation(
  { contains, matches, lacks, mismatches }: TextExpectation,
  what: 'body' | 'text',
): ExpectationBody {
  const not = what === 'body' ? 'notBody' : 'notText'
  return {
    ...(contains === null ? {} : { [what]: contains }),
    ...(matches === null ? {} : { pattern: matches }),
    ...(lacks === null ? {} : { [not]: lacks }),
    ...(mismatches === null ? {} : { notPattern: mismatches }),
  }
}

// RFC 6066 section 3: no address, no final dot.
const ServerName = Text(
  'a host name, such as www.example.test',
  (text) => !text.endsWith('.') && isHost(text),
)

export const Tls = Type.Object(
  {
    serverName: Type.Optional(ServerName),
    ca: Type.Optional(
      Type.Refine(
        Type.String({
          maxLength: maxPem,
          description: `certificates in PEM, of at most ${maxPem} characters together`,
        }),
        (value) => pemProblem(value) === null,
        (value) => pemProblem(value) ?? '',
      ),
    ),
    clientCertificate: Type.Optional(Name()),
    minDaysLeft: Type.Optional(Whole(0, 3650)),
  },
  { additionalProperties: false, description: 'an object with the settings of TLS' },
)

/** For monitors that are without TLS unless they say so. */
export const TlsOrTrue = Either(
  Type.Unsafe<true>({ const: true }),
  Tls,
  'true, or an object with the settings of TLS',
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

export function tlsFrom(body: Static<typeof Tls> | true): TlsSettings {
  const { serverName, ca, clientCertificate, minDaysLeft } = body === true ? {} : body
  return {
    serverName: serverName === undefined ? null : hostText(serverName).slice(0, -1),
    ca: ca ?? null,
    clientCertificate: clientCertificate ?? null,
    minDaysLeft: minDaysLeft ?? 0,
  }
}

/** Only what is not the default, so perhaps nothing. */
export function formatTls(tls: TlsSettings): Static<typeof Tls> {
  return {
    ...(tls.serverName === null ? {} : { serverName: tls.serverName }),
    ...(tls.ca === null ? {} : { ca: tls.ca }),
    ...(tls.clientCertificate === null ? {} : { clientCertificate: tls.clientCertificate }),
    ...(tls.minDaysLeft === 0 ? {} : { minDaysLeft: tls.minDaysLeft }),
  }
}
