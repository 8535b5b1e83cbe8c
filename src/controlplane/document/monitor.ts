/**
 * Monitors in the document. What fields one has depends on its `type`, so a body is read by the form of its type, and a
 * field that only other types have is told apart from one that nobody has.
 */
import Type, { type TObject } from 'typebox'
import { rcodeNames } from '../../dataplane/wire/constants.ts'
import { formatName, lowerName, parseHostname, parseName, rootName } from '../../dataplane/wire/name.ts'
import { formatRdata, parseRdata, parseType, typeName } from '../../dataplane/wire/rdata.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import {
  type CompositeMonitor,
  type DnsMonitor,
  type FeedMonitor,
  type GrpcMonitor,
  type HttpMonitor,
  httpMethods,
  type Monitor,
  type MonitorType,
  monitorTypes,
  type PushMonitor,
  type StaticMonitor,
  type TcpMonitor,
} from '../model/monitor.ts'
import { AnyNumber, mostValue, useFields } from './feed-use.ts'
import {
  Duration,
  Fraction,
  Literal,
  Name,
  Plain,
  Port,
  reading,
  Scalar,
  Text,
  TrueOrFalse,
  Whole,
  Words,
} from './fields.ts'
import {
  type Body,
  converted,
  type Field,
  type Form,
  fieldsOf,
  ignored,
  list,
  type ParseNamed,
  type RecordForm,
  type Report,
  record,
  reporter,
  spread,
} from './forms.ts'
import {
  bodyExpectation,
  Codes,
  ExpectedStream,
  Headers,
  HostHeader,
  nothingExpected,
  plainTls,
  RequestTarget,
  RequestText,
  Tls,
  TlsOrTrue,
  Weight,
} from './monitor-fields.ts'
import { checkTiming, timingFields } from './monitor-timing.ts'
import { joinPath } from './path.ts'
import { isMap, show } from './schema-check.ts'

const maxParts = 32
/** Characters of RDATA that is expected; for the canonical form too. */
const maxDataText = 4096

const description = 'an object with the fields of a monitor'

/** The body of a monitor: its name is the key that it stands under. */
type BodyOf<M extends Monitor> = Omit<M, 'name'>

const http = fieldsOf<HttpMonitor>()

const defaultCodes: HttpMonitor['expectCodes'] = [{ from: 200, to: 299 }]

const HttpExpectation: Form<Pick<HttpMonitor, 'expectCodes' | 'expectBody'>> = converted(
  record({ codes: http.shown('expectCodes', Codes, defaultCodes), ...bodyExpectation }),
  ({ expectCodes, ...expectBody }) => ({ expectCodes, expectBody }),
  ({ expectCodes, expectBody }) => ({ expectCodes, ...expectBody }),
)

function httpForm(
  title: string,
  type: Field<Pick<HttpMonitor, 'type'>>,
  port: number,
): RecordForm<BodyOf<HttpMonitor>> {
  return record(
    {
      type,
      method: http.shown('method', Words(httpMethods), 'GET'),
      port: http.shown('port', Port, port),
      path: http.shown('path', RequestTarget, '/'),
      host: http.optional('host', HostHeader, null),
      headers: http.optional('headers', Headers, []),
      body: http.optional('body', RequestText, null),
      expect: spread(
        HttpExpectation,
        { expectCodes: defaultCodes, expectBody: nothingExpected },
        { shown: true },
      ),
      followRedirects: http.shown('followRedirects', Whole(0, 10), 0),
      weight: http.optional('weight', Weight, null),
      tls: http.optional('tls', Tls, plainTls),
      ...timingFields,
      status: ignored,
    },
    {
      title,
      description,
      check(values, report) {
        checkTiming(values, report)
        const { method, body = null } = values
        // RFC 9110 sections 9.3.1 and 9.3.2: there it has no meaning.
        if (body === null || (method !== 'GET' && method !== 'HEAD')) return
        report(`is not for requests by ${method}: set a method`, 'body')
      },
    },
  )
}

const tcp = fieldsOf<TcpMonitor>()
const tcpForm: RecordForm<BodyOf<TcpMonitor>> = record(
  {
    type: tcp.required('type', Literal('tcp')),
    port: tcp.required('port', Port),
    send: tcp.optional('send', RequestText, null),
    expect: tcp.optional('expect', ExpectedStream, nothingExpected),
    tls: tcp.optional('tls', TlsOrTrue, null),
    ...timingFields,
    status: ignored,
  },
  { title: 'TcpMonitor', description, check: checkTiming },
)

