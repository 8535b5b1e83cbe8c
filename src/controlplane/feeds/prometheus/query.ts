/**
 * One instant query of a Prometheus (its HTTP API, version 1), on a fresh connection. Redirects are not followed, the addresses of its
 * name are judged, and no more of an answer is read than `mostOctets`.
 */
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import type { PrometheusSource } from '../../model/feed.ts'
import { canonicalHost } from '../../model/host-name.ts'
import { formatOwnFault, lackOfDescriptors, ownFaultCode } from '../../model/own-fault.ts'
import type { AddressPolicy } from '../../model/pool.ts'
import { toReason } from '../../model/reason.ts'
import { limitInterim } from '../../outgoing/interim-limit.ts'
import { judgedLookup } from '../../outgoing/judged-lookup.ts'

/** Of an answer: some twenty thousand series. */
export const mostOctets = 8 * 1024 * 1024
/** Series of an answer. */
export const mostSeries = 10_000

const brokenOff = 'connection closed before the answer was whole'

/** What was asked could not be answered, or the answer is of no use. Its message says why. */
export class SourceFault extends Error {
  /** Whether it failed by this host, which says nothing of who was asked. */
  readonly own: boolean

  constructor(reason: string, own = false) {
    super(toReason(reason))
    this.own = own
  }
}

/**
 * The text of the answer. Ends within the timeout of the source.
 *
 * @param signal calls it off
 * @throws SourceFault
 */
export async function ask(
  source: PrometheusSource,
  policy: AddressPolicy,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await post(source, policy, signal)
  } catch (error) {
    throw error instanceof SourceFault ? error : faultOf(error)
  }
}

function faultOf(error: unknown): SourceFault {
  // A resolver that could not be asked does not say why.
  const unresolved = (error as { readonly syscall?: unknown }).syscall === 'getaddrinfo'
  const own = ownFaultCode(error) ?? (unresolved ? lackOfDescriptors() : null)
  if (own !== null) return new SourceFault(formatOwnFault(own), true)
  const { message, code, name } = error as NodeJS.ErrnoException
  if (message === 'aborted') return new SourceFault(brokenOff)
  return new SourceFault(message || code || name)
}

function post(source: PrometheusSource, policy: AddressPolicy, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const url = new URL(`${source.prometheus}/api/v1/query`)
  const host = canonicalHost(url) ?? ''
  const refused = isIP(host) === 0 ? null : policy(host)
  if (refused !== null) throw new SourceFault(refused)
  if (signal.aborted) throw new SourceFault('called off')
  const body = new URLSearchParams({
    query: source.query,
    timeout: `${source.timeoutMs}ms`,
    // Versions of old know of no limit; theirs is looked at in the answer.
    limit: String(mostSeries + 1),
  }).toString()
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
    method: 'POST',
    agent: false,
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'pooldns',
      ...Object.fromEntries(source.headers),
    },
    lookup: judgedLookup(policy),
    // RFC 6066 section 3: an address is no server name; the empty one sends none.
    servername: isIP(host) === 0 ? host : '',
    signal,
  })
  limitInterim(request)
  const timer = setTimeout(() => {
    request.destroy(new SourceFault(`timeout after ${source.timeoutMs} ms`))
  }, source.timeoutMs)
  request.on('response', (response) =>
    readBody(response, (error) => request.destroy(error)).then(resolve, reject),
  )
  request.on('error', reject)
  request.once('close', () => {
    clearTimeout(timer)
    reject(new SourceFault(brokenOff))
  })
  request.end(body)
  return promise
}

/** @param giveUp ends the request */
async function readBody(response: IncomingMessage, giveUp: (error: Error) => void): Promise<string> {
  const chunks: Buffer[] = []
  let octets = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    octets += chunk.length
    if (octets > mostOctets) {
      const fault = new SourceFault(
        `its answer has more than ${mostOctets / 1024 / 1024} MiB: have the query give fewer series`,
      )
      giveUp(fault)
      throw fault
    }
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString()
  const status = response.statusCode!
  if (status === 200) return text
  throw new SourceFault(`status ${status}${whyRefused(status, text)}`)
}

/** What a Prometheus says of a query that it does not answer. Of whoever else answers, nothing is told but the status. */
function whyRefused(status: number, text: string): string {
  if (status >= 300 && status <= 399) return ': redirects are not followed'
  try {
    const { status: said, error } = JSON.parse(text) as {
      readonly status?: unknown
      readonly error?: unknown
    }
    return said === 'error' && typeof error === 'string' ? `: ${error}` : ''
  } catch {
    return ''
  }
}
