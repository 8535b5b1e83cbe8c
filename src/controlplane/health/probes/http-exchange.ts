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
import { Client, type Dispatcher } from 'undici'
import type { HttpMonitor } from '../../model/monitor.ts'
import { type Fault, faultOfError, lostConnection, type Passed } from '../verdict.ts'
import { Ending } from './ending.ts'
import { judgeResponse, type Redirection } from './http-judge.ts'

/** Handed to undici to end a client; made once, because a stack trace for every probe would be a tenth of its CPU time. */
const finished = new Error('the exchange is over')
const nothing = (): void => {}

/**
 * Sends one request and judges the response; closes the socket in the end. Never rejects.
 * @param origin where the socket leads, in the form that undici wants to know it, such as `http://192.0.2.1:8080`
 * @param request its path in origin form, its names of headers in lower case, `host` among them
 * @param stop ends the exchange and its connection at once; its reason must be the `Fault` to return
 */
export function exchange(
  socket: Socket,
  origin: string,
  request: Dispatcher.DispatchOptions,
  monitor: HttpMonitor,
  stop: AbortSignal,
): Promise<Passed | Fault | Redirection> {
  const ending = new Ending<Passed | Redirection>(stop, () => {
    client.destroy(finished, nothing)
    socket.destroy()
  })
  const { finish, result } = ending
  let handedOver = false
  const client = new Client(origin, {
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
  const judge = judgeResponse(monitor, finish)
  client.dispatch(request, {
    onRequestStart: nothing,
    onResponseStart: (_controller, status, headers) => judge.start(status, headers),
    onResponseData: (_controller, chunk) => {
      if (!ending.over) judge.data(chunk)
    },
    onResponseEnd: () => {
      if (!ending.over) judge.end()
    },
    onResponseError: (_controller, error) => finish(faultOfError(error, 'exchanging')),
  })
  return result
}
