/**
 * Everything that can be set from outside, read once: environment and flags of `serve` become one frozen `Config`. A bad
 * value ends the start with one line that names the variable, the value and what is accepted.
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import type { RateLimit } from './dataplane/image/answer-settings.ts'
import type { ListenAddress } from './dataplane/listener/protocol.ts'
import { canonicalAddress } from './dataplane/wire/address.ts'
import { type Prefix, parsePrefix } from './dataplane/wire/prefix.ts'
import { type LogLevel, logLevels, maskPasswords } from './telemetry/log.ts'

export interface Config {
  /** null: the embedded database in the data directory. */
  readonly databaseUrl: string | null
  readonly dataDir: string
  readonly dnsListen: readonly ListenAddress[]
  readonly httpListen: ListenAddress
  readonly workers: number
  readonly udpBackend: 'auto' | 'batch' | 'dgram'
  /** null: generated at the first start, kept in the data directory. */
  readonly adminToken: string | null
  readonly publicTools: boolean
  /** `address:port` each; empty means the system's. */
  readonly resolvers: readonly string[]
  readonly logLevel: LogLevel
  /** What this node calls itself by NSID and in class CH; null: an id of its own by NSID, nothing in CH. */
  readonly identity: string | null
  /** Answer to `version.bind`; null refuses. */
  readonly chaosVersion: string | null
  readonly rateLimit: RateLimit | null
  /** Of the addresses that are not probed otherwise (loopback, link-local, metadata services), those that may be. */
  readonly probeAllow: readonly Prefix[]
  /** Folder of the client certificates that monitors may name. */
  readonly certificateDir: string
  /** Whether this node doubts its own network when most members fail at once. */
  readonly guard: boolean
  /** What this node can always reach while its network is well. */
  readonly canaries: readonly ListenAddress[]
  /** Files that say where addresses are; empty means the table of countries that came along, if it did. */
  readonly locationDatabases: readonly string[]
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

/**
 * Parses what stands behind a command: flags, and `most` words at most.
 *
 * @throws UsageError
 */
export function parseWords<Flags extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Flags,
  most: number,
) {
  const { values, positionals } = parseStrictly(args, options, most > 0)
  if (positionals.length > most) throw new UsageError(`"${positionals[most]}" is one word too many`)
  return { values, words: positionals }
}

function parseStrictly<Flags extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Flags,
  allowPositionals: boolean,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals, strict: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
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
const maxCanaries = 20
const maxLocationFiles = 16
const loopback: readonly Prefix[] = [
  { address: Uint8Array.of(127, 0, 0, 0), length: 8 },
  { address: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), length: 128 },
]

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
    parse: (text) => parseWhole(text, 1, maxWorkers),
  } as Setting<number>,
  udpBackend: {
    variable: 'POOLDNS_UDP_BACKEND',
    accepted: 'auto, batch or dgram',
    parse: (text) => (text === 'auto' || text === 'batch' || text === 'dgram' ? text : undefined),
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
  identity: {
    variable: 'POOLDNS_IDENTITY',
    accepted: 'up to 64 printable ASCII characters',
    parse: parseLabelText,
  } as Setting<string>,
  chaosVersion: {
    variable: 'POOLDNS_CHAOS_VERSION',
    accepted: 'up to 64 printable ASCII characters',
    parse: parseLabelText,
  } as Setting<string>,
  rateLimit: {
    variable: 'POOLDNS_RRL',
    accepted: 'on, off or log',
    parse: (text) => (['on', 'off', 'log'] as const).find((mode) => mode === text),
  } as Setting<'on' | 'off' | 'log'>,
  rateLimitPerSecond: {
    variable: 'POOLDNS_RRL_RATE',
    accepted: 'a number of responses a second from 1 to 1000000',
    parse: (text) => parseWhole(text, 1, 1_000_000),
  } as Setting<number>,
  rateLimitSlip: {
    variable: 'POOLDNS_RRL_SLIP',
    accepted: 'a number from 0 to 10',
    parse: (text) => parseWhole(text, 0, 10),
  } as Setting<number>,
  rateLimitExempt: {
    variable: 'POOLDNS_RRL_EXEMPT',
    accepted: 'prefixes such as 192.0.2.0/24, several with commas between, or none',
    parse: parsePrefixes,
  } as Setting<readonly Prefix[]>,
  probeAllow: {
    variable: 'POOLDNS_PROBE_ALLOW',
    accepted: 'prefixes such as 127.0.0.0/8, several with commas between, or none',
    parse: parsePrefixes,
  } as Setting<readonly Prefix[]>,
  certificateDir: {
    variable: 'POOLDNS_CERTIFICATE_DIR',
    accepted: 'a path',
    parse: (text) => text,
  } as Setting<string>,
  guard: {
    variable: 'POOLDNS_GUARD',
    accepted: 'on or off',
    parse: (text) => (text === 'on' ? true : text === 'off' ? false : undefined),
  } as Setting<boolean>,
  canaries: {
    variable: 'POOLDNS_CANARIES',
    accepted: `address:port, [address]:port, up to ${maxCanaries} with commas between`,
    parse: (text) => {
      const found = parseList(text, parseListen)
      return found !== undefined && found.length <= maxCanaries ? found : undefined
    },
  } as Setting<readonly ListenAddress[]>,
  locationDatabases: {
    variable: 'POOLDNS_LOCATION_DATABASES',
    accepted: `paths of .mmdb files, up to ${maxLocationFiles} with commas between`,
    parse: (text) => {
      const found = parseList(text, (item) => (item === '' ? undefined : item))
      return found !== undefined && found.length <= maxLocationFiles ? found : undefined
    },
  } as Setting<readonly string[]>,
} as const