/** A text that is read as the data plane reads it, whose words say what is wrong. */
function wireText(
  schema: { maxLength: number; description: string },
  read: (text: string) => string,
): Form<string> {
  return converted(
    Plain<string>(Type.String(schema)),
    (text, path, problems) => reading(path, problems, () => read(text)) ?? undefined,
    (text) => text,
  )
}

const QueryName = wireText({ maxLength: 1024, description: 'a name' }, (text) => {
  const hostname = parseHostname(text)
  return formatName(lowerName(parseName(hostname === '.' ? '.' : `${hostname}.`)))
})

const QueryType = wireText({ maxLength: 32, description: 'a type of RR' }, (text) =>
  typeName(parseType(text)),
)

const ExpectedRcodes: Form<readonly string[]> = converted(
  list(Words(rcodeNames), { minItems: 1, maxItems: rcodeNames.length }),
  (names): readonly string[] => [...new Set(names)],
  (names) => names as readonly (typeof rcodeNames)[number][],
)

const dataDescription = `RDATA as text, of at most ${maxDataText} characters`
const ExpectedData = list(
  Plain<string>(Type.String({ maxLength: maxDataText, description: dataDescription })),
  { maxItems: 100 },
)

const dns = fieldsOf<DnsMonitor>()
const dnsForm: RecordForm<BodyOf<DnsMonitor>> = record(
  {
    type: dns.required('type', Literal('dns')),
    port: dns.shown('port', Port, 53),
    transport: dns.optional('transport', Words(['udp', 'tcp']), 'udp'),
    query: spread(
      record(
        { name: dns.required('qname', QueryName), type: dns.shown('qtype', QueryType, 'A') },
        { description: 'an object with name and type' },
      ),
    ),
    expect: spread(
      record({
        rcodes: dns.optional('expectRcodes', ExpectedRcodes, ['NOERROR']),
        data: dns.optional('expectData', ExpectedData, []),
      }),
      { expectRcodes: ['NOERROR'], expectData: [] },
    ),
    ...timingFields,
    status: ignored,
  },
  {
    title: 'DnsMonitor',
    description,
    check: checkTiming,
    settle({ qtype, expectData }, path, problems) {
      if (qtype === undefined || expectData === undefined) return {}
      const data = expectData.map((text, index) =>
        reading(joinPath(path, 'expect', 'data', index), problems, () => canonicalData(qtype, text)),
      )
      return { expectData: [...new Set(data.filter((text) => text !== null))] }
    },
  },
)

/** Canonical RDATA; relative names in it are below the root. */
function canonicalData(qtype: string, text: string): string {
  const canonical = formatRdata(parseType(qtype), parseRdata(qtype, text, rootName))
  if (canonical.length > maxDataText) throw new TextError(`comes to more than ${maxDataText} characters`)
  return canonical
}

const grpc = fieldsOf<GrpcMonitor>()
const grpcForm: RecordForm<BodyOf<GrpcMonitor>> = record(
  {
    type: grpc.required('type', Literal('grpc')),
    port: grpc.required('port', Port),
    service: grpc.optional(
      'service',
      Text('the name of a gRPC service, of at most 255 visible ASCII characters', (text) =>
        /^[\x21-\x7e]{0,255}$/.test(text),
      ),
      '',
    ),
    tls: grpc.optional('tls', TlsOrTrue, null),
    ...timingFields,
    status: ignored,
  },
  { title: 'GrpcMonitor', description, check: checkTiming },
)

const push = fieldsOf<PushMonitor>()
const pushForm: RecordForm<BodyOf<PushMonitor>> = record(
  {
    type: push.required('type', Literal('push')),
    ttl: push.shown('ttlMs', Duration(1000, 7 * 86_400_000), 30_000),
    status: ignored,
  },
  { title: 'PushMonitor', description },
)

const steady = fieldsOf<StaticMonitor>()
const staticForm: RecordForm<BodyOf<StaticMonitor>> = record(
  {
    type: steady.required('type', Literal('static')),
    state: steady.required('state', Words(['up', 'down'])),
    status: ignored,
  },
  { title: 'StaticMonitor', description },
)

