/**
 * Which server a command speaks to, and with which token. What is said on the command line goes first, then the environment, then what
 * `pooldns login` has written down, then the server on this host: at the address that it has left in its data directory.
 *
 * A token goes to no server that it isn't for: that of a login to its own alone, and that of the data directory to this host alone, or to
 * the address that lies beside it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { secretOf, UsageError } from '../config.ts'
import { holderOf } from '../controlplane/store/data-directory-lock.ts'
import { addressLeftIn } from '../daemon/http-address.ts'
import { trustSystemAuthorities } from '../trust.ts'
import { ApiClient } from './api-client.ts'
import { type Login, readLogin } from './login-file.ts'

/** The options of the commands that speak to a running server. */
export const serverOptions = {
  server: {
    type: 'string',
    value: 'URL',
    summary:
      'the server (POOLDNS_SERVER; by default that of "pooldns login", or the one of the data directory)',
  },
  token: {
    type: 'string',
    value: 'TOKEN',
    summary: 'its token, which ps shows for a moment: POOLDNS_TOKEN or POOLDNS_TOKEN_FILE keep it to you',
  },
} as const

/** The options of a command that speaks to several. */
export const serversOptions = {
  ...serverOptions,
  server: { ...serverOptions.server, multiple: true, summary: 'a server, once or several times' },
} as const

type Environment = Readonly<Record<string, string | undefined>>
interface Given {
  readonly server?: string | undefined
  readonly token?: string | undefined
}

/** Where `serve` listens unless it is told otherwise. */
const defaultOrigin = 'http://127.0.0.1:3000'

/** The server that was asked for, else the one on this host. @throws UsageError */
export function theServer(given: Given, environment: Environment): ApiClient {
  return (
    namedServer(given, environment) ??
    client(
      addressLeftIn(dataDirOf(environment)) ?? defaultOrigin,
      'the server on this host',
      given,
      environment,
      null,
    )
  )
}

/** The server that options, the environment or a login name; null when none does. @throws UsageError */
export function namedServer(given: Given, environment: Environment): ApiClient | null {
  const named = given.server ?? environment.POOLDNS_SERVER ?? ''
  const login = readLogin(environment)
  if (named !== '') {
    const source = given.server === undefined ? 'POOLDNS_SERVER' : '--server'
    return client(parseOrigin(named, source), source, given, environment, login)
  }
  return login === null ? null : client(login.server, 'the login', given, environment, login)
}

/**
 * The server by which a command goes that could open the database itself: one that is named, or the one that has the embedded database
 * open. Null where the database is to be opened. @throws UsageError
 */
export function serverOrDatabase(given: Given, environment: Environment): ApiClient | null {
  const named = namedServer(given, environment)
  if (named !== null || environment.DATABASE_URL) return named
  const dataDir = dataDirOf(environment)
  const origin = holderOf(dataDir) === null ? null : addressLeftIn(dataDir)
  return origin === null
    ? null
    : client(origin, `the server that has ${dataDir}, ${origin},`, given, environment, null)
}

/** Every server that options or the environment name, at least one. @throws UsageError */
export function namedServers(
  { server, token }: { readonly server?: readonly string[] | undefined; readonly token?: string | undefined },
  environment: Environment,
): ApiClient[] {
  const given = server ?? (environment.POOLDNS_SERVER ?? '').split(',').map((text) => text.trim())
  const named = given.filter((text) => text !== '')
  const servers = (named.length === 0 ? [undefined] : named).map((server) =>
    namedServer({ server, token }, environment),
  )
  return servers.map((each) => {
    if (each === null)
      throw new UsageError('which servers: --server URL, once or several times, or POOLDNS_SERVER')
    return each
  })
}

/** @throws UsageError that names the source */
export function parseOrigin(text: string, source: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    throw new UsageError(
      `${source}: ${JSON.stringify(text)} is not accepted; it takes a URL http://host:port`,
    )
  }
  return text.replace(/\/+$/, '')
}

/** Whoever signs the certificates of this host's organisation is believed, too. */
export function trustFor(origin: string): void {
  if (origin.startsWith('https:')) trustSystemAuthorities()
}

function client(
  origin: string,
  source: string,
  given: Given,
  environment: Environment,
  login: Login | null,
): ApiClient {
  trustFor(origin)
  // Node writes a title over the command line, so that `ps` doesn't go on showing a token that stands there.
  if (given.token !== undefined) process.title = 'pooldns'
  // What a shell has of a server on this host must not stand in the way of a login to another one.
  const token =
    given.token ||
    secretOf('POOLDNS_TOKEN', environment) ||
    (login?.server === origin ? login.token : '') ||
    secretOf('POOLDNS_ADMIN_TOKEN', environment)
  if (token) return new ApiClient(origin, token)
  const isOurs = isLocal(origin) || origin === addressLeftIn(dataDirOf(environment))
  const local = isOurs ? readAdminToken(environment) : null
  if (local?.token !== undefined) return new ApiClient(origin, local.token)
  const tried = local === null ? '' : ` (${local.path}: ${local.problem})`
  throw new UsageError(
    `${source} needs a token: POOLDNS_TOKEN or POOLDNS_TOKEN_FILE, --token, or "pooldns login"${tried}`,
  )
}

/** The token of the environment. @throws UsageError */
export function tokenOf(environment: Environment): string | undefined {
  return secretOf('POOLDNS_TOKEN', environment) || secretOf('POOLDNS_ADMIN_TOKEN', environment)
}

function isLocal(origin: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(origin).hostname)
}

const dataDirOf = (environment: Environment) => environment.POOLDNS_DATA_DIR || './data'

/** Where `serve` keeps the token that it has made. */
function readAdminToken(environment: Environment): { path: string; token?: string; problem?: string } {
  const path = join(dataDirOf(environment), 'admin-token')
  try {
    const token = readFileSync(path, 'utf8').trim()
    return token === '' ? { path, problem: 'it is empty' } : { path, token }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return { path, problem: code === 'ENOENT' ? 'it is not there' : `it can't be read (${code})` }
  }
}
