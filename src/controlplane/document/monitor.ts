/**
 * Monitors in the document. What fields one has depends on its `type`, so a body is checked by the schema of its type, and a
 * field that only other types have is told apart from one that nobody has.
 */
import type { TSchema } from 'typebox'
import { formatName, lowerName, parseHostname, parseName, rootName } from '../../dataplane/wire/name.ts'
import { formatRdata, parseRdata, parseType, typeName } from '../../dataplane/wire/rdata.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import type { Problem } from '../model/errors.ts'
import {
  type CodeRange,
  type CompositeMonitor,
  type DnsMonitor,
  type GrpcMonitor,
  type HttpMonitor,
  type Monitor,
  type MonitorType,
  monitorTypes,
  type PushMonitor,
  type StaticMonitor,
  type TcpMonitor,
} from '../model/monitor.ts'
import { formatDuration } from './duration.ts'
import { checkName, durationMs, reading } from './fields.ts'
import {
  expectationFrom,
  formatCodes,
  formatExpectation,
  formatTls,
  headerProblem,
  parseCodes,
  tlsFrom,
} from './monitor-fields.ts'
import {
  type BodyOf,
  type HttpBody,
  type MonitorBody,
  maxDataText,
  monitorSchemas,
} from './monitor-schemas.ts'
import { checkTiming, formatTiming, timingFrom } from './monitor-timing.ts'
import { joinPath } from './path.ts'
import { compileCheck, type SchemaCheck, show } from './schema-check.ts'

const checks = new Map<MonitorType, SchemaCheck>(
  monitorTypes.map((type) => [type, compileCheck(monitorSchemas[type] as TSchema)]),
)

const fieldsOf = (type: MonitorType): ReadonlySet<string> =>
  new Set(Object.keys(monitorSchemas[type].properties))

const knownFields = new Map(monitorTypes.map((type) => [type, fieldsOf(type)]))

const defaultCodes: readonly CodeRange[] = [{ from: 200, to: 299 }]
const defaultPushTtlMs = 30_000

/** The monitor that a fragment describes; null, and every problem reported, when it is not one. */
export function parseMonitor(
  name: string,
  input: unknown,
  path: string,
  problems: Problem[],
): Monitor | null {
  const before = problems.length
  checkName(name, path, problems)
  const type = typeOf(input, path, problems)
  if (type === null) return null
  const found = checks.get(type)!(withoutForeign(type, input, path, problems), path)
  problems.push(...found)
  const bad = new Set(found.map((problem) => problem.path))
  if (bad.has(path)) return null
  const monitor = read(name, type, input as MonitorBody, { path, bad, problems })
  return problems.length > before ? null : monitor
}

/** Null, and a problem, when a type is named that there is not; whatever is no object is left to the schema. */
function typeOf(input: unknown, path: string, problems: Problem[]): MonitorType | null {
  const given = (input as { type?: unknown } | null)?.type
  const type = given === undefined ? 'http' : monitorTypes.find((candidate) => candidate === given)
  if (type !== undefined) return type
  problems.push({
    path: joinPath(path, 'type'),
    message: `must be one of ${monitorTypes.join(', ')}, not ${show(given)}`,
  })
  return null
}

/** The input without the fields that only monitors of other types have, each of which is a problem. */
function withoutForeign(type: MonitorType, input: unknown, path: string, problems: Problem[]): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input
  const own = knownFields.get(type)!
  const entries = Object.entries(input).filter(([field]) => {
    const foreign = !own.has(field) && [...knownFields.values()].some((fields) => fields.has(field))
    if (foreign) {
      problems.push({ path: joinPath(path, field), message: `is not for monitors of type ${type}` })
    }
    return !foreign
  })
  return entries.length === Object.keys(input).length ? input : Object.fromEntries(entries)
}

/** Where a body stands, which paths in it can't be read, and where to say what else is wrong. */
interface Place {
  readonly path: string
  readonly bad: ReadonlySet<string>
  readonly problems: Problem[]
}

/**
 * The checks across fields run on whichever of them are readable, so that they are reported with the rest; the monitor is
 * one only without problems.
 */
function read(name: string, type: MonitorType, body: MonitorBody, place: Place): Monitor | null {
  switch (type) {
    case 'http':
    case 'https':
      return readHttp(name, type, body as HttpBody, place)
    case 'tcp':
      return readTcp(name, body as BodyOf<'tcp'>, place)
    case 'dns':
      return readDns(name, body as BodyOf<'dns'>, place)
    case 'grpc':
      return readGrpc(name, body as BodyOf<'grpc'>, place)
    case 'push': {
      const { ttl } = body as BodyOf<'push'>
      return clean(place, () => ({
        name,
        type,
        ttlMs: ttl === undefined ? defaultPushTtlMs : durationMs(ttl),
      }))
    }
    case 'static':
      return { name, type, state: (body as BodyOf<'static'>).state }
    case 'composite':
      return readComposite(name, body as BodyOf<'composite'>, place)
    default:
      return type satisfies never
  }
}

