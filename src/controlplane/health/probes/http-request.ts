/** The request of a probe as it goes over the wire (RFC 9112 section 3). */
import type { HttpMethod, HttpMonitor } from '../../model/monitor.ts'
import { type Fault, fault } from '../verdict.ts'

export interface HttpRequest {
  readonly method: HttpMethod
  /** Origin-form request target. */
  readonly path: string
  /** Host header as it is sent. */
  readonly host: string
  readonly headers: HttpMonitor['headers']
  readonly body: string | null
}

/** What a monitor may say otherwise. */
const usual = [
  ['user-agent', 'pooldns'],
  ['accept', '*/*'],
  // What is expected of a body is expected of its text; whoever sends another coding all the same is read, too.
  ['accept-encoding', 'identity'],
] as const

/** @returns the octets of a request; a fault when something in it would not be what it is meant to be */
export function encodeRequest({ method, path, host, headers, body }: HttpRequest): Buffer | Fault {
  // Monitors are checked when they are written; this is for rows that were not, and for what a redirect names.
  if (!/^\/[\x21-\x7e]*$/.test(path)) return fault('protocol', `invalid path "${path}"`)
  if (!/^[\x21-\x7e]+$/.test(host)) return fault('protocol', `invalid host "${host}"`)
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${host}`]
  const own = new Set(headers.map(([name]) => name))
  for (const [name, value] of usual) if (!own.has(name)) lines.push(`${name}: ${value}`)
  for (const [name, value] of headers) {
    if (!/^[\x20-\x7e\t]*$/.test(`${name}${value}`)) return fault('protocol', `invalid header field ${name}`)
    lines.push(`${name}: ${value}`)
  }
  // RFC 9110 section 8.6: a method that is meant to carry a body says also that there is none.
  const length = body === null ? 0 : Buffer.byteLength(body)
  if (body !== null || method === 'POST' || method === 'PUT') lines.push(`content-length: ${length}`)
  lines.push('connection: close', '', body ?? '')
  return Buffer.from(lines.join('\r\n'))
}
