/** Overrides as the API shows them: each by itself, and the one that holds a member. */
import Type, { type Static } from 'typebox'
import { formatMemberKey } from '../../model/member-key.ts'
import { type Override, overrideStates } from '../../model/override.ts'
import { effectiveOverride, isExact, type MemberPattern, OverrideIndex } from '../../model/override-index.ts'
import { listMemberNames } from '../../store/members.ts'
import { listOverrides } from '../../store/overrides.ts'
import type { Tx } from '../../store/transaction.ts'
import type { Memory, Observations } from '../context.ts'
import { Instant, InstantOrNull } from '../schemas.ts'

const word = {
  state: Type.Enum([...overrideStates]),
  until: InstantOrNull,
  reason: Type.String(),
}
export const origin = {
  since: Instant,
  actor: Type.String(),
  pending: Type.Optional(
    Type.Literal(true, {
      description:
        'it was said to this node while the database was away, and the other nodes do not know of it yet',
    }),
  ),
}

/** The one that holds a member. */
export const EffectiveOverride = Type.Object(
  {
    ...word,
    pattern: Type.String({ description: 'pool and member, by name or by patterns, that it was set for' }),
    status: Type.Object(origin),
  },
  { title: 'EffectiveOverride' },
)

export const OverrideView = Type.Object(
  {
    ...word,
    status: Type.Object({
      ...origin,
      matches: Type.Integer({
        description: 'members that it holds now: it matches them, and no other override goes before it',
      }),
      answered: Type.Optional(
        Type.Boolean({
          description: 'of a drain: whether any of them is still answered, by this node or another live one',
        }),
      ),
      answeredBy: Type.Optional(
        Type.Array(Type.String(), {
          description:
            'of a drain that other live nodes have not heard of: their ids; they may still answer with it',
        }),
      ),
      safeAt: Type.Optional(
        Type.Unsafe<string | null>({
          ...InstantOrNull,
          description:
            'of a drain: when the last TTL that live nodes handed out with any of them has run out, at the latest. Null while ' +
            'any is answered, and when none has been for long',
        }),
      ),
    }),
  },
  { title: 'OverrideView' },
)

export function presentEffective(override: Override): Static<typeof EffectiveOverride> {
  const pattern = formatMemberKey(override)
  return { ...wordOf(override), pattern, status: originOf(override) }
}

/** @param held the members that it holds */
export function presentOverride(
  context: Observations,
  override: Override,
  held: readonly MemberPattern[],
): Static<typeof OverrideView> {
  return {
    ...wordOf(override),
    status: {
      ...originOf(override),
      matches: held.length,
      ...(override.state === 'drain' ? drainOf(context, held) : {}),
    },
  }
}

/** The members that each of these overrides holds, by the override. Reads the names of all members if any is a pattern's. */
export async function heldMembers(
  tx: Tx,
  overrides: readonly Override[],
  now: Date,
): Promise<(override: Override) => readonly MemberPattern[]> {
  // One of a member by name goes before all others, and is gone with its member.
  if (overrides.every(isExact)) return (override) => [override]
  const index = new OverrideIndex(await listOverrides(tx))
  return heldAmong(await listMemberNames(tx), ({ pool, member }) =>
    effectiveOverride(index, pool, member, now),
  )
}

/** The same out of memory. */
export function heldInMemory(
  { catalog }: Memory,
  overrides: readonly Override[],
  now: Date,
): (override: Override) => readonly MemberPattern[] {
  if (overrides.every(isExact)) return (override) => [override]
  const names = [...catalog.pools.values()].flatMap(({ name: pool, members }) =>
    members.map(({ name: member }) => ({ pool, member })),
  )
  return heldAmong(names, ({ pool, member }) => catalog.overrideOf(pool, member, now))
}

function heldAmong(
  names: readonly MemberPattern[],
  overrideOf: (member: MemberPattern) => Override | null,
): (override: Override) => readonly MemberPattern[] {
  const held = Map.groupBy(names, (name) => {
    const override = overrideOf(name)
    return override && formatMemberKey(override)
  })
  return (override) => (isExact(override) ? [override] : (held.get(formatMemberKey(override)) ?? []))
}

function wordOf({ state, until, reason }: Override) {
  return { state, until: until?.toISOString() ?? null, reason }
}

export function originOf({ since, actor, pending }: Pick<Override, 'since' | 'actor' | 'pending'>) {
  return { since: since.toISOString(), actor, ...(pending === undefined ? {} : { pending }) }
}

function drainOf({ handedOut }: Observations, held: readonly MemberPattern[]) {
  const states = held.map(({ pool, member }) => handedOut(pool, member))
  const answered = states.some((state) => state.answered)
  const latest = Math.max(0, ...states.map(({ safeAt }) => safeAt?.getTime() ?? 0))
  const answeredBy = [...new Set(states.flatMap((state) => state.answeredBy ?? []))]
  return {
    answered,
    ...(answeredBy.length === 0 ? {} : { answeredBy }),
    safeAt: answered || latest === 0 ? null : new Date(latest).toISOString(),
  }
}
