/** What is known of a member beside its configuration: what the probes say, and what an operator says. */
import Type, { type Static } from 'typebox'
import { formatOverride } from '../document/override.ts'
import { healthStates, type Override, overrideStates } from '../model.ts'
import type { ApiContext } from './context.ts'

const Instant = Type.String({ format: 'date-time' })
const InstantOrNull = Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' })

export const OverrideView = Type.Object({
  state: Type.Enum([...overrideStates]),
  until: InstantOrNull,
  reason: Type.String(),
  status: Type.Object({ since: Instant, actor: Type.String() }),
})

export const MemberStatus = Type.Object({
  state: Type.Enum([...healthStates], {
    description: 'what the probes say; `up` in a pool without a monitor',
  }),
  since: InstantOrNull,
  reason: Type.String(),
  override: Type.Unsafe<Static<typeof OverrideView> | null>(
    Type.Union([OverrideView, Type.Null()], {
      description: "the operator's word, which goes before the state",
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
  pool: { readonly name: string; readonly monitor: string | null },
  member: string,
  override: Override | null,
): Static<typeof MemberStatus> {
  const standing = override !== null && (override.until === null || override.until > context.now())
  return {
    ...measured(context, pool, member),
    override: standing ? presentOverride(override) : null,
  }
}

function measured(
  context: ApiContext,
  pool: { readonly name: string; readonly monitor: string | null },
  member: string,
): Omit<Static<typeof MemberStatus>, 'override'> {
  if (pool.monitor === null) return { state: 'up', since: null, reason: 'the pool has no monitor' }
  const health = context.health.availability().get(pool.name)?.get(member)
  if (health === undefined) return { state: 'unknown', since: null, reason: 'not probed yet' }
  return { state: health.state, since: health.since.toISOString(), reason: health.reason }
}
