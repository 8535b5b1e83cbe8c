/**
 * Everything that can be set from outside, read once: environment and flags of `serve` become one frozen `Config`. A bad
 * value ends the start with one line that names the variable, the value and what is accepted.
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { OpenidFileError, readIdentityProvider } from './config-openid.ts'
import { adminTokenForm, hasPassword, isAdminToken, readSecret, SecretError } from './config-secrets.ts'
import {
  atMost,
  parseAddressesAndPrefixes,
  parseEither,
  parseKeptBits,
  parseLabelText,
  parseList,
  parseListen,
  parseListens,
  parsePath,
  parsePrefixes,
  parseShare,
  parseTapTarget,
} from './config-values.ts'
import { misspelt, unsaidVariables } from './config-variables.ts'
import { parseHostName } from './controlplane/api/clients/authority.ts'
import { parseDuration } from './controlplane/document/duration.ts'
import { isMailAddress } from './controlplane/document/webhook.ts'
import { CacheUrlError, cacheUrlForm, parseCacheUrl } from './controlplane/feeds/cache/cache-url.ts'
import type { IdentityProvider } from './controlplane/model/identity-provider.ts'
import { parseSmtpServer } from './controlplane/model/smtp-server.ts'
import { checkAuthorities, withAuthorities } from './controlplane/store/database-authorities.ts'
import { DatabaseUrlError, databaseUrlForm, parseDatabaseUrl } from './controlplane/store/database-url.ts'
import type { RateLimit } from './dataplane/image/answer-settings.ts'
import { formatListenAddress, type ListenAddress } from './dataplane/listener/listener.ts'
import type { Prefix } from './dataplane/wire/prefix.ts'
import { logLevels, maskPasswords } from './telemetry/log.ts'
import { type OtelSettings, OtelSettingsError, readOtelSettings } from './telemetry/otel/otel-settings.ts'

/** A value that can't be used, or a word on the command line that nobody knows. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  /** Whose help says more, such as `token create`; empty for that of all. */
  readonly command: string

  constructor(message: string, command = '') {
    super(message)
    this.command = command
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
  /** When it is not set; null where that depends on others, or is something else than a value. */
  readonly otherwise: T
}

function setting<T, D extends T | null>(
  variable: string,
  accepted: string,
  otherwise: D,
  parse: (text: string) => T | undefined,
): Setting<T | D> {
  return { variable, accepted, parse, otherwise }
}

/** One of a few words. */
function word<const T extends string>(
  variable: string,
  accepted: string,
  otherwise: NoInfer<T>,
  words: readonly T[],
): Setting<T> {
  return setting(variable, accepted, otherwise, (text) => words.find((known) => known === text))
}

/** @param of what there is so many of, behind "a number" */
function wholeNumber(variable: string, of: string, from: number, to: number, otherwise: number) {
  return setting(variable, `a number${of} from ${from} to ${to}`, otherwise, (text) => {
    const value = Number(text)
    return /^\d{1,7}$/.test(text) && value >= from && value <= to ? value : undefined
  })
}

const maxWorkers = 256
const maxCanaries = 20
const maxHttpHosts = 100
const dayMs = 86_400_000
const maxLocationFiles = 16
const loopback: readonly Prefix[] = [
  { address: Uint8Array.of(127, 0, 0, 0), length: 8 },
  { address: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), length: 128 },
]

const anyAddress: readonly ListenAddress[] = [
  { host: '0.0.0.0', port: 9999 },
  { host: '::', port: 9999 },
]

const addresses = 'address:port, [address]:port'
const severalAddresses = `${addresses}, several with commas between`
const prefixes = 'prefixes such as %, several with commas between, or none'
const printable = 'up to 64 printable ASCII characters'

