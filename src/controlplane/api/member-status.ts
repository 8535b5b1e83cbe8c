/** What is known of a member beside its configuration: what the probes, an operator and the resolvers say. */
import Type, { type Static } from 'typebox'
import { formatOverride } from '../document/override.ts'
import {
  healthStates,
  type Member,
  type Override,
  overrideStates,
  type Pool,
  type Resolution,
  resolutionStates,
} from '../model.ts'
import { needsAddresses } from '../steering/conditions.ts'
import type { ApiContext } from './context.ts'

const Instant = Type.String({ format: 'date-time' })
const InstantOrNull = Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' })

export const OverrideView = Type.Object({
  state: Type.Enum([...overrideStates]),
  until: InstantOrNull,
  reason: Type.String(),
  status: Type.Object({ since: Instant, actor: Type.String() }),
})

const ResolutionView = Type.Object({
  state: Type.Enum([...resolutionStates], {
    description:
      '`fresh`: the last lookup gave the addresses; `stale`: it did not, and the last good ones are kept; ' +
      '`absent`: there are none; `failed`: nothing is known; `pending`: not looked up yet',
  }),
  addresses: Type.Array(Type.String()),
  since: Instant,
  expires: InstantOrNull,
  error: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    description: 'why the last lookup gave less than it should',
  }),
})

export const MemberStatus = Type.Object({
  state: Type.Enum([...healthStates], {
    description: 'what the probes say; in a pool without a monitor `up`, but for a host without addresses',
  }),
  since: InstantOrNull,
  reason: Type.String(),
  override: Type.Unsafe<Static<typeof OverrideView> | null>(
    Type.Union([OverrideView, Type.Null()], {
      description: "the operator's word, which goes before the state",
    }),
  ),
  resolution: Type.Optional(
    Type.Unsafe<Static<typeof ResolutionView>>({
      ...ResolutionView,
      description: 'of a member that is a host; left out where its addresses are not needed',
    }),
  ),
})

export function presentOverride(override: Override): Static<typeof OverrideView> {
  const { state, until, reason } = formatOverride(override)
  return {
    state,
    until: until ?? null,
    reason: reason ?? '',
    status: { since: override.since.toISOString(), actor: override.actor },
  }
}

/** The measured state and the override, side by side. `override` null when there is none, or it has ended. */
export function memberStatus(
  context: ApiContext,
  pool: Pool,
  member: Member,
  override: Override | null,
): Static<typeof MemberStatus> {
  const standing = override !== null && (override.until === null || override.until > context.now())
  const resolution = resolutionOf(context, pool, member)
  return {
    ...measured(context, pool, member, resolution),
    override: standing ? presentOverride(override) : null,
    ...(resolution === null ? {} : { resolution: presentResolution(resolution) }),
  }
}

function resolutionOf(context: ApiContext, pool: Pool, member: Member): Resolution | null {
  if (member.host === null || !needsAddresses(pool, member)) return null
  return context.resolution?.(member.host) ?? null
}

function presentResolution({ state, addresses, since, expiresAt, error }: Resolution) {
  return {
    state,
    addresses: [...addresses],
    since: since.toISOString(),
    expires: expiresAt?.toISOString() ?? null,
    error,
  }
}

function measured(
  context: ApiContext,
  pool: Pool,
  member: Member,
  resolution: Resolution | null,
): Pick<Static<typeof MemberStatus>, 'state' | 'since' | 'reason'> {
  if (pool.monitor === null && resolution?.addresses.length === 0) {
    const state = resolution.state === 'pending' ? 'unknown' : 'down'
    return { state, since: resolution.since.toISOString(), reason: 'not resolved' }
  }
  if (pool.monitor === null) return { state: 'up', since: null, reason: 'the pool has no monitor' }
  const health = context.health.availability().get(pool.name)?.get(member.name)
  if (health === undefined) return { state: 'unknown', since: null, reason: 'not probed yet' }
  return { state: health.state, since: health.since.toISOString(), reason: health.reason }
}
