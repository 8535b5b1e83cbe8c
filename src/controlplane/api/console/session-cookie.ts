/**
 * The cookie that holds a session of the console, and which requests may come with it.
 *
 * ## Why a page of somebody else can not use it
 * Browsers send cookies by themselves, so one alone says nothing of who asks. A request counts with its cookie only when it has the
 * field `pooldns-console`, too. No form can add it, and a script of another site must ask beforehand (CORS), which this server never
 * grants. `SameSite=Strict` keeps the cookie from coming along at all, and `clients/` has refused by then what a browser
 * says comes from elsewhere, or for another host (DNS rebinding). A request that changes something must besides be one of which the
 * browser says that it comes from here.
 *
 * Cookies do not tell ports apart, so the name has the port: two servers on one machine do not take each other's.
 */
import type { FastifyRequest } from 'fastify'
import { parseAuthority } from '../clients/authority.ts'

/** `active` while somebody is at the page, `idle` while it asks by itself. */
export const consoleField = 'pooldns-console'

/** By the port that is asked, as the browser knows it. */
export function cookieName({ headers }: FastifyRequest): string {
  const port = parseAuthority(headers.host ?? '')?.port ?? null
  return port === null ? 'pooldns-session' : `pooldns-session-${port}`
}

/** What the browser has kept; null when it has nothing, or the request may not come with it. */
export function sessionText(request: FastifyRequest): string | null {
  const { headers, method } = request
  if (headers[consoleField] === undefined) return null
  const isRead = method === 'GET' || method === 'HEAD'
  // Both have been held against this server by now.
  if (!isRead && headers.origin === undefined && headers['sec-fetch-site'] === undefined) return null
  return cookieText(request, cookieName(request))
}

/** What the browser has kept under a name; null for nothing. */
export function cookieText({ headers }: FastifyRequest, name: string): string | null {
  for (const pair of (headers.cookie ?? '').split(/; */)) {
    if (pair.startsWith(`${name}=`)) return pair.slice(name.length + 1)
  }
  return null
}

/** Whether the browser asks over https, whatever proxies there are in between. */
export function isSecure({ headers }: FastifyRequest): boolean {
  return isSecureOrigin(headers.origin ?? '')
}

export function isSecureOrigin(origin: string): boolean {
  return origin.startsWith('https:')
}

/** @param value empty takes it away */
export function setCookie(request: FastifyRequest, value: string, secure: boolean): string {
  const ends = value === '' ? '; Max-Age=0' : ''
  return `${cookieName(request)}=${value}; Path=/v1; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}${ends}`
}
