/**
 * One attempt to deliver a message: one POST on a fresh connection. A redirect is not followed: where it leads nobody has
 * agreed to. The addresses that the receiver's name has are judged before one is connected to, and the one that was judged
 * is the one that is connected to, so a name can't mean something else in between.
 *
 * The status decides; the body of the response is read, so that the receiver can finish it, and thrown away. It is told to
 * nobody: what an address in our network says is not for everybody who may write webhooks.
 */
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import { canonicalHost } from '../../model/host-name.ts'
import { formatOwnFault, lackOfDescriptors, ownFaultCode } from '../../model/own-fault.ts'
import type { AddressPolicy } from '../../model/pool.ts'
import { toReason } from '../../model/reason.ts'
import { limitInterim } from '../../outgoing/interim-limit.ts'
import { judgedLookup } from '../../outgoing/judged-lookup.ts'

export interface Message {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutMs: number
}

export type AttemptResult =
  | { readonly kind: 'delivered' }
  /** 410: the receiver wants no more. */
  | { readonly kind: 'gone' }
  | FailedAttempt

export interface FailedAttempt {
  readonly kind: 'failed'
  readonly reason: string
  /** What the receiver asked for; null when it did not. */
  readonly retryAfterMs: number | null
  /** Whether it failed by this host, which says nothing of the receiver. */
  readonly own: boolean
}

/** Octets of a response's body that are read. */
const responseLimit = 64 * 1024
/** Longest wait that a receiver may ask for. */
const longestRetryAfterMs = 3_600_000

/**
 * Never rejects, and ends within the timeout.
 *
 * @param signal calls the attempt off
 */
export async function attempt(
  message: Message,
  policy: AddressPolicy,
  signal: AbortSignal,
): Promise<AttemptResult> {
  try {
    return await post(message, policy, signal)
  } catch (error) {
    // Only a request that can't even be written comes here.
    return failedBy(error)
  }
}

function post(message: Message, policy: AddressPolicy, signal: AbortSignal): Promise<AttemptResult> {
  const { promise, resolve } = Promise.withResolvers<AttemptResult>()
  let result: AttemptResult | undefined
  // Whatever happens to a response after its status has come changes nothing.
  const end = (reason: string | FailedAttempt) =>
    resolve(result ?? (typeof reason === 'string' ? failed(reason) : reason))
  const url = new URL(message.url)
  const host = canonicalHost(url)
  if (host === null) {
    end('the host of its URL is none')
    return promise
  }
  const refused = isIP(host) === 0 ? null : policy(host)
  if (refused !== null || signal.aborted) {
    end(refused ?? 'called off')
    return promise
  }
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(message.body),
      'user-agent': 'pooldns',
      ...message.headers,
    },
    lookup: judgedLookup(policy),
    // RFC 6066 section 3: an address is no server name; the empty one sends none.
    servername: isIP(host) === 0 ? host : '',
    signal,
  })
  limitInterim(request)
  const timer = setTimeout(() => {
    request.destroy(new Error(`timeout after ${message.timeoutMs} ms`))
  }, message.timeoutMs)
  request.on('response', (response) => {
    result = resultOf(response.statusCode!, response.headers['retry-after'])
    let octets = 0
    response.on('data', (chunk: Buffer) => {
      octets += chunk.length
      if (octets > responseLimit) request.destroy()
    })
    response.on('error', () => undefined)
  })
  request.on('error', (error) => end(failedBy(error)))
  request.once('close', () => {
    clearTimeout(timer)
    end('connection closed before the response')
  })
  request.end(message.body)
  return promise
}

function failed(reason: string): FailedAttempt {
  return { kind: 'failed', reason: toReason(reason), retryAfterMs: null, own: false }
}

function failedBy(error: unknown): FailedAttempt {
  // A resolver that could not be asked does not say why.
  const unresolved = (error as { readonly syscall?: unknown }).syscall === 'getaddrinfo'
  const own = ownFaultCode(error) ?? (unresolved ? lackOfDescriptors() : null)
  if (own !== null) return { ...failed(formatOwnFault(own)), own: true }
  const { message, code, name } = error as NodeJS.ErrnoException
  return failed(message || code || name)
}

function resultOf(status: number, retryAfter: string | undefined): AttemptResult {
  if (status >= 200 && status <= 299) return { kind: 'delivered' }
  if (status === 410) return { kind: 'gone' }
  const what =
    status >= 300 && status <= 399 ? `status ${status}: redirects are not followed` : `status ${status}`
  return { kind: 'failed', reason: what, retryAfterMs: parseRetryAfter(retryAfter), own: false }
}

/** RFC 9110 section 10.2.3: seconds, or a date. */
function parseRetryAfter(text: string | undefined): number | null {
  if (text === undefined) return null
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), longestRetryAfterMs)
}