/** Null while there are problems of the schema: what is made of unreadable fields is nothing. */
function clean<T>({ bad }: Place, make: () => T): T | null {
  return bad.size > 0 ? null : make()
}

function readHttp(name: string, type: 'http' | 'https', body: HttpBody, place: Place): HttpMonitor | null {
  const { path, bad, problems } = place
  checkTiming(body, place)
  const headersAt = joinPath(path, 'headers')
  const headers = bad.has(headersAt) ? [] : readHeaders(body.headers ?? {}, headersAt, problems)
  const weightAt = joinPath(path, 'weight')
  if (body.weight !== undefined && !bad.has(weightAt)) {
    const { header, json } = body.weight
    if ((header === undefined) === (json === undefined)) {
      problems.push({ path: weightAt, message: 'must have one of header and json' })
    }
  }
  const { method = 'GET' } = body
  // RFC 9110 sections 9.3.1 and 9.3.2: there it has no meaning.
  if (body.body !== undefined && (method === 'GET' || method === 'HEAD')) {
    problems.push({ path: joinPath(path, 'body'), message: `is not for requests by ${method}: set a method` })
  }
  return clean(place, () => ({
    name,
    type,
    method,
    port: body.port ?? (type === 'https' ? 443 : 80),
    path: body.path ?? '/',
    host: body.host ?? null,
    headers,
    body: body.body ?? null,
    expectCodes: body.expect?.codes?.map((item) => parseCodes(item)!) ?? defaultCodes,
    expectBody: expectationFrom(body.expect),
    followRedirects: body.followRedirects ?? 0,
    weight: weightFrom(body.weight),
    tls: tlsFrom(body.tls ?? {}),
    ...timingFrom(body),
  }))
}

/** In the order of names, which says nothing (RFC 9110 section 5.3), so that it is the same wherever it is kept. */
function readHeaders(
  headers: Readonly<Record<string, string>>,
  path: string,
  problems: Problem[],
): HttpMonitor['headers'] {
  const byName = new Map<string, string>()
  for (const [key, value] of Object.entries(headers)) {
    const name = key.toLowerCase()
    const problem = byName.has(name) ? `${name} is there twice` : headerProblem(key)
    if (problem === null) byName.set(name, value)
    else problems.push({ path: joinPath(path, key), message: problem })
  }
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1))
}

function weightFrom(body: HttpBody['weight']): HttpMonitor['weight'] {
  if (body?.header !== undefined) return { kind: 'header', name: body.header.toLowerCase() }
  return body?.json === undefined ? null : { kind: 'json', pointer: body.json }
}

function readTcp(name: string, body: BodyOf<'tcp'>, place: Place): TcpMonitor | null {
  checkTiming(body, place)
  return clean(place, () => ({
    name,
    type: 'tcp',
    port: body.port,
    send: body.send ?? null,
    expect: expectationFrom(body.expect),
    tls: body.tls === undefined ? null : tlsFrom(body.tls),
    ...timingFrom(body),
  }))
}

function readGrpc(name: string, body: BodyOf<'grpc'>, place: Place): GrpcMonitor | null {
  checkTiming(body, place)
  return clean(place, () => ({
    name,
    type: 'grpc',
    port: body.port,
    service: body.service ?? '',
    tls: body.tls === undefined ? null : tlsFrom(body.tls),
    ...timingFrom(body),
  }))
}

function readDns(name: string, body: BodyOf<'dns'>, place: Place): DnsMonitor | null {
  const { path, bad, problems } = place
  checkTiming(body, place)
  const queryAt = joinPath(path, 'query')
  const dataAt = joinPath(joinPath(path, 'expect'), 'data')
  if ([...bad].some((at) => at.startsWith(queryAt) || at.startsWith(dataAt))) return null
  const qname = reading(joinPath(queryAt, 'name'), problems, () => {
    const hostname = parseHostname(body.query.name)
    return formatName(lowerName(parseName(hostname === '.' ? '.' : `${hostname}.`)))
  })
  const qtype = reading(joinPath(queryAt, 'type'), problems, () =>
    typeName(parseType(body.query.type ?? 'A')),
  )
  const expectData = qtype === null ? [] : readData(qtype, body.expect?.data ?? [], dataAt, problems)
  if (qname === null || qtype === null) return null
  return clean(place, () => ({
    name,
    type: 'dns',
    port: body.port ?? 53,
    transport: body.transport ?? 'udp',
    qname,
    qtype,
    expectRcodes: [...new Set(body.expect?.rcodes ?? ['NOERROR'])],
    expectData,
    ...timingFrom(body),
  }))
}