const fed = fieldsOf<FeedMonitor>()
const feedForm: RecordForm<BodyOf<FeedMonitor>> = record(
  {
    type: fed.required('type', Literal('feed')),
    ...useFields<FeedMonitor>('{member}'),
    min: fed.optional('min', AnyNumber, null),
    max: fed.optional('max', AnyNumber, null),
    back: fed.optional('back', Fraction(0, mostValue, `a number from 0 to ${mostValue}`), 0),
    status: ignored,
  },
  {
    title: 'FeedMonitor',
    description,
    check({ min = null, max = null, back = 0 }, report) {
      if (min === null && max === null) report('is required, or max: a bound that the value must keep', 'min')
      if (min === null || max === null) return
      if (min > max) report(`must not be below min (${max} < ${min})`, 'max')
      else if (2 * back > max - min)
        report('leaves nothing between min and max for a member to come back', 'back')
    },
  },
)

const Require = Scalar<'all' | 'any' | number, 'all' | 'any' | number>(
  { type: ['string', 'integer'] },
  `all, any, or a whole number from 1 to ${maxParts}`,
  (written) => {
    const isMeant =
      typeof written === 'number' ? written >= 1 && written <= maxParts : /^(?:all|any)$/.test(written)
    return isMeant ? written : null
  },
  (require) => require,
)

const composite = fieldsOf<CompositeMonitor>()
const compositeForm: RecordForm<BodyOf<CompositeMonitor>> = record(
  {
    type: composite.required('type', Literal('composite')),
    monitors: composite.required('monitors', list(Name, { minItems: 1, maxItems: maxParts }, checkParts)),
    require: composite.optional('require', Require, 'all'),
    invert: composite.optional('invert', TrueOrFalse, false),
    status: ignored,
  },
  {
    title: 'CompositeMonitor',
    description,
    check({ monitors, require }, report) {
      if (monitors === undefined || typeof require !== 'number' || require <= monitors.length) return
      report(`must not be more than there are monitors (${require} > ${monitors.length})`, 'require')
    },
  },
)

/** No monitor is named twice. */
function checkParts(names: readonly (string | undefined)[], report: Report): void {
  for (const [index, name] of names.entries()) {
    if (name !== undefined && names.indexOf(name) < index) report(`monitor ${name} is named twice`, index)
  }
}

const forms = {
  // A monitor without a type is one of http.
  http: httpForm('HttpMonitor', http.shown('type', Literal('http'), 'http'), 80),
  https: httpForm('HttpsMonitor', http.required('type', Literal('https')), 443),
  tcp: tcpForm,
  dns: dnsForm,
  grpc: grpcForm,
  push: pushForm,
  static: staticForm,
  feed: feedForm,
  composite: compositeForm,
} as const satisfies Record<MonitorType, unknown>

/** The schemas of monitors, one for each type. */
export const monitorSchemas: readonly TObject[] = monitorTypes.map((type) => forms[type].schema)

/** A monitor of any type, for the OpenAPI page. A body is read by the form of its own. */
export const MonitorSchema = Type.Unsafe({ title: 'Monitor', oneOf: monitorSchemas, description })

export const parseMonitor: ParseNamed<Monitor> = (name, input, path, problems) => {
  const before = problems.length
  const report = reporter(path, problems)
  Name.parse(name, path, problems)
  // Whatever is no object is left to a form.
  const { type: given = 'http' } = isMap(input) ? input : {}
  const type = monitorTypes.find((candidate) => candidate === given)
  if (type === undefined) {
    report(`must be one of ${monitorTypes.join(', ')}, not ${show(given)}`, 'type')
    return null
  }
  const foreign = isMap(input) ? Object.keys(input).filter((field) => isForeign(type, field)) : []
  for (const field of foreign) report(`is not for monitors of type ${type}`, field)
  const without = (body: object) => Object.entries(body).filter(([field]) => !foreign.includes(field))
  const body = forms[type].parse(isMap(input) ? Object.fromEntries(without(input)) : input, path, problems)
  return body === undefined || problems.length > before ? null : { name, ...body }
}

/** Whether only monitors of other types have a field. */
function isForeign(type: MonitorType, field: string): boolean {
  const isOf = (of: MonitorType) => Object.hasOwn(forms[of].schema.properties, field)
  return !isOf(type) && monitorTypes.some(isOf)
}

/**
 * The shortest body of a monitor, but for what says most about it, which is always there.
 *
 * @param whole all of it in the place of the shortest
 */
export function formatMonitor(monitor: Monitor, whole = false): Body {
  const form: RecordForm<BodyOf<Monitor>> | undefined = forms[monitor.type]
  // An unknown type that got past the compiler: the store reads what it is about to write, and refuses this.
  return form === undefined ? { type: monitor.type } : form.format(monitor, whole)
}
