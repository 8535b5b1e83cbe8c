import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type TLSSocket } from 'node:tls'
import type { AddressText } from '../../model/pool.ts'
import { type ConnectionPhase, type Fault, fault, faultOfError, lostConnection } from '../verdict.ts'
import type { Handshake } from './tls-client.ts'

/** Where a connection goes. */
export interface Endpoint {
  /** One that was allowed. Never a name: what a name means could have changed since it was judged. */
  readonly address: AddressText
  readonly port: number
  /** Null: without TLS. */
  readonly tls: Handshake | null
}

export interface Connection {
  readonly socket: Socket
}

const dayMs = 86_400_000

/**
 * Opens one connection, with its handshake done and its certificate judged. Never rejects.
 *
 * Afterwards the socket is the caller's, `stop` included; its errors need no listener any more.
 * @param stop ends the attempt at once; its reason must be the `Fault` to return
 */
export function connect(to: Endpoint, stop: AbortSignal): Promise<Connection | Fault> {
  if (stop.aborted) return Promise.resolve(stop.reason as Fault)
  const { promise, resolve } = Promise.withResolvers<Connection | Fault>()
  let phase: ConnectionPhase = 'connecting'
  const socket = open(to)
  const leave = (): void => {
    stop.removeEventListener('abort', onStop)
    socket.off('close', onClose)
  }
  const fail = (cause: Fault): void => {
    if (phase === 'exchanging') return
    leave()
    socket.destroy()
    resolve(cause)
  }
  const onStop = (): void => fail(stop.reason as Fault)
  const onClose = (): void => fail(lostConnection)
  stop.addEventListener('abort', onStop)
  socket.on('error', (error) => fail(faultOfError(error, phase)))
  socket.once('close', onClose)
  // Also true for TLS: `connect` is the TCP handshake, `secureConnect` the end of the other one.
  socket.once('connect', () => {
    if (to.tls !== null) phase = 'handshaking'
  })
  socket.once(to.tls === null ? 'connect' : 'secureConnect', () => {
    const ending = to.tls === null ? null : endsTooSoon(socket as TLSSocket, to.tls.minDaysLeft)
    if (ending !== null) {
      fail(ending)
      return
    }
    phase = 'exchanging'
    leave()
    resolve({ socket })
  })
  return promise
}

function open({ address, port, tls }: Endpoint): Socket {
  if (tls === null) return connectTcp({ host: address, port })
  return connectTls({
    host: address,
    port,
    // RFC 6066 section 3: an address is no server name; the empty one sends none.
    servername: isIP(tls.identity) === 0 ? tls.identity : '',
    ...(tls.protocols.length === 0 ? {} : { ALPNProtocols: [...tls.protocols] }),
    rejectUnauthorized: true,
    secureContext: tls.context,
    checkServerIdentity: (_name, certificate) => checkServerIdentity(tls.identity, certificate),
  })
}

/** The server's own certificate is judged; those that vouch for it are renewed by others. */
function endsTooSoon(socket: TLSSocket, minDaysLeft: number): Fault | null {
  if (minDaysLeft === 0) return null
  const end = socket.getPeerX509Certificate()?.validToDate
  if (end === undefined) return fault('tls', 'no certificate')
  const leftMs = end.getTime() - Date.now()
  if (leftMs >= minDaysLeft * dayMs) return null
  const days = Math.floor(leftMs / dayMs)
  return fault('tls', `certificate ends in ${days} ${days === 1 ? 'day' : 'days'}, ${minDaysLeft} wanted`)
}

/** @returns `address:port`, an IPv6 address in brackets (RFC 3986 section 3.2.2) */
export function authority(address: string, port: number): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`
}
