/**
 * `POOLDNS_CACHE_URL`: `redis://[user[:password]@]host[:port][/number]` (IANA, "redis" URI scheme), with `rediss://` for TLS.
 *
 * Messages show nothing of the URL but the port and the number of the database: what stands at the wrong place may be half a password.
 */
import { isIPv6 } from 'node:net'

/** What is wrong with a URL, in words that may be shown to anybody. */
export class CacheUrlError extends Error {
  override readonly name = 'CacheUrlError'
}

export interface CacheServer {
  readonly tls: boolean
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number
  /** Null for the default user. */
  readonly username: string | null
  readonly password: string | null
  readonly database: number
}

export const cacheUrlForm = 'a URL redis://user:password@host:port/number, or rediss:// for TLS'

const usualPort = 6379
/** More than any server is set up with. */
const mostDatabases = 100_000

/** @throws CacheUrlError */
export function parseCacheUrl(text: string): CacheServer {
  const parts = /^(rediss?):\/\/([^/?#]*)(?:\/([^?#]*))?$/i.exec(text)
  if (parts === null) {
    if (/^rediss?:\/\/[^/]/i.test(text) && /[?#]/.test(text))
      throw new CacheUrlError('it takes nothing behind a ? or a #; in a password write ? as %3F, # as %23')
    throw new CacheUrlError(`it takes ${cacheUrlForm}`)
  }
  const [, scheme = '', authority = '', path = ''] = parts
  if (path.includes('@')) {
    throw new CacheUrlError(
      'an @ stands behind the host: in a user name or a password, write @ as %40, / as %2F and : as %3A',
    )
  }
  const at = authority.lastIndexOf('@')
  const login = at < 0 ? null : authority.slice(0, at)
  return {
    tls: scheme.toLowerCase() === 'rediss',
    ...placeOf(authority.slice(at + 1)),
    ...loginOf(login),
    database: numberOf(path),
  }
}

function placeOf(text: string): Pick<CacheServer, 'host' | 'port'> {
  const match = /^(?:\[([^\]]*)\]|([^:[\]@\s"\\]+))(?::([^:]*))?$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  if (host === undefined || (match?.[1] !== undefined && !isIPv6(host)))
    throw new CacheUrlError('the host is no name and no address; IPv6 addresses stand in brackets')
  const port = match?.[3] ?? ''
  if (port === '') return { host, port: usualPort }
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
    throw new CacheUrlError('the port is no number from 1 to 65535')
  return { host, port: Number(port) }
}

function loginOf(text: string | null): Pick<CacheServer, 'username' | 'password'> {
  if (text === null) return { username: null, password: null }
  const colon = text.indexOf(':')
  const [username, password] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  return {
    username: decode(username, 'user name') || null,
    password: decode(password, 'password') || null,
  }
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new CacheUrlError(`the ${what} has a % that is not followed by two digits: write % as %25`)
  }
}

function numberOf(text: string): number {
  if (text === '') return 0
  if (/^\d{1,6}$/.test(text) && Number(text) < mostDatabases) return Number(text)
  throw new CacheUrlError(`the number of the database is none from 0 to ${mostDatabases - 1}`)
}
