/**
 * Everything that can be set from outside, read once: environment and flags of `serve` become one frozen `Config`. A bad
 * value ends the start with one line that names the variable, the value and what is accepted.
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import type { RateLimit } from './dataplane/image/answer-settings.ts'
import type { ListenAddress } from './dataplane/listener/listener.ts'
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

function setting<T>(variable: string, accepted: string, parse: Setting<T>['parse']): Setting<T> {
  return { variable, accepted, parse }
}

/** One of a few words. */
function word<const T extends string>(variable: string, accepted: string, words: readonly T[]): Setting<T> {
  return setting(variable, accepted, (text) => words.find((known) => known === text))
}

const maxWorkers = 256
const maxCanaries = 20
const maxLocationFiles = 16
const loopback: readonly Prefix[] = [
  { address: Uint8Array.of(127, 0, 0, 0), length: 8 },
  { address: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), length: 128 },
]

const addresses = 'address:port, [address]:port'
const severalAddresses = `${addresses}, several with commas between`
const prefixes = 'prefixes such as %, several with commas between, or none'
const printable = 'up to 64 printable ASCII characters'

const settings = {
  databaseUrl: setting('DATABASE_URL', 'a URL postgres://user:password@host:port/database', (text) =>
    /^postgres(ql)?:\/\//.test(text) && URL.canParse(text) ? text : undefined,
  ),
  dataDir: setting('POOLDNS_DATA_DIR', 'a path', (text) => text),
  dnsListen: setting('POOLDNS_DNS_LISTEN', severalAddresses, (text) => parseList(text, parseListen)),
  httpListen: setting('POOLDNS_HTTP_LISTEN', 'address:port or [address]:port', parseListen),
  workers: setting('POOLDNS_WORKERS', `a number from 1 to ${maxWorkers}`, (text) =>
    parseWhole(text, 1, maxWorkers),
  ),
  udpBackend: word('POOLDNS_UDP_BACKEND', 'auto, batch or dgram', ['auto', 'batch', 'dgram']),
  adminToken: setting('POOLDNS_ADMIN_TOKEN', 'printable ASCII without white space', (text) =>
    /^[\x21-\x7e]+$/.test(text) ? text : undefined,
  ),
  publicTools: setting('POOLDNS_PUBLIC_TOOLS', 'true or false', (text) => parseEither(text, 'true', 'false')),
  resolvers: setting('POOLDNS_RESOLVERS', severalAddresses, (text) =>
    parseList(text, parseListen)?.map(formatHostPort),
  ),
  logLevel: word('POOLDNS_LOG_LEVEL', `one of ${logLevels.join(', ')}`, logLevels),
  identity: setting('POOLDNS_IDENTITY', printable, parseLabelText),
  chaosVersion: setting('POOLDNS_CHAOS_VERSION', printable, parseLabelText),
  rateLimit: word('POOLDNS_RRL', 'on, off or log', ['on', 'off', 'log']),
  rateLimitPerSecond: setting(
    'POOLDNS_RRL_RATE',
    'a number of responses a second from 1 to 1000000',
    (text) => parseWhole(text, 1, 1_000_000),
  ),
  rateLimitSlip: setting('POOLDNS_RRL_SLIP', 'a number from 0 to 10', (text) => parseWhole(text, 0, 10)),
  rateLimitExempt: setting('POOLDNS_RRL_EXEMPT', prefixes.replace('%', '192.0.2.0/24'), parsePrefixes),
  probeAllow: setting('POOLDNS_PROBE_ALLOW', prefixes.replace('%', '127.0.0.0/8'), parsePrefixes),
  certificateDir: setting('POOLDNS_CERTIFICATE_DIR', 'a path', (text) => text),
  guard: setting('POOLDNS_GUARD', 'on or off', (text) => parseEither(text, 'on', 'off')),
  canaries: setting('POOLDNS_CANARIES', `${addresses}, up to ${maxCanaries} with commas between`, (text) =>
    atMost(maxCanaries, parseList(text, parseListen)),
  ),
  locationDatabases: setting(
    'POOLDNS_LOCATION_DATABASES',
    `paths of .mmdb files, up to ${maxLocationFiles} with commas between`,
    (text) =>
      atMost(
        maxLocationFiles,
        parseList(text, (item) => item || undefined),
      ),
  ),
} as const

