/**
 * Which hosts this server answers for. A web page may have its own name resolve to this server's address (DNS rebinding), and
 * then reads what this server says as its own: the browser sees one origin. It can't choose what the browser writes into
 * `Host`, though, so names are taken by a list: `localhost`, and those in POOLDNS_HTTP_HOSTS. Addresses are always taken: a page
 * under an address comes from that address.
 *
 * A request of HTTP/1.0 may lack the field; browsers send none of that kind, health checks of load balancers do.
 */
import type { FastifyRequest } from 'fastify'
import { HttpError } from '../errors.ts'
import { parseAuthority } from './authority.ts'

/**
 * Refuses a request that is for somebody else, or doesn't say clearly for whom.
 *
 * @param hosts names besides `localhost`, in lower case without a final dot
 * @throws HttpError 421, or 400 for one that can't be understood
 */
export function checkHost(request: FastifyRequest, hosts: ReadonlySet<string>): void {
  // All of them: Node shows the first where there are several.
  const fields = request.raw.headersDistinct.host ?? []
  const target = targetAuthority(request.raw.url ?? '')
  if (fields.length > 1) throw unclear('there is more than one Host field')
  for (const text of [...fields, ...(target === null ? [] : [target])]) {
    const authority = parseAuthority(text)
    if (authority === null) throw unclear('the Host field is not host:port')
    if (authority.isAddress || authority.host === 'localhost' || hosts.has(authority.host)) continue
    const detail = `this server does not answer for ${authority.host}: if that is a name of its own, add it to POOLDNS_HTTP_HOSTS`
    throw new HttpError(421, 'misdirected', detail)
  }
}

/** The authority in a request target in absolute form (RFC 9112 section 3.2.2), which goes before the Host field. */
function targetAuthority(target: string): string | null {
  return /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(target)?.[1] ?? null
}

function unclear(detail: string): HttpError {
  return new HttpError(400, 'bad-request', detail)
}
