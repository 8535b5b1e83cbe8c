/**
 * Everything that can be set from outside, read once: environment and flags of `serve` become one frozen `Config`. A bad
 * value ends the start with one line that names the variable, the value and what is accepted.
 */
import { join } from 'node:path'
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { OpenidFileError, readIdentityProvider } from './config-openid.ts'
import { hasPassword, readSecret, SecretError } from './config-secrets.ts'
import { type Field, hidden, loopback, secrets, settings, type Values } from './config-settings.ts'
import { misspelt, unsaidVariables } from './config-variables.ts'
import { CacheUrlError } from './controlplane/feeds/cache/cache-url.ts'
import type { IdentityProvider } from './controlplane/model/identity-provider.ts'
import { checkAuthorities, withAuthorities } from './controlplane/store/database-authorities.ts'
import { DatabaseUrlError } from './controlplane/store/database-url.ts'
import type { RateLimit } from './dataplane/image/answer-settings.ts'
import type { Prefix } from './dataplane/wire/prefix.ts'
import { maskPasswords } from './telemetry/log.ts'
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
