/**
 * One HTTP request on one fresh connection, judged by a monitor's expectations: the unit that a probe is made
 * of (one, and one more for each redirect that it follows).
 *
 * ## Connections
 * The connection is never reused. A kept-alive one would go on working while the member's accept queue is full
 * or its listener is gone, which is just what a probe has to notice.
 *
 * undici speaks HTTP, but the socket comes from elsewhere and not from its connector, for four reasons: the address that
 * was judged must be the one that is connected to; a client that is destroyed while it connects leaves the socket to its own
 * timeout, so a probe's end would not end its connection; a client whose fresh socket dies before the request is written
 * connects again by itself, and a second attempt would make the verdict of a flapping member a matter of luck; and the
 * connector resumes TLS sessions, which skips the certificate.
 *
 * Of a body only as much is read as the judge wants: then the connection is closed, so a large body costs one socket
 * buffer.
 */
import type { Socket } from 'node:net'
import { Client } from 'undici'
import type { HttpMethod, HttpMonitor } from '../../model/monitor.ts'
import { type Fault, faultOfError, lostConnection, type Passed } from '../verdict.ts'
import { HttpJudge, type Redirection } from './http-judge.ts'

/** What one request says. */
export interface HttpRequest {
  /** `http://192.0.2.1:8080`: where the socket leads, in the form that undici wants to know it. */
  readonly origin: string
  readonly method: HttpMethod
  /** Origin-form request target. */
  readonly path: string
  /** Names in lower case, `host` among them. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

/** Handed to undici to end a client; made once, because a stack trace for every probe would be a tenth of its CPU time. */
const finished = new Error('the exchange is over')
const nothing = (): void => {}

/**
 * Sends one request and judges the response; closes the socket in the end. Never rejects.
 * @param monitor expected codes, body and where a weight stands
 * @param mayRedirect when true, a redirect with a Location is returned and not judged
 * @param stop ends the exchange and its connection at once; its reason must be the `Fault` to return
 */
export function exchange(
  socket: Socket,
  request: HttpRequest,
  monitor: HttpMonitor,
  mayRedirect: boolean,
  stop: AbortSignal,
): Promise<Passed | Fault | Redirection> {
  const { promise, resolve } = Promise.withResolvers<Passed | Fault | Redirection>()
  let over = false
  const finish = (result: Passed | Fault | Redirection): void => {
    if (over) return
    over = true
    stop.removeEventListener('abort', onStop)
    client.destroy(finished, nothing)
    socket.destroy()
    resolve(result)
  }
  const onStop = (): void => finish(stop.reason as Fault)
  let handedOver = false
  const client = new Client(request.origin, {
    allowH2: false,
    pipelining: 0, // undici's way to say `connection: close`
    headersTimeout: 0, // `stop` bounds the whole; undici's own timers are coarse
    bodyTimeout: 0,
    connect: (_options, callback) => {
      // The connection went before undici had written to it, and it would like another one.
      if (handedOver || socket.destroyed) finish(lostConnection)
      // Later: it does not hear what it is told while it asks.
      else queueMicrotask(() => callback(null, socket))
      handedOver = true
    },
  })
  stop.addEventListener('abort', onStop)
  if (stop.aborted) {
    onStop()
    return promise
  }
  const judge = new HttpJudge(monitor, mayRedirect, finish)
  const { method, path, headers, body } = request
  client.dispatch(
    { method, path, headers, body },
    {
      onRequestStart: nothing,
      onResponseStart: (_controller, status, responseHeaders) => judge.start(status, responseHeaders),
      onResponseData: (_controller, chunk) => {
        if (!over) judge.data(chunk)
      },
      onResponseEnd: () => {
        if (!over) judge.end()
      },
      onResponseError: (_controller, error) => finish(faultOfError(error, 'exchanging')),
    },
  )
  return promise
}
