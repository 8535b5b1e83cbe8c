import Type, { type Static } from 'typebox'
import type { Problem } from '../errors.ts'
import { type CodeRange, type Monitor, monitorTypes } from '../model.ts'
import { formatDuration } from './duration.ts'
import { checkName, Duration, durationMs, Port, Text, Whole, Words } from './fields.ts'
import { joinPath } from './path.ts'
import { compileCheck, show } from './schema-check.ts'

const codesDescription = 'a status code or a range of them from 100 to 599, such as 200 or 200-299'

const Codes = Type.Refine(
  Type.Unsafe<string | number>({ type: ['integer', 'string'], description: codesDescription }),
  (value) => parseCodes(value) !== null,
  (value) => `must be ${codesDescription}, not ${show(value)}`,
)

// RFC 9112 section 3.2.1: origin-form; a fragment never goes over the wire.
const RequestTarget = Text(
  'a request target that begins with "/", of at most 2048 visible ASCII characters without "#"',
  (text) => text.length <= 2048 && /^\/[\x21\x22\x24-\x7e]*$/.test(text),
)

const HostHeader = Text(
  'a host name or address, with a port if wanted, such as www.example.test or [2001:db8::1]:8080',
  (text) => text.length <= 255 && /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(text),
)

const BodyText = Text('a text of 1 to 1024 characters', (text) => text.length >= 1 && text.length <= 1024)

export const MonitorSchema = Type.Object(
  {
    type: Type.Optional(Words(monitorTypes)),
    method: Type.Optional(Words(['GET', 'HEAD', 'POST', 'OPTIONS'])),
    port: Type.Optional(Port()),
    path: Type.Optional(RequestTarget),
    host: Type.Optional(HostHeader),
    expect: Type.Optional(
      Type.Object(
        {
          codes: Type.Optional(Type.Array(Codes, { minItems: 1, maxItems: 100 })),
          body: Type.Optional(BodyText),
        },
        { additionalProperties: false },
      ),
    ),
    followRedirects: Type.Optional(Whole(0, 10)),
    interval: Type.Optional(Duration(100, 86_400_000)),
    timeout: Type.Optional(Duration(1, 86_400_000)),
    rise: Type.Optional(Whole(1, 1000)),
    fall: Type.Optional(Whole(1, 1000)),
    status: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false, description: 'an object with the fields of a monitor' },
)
export type MonitorBody = Static<typeof MonitorSchema>

const check = compileCheck(MonitorSchema)

const defaultCodes: readonly CodeRange[] = [{ from: 200, to: 299 }]
const defaultIntervalMs = 10_000
const defaultTimeoutMs = 3_000

/** The monitor that a fragment describes; null, and every problem reported, when it is not one. */
export function parseMonitor(
  name: string,
  input: unknown,
  path: string,
  problems: Problem[],
): Monitor | null {
  const before = problems.length
  checkName(name, path, problems)
  const found = check(input, path)
  problems.push(...found)
  const bad = new Set(found.map((problem) => problem.path))
  if (bad.has(path)) return null
  const body = input as MonitorBody
  const timing = parseTiming(body, path, bad, problems)
  if (problems.length > before) return null
  const type = body.type ?? 'http'
  return {
    name,
    type,
    method: body.method ?? 'GET',
    port: body.port ?? (type === 'https' ? 443 : 80),
    path: body.path ?? '/',
    host: body.host ?? null,
    expectCodes: body.expect?.codes?.map((item) => parseCodes(item)!) ?? defaultCodes,
    expectBody: body.expect?.body ?? null,
    followRedirects: body.followRedirects ?? 0,
    ...timing,
    rise: body.rise ?? 2,
    fall: body.fall ?? 3,
  }
}

/** The check across two fields runs on whichever of them are readable, so that it is reported with the rest. */
function parseTiming(body: MonitorBody, path: string, bad: ReadonlySet<string>, problems: Problem[]) {
  const intervalAt = joinPath(path, 'interval')
  const timeoutAt = joinPath(path, 'timeout')
  const intervalMs =
    body.interval === undefined || bad.has(intervalAt) ? defaultIntervalMs : durationMs(body.interval)
  const timeoutMs =
    body.timeout === undefined || bad.has(timeoutAt)
      ? Math.min(defaultTimeoutMs, intervalMs)
      : durationMs(body.timeout)
  if (timeoutMs > intervalMs && !bad.has(intervalAt)) {
    problems.push({
      path: timeoutAt,
      message: `must not be longer than the interval (${formatDuration(timeoutMs)} > ${formatDuration(intervalMs)})`,
    })
  }
  return { intervalMs, timeoutMs }
}

export function formatMonitor(monitor: Monitor): MonitorBody {
  return {
    type: monitor.type,
    method: monitor.method,
    port: monitor.port,
    path: monitor.path,
    ...(monitor.host === null ? {} : { host: monitor.host }),
    expect: {
      codes: monitor.expectCodes.map(formatCodes),
      ...(monitor.expectBody === null ? {} : { body: monitor.expectBody }),
    },
    followRedirects: monitor.followRedirects,
    interval: formatDuration(monitor.intervalMs),
    timeout: formatDuration(monitor.timeoutMs),
    rise: monitor.rise,
    fall: monitor.fall,
  }
}

function parseCodes(value: string | number): CodeRange | null {
  const match = /^(\d{3})(?:-(\d{3}))?$/.exec(String(value))
  if (!match) return null
  const from = Number(match[1])
  const to = Number(match[2] ?? match[1])
  return from >= 100 && to <= 599 && from <= to ? { from, to } : null
}

function formatCodes({ from, to }: CodeRange): string | number {
  return from === to ? from : `${from}-${to}`
}
