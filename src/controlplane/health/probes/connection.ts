import { connect as connectTcp, isIP, type Socket } from 'node:net'
import {
  checkServerIdentity,
  connect as connectTls,
  type PeerCertificate as NodeCertificate,
  type SecureContext,
} from 'node:tls'
import { endsSoonAtMs, formatEnding, type PeerCertificate } from '../../model/certificate.ts'
import type { TlsSettings } from '../../model/monitor.ts'
import type { AddressText } from '../../model/pool.ts'
import { toReason } from '../../model/reason.ts'
import {
  type ConnectionPhase,
  type Fault,
  fault,
  faultOfError,
  faultOfFilter,
  faultOfWay,
  lostConnection,
} from '../verdict.ts'
import { Ending } from './ending.ts'
import type { ProbeContext } from './probe-target.ts'

/** Where a connection goes. */
export interface Endpoint {
  /** One that was allowed. Never a name: what a name means could have changed since it was judged. */
  readonly address: AddressText
  readonly port: number
  /** Null: without TLS. */
  readonly tls: TlsSettings | null
  /** Whose certificate is expected when the settings don't say, a name or an address; the address when left out. */
  readonly identity?: string
  /** Offered by ALPN; nothing is when left out. */
  readonly protocols?: readonly string[]
}

/**
 * Opens one connection, with its handshake done and its certificate judged. Never rejects.
 *
 * Afterwards the socket is the caller's, `stop` included; its errors need no listener any more.
 */
export async function connect(
  to: Endpoint,
  { tls, stop, lacks, onCertificate }: ProbeContext,
): Promise<Socket | Fault> {
  const secureContext = to.tls === null ? null : await tls.secureContext(to.tls, stop)
  if (secureContext !== null && 'failure' in secureContext) return secureContext
  if (stop.aborted) return stop.reason as Fault
  let phase: ConnectionPhase = 'connecting'
  let shown: PeerCertificate | null = null
  const socket = open(to, secureContext, (certificate) => {
    shown = readCertificate(certificate)
    if (shown !== null) onCertificate?.(shown)
  })
  const { finish, result } = new Ending<Socket>(stop, () => {
    if (phase !== 'exchanging') socket.destroy()
  })
  let later = false
  setImmediate(() => {
    later = true
  })
  socket.on('error', (error) =>
    finish(
      faultOfFilter(error, to.address, later) ??
        faultOfWay(error, to.address, lacks) ??
        faultOfError(error, phase),
    ),
  )
  socket.once('close', () => finish(lostConnection))
  // Also true for TLS: `connect` is the TCP handshake, `secureConnect` the end of the other one.
  socket.once('connect', () => {
    phase = 'handshaking'
  })
  socket.once(to.tls === null ? 'connect' : 'secureConnect', () => {
    const tooSoon = to.tls === null ? null : endsTooSoon(shown, to.tls)
    if (tooSoon === null) phase = 'exchanging'
    finish(tooSoon ?? socket)
  })
  return result
}

function open(
  { address, port, tls, identity, protocols }: Endpoint,
  context: SecureContext | null,
  onCertificate: (certificate: NodeCertificate) => void,
): Socket {
  if (context === null) return connectTcp({ host: address, port })
  const expected = tls?.serverName ?? identity ?? address
  return connectTls({
    host: address,
    port,
    // RFC 6066 section 3: an address is no server name; the empty one sends none.
    servername: isIP(expected) === 0 ? expected : '',
    ALPNProtocols: protocols,
    rejectUnauthorized: true,
    secureContext: context,
    // Called when those that vouch for the certificate are trusted, at every handshake, since none goes on from another.
    checkServerIdentity: (_name, certificate) => {
      onCertificate(certificate)
      return checkServerIdentity(expected, certificate)
    },
  })
}

/** The server's own certificate is judged; those that vouch for it are renewed by others. */
function endsTooSoon(shown: PeerCertificate | null, { minDaysLeft, endingFails }: TlsSettings): Fault | null {
  if (minDaysLeft === 0 || endingFails !== 'always') return null
  if (shown === null) return fault('tls', 'no certificate')
  const nowMs = Date.now()
  return nowMs <= endsSoonAtMs(shown, minDaysLeft)
    ? null
    : fault('tls', formatEnding(shown, minDaysLeft, nowMs))
}

/** @returns null where it does not say when it ends, which no certificate may leave out */
function readCertificate({ valid_to, fingerprint256, subject, subjectaltname }: NodeCertificate) {
  const notAfterMs = Date.parse(valid_to)
  if (Number.isNaN(notAfterMs)) return null
  const alternative = /^(?:DNS|IP Address):([^,]*)/.exec(subjectaltname ?? '')?.[1]
  const name = alternative ?? [subject?.CN ?? ''].flat()[0]!
  return { fingerprint: fingerprint256, notAfterMs, name: toReason(name) }
}

/** @returns `address:port`, an IPv6 address in brackets (RFC 3986 section 3.2.2) */
export function authority(address: string, port: number): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`
}