const settings = {
  /** null: the embedded database in the data directory. */
  databaseUrl: setting('DATABASE_URL', databaseUrlForm, null, parseUrlOfDatabase),
  /** null: what was read is kept in memory alone. */
  cacheUrl: setting('POOLDNS_CACHE_URL', cacheUrlForm, null, parseUrlOfCache),
  dataDir: setting('POOLDNS_DATA_DIR', 'a path', './data', parsePath),
  dnsListen: setting('POOLDNS_DNS_LISTEN', severalAddresses, anyAddress, parseListens),
  httpListen: setting(
    'POOLDNS_HTTP_LISTEN',
    'address:port or [address]:port',
    { host: '127.0.0.1', port: 3000 },
    parseListen,
  ),
  workers: wholeNumber('POOLDNS_WORKERS', '', 1, maxWorkers, Math.min(availableParallelism(), maxWorkers)),
  udpBackend: word('POOLDNS_UDP_BACKEND', 'auto, batch or dgram', 'auto', ['auto', 'batch', 'dgram']),
  /** null: generated at the first start, kept in the data directory. */
  adminToken: setting('POOLDNS_ADMIN_TOKEN', adminTokenForm, null, (text) =>
    isAdminToken(text) ? text : undefined,
  ),
  publicTools: setting('POOLDNS_PUBLIC_TOOLS', 'true or false', null, (text) =>
    parseEither(text, 'true', 'false'),
  ),
  /** Names that HTTP answers for besides `localhost`. */
  httpHosts: setting(
    'POOLDNS_HTTP_HOSTS',
    `host names such as dns.example, without scheme and port, up to ${maxHttpHosts} with commas between`,
    [],
    (text) =>
      atMost(
        maxHttpHosts,
        parseList(text, (item) => parseHostName(item) ?? undefined),
      ),
  ),
  /** Whose word on a client's address is taken. */
  trustedProxies: setting(
    'POOLDNS_TRUSTED_PROXIES',
    'addresses and prefixes such as 192.0.2.0/24, several with commas between, or none',
    [],
    parseAddressesAndPrefixes,
  ),
  /** The file that says who signs people in to the console; null: they bring tokens. */
  openidFile: setting('POOLDNS_OPENID', 'the path of a file', null, parsePath),
  /** Of this server, as the identity provider knows it; null for none. */
  openidSecret: setting('POOLDNS_OPENID_SECRET', 'a text without white space', null, (text) =>
    /^[\x21-\x7e]+$/.test(text) ? text : undefined,
  ),
  metricsAccess: word('POOLDNS_METRICS', 'open or token', 'open', ['open', 'token']),
  /** `address:port` each; empty means the system's. */
  resolvers: setting('POOLDNS_RESOLVERS', severalAddresses, [], (text) =>
    parseListens(text)?.map(formatListenAddress),
  ),
  /** Whether a write to the embedded database waits until it is on disk. */
  sync: setting('POOLDNS_SYNC', 'on or off', true, (text) => parseEither(text, 'on', 'off')),
  /** How long entries of the audit log stay, however many there are. */
  auditRetentionMs: setting(
    'POOLDNS_AUDIT_RETENTION',
    'a duration such as 90d, from 1d to 3650d',
    90 * dayMs,
    (text) => {
      const ms = parseDuration(text)
      return ms !== null && ms >= dayMs && ms <= 3650 * dayMs ? ms : undefined
    },
  ),
  logLevel: word('POOLDNS_LOG_LEVEL', `one of ${logLevels.join(', ')}`, 'info', logLevels),
  /** What this node calls itself by NSID and in class CH; null: an id of its own by NSID, nothing in CH. */
  identity: setting('POOLDNS_IDENTITY', printable, null, parseLabelText),
  /** Answer to `version.bind`; null refuses. */
  chaosVersion: setting('POOLDNS_CHAOS_VERSION', printable, null, parseLabelText),
  rateLimit: word('POOLDNS_RRL', 'on, off or log', 'on', ['on', 'off', 'log']),
  rateLimitPerSecond: wholeNumber('POOLDNS_RRL_RATE', ' of responses a second', 1, 1_000_000, 200),
  rateLimitSlip: wholeNumber('POOLDNS_RRL_SLIP', '', 0, 10, 2),
  /** Whoever sends from a loopback address needs no amplifier. */
  rateLimitExempt: setting(
    'POOLDNS_RRL_EXEMPT',
    prefixes.replace('%', '192.0.2.0/24'),
    loopback,
    parsePrefixes,
  ),
  /** 0: as many as to anybody. */
  noCookieOctets: setting(
    'POOLDNS_MAX_NOCOOKIE_RESPONSE',
    '0 (off) or a number of octets from 128 to 1232',
    0,
    (text) =>
      /^(0|[1-9]\d{0,3})$/.test(text) && (text === '0' || (+text >= 128 && +text <= 1232))
        ? +text
        : undefined,
  ),
  /** Addresses that may be probed although they are of a kind that is not (loopback, link-local, metadata services). */
  probeAllow: setting('POOLDNS_PROBE_ALLOW', prefixes.replace('%', '127.0.0.0/8'), null, parsePrefixes),
  /** Networks that hold no members: nothing is probed there, and no host has addresses there. */
  probeDeny: setting('POOLDNS_PROBE_DENY', prefixes.replace('%', '10.9.0.0/16'), [], parsePrefixes),
  /** What the private keys of signed zones are sealed by; null: `dnssec.key` in the data directory, made when it is needed. */
  keyFile: setting('POOLDNS_KEY_FILE', 'a path', null, parsePath),
  /** Folder of the client certificates that monitors may name. */
  certificateDir: setting('POOLDNS_CERTIFICATE_DIR', 'a path', null, parsePath),
  /** Whether this node doubts its own network when most members fail at once. */
  guard: setting('POOLDNS_GUARD', 'on or off', true, (text) => parseEither(text, 'on', 'off')),
  /** Whether what probes find is kept, in the feed `probes`. */
  probeHistory: setting('POOLDNS_PROBE_HISTORY', 'on or off', true, (text) => parseEither(text, 'on', 'off')),
  /** Whether the questions of the last minutes are sampled, in memory, for changes to be tried on. */
  sample: setting('POOLDNS_SAMPLE', 'on or off', true, (text) => parseEither(text, 'on', 'off')),
  /** Who is told what is asked and answered, by dnstap; null for nobody. */
  dnstap: setting(
    'POOLDNS_DNSTAP',
    'unix:/path of at most 107 octets, tcp:address:port or tcp:[address]:port',
    null,
    parseTapTarget,
  ),
  dnstapMessages: word('POOLDNS_DNSTAP_MESSAGES', 'responses, queries or both', 'responses', [
    'responses',
    'queries',
    'both',
  ]),
  /** One query in so many. */
  dnstapEvery: setting('POOLDNS_DNSTAP_SAMPLE', '1/N, N from 1 to 1000000', 1, parseShare),
  /** One query in so many is written to the database; null for none. */
  queryLogEvery: setting('POOLDNS_QUERY_LOG', '1/N, N from 1 to 1000000, or off', null, (text) =>
    text === 'off' ? null : parseShare(text),
  ),
  /** How much is kept of the addresses of those who asked. */
  queryLogPrefix: setting(
    'POOLDNS_QUERY_LOG_PREFIX',
    'the bits that are kept of IPv4 and of IPv6 addresses, such as 24/56, at most 32/128',
    { ipv4: 24, ipv6: 56 },
    parseKeptBits,
  ),
  /** How long queries stay in the log. */
  queryLogKeepMs: setting(
    'POOLDNS_QUERY_LOG_KEEP',
    'a duration such as 7d, from 1h to 3650d',
    7 * dayMs,
    (text) => {
      const ms = parseDuration(text)
      return ms !== null && ms >= 3_600_000 && ms <= 3650 * dayMs ? ms : undefined
    },
  ),
  /** How many there are of them at the most. */
  queryLogRows: wholeNumber('POOLDNS_QUERY_LOG_ROWS', ' of queries', 1000, 9_999_999, 1_000_000),
  /** Whether traces and metrics are sent by OpenTelemetry, as its own variables say. */
  openTelemetry: setting('POOLDNS_OTEL', 'on or off', false, (text) => parseEither(text, 'on', 'off')),
  /** What this node can always reach while its network is well. */
  canaries: setting(
    'POOLDNS_CANARIES',
    `${addresses}, up to ${maxCanaries} with commas between`,
    [],
    (text) => atMost(maxCanaries, parseListens(text)),
  ),
  /** Where mail goes out by; null: no mail. */
  smtpServer: setting(
    'POOLDNS_SMTP_URL',
    'smtp:// or smtps://, [user:password@]host[:port]',
    null,
    (text) => parseSmtpServer(text) ?? undefined,
  ),
  /** The address that mail comes from. */
  mailFrom: setting('POOLDNS_MAIL_FROM', 'an address such as pooldns@example.com', null, (text) =>
    isMailAddress(text) ? text : undefined,
  ),
  /** Files that say where addresses are; empty means the table of countries that came along, if it did. */
  locationDatabases: setting(
    'POOLDNS_LOCATION_DATABASES',
    `paths of .mmdb files, up to ${maxLocationFiles} with commas between`,
    [],
    (text) => atMost(maxLocationFiles, parseList(text, parsePath)),
  ),
} as const

