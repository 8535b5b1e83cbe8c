/**
 * What is known of one host: the machine that turns the answers of lookups into a `Resolution`. Pure; time comes in, and the
 * time until the next lookup goes out.
 *
 * ## One family
 * A and AAAA are asked for together, and each family keeps its own last good answer:
 *
 *   answer   addresses before   then
 *   found    any                the addresses found
 *   failed   any                as before: SERVFAIL, REFUSED and silence say nothing about the host
 *   absent   none               none
 *   absent   some               as before until the family has been absent for `absentGraceMs`, then none
 *
 * The grace ends by itself (`endGrace`), also when nobody can be asked at that moment: the last that was heard is that there is none.
 *
 * It goes on over a restart (`keptResolution`).
 *
 * The grace is for NXDOMAIN and NODATA that are a provider's mistake in passing. It is short, because a name that is
 * really gone may have left its addresses to somebody else.
 *
 * ## The host
 * The state of the host follows from both families:
 *
 *   addresses   and                                                    state
 *   some        each family that has some was found in this round      fresh
 *   some        otherwise                                              stale
 *   none        both families have had an answer at some time          absent
 *   none        otherwise                                              failed
 *
 * `pending` is the state before the first round. There is no way back to it.
 *
 * ## The next round
 * The next round comes when the shortest TTL found ends, bounded to 5 s..1 h. A round in which a family failed, or
 * was absent where it had addresses, or that left the host without any, is repeated sooner: after 2 s, then twice as long
 * each time, up to 60 s. A last good answer never grows too old while lookups fail: the operator asked for the host, and an
 * old address is more likely right than none. Whether it works is for the probes to say.
 */
import { parseAddress } from '../../dataplane/wire/address.ts'
import { familyOf } from '../model/family.ts'
import type { Resolution, ResolutionState } from '../model/observation.ts'
import type { OwnFaultCode } from '../model/own-fault.ts'
import type { AddressText } from '../model/pool.ts'

/** What a lookup said about one family. */
export type FamilyAnswer =
  | { readonly kind: 'found'; readonly addresses: readonly AddressText[]; readonly ttlSeconds: number }
  /** The resolver says that there is none: NXDOMAIN or NODATA. */
  | { readonly kind: 'absent'; readonly reason: string }
  /** `own` when nobody could be asked, by a fault of this host. */
  | { readonly kind: 'failed'; readonly reason: string; readonly own?: OwnFaultCode }

export interface HostAnswer {
  readonly a: FamilyAnswer
  readonly aaaa: FamilyAnswer
}

const shortestTtlMs = 5_000
const longestTtlMs = 3_600_000
export const absentGraceMs = 120_000
const firstRetryMs = 2_000
const longestRetryMs = 60_000

/** Bound of the addresses that a host may have of one family; the lowest are kept. */
export const maxAddressesPerFamily = 64

interface Family {
  readonly addresses: readonly AddressText[]
  /** Whether it has ever been found or absent. */
  readonly known: boolean
  /** Since when every answer has said that it is absent; null after any other. A failure is no answer. */
  readonly absentSinceMs: number | null
}

export interface HostState {
  readonly resolution: Resolution
  readonly a: Family
  readonly aaaa: Family
  /** Rounds in a row that had something wrong. */
  readonly troubles: number
}

const unknownFamily: Family = { addresses: [], known: false, absentSinceMs: null }

/** A host that was never looked up. @param last its last good resolution, from before the start */
export function initialState(host: string, now: Date, last?: Resolution): HostState {
  const addresses = last?.addresses ?? []
  const family = (name: 'ipv4' | 'ipv6'): Family => {
    const own = addresses.filter((address) => familyOf(address) === name)
    const absentSinceMs = last?.absentSinceMs?.[name] ?? null
    return own.length === 0 ? unknownFamily : { addresses: own, known: true, absentSinceMs }
  }
  const base = { host, addresses, expiresAt: null }
  return {
    resolution:
      addresses.length === 0
        ? { ...base, state: 'pending', since: now, error: null }
        : { ...base, state: 'stale', since: last!.since, error: 'not looked up since the start' },
    a: family('ipv4'),
    aaaa: family('ipv6'),
    troubles: 0,
  }
}

