/**
 * What a probe says, and the translation of the errors of sockets, TLS and HTTP into it. A reason is read by an
 * operator at night and kept in the store, so it is short, of bounded length, without control characters, and
 * says the same thing for the same fault each time: no addresses, file names or OpenSSL line numbers.
 */

import type { PeerCertificate } from '../model/certificate.ts'
import { type Family, familyNames, familyOf } from '../model/family.ts'
import { formatOwnFault, ownFaultCode } from '../model/own-fault.ts'
import type { AddressText } from '../model/pool.ts'
import { toReason } from '../model/reason.ts'

/** Kinds of failure; they are labels of metrics, so the list is closed. */
export type ProbeFailure =
  /** No connection came about. */
  | 'connect'
  /** The deadline of the probe was over. */
  | 'timeout'
  /** Handshake, certificates, and settings of it that can't be used. */
  | 'tls'
  /** The status of HTTP or gRPC, the rcode of DNS. */
  | 'status'
  /** What HTTP brought is not what was expected. */
  | 'body'
  /** What came by TCP or DNS is not what was expected. */
  | 'answer'
  /** A redirect that leads nowhere, or there are too many. */
  | 'redirect'
  /** The connection was lost. */
  | 'reset'
  /** What came breaks the protocol, or the request can't be written. */
  | 'protocol'
  /** We don't probe such addresses. */
  | 'refused'
  /** No statement about the member: the probe was called off, or failed by this host (`model/own-fault.ts`). */
  | 'aborted'

/**
 * What one probe says; `durationMs` is the time from its start to the verdict, fractions included. `certificate` is the one that was
 * shown and verified, of several (redirects) the one that ends first; left out where there was none.
 */
export type ProbeVerdict =
  | {
      readonly ok: true
      readonly durationMs: number
      /** Left out when the member says nothing of its weight. */
      readonly weight?: SaidWeight
      readonly certificate?: PeerCertificate
    }
  | {
      readonly ok: false
      readonly failure: ProbeFailure
      readonly reason: string
      readonly durationMs: number
      readonly lacks?: Family
      readonly certificate?: PeerCertificate
    }

/** Why a probe failed. */
export interface Fault {
  readonly failure: ProbeFailure
  readonly reason: string
  /** The family that this host has no address of, when that is why: it can't judge any address of that family. */
  readonly lacks?: Family
}

/** That a probe succeeded. */
export interface Passed {
  /** Null: the member says nothing of its weight. */
  readonly weight: SaidWeight | null
}

/** What a member says of its weight: the share that it wants to have, 0 to 100, or what nobody understands, for the reason. */
export type SaidWeight = { readonly percent: number } | { readonly problem: string }

export const passed: Passed = { weight: null }

/** What a probe comes to, before its duration is known. */
export type ProbeResult = Passed | Fault

/** How far a connection had come when it broke: the same ECONNRESET means something else in each phase. */
export type ConnectionPhase = 'connecting' | 'handshaking' | 'exchanging'

/** @returns a fault whose reason is safe to store and to print, whatever the peer put into it */
export function fault(failure: ProbeFailure, reason: string): Fault {
  return { failure, reason: toReason(reason) }
}

const resetCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

/** The peer ended the connection, in order, before the response was whole. */
export const lostConnection = fault('reset', 'connection closed before the end of the response')

/**
 * Judges an error by whose it is. Every probe asks this of every error first, whatever it threw.
 * @returns null when it is not this host's own
 */
export function ownFault(error: unknown): Fault | null {
  const code = ownFaultCode(error)
  if (code === null) return null
  const { syscall } = describe(error)
  return fault('aborted', formatOwnFault(syscall === '' ? code : `${syscall} ${code}`))
}

/**
 * Whether a filter between here and an address said no. Linux tells of a router's "administratively prohibited" over IPv6 (RFC 4443
 * section 3.1, code 1) by the code that it has for a filter of this host. Only that host's own word comes with the call itself.
 * @param later it came by the network, after the call had returned
 */
export function faultOfFilter(error: unknown, address: AddressText, later: boolean): Fault | null {
  const { code } = describe(error)
  if (code !== 'EACCES' || !later || familyOf(address) !== 'ipv6') return null
  return fault('connect', `a filter on the way refuses it (${code})`)
}

/**
 * What is said of an address that there is no way to: the first two by a router, or by this host itself, and the others by a host that
 * has nothing at all of the family.
 */
const noWayCodes: ReadonlySet<string> = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
])

/**
 * Judges that there is no way to an address: where this host has no address of that family to go from, it is not the member's fault.
 * @param lacks whether this host has none; asked when it matters alone
 * @returns null when it is no such error
 */
export function faultOfWay(
  error: unknown,
  address: AddressText,
  lacks: (family: Family) => boolean,
): Fault | null {
  const family = familyOf(address)
  if (!noWayCodes.has(describe(error).code) || !lacks(family)) return null
  return {
    ...fault('aborted', formatOwnFault(`no ${familyNames[family]} address to go from`)),
    lacks: family,
  }
}

/**
 * Judges the error that ended a connection.
 * @param error what the socket or TLS threw
 * @param phase how far the connection had come
 */
export function faultOfError(error: unknown, phase: ConnectionPhase): Fault {
  const own = ownFault(error)
  if (own !== null) return own
  const { code, syscall, message, reason } = describe(error)
  if (phase === 'connecting') {
    return code === '' ? fault('connect', message) : fault('connect', `${syscall || 'connect'} ${code}`)
  }
  if (resetCodes.has(code)) return fault('reset', 'connection reset')
  // An alert of the peer may come after the handshake (TLS 1.3: it wants a client certificate).
  if (phase === 'handshaking' || code.startsWith('ERR_SSL') || code === 'EPROTO') {
    // OpenSSL packs library, function and line into its message; only its reason says something.
    return fault('tls', code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? message : reason || message)
  }
  // A socket that breaks with an errno (EHOSTUNREACH, ETIMEDOUT of the kernel) was connected and is lost now.
  return syscall === '' ? fault('protocol', message) : fault('reset', `${syscall} ${code}`)
}

/** The parts of an error that say something; `reason` is OpenSSL's own, such as `wrong version number`. */
function describe(error: unknown) {
  const text = (key: string): string => {
    const value = typeof error === 'object' && error !== null ? Reflect.get(error, key) : undefined
    return typeof value === 'string' ? value : ''
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: text('code'), syscall: text('syscall'), message, reason: text('reason') }
}