/** Values that must never be repeated in a message. */
const secrets: ReadonlySet<string> = new Set([settings.adminToken.variable])

type Field = keyof typeof settings
const fields = Object.keys(settings) as Field[]

/** The flag of `serve` that sets a field. */
function flagOf(field: Field): string {
  return settings[field].variable.replace('POOLDNS_', '').toLowerCase().replaceAll('_', '-')
}

/**
 * @param args what stands behind `serve`
 * @throws UsageError
 */
export function readConfig(args: readonly string[], environment: Environment): Config {
  const given = parseFlags(args)
  const read: Read = (field) => {
    const flag = given.values.get(field)
    // Each setting parses to the type of its field, which is lost where any of them is picked.
    const { variable, accepted, parse } = settings[field] as Setting<never>
    const text = flag ?? environment[variable]
    if (text === undefined || text === '') return null
    const value = parse(text)
    if (value !== undefined) return value
    const source = flag === undefined ? variable : `--${flagOf(field)}`
    const shown = secrets.has(variable) ? '(not shown)' : JSON.stringify(maskPasswords(text))
    throw new UsageError(`${source}: ${shown} is not accepted; it takes ${accepted}`)
  }
  const dataDir = read('dataDir') ?? './data'
  const httpListen = read('httpListen') ?? { host: '127.0.0.1', port: 3000 }
  return Object.freeze({
    databaseUrl: read('databaseUrl'),
    dataDir,
    dnsListen: read('dnsListen') ?? [
      { host: '0.0.0.0', port: 9999 },
      { host: '::', port: 9999 },
    ],
    httpListen,
    workers: read('workers') ?? Math.min(availableParallelism(), maxWorkers),
    udpBackend: read('udpBackend') ?? 'auto',
    adminToken: read('adminToken'),
    publicTools: read('publicTools') ?? isLoopback(httpListen.host),
    resolvers: read('resolvers') ?? [],
    logLevel: read('logLevel') ?? 'info',
    identity: read('identity'),
    chaosVersion: read('chaosVersion'),
    rateLimit: readRateLimit(read),
    // The members of the demo are probed on this host.
    probeAllow: read('probeAllow') ?? (given.demo ? loopback : []),
    certificateDir: read('certificateDir') ?? join(dataDir, 'certificates'),
    guard: read('guard') ?? true,
    canaries: read('canaries') ?? [],
    locationDatabases: read('locationDatabases') ?? [],
    kubernetes: (environment.KUBERNETES_SERVICE_HOST ?? '') !== '',
    demo: given.demo,
  })
}

/** What a field is set to; null when it is not. */
type Read = <F extends Field>(field: F) => (ReturnType<(typeof settings)[F]['parse']> & {}) | null

/** On by default. Loopback clients are exempt by default: whoever sends from there needs no amplifier. */
function readRateLimit(read: Read): RateLimit | null {
  const mode = read('rateLimit') ?? 'on'
  const limit: RateLimit = {
    perSecond: read('rateLimitPerSecond') ?? 200,
    slip: read('rateLimitSlip') ?? 2,
    exempt: read('rateLimitExempt') ?? loopback,
    logOnly: mode === 'log',
  }
  return mode === 'off' ? null : limit
}

function parseFlags(args: readonly string[]): { values: ReadonlyMap<Field, string>; demo: boolean } {
  const byFlag = new Map(fields.map((field) => [flagOf(field), field]))
  const options = Object.fromEntries(Array.from(byFlag.keys(), (flag) => [flag, { type: 'string' as const }]))
  const { demo = false, ...given } = parseWords(args, { ...options, demo: { type: 'boolean' } }, 0).values
  const values = Object.entries(given).map(([flag, text]) => [byFlag.get(flag)!, String(text)] as const)
  return { demo: demo === true, values: new Map(values) }
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

function parseEither(text: string, yes: string, no: string): boolean | undefined {
  return text === yes ? true : text === no ? false : undefined
}

function atMost<T>(most: number, items: T[] | undefined): T[] | undefined {
  return items !== undefined && items.length <= most ? items : undefined
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
