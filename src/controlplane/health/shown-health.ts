/**
 * What is shown of a member, and of each of its addresses where there are several that are told apart: how one value follows
 * from the one before. What stays as it was keeps its time, and what is new begins with that of the whole.
 */
import { isDeepStrictEqual } from 'node:util'
import {
  type AddressHealth,
  type Flaps,
  type HealthState,
  type MemberHealth,
  stateAt,
} from '../model/observation.ts'
import type { AddressText } from '../model/pool.ts'
import type { Opinion } from './check.ts'
import type { AddressCheck } from './check-method.ts'
import type { AddressOpinion } from './observed-addresses.ts'

/** What is known of a member, told of each of its addresses; of the whole alone when there are none to tell apart. */
export function toldApart(health: MemberHealth, checks: readonly AddressCheck[] | undefined): MemberHealth {
  const { addresses: _, ...whole } = health
  if (checks === undefined) return whole
  const { since, reason } = health
  const addresses = checks.map(({ address }): AddressHealth => {
    const known = health.addresses?.find((one) => one.address === address)
    return known ?? { address: address!, state: stateAt(health, address), since, reason }
  })
  return { ...whole, addresses }
}

/** Whether more is known of a member than its state, which an event of it does not tell. */
export function saysMore({ addresses, told, flaps }: MemberHealth): boolean {
  return addresses !== undefined || told !== undefined || flaps !== undefined
}

/**
 * What is remembered of the falls of a probe; null for nothing, and for what is of a time that has not come: this host's clock was
 * wrong then, or is now, and nobody can say when it would end.
 */
export function flapsBefore(
  { flaps = [] }: MemberHealth,
  address: AddressText | null,
  path: string,
  nowMs: number,
): Flaps | null {
  const known = flaps.find((one) => one.address === address && one.path === path)
  if (known === undefined) return null
  const { hold, fallsMs, offences } = known
  const isPast = [...fallsMs, hold?.sinceMs ?? nowMs].every((atMs) => atMs <= nowMs)
  return isPast ? { hold, fallsMs, offences } : null
}

/**
 * What of a member is to be shown next; what is remembered of falls is not in it.
 *
 * @param byAddress what is said of each address; null where there is nothing to tell apart
 * @returns null when all is as it was
 */
export function nextHealth(
  before: MemberHealth,
  { state, reason }: Opinion,
  byAddress: readonly AddressOpinion[] | null,
  at: Date,
): MemberHealth | null {
  const addresses = byAddress?.map((one) => addressHealth(before.addresses, one, at))
  const isSame = state === before.state && reason === before.reason
  if (isSame && isDeepStrictEqual(addresses, before.addresses)) return null
  const { pool, member, told } = before
  return {
    pool,
    member,
    state,
    since: state === before.state ? before.since : at,
    reason,
    ...(addresses === undefined ? {} : { addresses }),
    ...(told === undefined ? {} : { told }),
  }
}

function addressHealth(
  before: readonly AddressHealth[] | undefined,
  { address, state, reason }: AddressOpinion,
  at: Date,
): AddressHealth {
  const known = before?.find((one) => one.address === address)
  return { address, state, since: known?.state === state ? known.since : at, reason }
}

/** One address of a member is something else than it was. */
export interface AddressTransition {
  readonly address: AddressText
  readonly from: HealthState
  readonly to: HealthState
  readonly reason: string
}

/** An address that was not there before has changed from nothing. */
export function addressTransitions(before: MemberHealth, after: MemberHealth): AddressTransition[] {
  return (after.addresses ?? []).flatMap(({ address, state: to, reason }) => {
    const from = before.addresses?.find((one) => one.address === address)?.state ?? to
    return from === to ? [] : [{ address, from, to, reason }]
  })
}