type Field = keyof typeof settings
type Values = { readonly [F in Field]: (typeof settings)[F]['otherwise'] }
type OpenidField = Extract<Field, `openid${string}`>
type RateLimitField = Extract<Field, `rateLimit${string}`>

export interface Config extends Omit<Values, RateLimitField | 'openTelemetry' | OpenidField> {
  readonly publicTools: boolean
  /** Whether that holds for everybody, as somebody said; else it does for clients on this host alone. */
  readonly publicToolsAnywhere: boolean
  readonly probeAllow: readonly Prefix[]
  readonly certificateDir: string
  readonly rateLimit: RateLimit | null
  /** Who signs people in to the console; null: they bring tokens. */
  readonly identityProvider: IdentityProvider | null
  /** What is sent by OpenTelemetry; null: nothing. */
  readonly openTelemetry: OtelSettings | null
  readonly kubernetes: boolean
  /** Load the demo into an empty database and start its backends. */
  readonly demo: boolean
  /** Whether somebody said where to listen, and it is not the default. */
  readonly dnsListenAsked: boolean
}

/** Fields that may come from the file that `<VARIABLE>_FILE` names, because they are secrets or hold one. */
const secrets: ReadonlySet<Field> = new Set([
  'adminToken',
  'databaseUrl',
  'cacheUrl',
  'smtpServer',
  'openidSecret',
])
/** Those of which nothing is not secret. */
const hidden: ReadonlySet<Field> = new Set(['adminToken', 'openidSecret'])

