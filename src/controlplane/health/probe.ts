import { isIP } from 'node:net'
import type { AddressText, HttpMethod, HttpMonitor } from '../model.ts'
import { authority, exchange, type Hop } from './http-exchange.ts'
import { type Fault, fault, type ProbeVerdict } from './verdict.ts'

/**
 * One probe: one attempt to get the expected answer from one member, within `timeoutMs`, never more than one.
 * Retrying is the business of the rise/fall machine.
 *
 * Redirects are followed only when the monitor says so. Every hop runs under the same rules (fresh connection,
 * verified TLS, the one deadline of the whole probe) and the last response is the one that is judged. A redirect to the
 * host that was asked goes to the member's own address, whatever DNS says of the name: that name is as
 * a rule a service of this very server, and following it would probe some other member.
 */

/** A member with everything that probing it takes. */
export interface ProbeTarget {
  readonly pool: string
  readonly member: string
  /** Where to connect. */
  readonly address: AddressText
  readonly port: number
  readonly monitor: HttpMonitor
}

/** How members are probed; tests of the scheduling bring their own. */
export type Probe = (target: ProbeTarget, signal: AbortSignal) => Promise<ProbeVerdict>

/**
 * Probes a member once. Never rejects.
 * @param signal calls the probe off: its connection is closed at once and the verdict is the failure `aborted`
 * @returns the verdict, at the latest `monitor.timeoutMs` (and one turn of the event loop) after the call
 */
export const probe: Probe = async (target, signal) => {
  const startMs = performance.now()
  const { timeoutMs } = target.monitor
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(fault('aborted', 'probe aborted'))
  const timer = setTimeout(() => {
    // One more turn: after a stall of this process its sockets are read only after its timers ran, and an answer
    // that came in time must not count as late because we were.
    setImmediate(() => stop.abort(fault('timeout', `timeout after ${timeoutMs} ms`)))
  }, timeoutMs)
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  let outcome: Fault | null
  try {
    outcome = await walk(target, stop.signal)
  } catch (error) {
    // Only a request that can't even be written comes here, such as a Host header that is no host.
    outcome = fault('protocol', error instanceof Error ? error.message : String(error))
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
  const durationMs = performance.now() - startMs
  return outcome === null ? { ok: true, durationMs } : { ok: false, ...outcome, durationMs }
}

/** Goes from hop to hop; null when the last one passed. */
async function walk(target: ProbeTarget, stop: AbortSignal): Promise<Fault | null> {
  const { monitor } = target
  const first = firstHop(target)
  let hop = first
  for (let followed = 0; ; followed++) {
    const outcome = await exchange(hop, monitor, monitor.followRedirects > 0, stop)
    if (outcome.kind === 'passed') return null
    if (outcome.kind === 'failed') return outcome.fault
    if (followed >= monitor.followRedirects) {
      return fault('redirect', `more than ${monitor.followRedirects} redirects`)
    }
    const next = nextHop(outcome.status, outcome.location, hop, first)
    if ('failure' in next) return next
    hop = next
  }
}

function firstHop({ address, port, monitor }: ProbeTarget): Hop {
  const secure = monitor.type === 'https'
  const usual = port === (secure ? 443 : 80)
  const bare = isIP(address) === 6 ? `[${address}]` : address
  const hostHeader = monitor.host ?? (usual ? bare : authority(address, port))
  const hostname = monitor.host === null ? address : hostnameOf(new URL(`http://${monitor.host}`))
  return { secure, address, port, hostname, hostHeader, method: monitor.method, path: monitor.path }
}

/** @returns the request that a redirect asks for, or why there is none (RFC 9110 sections 10.2.2 and 15.4) */
function nextHop(status: number, location: string, from: Hop, first: Hop): Hop | Fault {
  const base = `${from.secure ? 'https' : 'http'}://${authority(from.hostname, from.port)}`
  const url = URL.parse(location, base + from.path)
  if (url === null) return fault('redirect', `redirect to an invalid location "${location}"`)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return fault('redirect', `redirect to an unsupported scheme "${url.protocol}"`)
  }
  const secure = url.protocol === 'https:'
  const hostname = hostnameOf(url)
  const known = [from, first].find((hop) => hop.hostname === hostname)
  return {
    secure,
    address: known?.address ?? hostname,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    hostname,
    // The same origin keeps the header as it was: it may name a host without the port that is really used.
    hostHeader: url.origin === new URL(base).origin ? from.hostHeader : url.host,
    method: redirectedMethod(status, from.method),
    path: url.pathname + url.search,
  }
}

/** RFC 9110 section 15.4: 303 asks for a GET, 301 and 302 turn a POST into one, 307 and 308 keep the method. */
function redirectedMethod(status: number, method: HttpMethod): HttpMethod {
  if (status === 303 && method !== 'HEAD') return 'GET'
  if ((status === 301 || status === 302) && method === 'POST') return 'GET'
  return method
}

/** The host of a URL without the brackets of IPv6. */
function hostnameOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
}