/** The state after one round, and how long to wait for the next one. */
export function advance(
  before: HostState,
  answer: HostAnswer,
  now: Date,
): { state: HostState; waitMs: number } {
  const nowMs = now.getTime()
  const a = advanceFamily(before.a, answer.a, nowMs)
  const aaaa = advanceFamily(before.aaaa, answer.aaaa, nowMs)
  const addresses = [...a.addresses, ...aaaa.addresses]
  const pairs: Pairs = [
    [a, answer.a, 'A'],
    [aaaa, answer.aaaa, 'AAAA'],
  ]
  const state = stateOf(pairs, addresses)
  const error = errorOf(pairs, addresses)
  const ttlMs = ttlOf(pairs)
  const changed = addresses.join() !== before.resolution.addresses.join()
  const troubles = error === null ? 0 : before.troubles + 1
  const retryMs = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(troubles - 1, 10))
  return {
    state: {
      resolution: {
        host: before.resolution.host,
        state,
        addresses: changed ? addresses : before.resolution.addresses,
        since: changed ? now : before.resolution.since,
        expiresAt: state === 'fresh' ? new Date(nowMs + ttlMs) : null,
        error,
      },
      a,
      aaaa,
      troubles,
    },
    waitMs: error === null ? ttlMs : Math.min(retryMs, ttlMs),
  }
}

/** When the grace of a family ends whose addresses are still kept, as UNIX time; null when none is in its grace. */
export function graceEndMs({ a, aaaa }: HostState): number | null {
  const ends = [a, aaaa].flatMap(({ addresses, absentSinceMs }) =>
    addresses.length === 0 || absentSinceMs === null ? [] : [absentSinceMs + absentGraceMs],
  )
  return ends.length === 0 ? null : Math.min(...ends)
}

/** What is to be known of a host after a restart, which does not begin its grace anew. */
export function keptResolution({ resolution, a, aaaa }: HostState): Resolution {
  const since = Object.entries({ ipv4: a, ipv6: aaaa }).flatMap(([name, { addresses, absentSinceMs }]) =>
    addresses.length === 0 || absentSinceMs === null ? [] : [[name, absentSinceMs] as const],
  )
  return since.length === 0 ? resolution : { ...resolution, absentSinceMs: Object.fromEntries(since) }
}

/** The state without the addresses whose grace has ended. */
export function endGrace(before: HostState, now: Date): HostState {
  const end = (family: Family): Family => {
    const { absentSinceMs } = family
    const over = absentSinceMs !== null && now.getTime() - absentSinceMs >= absentGraceMs
    return over ? { ...family, addresses: [] } : family
  }
  const [a, aaaa] = [end(before.a), end(before.aaaa)]
  const addresses = [...a.addresses, ...aaaa.addresses]
  if (addresses.length === before.resolution.addresses.length) return before
  const bare = a.known && aaaa.known ? 'absent' : 'failed'
  const state = addresses.length === 0 ? bare : before.resolution.state
  return { ...before, a, aaaa, resolution: { ...before.resolution, state, addresses, since: now } }
}

function advanceFamily(before: Family, answer: FamilyAnswer, nowMs: number): Family {
  switch (answer.kind) {
    case 'found':
      return { addresses: canonicalOrder(answer.addresses), known: true, absentSinceMs: null }
    case 'failed':
      return before
    case 'absent': {
      const absentSinceMs = before.absentSinceMs ?? nowMs
      const over = nowMs - absentSinceMs >= absentGraceMs
      return { addresses: over ? [] : before.addresses, known: true, absentSinceMs }
    }
  }
}

type Pairs = readonly (readonly [after: Family, answer: FamilyAnswer, type: string])[]

function stateOf(pairs: Pairs, addresses: readonly AddressText[]): ResolutionState {
  if (addresses.length === 0) return pairs.every(([{ known }]) => known) ? 'absent' : 'failed'
  const fresh = pairs.every(([after, answer]) => after.addresses.length === 0 || answer.kind === 'found')
  return fresh ? 'fresh' : 'stale'
}

/** What is wrong: families that failed, or that are gone although their addresses are still kept, or no address at all. */
function errorOf(pairs: Pairs, addresses: readonly AddressText[]): string | null {
  const reasons = pairs.flatMap(([after, answer, type]) => {
    if (answer.kind === 'found') return []
    const wrong = answer.kind === 'failed' || after.addresses.length > 0 || addresses.length === 0
    return wrong ? [{ type, reason: answer.reason }] : []
  })
  const [first, second] = reasons
  if (first === undefined) return null
  if (second === undefined) return `${first.type}: ${first.reason}`
  return first.reason === second.reason
    ? first.reason
    : `${first.type}: ${first.reason}; ${second.type}: ${second.reason}`
}

function ttlOf(pairs: Pairs): number {
  const ttls = pairs.flatMap(([, answer]) => (answer.kind === 'found' ? [answer.ttlSeconds * 1000] : []))
  return Math.max(shortestTtlMs, Math.min(longestTtlMs, ...ttls))
}

function canonicalOrder(addresses: readonly AddressText[]): AddressText[] {
  return [...new Set(addresses)]
    .map((address) => ({ address, octets: Buffer.from(parseAddress(address)!) }))
    .sort((left, right) => Buffer.compare(left.octets, right.octets))
    .slice(0, maxAddressesPerFamily)
    .map(({ address }) => address)
}