/** Canonical RDATA; relative names in it are below the root. */
function readData(qtype: string, texts: readonly string[], path: string, problems: Problem[]): string[] {
  const data = texts.map((text, index) =>
    reading(joinPath(path, index), problems, () => {
      const canonical = formatRdata(parseType(qtype), parseRdata(qtype, text, rootName))
      if (canonical.length > maxDataText) throw new TextError(`comes to more than ${maxDataText} characters`)
      return canonical
    }),
  )
  return [...new Set(data.filter((text) => text !== null))]
}

function readComposite(name: string, body: BodyOf<'composite'>, place: Place): CompositeMonitor | null {
  const { path, bad, problems } = place
  const monitorsAt = joinPath(path, 'monitors')
  if ([...bad].some((at) => at.startsWith(monitorsAt))) return null
  const seen = new Set<string>()
  for (const [index, part] of body.monitors.entries()) {
    if (seen.has(part)) {
      problems.push({ path: joinPath(monitorsAt, index), message: `monitor ${part} is named twice` })
    }
    seen.add(part)
  }
  const { require = 'all' } = body
  if (typeof require === 'number' && require > body.monitors.length) {
    const message = `must not be more than there are monitors (${require} > ${body.monitors.length})`
    problems.push({ path: joinPath(path, 'require'), message })
  }
  return clean(place, () => ({
    name,
    type: 'composite',
    monitors: [...body.monitors],
    require,
    invert: body.invert ?? false,
  }))
}

/** The shortest body of a monitor, but for what says most about it, which is always there. */
export function formatMonitor(monitor: Monitor): MonitorBody {
  switch (monitor.type) {
    case 'http':
    case 'https':
      return formatHttp(monitor)
    case 'tcp':
      return formatTcp(monitor)
    case 'dns':
      return formatDns(monitor)
    case 'grpc':
      return formatGrpc(monitor)
    case 'push':
      return formatPush(monitor)
    case 'static':
      return formatStatic(monitor)
    case 'composite':
      return formatComposite(monitor)
    default:
      return monitor satisfies never
  }
}

function formatHttp(monitor: HttpMonitor): HttpBody {
  const { type, host, headers, body, weight } = monitor
  const tls = formatTls(monitor.tls)
  const fields = {
    method: monitor.method,
    port: monitor.port,
    path: monitor.path,
    ...(host === null ? {} : { host }),
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    ...(body === null ? {} : { body }),
    expect: { codes: monitor.expectCodes.map(formatCodes), ...formatExpectation(monitor.expectBody, 'body') },
    followRedirects: monitor.followRedirects,
    ...(weight === null ? {} : { weight: formatWeight(weight) }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
    ...formatTiming(monitor),
  }
  return { type, ...fields } as HttpBody
}

function formatWeight(weight: NonNullable<HttpMonitor['weight']>): NonNullable<HttpBody['weight']> {
  return weight.kind === 'header' ? { header: weight.name } : { json: weight.pointer }
}

/** For monitors that are without TLS unless they say so. */
function tlsField(tls: TcpMonitor['tls']): Pick<BodyOf<'tcp'>, 'tls'> {
  if (tls === null) return {}
  const fields = formatTls(tls)
  return { tls: Object.keys(fields).length === 0 ? true : fields }
}

function formatTcp(monitor: TcpMonitor): BodyOf<'tcp'> {
  const { type, port, send } = monitor
  const expect = formatExpectation(monitor.expect, 'text')
  return {
    type,
    port,
    ...(send === null ? {} : { send }),
    ...(Object.keys(expect).length === 0 ? {} : { expect }),
    ...tlsField(monitor.tls),
    ...formatTiming(monitor),
  }
}

function formatDns(monitor: DnsMonitor): BodyOf<'dns'> {
  const { type, port, transport, qname, qtype, expectRcodes, expectData } = monitor
  const plain = expectRcodes.length === 1 && expectRcodes[0] === 'NOERROR'
  const expect = {
    ...(plain ? {} : { rcodes: [...expectRcodes] }),
    ...(expectData.length === 0 ? {} : { data: [...expectData] }),
  }
  return {
    type,
    port,
    ...(transport === 'udp' ? {} : { transport }),
    query: { name: qname, type: qtype },
    ...(Object.keys(expect).length === 0 ? {} : { expect }),
    ...formatTiming(monitor),
  } as BodyOf<'dns'>
}

function formatGrpc(monitor: GrpcMonitor): BodyOf<'grpc'> {
  const { type, port, service } = monitor
  return {
    type,
    port,
    ...(service === '' ? {} : { service }),
    ...tlsField(monitor.tls),
    ...formatTiming(monitor),
  }
}

function formatPush({ type, ttlMs }: PushMonitor): BodyOf<'push'> {
  return { type, ttl: formatDuration(ttlMs) }
}

function formatStatic({ type, state }: StaticMonitor): BodyOf<'static'> {
  return { type, state }
}

function formatComposite({ type, monitors, require, invert }: CompositeMonitor): BodyOf<'composite'> {
  return {
    type,
    monitors: [...monitors],
    ...(require === 'all' ? {} : { require }),
    ...(invert ? { invert } : {}),
  }
}
