/**
 * Refuses what a web page of somebody else has a browser ask for. A page can't read the replies, but what it asks for is done:
 * lookups go out, and a reply's time tells something, too. Browsers say where a request comes from, in two fields that no page
 * can write:
 *
 * - `Sec-Fetch-Site` (https addresses and loopback): `same-origin` and `none` (typed, a bookmark) may pass. `same-site` is
 *   another port of this host, or a neighbour's name below the same domain: a link may be followed from there, nothing else.
 *   From anywhere else a link may lead to the documentation
 * - `Origin`, where the other is missing (plain HTTP to other addresses, old browsers): it must be of the host that is asked.
 *
 * Whoever is no browser sends neither, and passes.
 */
import type { FastifyRequest } from 'fastify'
import { HttpError, pathOf } from '../errors.ts'
import { type Authority, parseAuthority } from './authority.ts'

/**
 * @param hosts names that this server has behind a proxy, which may write another Host than the browser did
 * @throws HttpError 403
 */
export function checkOrigin(request: FastifyRequest, hosts: ReadonlySet<string>): void {
  const { headers } = request
  const site = headers['sec-fetch-site']
  if (site === 'same-origin' || site === 'none') return
  if (isNavigation(request) && (site === 'same-site' || pages.has(pathOf(request.url)))) return
  if (site !== undefined) throw crossSite()
  const { origin } = headers
  if (origin !== undefined && !isOwn(origin, headers.host, hosts)) throw crossSite()
}

/** What a manual, a wiki or an alert may have links to, and where an identity provider sends browsers. */
const pages: ReadonlySet<string> = new Set([
  '/docs',
  '/docs/',
  '/console',
  '/console/',
  '/v1/session/openid',
  '/v1/session/openid/callback',
])

/** Following a link: the page that it comes from never sees what came of it. */
function isNavigation({ method, headers }: FastifyRequest): boolean {
  return (
    (method === 'GET' || method === 'HEAD') &&
    headers['sec-fetch-mode'] === 'navigate' &&
    headers['sec-fetch-dest'] === 'document'
  )
}

function isOwn(origin: string, host: string | undefined, hosts: ReadonlySet<string>): boolean {
  const [, scheme, text] = /^(https?):\/\/(.+)$/i.exec(origin) ?? []
  const from = text === undefined ? null : parseAuthority(text)
  if (from === null) return false
  if (hosts.has(from.host)) return true
  const asked = host === undefined ? null : parseAuthority(host)
  return asked !== null && asked.host === from.host && portOf(asked, scheme!) === portOf(from, scheme!)
}

function portOf({ port }: Authority, scheme: string): number {
  return port ?? (scheme.toLowerCase() === 'https' ? 443 : 80)
}

function crossSite(): HttpError {
  return new HttpError(403, 'cross-site', "this server is not for other sites' pages to ask")
}