const fields = Object.keys(settings) as Field[]

/** All that the server reads of the environment. */
const variables: readonly string[] = fields.flatMap((field) => {
  const { variable } = settings[field]
  return secrets.has(field) ? [variable, `${variable}_FILE`] : [variable]
})

/** The flag of `serve` that sets a field. */
function flagOf(field: Field): string {
  return settings[field].variable.replace('POOLDNS_', '').toLowerCase().replaceAll('_', '-')
}

/** What `serve --help` says of the flags that mirror variables: their name, the variable, and what is accepted. */
export function settingFlags(): { flag: string; variable: string; accepted: string }[] {
  const shown = fields.filter((field) => !hidden.has(field))
  return shown.map((field) => ({ flag: flagOf(field), ...settings[field] }))
}

/** Variables that have no flag, since all that they hold is a secret. */
export function secretVariables(): { variable: string; accepted: string }[] {
  return [...hidden].map((field) => settings[field])
}

/** @throws UsageError that names each variable of ours that is most likely misspelt */
export function checkVariables(environment: Environment): void {
  const wrong = misspelt(environment, variables)
  if (wrong.length > 0) throw new UsageError(wrong.join('\n'))
}

function orElse<T>(read: () => T, told: (error: unknown) => void): T | undefined {
  try {
    return read()
  } catch (error) {
    told(error)
    return undefined
  }
}

/**
 * @param args what stands behind `serve`
 * @throws UsageError that tells all that is wrong, a line each
 */
export function readConfig(args: readonly string[], around: Environment): Config {
  const wrong = misspelt(around, variables)
  const flags = Object.fromEntries(fields.map((field) => [flagOf(field), { type: 'string' as const }]))
  const {
    demo = false,
    config: file,
    ...texts
  } = parseWords(
    args,
    { ...flags, demo: { type: 'boolean' as const }, config: { type: 'string' as const } },
    0,
  ).values
  const environment = file === undefined ? around : { ...around, ...variablesOf(file, around) }
  const given: Readonly<Record<string, string | undefined>> = texts
  const told = (error: unknown) => {
    if (!(error instanceof UsageError)) throw error
    wrong.push(error.message)
  }
  const values = Object.fromEntries(
    fields.map((field) => [field, orElse(() => readField(field, given[flagOf(field)], environment), told)]),
  ) as Values
  const openTelemetry = values.openTelemetry ? orElse(() => readOpenTelemetry(environment), told) : null
  const { openidFile, openidSecret, ...others } = values
  const identityProvider = orElse(() => readOpenid(openidFile, openidSecret), told)
  const databaseUrl = orElse(() => readAuthorities(values.databaseUrl ?? null, environment), told)
  if (wrong.length > 0) throw new UsageError(wrong.join('\n'))
  const { rateLimit, rateLimitPerSecond, rateLimitSlip, rateLimitExempt, ...config } = others
  const limit = { perSecond: rateLimitPerSecond, slip: rateLimitSlip, exempt: rateLimitExempt }
  return Object.freeze({
    ...config,
    databaseUrl: databaseUrl ?? null,
    publicTools: config.publicTools ?? isLoopback(config.httpListen.host),
    publicToolsAnywhere: config.publicTools === true,
    // The members of the demo are probed on this host.
    probeAllow: config.probeAllow ?? (demo ? loopback : []),
    certificateDir: config.certificateDir ?? join(config.dataDir, 'certificates'),
    rateLimit: rateLimit === 'off' ? null : { ...limit, logOnly: rateLimit === 'log' },
    identityProvider: identityProvider ?? null,
    openTelemetry: openTelemetry ?? null,
    kubernetes: (environment.KUBERNETES_SERVICE_HOST ?? '') !== '',
    demo,
    dnsListenAsked: (given['dns-listen'] ?? environment.POOLDNS_DNS_LISTEN ?? '') !== '',
  })
}

