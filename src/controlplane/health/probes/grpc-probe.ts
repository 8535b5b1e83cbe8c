/**
 * The gRPC probe: one call of grpc.health.v1.Health/Check (github.com/grpc/grpc, doc/health-checking.md) on a fresh
 * connection, HTTP/2 with TLS or with prior knowledge (RFC 9113 section 3.3). The member passes when it says SERVING.
 *
 * A call has two ends: the status of HTTP/2, which must be 200, and `grpc-status` in the trailers (or in the headers, when
 * there is no message), which must be 0 (doc/PROTOCOL-HTTP2.md).
 */
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { GrpcMonitor } from '../../model/monitor.ts'
import {
  type Fault,
  fault,
  faultOfError,
  lostConnection,
  type Passed,
  type ProbeResult,
  passed,
} from '../verdict.ts'
import { authority, connect } from './connection.ts'
import { Ending } from './ending.ts'
import { decodeHealthResponse, encodeHealthRequest, frameHead } from './grpc-message.ts'
import { mostInterim } from './http-response.ts'
import type { ProbeContext, ProbeTarget } from './probe-target.ts'

const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const
const serving = 1

/** doc/statuscodes.md, by number. */
const callStatuses = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const

/** RFC 9113 section 7, by number. */
const streamErrors = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
] as const
/** Also what Node says of streams whose connection is gone. */
const cancelled = 8

/** A response is a few octets; this is as much as one may be. */
const longestMessage = 1024
/** Bounds the memory of a connection, in MiB; the least that there is. */
const maxSessionMemory = 1

/** Never rejects. */
export async function probeGrpc(
  { address, port }: ProbeTarget,
  monitor: GrpcMonitor,
  context: ProbeContext,
): Promise<ProbeResult> {
  const { tls, service } = monitor
  const socket = await connect({ address, port, tls, protocols: ['h2'] }, context)
  if ('failure' in socket) return socket
  if (tls !== null && (socket as TLSSocket).alpnProtocol !== 'h2') {
    socket.destroy()
    return fault('protocol', 'the server does not take up HTTP/2 (ALPN)')
  }
  const host = tls?.serverName ?? address
  return call(socket, `${tls === null ? 'http' : 'https'}://${authority(host, port)}`, service, context.stop)
}

function call(socket: Socket, origin: string, service: string, stop: AbortSignal): Promise<ProbeResult> {
  let session: ClientHttp2Session | null = null
  const { finish, result } = new Ending<Passed>(stop, () => {
    session?.destroy()
    socket.destroy()
  })
  try {
    session = connectHttp2(origin, {
      createConnection: () => socket,
      maxSessionMemory,
      settings: { enablePush: false },
    })
    session.on('error', (error) => finish(faultOfHttp2(error)))
    session.once('close', () => finish(lostConnection))
    askHealth(session, service, finish)
  } catch (error) {
    // An origin that is no URL, or a session that ended before it was asked anything.
    finish(faultOfHttp2(error))
  }
  return result
}

function askHealth(
  session: ClientHttp2Session,
  service: string,
  finish: (result: ProbeResult) => void,
): void {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'pooldns',
  })
  let message: Buffer = Buffer.alloc(0)
  let responded = false
  let interim = 0
  let callStatus: string | undefined
  stream.once('response', (headers) => {
    responded = true
    const wrong = faultOfHeaders(headers)
    if (wrong !== null) finish(wrong)
    callStatus = fieldOf(headers, 'grpc-status')
  })
  // Interim responses (RFC 9113 section 8.1), which Node tells of one by one.
  stream.on('headers', () => {
    if (++interim > mostInterim) finish(fault('protocol', `more than ${mostInterim} interim responses`))
  })
  stream.on('data', (chunk: Buffer) => {
    message = Buffer.concat([message, chunk])
    if (message.length > frameHead + longestMessage) finish(fault('protocol', 'the response is too long'))
  })
  stream.once('trailers', (trailers) => {
    callStatus = fieldOf(trailers, 'grpc-status') ?? callStatus
  })
  stream.on('error', (error) => finish(faultOfHttp2(error)))
  stream.once('close', () => {
    const broken = brokenOff(stream.rstCode, responded)
    finish(broken ?? judge(callStatus, message))
  })
  stream.end(encodeHealthRequest(service))
}

function faultOfHeaders(headers: IncomingHttpHeaders): Fault | null {
  const status = headers[':status' as keyof IncomingHttpHeaders]
  if (Number(status) !== 200) return fault('status', `status ${status}`)
  const type = headers['content-type'] ?? ''
  return /^application\/grpc([+;]|$)/.test(type) ? null : fault('protocol', `"${type}" is not gRPC`)
}

function fieldOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

function judge(callStatus: string | undefined, message: Buffer): ProbeResult {
  if (callStatus === undefined) return fault('protocol', 'the response has no grpc-status')
  if (callStatus !== '0') {
    const name = /^\d{1,2}$/.test(callStatus) ? callStatuses[Number(callStatus)] : undefined
    return fault('status', `gRPC status ${callStatus} ${name ?? '(not known)'}`)
  }
  const health = decodeHealthResponse(message)
  if (health === null) return fault('protocol', 'malformed gRPC response')
  return health === serving ? passed : fault('status', `gRPC health ${servingStatuses[health] ?? health}`)
}

function brokenOff(rstCode: number, responded: boolean): Fault | null {
  if (rstCode !== 0 && rstCode !== cancelled) {
    return fault('reset', `HTTP/2 stream reset: ${streamErrors[rstCode] ?? rstCode}`)
  }
  return rstCode === 0 && responded ? null : lostConnection
}

function faultOfHttp2(error: unknown): Fault {
  const { code, message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ERR_HTTP2_ERROR':
      return fault('protocol', `malformed HTTP/2: ${message}`)
    case 'ERR_HTTP2_STREAM_ERROR':
    case 'ERR_HTTP2_SESSION_ERROR':
      return fault('reset', message)
    default:
      return faultOfError(error, 'exchanging')
  }
}
