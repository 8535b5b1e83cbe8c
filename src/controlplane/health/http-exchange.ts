import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, createSecureContext, type SecureContext } from 'node:tls'
import { Client, type Dispatcher } from 'undici'
import type { HttpMethod, HttpMonitor } from '../model.ts'
import { type ConnectionPhase, type Fault, fault, faultOfError, lostConnection } from './verdict.ts'

/**
 * One HTTP request on one fresh connection, judged by a monitor's expectations: the unit that a probe is made
 * of (one, and one more for each redirect that it follows).
 *
 * The connection is never reused. A kept-alive one would go on working while the member's accept queue is full
 * or its listener is gone, which is just what a probe has to notice.
 *
 * undici speaks HTTP, but the socket is opened here and not by its connector, for three reasons: a client that
 * is destroyed while it connects leaves the socket to its own timeout, so a probe's end would not end its
 * connection; a client whose fresh socket dies before the request is written connects again by itself, and
 * a second attempt would make the verdict of a flapping member a matter of luck; and the connector resumes TLS
 * sessions, which skips the certificate.
 *
 * A response counts when all of it, or its first `bodyLimit` octets, have come. Judging by the headers alone would
 * call a member healthy that sends headers and then stalls. Whatever is beyond the limit is not read: the
 * connection is closed, so a large body costs one socket buffer.
 */

/** Octets of a body that are read and searched. */
export const bodyLimit = 64 * 1024

/** Where one request goes and what it says. */
export interface Hop {
  readonly secure: boolean
  /** IP address (or, after a redirect to another host, its name) to connect to. */
  readonly address: string
  readonly port: number
  /** Name or IP address, without port and brackets: the TLS identity, and who redirects refer to. */
  readonly hostname: string
  /** Host header as it is sent. */
  readonly hostHeader: string
  readonly method: HttpMethod
  /** Origin-form request target. */
  readonly path: string
}

export type HopOutcome =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly fault: Fault }
  | { readonly kind: 'redirected'; readonly status: number; readonly location: string }

/** RFC 9110 section 15.4, those that name a new target by Location. */
const redirectCodes: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Handed to undici to end a client; made once, because a stack trace for every probe would be a tenth of its CPU time. */
const finished = new Error('the exchange is over')
const nothing = (): void => {}

/**
 * Sends one request and judges the response. Never rejects.
 * @param hop where to
 * @param monitor expected codes and body; its timeout is not looked at here
 * @param mayRedirect when true, a redirect with a Location is the outcome `redirected` and is not judged
 * @param stop ends the exchange and its connection at once; its reason must be the `Fault` to report
 */
export function exchange(
  hop: Hop,
  monitor: HttpMonitor,
  mayRedirect: boolean,
  stop: AbortSignal,
): Promise<HopOutcome> {
  const { promise, resolve } = Promise.withResolvers<HopOutcome>()
  let phase: ConnectionPhase = 'connecting'
  let socket: Socket | undefined
  let over = false

  const finish = (outcome: HopOutcome): void => {
    if (over) return
    over = true
    stop.removeEventListener('abort', onStop)
    client.destroy(finished, nothing)
    socket?.destroy()
    resolve(outcome)
  }
  const fail = (cause: Fault): void => finish({ kind: 'failed', fault: cause })
  const onStop = (): void => fail(stop.reason as Fault)

  const client = new Client(`${hop.secure ? 'https' : 'http'}://${authority(hop.address, hop.port)}`, {
    allowH2: false,
    pipelining: 0, // undici's way to say `connection: close`
    headersTimeout: 0, // `stop` bounds the whole; undici's own timers are coarse
    bodyTimeout: 0,
    connect: (_options, callback) => {
      if (socket !== undefined) {
        fail(lostConnection) // the first connection went before undici had written to it, and it would like another one
        return
      }
      socket = open(hop)
      // Also true for TLS: `connect` is the TCP handshake, `secureConnect` the end of the other one.
      socket.once('connect', () => {
        phase = hop.secure ? 'handshaking' : 'exchanging'
      })
      socket.once(hop.secure ? 'secureConnect' : 'connect', () => {
        phase = 'exchanging'
        callback(null, socket!)
      })
      // Once it has the socket, undici judges how it ended: a close is the regular end of some bodies.
      socket.on('error', (error) => {
        if (phase !== 'exchanging') fail(faultOfError(error, phase))
      })
      socket.once('close', () => {
        if (phase !== 'exchanging') fail(lostConnection)
      })
    },
  })
  stop.addEventListener('abort', onStop)
  if (stop.aborted) {
    onStop()
    return promise
  }

  const headers = { host: hop.hostHeader, 'user-agent': 'pooldns', accept: '*/*' }
  const judge = new Judge(monitor, mayRedirect, finish)
  client.dispatch(
    { method: hop.method, path: hop.path, headers },
    {
      onRequestStart: nothing,
      onResponseStart: (_controller, status, responseHeaders) => judge.start(status, responseHeaders),
      onResponseData: (_controller, chunk) => judge.data(chunk),
      onResponseEnd: () => judge.end(),
      onResponseError: (_controller, error) => fail(faultOfError(error, phase)),
    },
  )
  return promise
}

