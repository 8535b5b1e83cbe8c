/**
 * The HTTP probe. Redirects are followed only when the monitor says so. Every hop runs under the same rules (an address
 * that is allowed, a fresh connection, verified TLS, the one deadline of the whole probe) and the last response is the
 * one that is judged.
 *
 * A redirect to the host that was asked goes to the member's own address, whatever DNS says of the name: that name is as
 * a rule a service of this very server, and following it would probe some other member. Any other name is resolved here,
 * and what was resolved is judged and connected to, so that a name can't mean one thing to the judge and another to the
 * connection.
 *
 * What the monitor sends of its own, its header fields and its body, goes to the origin (scheme, host and port) that the
 * monitor names, and to nobody whom a response names; its client certificate, to the host. Once dropped they stay dropped,
 * also on the way back: whoever redirects would choose the path that they are sent to.
 */
import { isIP } from 'node:net'
import { canonicalHost } from '../../model/host-name.ts'
import type { HttpMethod, HttpMonitor } from '../../model/monitor.ts'
import type { AddressText } from '../../model/pool.ts'
import { type Fault, fault, ownFault, type ProbeResult } from '../verdict.ts'
import { authority, connect } from './connection.ts'
import { orStopped } from './ending.ts'
import { exchange } from './http-exchange.ts'
import type { Redirection } from './http-judge.ts'
import type { HttpRequest } from './http-request.ts'
import type { ProbeContext, ProbeTarget } from './probe-target.ts'

/** Where one request goes and what it says. */
interface Hop extends HttpRequest {
  readonly secure: boolean
  readonly address: AddressText
  readonly port: number
  /** Name or IP address in canonical form: the TLS identity, and who redirects refer to. */
  readonly hostname: string
}

/** Never rejects. */
export async function probeHttp(
  target: ProbeTarget,
  monitor: HttpMonitor,
  context: ProbeContext,
): Promise<ProbeResult> {
  const first = firstHop(target, monitor)
  if ('failure' in first) return first
  let hop: Hop = first
  for (let followed = 0; ; followed++) {
    const result = await visit(hop, monitor, hop.hostname === first.hostname, context)
    if (!('location' in result)) return result
    if (followed >= monitor.followRedirects) {
      return fault('redirect', `more than ${monitor.followRedirects} redirects`)
    }
    const next = await nextHop(result, hop, first, context)
    if ('failure' in next) return next
    hop = next
  }
}

/** @param home whether this is the host that the monitor names; a client certificate is for nobody else */
async function visit(hop: Hop, monitor: HttpMonitor, home: boolean, context: ProbeContext) {
  const { secure, address, port, hostname } = hop
  const settings = home ? monitor.tls : { ...monitor.tls, serverName: null, clientCertificate: null }
  const tls = secure ? settings : null
  const socket = await connect({ address, port, tls, identity: hostname, protocols: ['http/1.1'] }, context)
  if ('failure' in socket) return socket
  return exchange(socket, hop, monitor, context)
}

function firstHop({ address, port }: ProbeTarget, monitor: HttpMonitor): Hop | Fault {
  const { host, method, path, headers, body } = monitor
  const secure = monitor.type === 'https'
  const usual = port === (secure ? 443 : 80)
  const bare = isIP(address) === 6 ? `[${address}]` : address
  const hostHeader = host ?? (usual ? bare : authority(address, port))
  const url = URL.parse(`http://${hostHeader}`)
  const hostname = url === null ? null : canonicalHost(url)
  if (hostname === null) return fault('protocol', `invalid host "${hostHeader}"`)
  return { secure, address, port, hostname, host: hostHeader, method, path, headers, body }
}

/** @returns the request that a redirect asks for, or why there is none (RFC 9110 sections 10.2.2 and 15.4) */
async function nextHop(
  { status, location }: Redirection,
  from: Hop,
  first: Hop,
  context: ProbeContext,
): Promise<Hop | Fault> {
  const base = new URL(`${from.secure ? 'https' : 'http'}://${authority(from.hostname, from.port)}`)
  const url = URL.parse(location, base.origin + from.path)
  if (url === null) return fault('redirect', `redirect to an invalid location "${location}"`)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return fault('redirect', `redirect to an unsupported scheme "${url.protocol}"`)
  }
  const secure = url.protocol === 'https:'
  const hostname = canonicalHost(url)
  if (hostname === null) return fault('redirect', `redirect to an invalid location "${location}"`)
  const known = [from, first].find((hop) => hop.hostname === hostname)
  const address = known?.address ?? (await addressOf(hostname, from.address, context))
  if (typeof address !== 'string') return address
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  const sameOrigin = secure === from.secure && hostname === from.hostname && port === from.port
  const method = redirectedMethod(status, from.method)
  const bodiless = !sameOrigin || method !== from.method
  return {
    secure,
    address,
    port,
    hostname,
    // The same origin keeps the header as it was: it may name a host without the port that is really used.
    host: sameOrigin ? from.host : url.host,
    method,
    path: url.pathname + url.search,
    // Section 15.4: what describes the body goes when the body goes.
    headers: sameOrigin ? from.headers.filter(([name]) => !bodiless || !name.startsWith('content-')) : [],
    body: bodiless ? null : from.body,
  }
}

/** An address of a host that a redirect names: allowed, and of the family that the redirect came by if there is one. */
async function addressOf(
  hostname: string,
  nearby: AddressText,
  { policy, resolve, stop }: ProbeContext,
): Promise<AddressText | Fault> {
  let addresses: readonly AddressText[] | Fault = [hostname]
  if (isIP(hostname) === 0) {
    try {
      addresses = await orStopped(resolve(hostname, stop), stop)
    } catch (error) {
      const own = ownFault(error)
      if (own !== null) return own
      const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message
      return fault('redirect', `redirect to ${hostname}, which does not resolve: ${reason}`)
    }
    if ('failure' in addresses) return addresses
  }
  // One that is refused spoils the name: what else it has is there to get past us.
  for (const address of addresses) {
    const refusal = policy(address)
    if (refusal !== null) return fault('refused', refusal)
  }
  const address = addresses.find((one) => isIP(one) === isIP(nearby)) ?? addresses[0]
  return address ?? fault('redirect', `redirect to ${hostname}, which has no address`)
}

/** RFC 9110 section 15.4: 303 asks for a GET, 301 and 302 turn a POST into one, 307 and 308 keep the method. */
function redirectedMethod(status: number, method: HttpMethod): HttpMethod {
  if (status === 303 && method !== 'HEAD') return 'GET'
  if ((status === 301 || status === 302) && method === 'POST') return 'GET'
  return method
}
