/** The settings of the server: the variable of each, what it takes, what it is unless it is set, and which of them are secrets. */
import { availableParallelism } from 'node:os'
import { adminTokenForm, isAdminToken } from './config-secrets.ts'
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
import { parseHostName } from './controlplane/api/clients/authority.ts'
import { parseDuration } from './controlplane/document/duration.ts'
import { isMailAddress } from './controlplane/document/webhook.ts'
import { cacheUrlForm, parseCacheUrl } from './controlplane/feeds/cache/cache-url.ts'
import { parseSmtpServer } from './controlplane/model/smtp-server.ts'
import { databaseUrlForm, parseDatabaseUrl } from './controlplane/store/database-url.ts'
import { formatListenAddress, type ListenAddress } from './dataplane/listener/listener.ts'
import type { Prefix } from './dataplane/wire/prefix.ts'
import { logLevels } from './telemetry/log.ts'

export interface Setting<T> {
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
export const loopback: readonly Prefix[] = [
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

export const settings = {
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

export type Field = keyof typeof settings
export type Values = { readonly [F in Field]: (typeof settings)[F]['otherwise'] }
/** Fields that may come from the file that `<VARIABLE>_FILE` names, because they are secrets or hold one. */
export const secrets: ReadonlySet<Field> = new Set([
  'adminToken',
  'databaseUrl',
  'cacheUrl',
  'smtpServer',
  'openidSecret',
])
/** Those of which nothing is not secret. */
export const hidden: ReadonlySet<Field> = new Set(['adminToken', 'openidSecret'])

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