let sharedContext: SecureContext | undefined

/**
 * The TLS settings of all probes, with Node's default trust (its own authorities and NODE_EXTRA_CA_CERTS). Made once,
 * at the first https probe: making it takes a fifth of the CPU time of a handshake. It keeps no sessions.
 */
function tlsContext(): SecureContext {
  sharedContext ??= createSecureContext()
  return sharedContext
}

function open(hop: Hop): Socket {
  if (!hop.secure) return connectTcp({ host: hop.address, port: hop.port })
  return connectTls({
    host: hop.address,
    port: hop.port,
    // RFC 6066 section 3: an address is no server name; the empty one sends none.
    servername: isIP(hop.hostname) === 0 ? hop.hostname : '',
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true,
    secureContext: tlsContext(),
    checkServerIdentity: (_name, certificate) => checkServerIdentity(hop.hostname, certificate),
  })
}

/** @returns `address:port`, an IPv6 address in brackets (RFC 3986 section 3.2.2) */
export function authority(address: string, port: number): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`
}

/**
 * Judges one response while it arrives. Of the body it keeps only the last octets that could begin a match: memory is
 * bounded by the expected text and one chunk.
 */
class Judge {
  readonly #monitor: HttpMonitor
  readonly #mayRedirect: boolean
  readonly #finish: (outcome: HopOutcome) => void
  readonly #wanted: Buffer | null
  #read = 0
  #found = false
  #tail: Buffer = Buffer.alloc(0)

  constructor(monitor: HttpMonitor, mayRedirect: boolean, finish: (outcome: HopOutcome) => void) {
    this.#monitor = monitor
    this.#mayRedirect = mayRedirect
    this.#finish = finish
    const { contains } = monitor.expectBody
    this.#wanted = contains === null ? null : Buffer.from(contains)
    this.#found = this.#wanted === null
  }

  start(status: number, headers: Dispatcher.ResponseData['headers']): void {
    if (status < 200) return // an interim response; the final one follows (RFC 9110 section 15.2)
    const location = headers.location
    if (this.#mayRedirect && redirectCodes.has(status) && typeof location === 'string') {
      this.#finish({ kind: 'redirected', status, location })
      return
    }
    const expected = this.#monitor.expectCodes.some(({ from, to }) => from <= status && status <= to)
    if (!expected) this.#finish({ kind: 'failed', fault: fault('status', `status ${status}`) })
  }

  data(chunk: Buffer): void {
    const room = bodyLimit - this.#read
    const part = chunk.length > room ? chunk.subarray(0, room) : chunk
    this.#read += part.length
    if (!this.#found) this.#search(part, this.#wanted!)
    if (this.#read >= bodyLimit) this.end()
  }

  end(): void {
    if (this.#found) {
      this.#finish({ kind: 'passed' })
      return
    }
    const wanted = this.#monitor.expectBody.contains!
    const shown = wanted.length > 60 ? `${wanted.slice(0, 60)}…` : wanted
    this.#finish({ kind: 'failed', fault: fault('body', `body does not contain "${shown}"`) })
  }

  #search(part: Buffer, wanted: Buffer): void {
    const window = this.#tail.length === 0 ? part : Buffer.concat([this.#tail, part])
    this.#found = window.includes(wanted)
    // A copy: a view would keep the socket's whole read buffer alive.
    this.#tail = Buffer.from(window.subarray(Math.max(0, window.length - wanted.length + 1)))
  }
}
