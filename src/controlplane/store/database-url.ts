/**
 * `DATABASE_URL`, as libpq takes it (PostgreSQL documentation, "Connection URIs"): the driver knows one server, we
 * several, each of which is told to the driver by a URL of its own.
 *
 * Ports are given as libpq has it: behind each host, where none means the usual one; or by `?port=`, one for all hosts
 * or one for each. `?host=` takes the place of the hosts, and is how a socket's folder is written without escapes.
 *
 * Messages name hosts and parameters, and show nothing else: what stands at the wrong place may be half a password.
 */
import { isIPv6 } from 'node:net'

/** What is wrong with a URL, in words that may be shown to anybody. */
export class DatabaseUrlError extends Error {
  override readonly name = 'DatabaseUrlError'
}

/** What a server must be like to be used: libpq's `target_session_attrs`, as far as one who writes can use it. */
export type SessionTarget = 'any' | 'read-write' | 'primary'

export interface DatabaseServer {
  /** For people: `host:port`, or less. */
  readonly name: string
  /** Of this server alone, for the driver. */
  readonly url: string
}

export interface DatabaseUrl {
  /** In the order in which they are asked; one at least. */
  readonly servers: readonly DatabaseServer[]
  readonly target: SessionTarget
  /** How long to wait for a connection to one of them; null when nothing is said. */
  readonly connectTimeoutMs: number | null
}

export const databaseUrlForm =
  'a URL postgres://user:password@host:port/database, several host:port with commas between'

/** More are no cluster but a mistake. */
const mostServers = 16
const longestConnectTimeoutS = 60

const targets: readonly SessionTarget[] = ['any', 'read-write', 'primary']
const targetsToRead: readonly string[] = ['read-only', 'standby', 'prefer-standby']

interface Host {
  /** As the driver takes it: a name, an address without brackets, or the folder of a socket. */
  readonly host: string
  /** Null for the usual one. */
  readonly port: number | null
}

/** @throws DatabaseUrlError */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  const parts = /^(postgres(?:ql)?:\/\/)([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(text)
  if (parts === null) throw new DatabaseUrlError(`it takes ${databaseUrlForm}`)
  const [, scheme = '', authority = '', path = '', query = ''] = parts
  const login = authority.slice(0, authority.lastIndexOf('@') + 1)
  const { own, rest } = takeOwn(query)
  const hosts = hostsOf(authority.slice(login.length), own, (path + query).includes('@'))
  const target = targetOf(own.get('target_session_attrs'), hosts.length)
  const connectTimeoutMs = timeoutOf(own.get('connect_timeout'))
  // Where the driver understands all of it, it gets it as it is.
  const urlOf = ({ host, port }: Host) => {
    if (hosts.length === 1) return `${scheme}${authority}${path}${asQuery(takeOwn(query, notForDriver).rest)}`
    const where = [`host=${encodeURIComponent(host)}`, ...(port === null ? [] : [`port=${port}`])]
    return `${scheme}${login}several${path}${asQuery([...rest, ...where])}`
  }
  const servers = hosts.map((host) => ({ name: nameOf(host), url: urlOf(host) }))
  if (!servers.every(({ url }) => URL.canParse(url)))
    throw new DatabaseUrlError(`it takes ${databaseUrlForm}`)
  return { servers, target, connectTimeoutMs }
}

/** Parameters that are not the driver's. */
const notForDriver = ['target_session_attrs', 'connect_timeout']

/** Takes parameters out of a query; the rest stays as it is written. */
function takeOwn(query: string, names: readonly string[] = ['host', 'port', ...notForDriver]) {
  const own = new Map<string, string>()
  const rest = query.split('&').filter((pair) => {
    const [[name, value] = ['', '']] = new URLSearchParams(pair)
    if (!names.includes(name)) return pair !== ''
    own.set(name, value)
    return false
  })
  return { own, rest }
}

const asQuery = (pairs: readonly string[]): string => (pairs.length === 0 ? '' : `?${pairs.join('&')}`)

/** @param spilt whether there is an @ where no login is looked for */
function hostsOf(authority: string, own: ReadonlyMap<string, string>, spilt: boolean): readonly Host[] {
  const ports = (own.get('port') ?? '').split(',')
  const given = own.get('host')?.split(',')
  const hosts = given?.map((host) => ({ host, port: null })) ?? authorityHosts(authority, spilt)
  if (hosts.length > mostServers) throw new DatabaseUrlError(`it takes at most ${mostServers} hosts`)
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new DatabaseUrlError(`${ports.length} ports are given for ${hosts.length} hosts`)
  }
  return hosts.map(({ host, port }, nth) => {
    checkHost(host, nth, hosts.length)
    return { host, port: own.has('port') ? portOf(ports[nth] ?? ports[0]!, host) : port }
  })
}

function authorityHosts(authority: string, spilt: boolean): readonly Host[] {
  return authority.split(',').map((item, nth) => {
    const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(item)
    const host = match === null ? null : decode(match[1] ?? match[2]!)
    if (spilt && (host === null || !/^\d*$/.test(match?.[3] ?? ''))) {
      throw new DatabaseUrlError(
        'an @ stands behind the hosts: in a user name or a password, write @ as %40, / as %2F, ? as %3F, # as %23 and : as %3A',
      )
    }
    if (host === null || (match?.[1] !== undefined && !isIPv6(host)))
      throw new DatabaseUrlError(
        `host ${nth + 1} is no name and no address; IPv6 addresses stand in brackets`,
      )
    return { host, port: portOf(match?.[3] ?? '', host) }
  })
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

function checkHost(host: string, nth: number, all: number): void {
  // One alone may be left out, and is the driver's usual one then.
  if (host === '' && all > 1) throw new DatabaseUrlError(`host ${nth + 1} is empty`)
  if (!host.startsWith('/') && /[\s/@"\\]/.test(host))
    throw new DatabaseUrlError(`host ${nth + 1} is no name, no address and no folder of a socket`)
}

function portOf(text: string, host: string): number | null {
  if (text === '') return null
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port
  throw new DatabaseUrlError(`the port of host ${host} is no number from 1 to 65535`)
}

/** One who is told of several servers is to find the one that takes writes, so that is what is meant without a word. */
function targetOf(text: string | undefined, hosts: number): SessionTarget {
  if (text === undefined || text === '') return hosts === 1 ? 'any' : 'read-write'
  const target = targets.find((known) => known === text)
  if (target !== undefined) return target
  const why = targetsToRead.includes(text) ? `${text} is of no use to one who writes: ` : ''
  throw new DatabaseUrlError(`target_session_attrs: ${why}it takes ${targets.join(', ')}`)
}

function timeoutOf(text: string | undefined): number | null {
  if (text === undefined || text === '') return null
  const seconds = Number(text)
  if (!/^\d{1,4}$/.test(text) || seconds > longestConnectTimeoutS)
    throw new DatabaseUrlError(`connect_timeout takes seconds from 1 to ${longestConnectTimeoutS}`)
  // What libpq takes for "no limit" is "as usual" here, where nothing waits for ever.
  return seconds === 0 ? null : seconds * 1000
}

function nameOf({ host, port }: Host): string {
  if (host.startsWith('/') || host === '') return host || 'the usual server'
  const written = isIPv6(host) ? `[${host}]` : host
  return port === null ? written : `${written}:${port}`
}
