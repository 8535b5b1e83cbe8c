/**
 * One HTTP request on one fresh connection, judged by a monitor's expectations: the unit that a probe is made
 * of (one, and one more for each redirect that it follows).
 *
 * The connection is never reused. A kept-alive one would go on working while the member's accept queue is full
 * or its listener is gone, which is just what a probe has to notice.
 *
 * Request and response are written and read here, and not by an HTTP client. A client is made to use a connection as well as
 * it can: it connects again by itself, ends connections that it finds odd, and tells a response that it does not like as a lost
 * connection. A probe says what a member did. What is needed of HTTP for one response on one connection is one file
 * (`http-response.ts`), which also costs less.
 *
 * Of a body only as much is read as the judge wants: then the connection is closed, so a large body costs one socket
 * buffer.
 */
import type { Socket } from 'node:net'
import type { HttpMonitor } from '../../model/monitor.ts'
import { type Fault, fault, faultOfError, lostConnection, type Passed } from '../verdict.ts'
import { Ending } from './ending.ts'
import { judgeResponse, type Redirection } from './http-judge.ts'
import { encodeRequest, type HttpRequest } from './http-request.ts'
import { ResponseReader } from './http-response.ts'
import type { ProbeContext } from './probe-target.ts'
import { toldOfLook } from './text-expectation.ts'

/**
 * Sends one request and judges the response; closes the socket in the end. Never rejects.
 * @param stop ends the exchange and its connection at once; its reason must be the `Fault` to return
 */
export async function exchange(
  socket: Socket,
  request: HttpRequest,
  monitor: HttpMonitor,
  { patterns, stop }: Pick<ProbeContext, 'patterns' | 'stop'>,
): Promise<Passed | Fault | Redirection> {
  const { finish, result } = new Ending<Passed | Redirection>(stop, () => {
    reader.stop()
    judge.stop()
    socket.destroy()
  })
  const onEnough = () => {
    reader.stop()
    socket.destroy()
  }
  const judge = judgeResponse(monitor, { patterns, stop, onEnough, finish })
  const reader = new ResponseReader(request.method, {
    head: judge.head,
    data: judge.data,
    end: judge.end,
    malformed: (what) => finish(fault('protocol', `malformed HTTP response: ${what}`)),
  })
  // How a connection ends says nothing any more of a response that is whole.
  const lose = (why: Fault) => !reader.over && finish(why)
  socket.on('error', (error) => lose(faultOfError(error, 'exchanging')))
  socket.once('close', () => lose(lostConnection))
  const octets = encodeRequest(request)
  if ('failure' in octets) finish(octets)
  else {
    socket.on('data', (chunk) => reader.take(chunk))
    socket.once('end', () => {
      reader.finish()
      lose(lostConnection)
    })
    socket.write(octets)
  }
  return toldOfLook(await result, judge.body)
}