/** @returns the URL, with what libpq's variables say of authorities @throws UsageError */
function readAuthorities(url: string | null, { PGSSLROOTCERT, PGSSLMODE }: Environment): string | null {
  if (url === null) return null
  const whole = withAuthorities(url, PGSSLROOTCERT, PGSSLMODE)
  parseFrom(whole === url ? settings.databaseUrl.variable : 'PGSSLROOTCERT', () => checkAuthorities(whole))
  return whole
}

/** @throws UsageError */
function readOpenTelemetry(environment: Environment): OtelSettings {
  try {
    return readOtelSettings(environment)
  } catch (error) {
    if (error instanceof OtelSettingsError) throw new UsageError(error.message)
    throw error
  }
}

/** @throws UsageError */
function readOpenid(file: string | null, secret: string | null): IdentityProvider | null {
  if (file === null) {
    if (secret !== null) throw new UsageError('POOLDNS_OPENID_SECRET is of no use without POOLDNS_OPENID')
    return null
  }
  try {
    return readIdentityProvider(file, secret)
  } catch (error) {
    if (error instanceof OpenidFileError) throw new UsageError(`POOLDNS_OPENID: ${error.message}`)
    throw error
  }
}

/** @throws UsageError */
function variablesOf(file: string, around: Environment): Environment {
  try {
    return unsaidVariables(file, around, variables)
  } catch (error) {
    throw new UsageError(`--config: ${(error as Error).message}`)
  }
}

function readField(field: Field, flag: string | undefined, environment: Environment): unknown {
  const { variable, accepted, parse, otherwise } = settings[field]
  if (flag !== undefined) refuseSecret(field, flag)
  const text = flag ?? (secrets.has(field) ? secretOf(variable, environment) : environment[variable])
  if (text === undefined || text === '') return otherwise
  const source = flag === undefined ? variable : `--${flagOf(field)}`
  // Of blanks alone nothing is meant, and least of all the name of a file.
  const value = text.trim() === '' ? undefined : parseFrom(source, () => parse(text))
  if (value !== undefined) return value
  const isHidden = hidden.has(field) || (secrets.has(field) && !text.includes('://'))
  const shown = isHidden ? '(not shown)' : JSON.stringify(maskPasswords(text))
  throw new UsageError(`${source}: ${shown} is not accepted; it takes ${accepted}`)
}

/** What is wrong with a URL says more than that it is not accepted. */
function parseFrom<T>(source: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof DatabaseUrlError || error instanceof CacheUrlError)
      throw new UsageError(`${source}: ${error.message}`)
    throw error
  }
}

function parseUrlOfDatabase(text: string): string | undefined {
  if (!/^postgres(ql)?:\/\//.test(text)) return undefined
  parseDatabaseUrl(text)
  return text
}

function parseUrlOfCache(text: string): string | undefined {
  if (!/^rediss?:\/\//i.test(text)) return undefined
  parseCacheUrl(text)
  return text
}

/** Flags are for everybody on the host to see. */
function refuseSecret(field: Field, flag: string): void {
  if (!secrets.has(field) || (!hidden.has(field) && !hasPassword(flag))) return
  const { variable } = settings[field]
  throw new UsageError(
    `--${flagOf(field)} would show a secret to everybody who lists processes: set ${variable}, or ${variable}_FILE to the ` +
      'path of a file that holds it',
  )
}

/** @throws UsageError */
export function secretOf(variable: string, environment: Environment): string | undefined {
  try {
    return readSecret(variable, environment)
  } catch (error) {
    if (error instanceof SecretError) throw new UsageError(error.message)
    throw error
  }
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}
