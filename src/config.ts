/**
 * Everything that can be set from outside, read once: environment and flags of `serve` become one frozen `Config`. A bad
 * value ends the start with one line that names the variable, the value and what is accepted.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import type { ListenAddress } from './dataplane/listener/protocol.ts'
import { canonicalAddress } from './dataplane/wire/address.ts'
import { type LogLevel, logLevels, maskPasswords } from './telemetry/log.ts'

export interface Config {
  /** null: the embedded database in the data directory. */
  readonly databaseUrl: string | null
  readonly dataDir: string
  readonly dnsListen: readonly ListenAddress[]
  readonly httpListen: ListenAddress
  readonly workers: number
  readonly udpBackend: 'auto' | 'dgram'
  /** null: generated at the first start, kept in the data directory. */
  readonly adminToken: string | null
  readonly publicTools: boolean
  /** `address:port` each; empty means the system's. */
  readonly resolvers: readonly string[]
  readonly logLevel: LogLevel
  readonly kubernetes: boolean
  /** Load the demo into an empty database and start its backends. */
  readonly demo: boolean
}

/** A value that can't be used, or a word on the command line that nobody knows. Exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

type Environment = Readonly<Record<string, string | undefined>>

interface Setting<T> {
  readonly variable: string
  readonly accepted: string
  /** undefined for text that is not accepted. */
  readonly parse: (text: string) => T | undefined
}

const maxWorkers = 256

const settings = {
  databaseUrl: {
    variable: 'DATABASE_URL',
    accepted: 'a URL postgres://user:password@host:port/database',
    parse: (text) => (/^postgres(ql)?:\/\//.test(text) && URL.canParse(text) ? text : undefined),
  } as Setting<string>,
  dataDir: { variable: 'POOLDNS_DATA_DIR', accepted: 'a path', parse: (text) => text } as Setting<string>,
  dnsListen: {
    variable: 'POOLDNS_DNS_LISTEN',
    accepted: 'address:port, [address]:port, several with commas between',
    parse: (text) => parseList(text, parseListen),
  } as Setting<readonly ListenAddress[]>,
  httpListen: {
    variable: 'POOLDNS_HTTP_LISTEN',
    accepted: 'address:port or [address]:port',
    parse: parseListen,
  } as Setting<ListenAddress>,
  workers: {
    variable: 'POOLDNS_WORKERS',
    accepted: `a number from 1 to ${maxWorkers}`,
    parse: (text) => (/^\d{1,3}$/.test(text) && +text >= 1 && +text <= maxWorkers ? +text : undefined),
  } as Setting<number>,
  udpBackend: {
    variable: 'POOLDNS_UDP_BACKEND',
    accepted: 'auto or dgram; this version has no batch backend',
    parse: (text) => (text === 'auto' || text === 'dgram' ? text : undefined),
  } as Setting<Config['udpBackend']>,
  adminToken: {
    variable: 'POOLDNS_ADMIN_TOKEN',
    accepted: 'printable ASCII without white space',
    parse: (text) => (/^[\x21-\x7e]+$/.test(text) ? text : undefined),
  } as Setting<string>,
  publicTools: {
    variable: 'POOLDNS_PUBLIC_TOOLS',
    accepted: 'true or false',
    parse: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
  } as Setting<boolean>,
  resolvers: {
    variable: 'POOLDNS_RESOLVERS',
    accepted: 'address:port, [address]:port, several with commas between',
    parse: (text) => parseList(text, parseListen)?.map(formatHostPort),
  } as Setting<readonly string[]>,
  logLevel: {
    variable: 'POOLDNS_LOG_LEVEL',
    accepted: `one of ${logLevels.join(', ')}`,
    parse: (text) => logLevels.find((level) => level === text),
  } as Setting<LogLevel>,
} as const

/** Values that must never be repeated in a message. */
const secrets: ReadonlySet<string> = new Set([settings.adminToken.variable])

/** Flags of `serve` by the field that they set. */
const flags = Object.fromEntries(
  Object.keys(settings).map((field) => [
    field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    field,
  ]),
)

/**
 * @param args what stands behind `serve`
 * @throws UsageError
 */
export function readConfig(args: readonly string[], environment: Environment): Config {
  const given = parseFlags(args)
  const read = <T>(setting: Setting<T>, field: string): T | null => {
    const flag = given.values.get(field)
    const text = flag ?? environment[setting.variable]
    if (text === undefined || text === '') return null
    const value = setting.parse(text)
    if (value !== undefined) return value
    const source =
      flag === undefined ? setting.variable : `--${Object.keys(flags).find((key) => flags[key] === field)}`
    const shown = secrets.has(setting.variable) ? '(not shown)' : JSON.stringify(maskPasswords(text))
    throw new UsageError(`${source}: ${shown} is not accepted; it takes ${setting.accepted}`)
  }
  const httpListen = read(settings.httpListen, 'httpListen') ?? { host: '127.0.0.1', port: 3000 }
  return Object.freeze({
    databaseUrl: read(settings.databaseUrl, 'databaseUrl'),
    dataDir: read(settings.dataDir, 'dataDir') ?? './data',
    dnsListen: read(settings.dnsListen, 'dnsListen') ?? [
      { host: '0.0.0.0', port: 9999 },
      { host: '::', port: 9999 },
    ],
    httpListen,
    workers: read(settings.workers, 'workers') ?? Math.min(availableParallelism(), maxWorkers),
    udpBackend: read(settings.udpBackend, 'udpBackend') ?? 'auto',
    adminToken: read(settings.adminToken, 'adminToken'),
    publicTools: read(settings.publicTools, 'publicTools') ?? isLoopback(httpListen.host),
    resolvers: read(settings.resolvers, 'resolvers') ?? [],
    logLevel: read(settings.logLevel, 'logLevel') ?? 'info',
    kubernetes: (environment.KUBERNETES_SERVICE_HOST ?? '') !== '',
    demo: given.demo,
  })
}

function parseFlags(args: readonly string[]): { values: ReadonlyMap<string, string>; demo: boolean } {
  const options = Object.fromEntries(Object.keys(flags).map((flag) => [flag, { type: 'string' as const }]))
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { ...options, demo: { type: 'boolean' } },
      strict: true,
    })
    const { demo = false, ...rest } = values as Record<string, string | boolean>
    return {
      demo: demo === true,
      values: new Map(Object.entries(rest).map(([flag, text]) => [flags[flag]!, String(text)])),
    }
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function parseList<T>(text: string, parse: (item: string) => T | undefined): T[] | undefined {
  const items = text.split(',').map((item) => parse(item.trim()))
  return items.every((item) => item !== undefined) ? (items as T[]) : undefined
}

function parseListen(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/i.exec(text)
  const host = match === null ? null : canonicalAddress(match[1] ?? match[2]!)
  const port = Number(match?.[3])
  return host === null || port > 65535 ? undefined : { host, port }
}

function formatHostPort({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}
