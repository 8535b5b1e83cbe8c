/**
 * Questions to the resolvers of the configuration or the system's: `lookupBy` for a member's host, A and AAAA side by side,
 * and `askResolvers` for any other.
 *
 * `Resolver` (c-ares) and not `lookup` (getaddrinfo): it gives the TTL, tells "there is none" from "I can't say", and
 * knows neither the hosts file nor search domains, so that a member means the same on every node. A resolver for each
 * question, because cancelling one ends all its queries, and so that changes of the system's resolvers are seen.
 */
import { Resolver } from 'node:dns/promises'
import { canonicalAddress } from '../../dataplane/wire/address.ts'
import { formatOwnFault, lackOfDescriptors, type OwnFaultCode, ownFaultCode } from '../model/own-fault.ts'
import type { FamilyAnswer, HostAnswer } from './host-state.ts'

/** Bounds one attempt at one server. */
const tryTimeoutMs = 2_000
const tries = 2
/** Bounds a lookup whatever the number of servers: c-ares tries each of them, and waits longer each time. */
const lookupTimeoutMs = 6_000

/** Never rejects; an abort ends it at once, with whatever answer. */
export type Lookup = (host: string, signal: AbortSignal) => Promise<HostAnswer>

/** @param servers as `address:port` or `[address]:port`; none means the system's */
export function lookupBy(servers: readonly string[]): Lookup {
  return async (host, signal) => {
    const [a, aaaa] = await Promise.all([
      askResolvers(servers, (resolver) => resolver.resolve4(host, { ttl: true }), signal),
      askResolvers(servers, (resolver) => resolver.resolve6(host, { ttl: true }), signal),
    ])
    return { a: usable(a), aaaa: usable(aaaa) }
  }
}

/** What resolvers say to a question. */
export type Asked<T> =
  | { readonly kind: 'found'; readonly value: T }
  /** NXDOMAIN, or `no address` for NODATA. */
  | { readonly kind: 'absent'; readonly reason: string }
  /** `timeout`, or an error such as SERVFAIL of the last one asked; `own` when nobody could be asked, by a fault of this host. */
  | { readonly kind: 'failed'; readonly reason: string; readonly own?: OwnFaultCode }

/**
 * Asks one resolver after another until one answers; 6 s at the most, or until `signal` aborts. Never rejects.
 *
 * c-ares goes on to the next server after silence, but takes a SERVFAIL or REFUSED for an answer; so those that come behind
 * the one that said it are asked here.
 *
 * @param servers as `address:port` or `[address]:port`; none means the system's
 */
export async function askResolvers<T>(
  servers: readonly string[],
  question: (resolver: Resolver) => Promise<T>,
  signal?: AbortSignal,
): Promise<Asked<T>> {
  const timeout = AbortSignal.timeout(lookupTimeoutMs)
  const bounded = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  const inTurn = servers.length > 0 ? servers : new Resolver().getServers()
  let answer: Asked<T> = { kind: 'failed', reason: 'no resolver' }
  for (let first = 0; first < inTurn.length; first++) {
    const resolver = new Resolver({ timeout: tryTimeoutMs, tries })
    resolver.setServers(inTurn.slice(first))
    answer = await ask(resolver, bounded, question)
    if (answer.kind !== 'failed' || !refusals.has(answer.reason)) break
  }
  return answer
}

async function ask<T>(
  resolver: Resolver,
  signal: AbortSignal,
  question: (resolver: Resolver) => Promise<T>,
): Promise<Asked<T>> {
  const cancel = () => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    if (signal.aborted) return { kind: 'failed', reason: 'timeout' }
    return { kind: 'found', value: await question(resolver) }
  } catch (error) {
    return unanswered(error)
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** Reasons that a server gave, and another might not. */
const refusals: ReadonlySet<string> = new Set(['SERVFAIL', 'REFUSED', 'NOTIMP', 'FORMERR'])

interface AddressWithTtl {
  readonly address: string
  /** The least of the whole chain of CNAMEs. */
  readonly ttl: number
}

function usable(asked: Asked<readonly AddressWithTtl[]>): FamilyAnswer {
  if (asked.kind !== 'found') return asked
  const found = asked.value
  const addresses = found.flatMap(({ address }) => canonicalAddress(address) ?? []).filter(isUsable)
  if (addresses.length === 0) return { kind: 'absent', reason: 'no usable address' }
  return { kind: 'found', addresses, ttlSeconds: Math.min(...found.map(({ ttl }) => ttl)) }
}

/** What filtering resolvers give for names that they hide, and what no AAAA should hold, are no addresses of a host. */
function isUsable(address: string): boolean {
  return address !== '0.0.0.0' && address !== '::' && !address.startsWith('::ffff:')
}

function unanswered(error: unknown): Exclude<Asked<unknown>, { kind: 'found' }> {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
  switch (code) {
    case 'ENOTFOUND':
      return { kind: 'absent', reason: 'NXDOMAIN' }
    case 'ENODATA':
      return { kind: 'absent', reason: 'no address' }
    case 'ETIMEOUT':
    case 'ECANCELLED':
      return { kind: 'failed', reason: 'timeout' }
    default: {
      const own = ownFaultCode(error) ?? lackOfDescriptors()
      if (own !== null) return { kind: 'failed', reason: formatOwnFault(own), own }
      // Of c-ares: ESERVFAIL, EREFUSED, ECONNREFUSED, EFORMERR, EBADRESP, ...
      return { kind: 'failed', reason: code.replace(/^E/, '') }
    }
  }
}
