/** Asks resolvers whether the parent of a zone says that the zone is signed: whether there is a DS (RFC 4035 section 2.4). */
import { Resolver } from 'node:dns'
import { rcodeName, rcodes, types } from '../../dataplane/wire/constants.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import { exchangeByUdp, serverOf } from '../dns-client/udp-exchange.ts'

/** Bounds an attempt at one resolver; each is tried twice. */
export const timeoutMs = 2_000
export const tries = 2
/** Of those that a host names, the rest is not asked. */
const mostResolvers = 4

export type ParentDs =
  | { readonly kind: 'none' }
  | { readonly kind: 'found'; readonly count: number }
  /** Nobody could say. */
  | { readonly kind: 'unknown'; readonly reason: string }

/** @param resolvers as `address:port` or `[address]:port`; none means the system's */
export function resolversAmong(resolvers: readonly string[]): readonly string[] {
  return (resolvers.length > 0 ? resolvers : new Resolver().getServers()).slice(0, mostResolvers)
}

/**
 * @param apex as zones have it
 * @param resolvers as `resolversAmong` takes them
 */
export async function askParentDs(
  apex: string,
  resolvers: readonly string[],
  signal: AbortSignal,
): Promise<ParentDs> {
  let last: ParentDs = { kind: 'unknown', reason: 'there is no resolver to ask' }
  for (const server of resolversAmong(resolvers)) {
    for (let attempt = 0; attempt < tries; attempt++) {
      last = await askOne(apex, server, signal)
      if (last.kind !== 'unknown') return last
    }
  }
  return last
}

async function askOne(apex: string, server: string, signal: AbortSignal): Promise<ParentDs> {
  const question = { name: hostnameToWire(apex), type: types.ds }
  const answer = await exchangeByUdp(serverOf(server), question, timeoutMs, signal)
  if ('failure' in answer) return { kind: 'unknown', reason: `${server}: ${answer.failure}` }
  const { rcode, truncated, data } = answer
  if (truncated) return { kind: 'found', count: 1 }
  if (rcode === rcodes.nxdomain || (rcode === rcodes.noerror && data.length === 0)) return { kind: 'none' }
  if (rcode === rcodes.noerror) return { kind: 'found', count: data.length }
  return { kind: 'unknown', reason: `${server}: ${rcodeName(rcode)}` }
}