/** Values that must never be repeated in a message. */
const secrets: ReadonlySet<string> = new Set([settings.adminToken.variable])

/** Flags of `serve` by the field that they set. */
const flags = Object.fromEntries(
  Object.entries(settings).map(([field, { variable }]) => [
    variable.replace('POOLDNS_', '').toLowerCase().replaceAll('_', '-'),
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
  const dataDir = read(settings.dataDir, 'dataDir') ?? './data'
  const httpListen = read(settings.httpListen, 'httpListen') ?? { host: '127.0.0.1', port: 3000 }
  return Object.freeze({
    databaseUrl: read(settings.databaseUrl, 'databaseUrl'),
    dataDir,
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
    identity: read(settings.identity, 'identity'),
    chaosVersion: read(settings.chaosVersion, 'chaosVersion'),
    rateLimit: readRateLimit(read),
    // The members of the demo are probed on this host.
    probeAllow: read(settings.probeAllow, 'probeAllow') ?? (given.demo ? loopback : []),
    certificateDir: read(settings.certificateDir, 'certificateDir') ?? join(dataDir, 'certificates'),
    guard: read(settings.guard, 'guard') ?? true,
    canaries: read(settings.canaries, 'canaries') ?? [],
    locationDatabases: read(settings.locationDatabases, 'locationDatabases') ?? [],
    kubernetes: (environment.KUBERNETES_SERVICE_HOST ?? '') !== '',
    demo: given.demo,
  })
}

type Read = <T>(setting: Setting<T>, field: string) => T | null

/** On by default. Loopback clients are exempt by default: whoever sends from there needs no amplifier. */
function readRateLimit(read: Read): RateLimit | null {
  const mode = read(settings.rateLimit, 'rateLimit') ?? 'on'
  const limit: RateLimit = {
    perSecond: read(settings.rateLimitPerSecond, 'rateLimitPerSecond') ?? 200,
    slip: read(settings.rateLimitSlip, 'rateLimitSlip') ?? 2,
    exempt: read(settings.rateLimitExempt, 'rateLimitExempt') ?? loopback,
    logOnly: mode === 'log',
  }
  return mode === 'off' ? null : limit
}

function parseFlags(args: readonly string[]): { values: ReadonlyMap<string, string>; demo: boolean } {
  const options = Object.fromEntries(Object.keys(flags).map((flag) => [flag, { type: 'string' as const }]))
  const { demo = false, ...given } = parseWords(args, { ...options, demo: { type: 'boolean' } }, 0).values
  return {
    demo: demo === true,
    values: new Map(Object.entries(given).map(([flag, text]) => [flags[flag]!, String(text)])),
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

function parsePrefixes(text: string): readonly Prefix[] | undefined {
  return text === 'none' ? [] : parseList(text, (item) => parsePrefix(item) ?? undefined)
}

function parseWhole(text: string, from: number, to: number): number | undefined {
  const value = Number(text)
  return /^\d{1,7}$/.test(text) && value >= from && value <= to ? value : undefined
}

function parseLabelText(text: string): string | undefined {
  return /^[\x20-\x7e]{1,64}$/.test(text) ? text : undefined
}

function formatHostPort({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}
