/**
 * Which override holds a member when several match it. One of the exact pool and the exact member goes before every pattern;
 * of patterns the one with more characters that stand for themselves, pool and member together; of those with as many the one
 * that was set last. What has ended holds nothing, whether or not it has been deleted yet.
 */
import { isPattern, literalCharacters, matchesPattern } from './glob.ts'
import { formatMemberKey, type MemberKey } from './member-key.ts'
import { isStanding, type Override } from './override.ts'

/** A member, or members by patterns for their names. */
export type MemberPattern = MemberKey

/** Whether it stands for one member, by name. */
export function isExact({ pool, member }: MemberPattern): boolean {
  return !isPattern(pool) && !isPattern(member)
}

/** Overrides in the order in which they are asked for. Never changes. Bounded by the overrides. */
export class OverrideIndex {
  readonly #exact = new Map<string, Override>()
  readonly #patterns: readonly Override[]
  /** Patterns by the pools that they match. Bounded by the pools that there are: nobody asks for others. */
  readonly #byPool = new Map<string, readonly Override[]>()

  constructor(overrides: Iterable<Override>) {
    const patterns: Override[] = []
    for (const override of overrides) {
      if (isExact(override)) this.#exact.set(formatMemberKey(override), override)
      else patterns.push(override)
    }
    this.#patterns = patterns.sort(byPrecedence)
  }

  exact(pool: string, member: string): Override | null {
    return this.#exact.get(formatMemberKey({ pool, member })) ?? null
  }

  /** The overrides by patterns whose pool part matches, those that go before others first. */
  patternsOf(pool: string): readonly Override[] {
    const known = this.#byPool.get(pool)
    if (known !== undefined) return known
    const found = this.#patterns.filter((override) => matchesPattern(override.pool, pool))
    this.#byPool.set(pool, found)
    return found
  }
}

/** The override that holds a member now; null when none does. Costs a look, and one for each pattern of the pool. */
export function effectiveOverride(
  overrides: OverrideIndex,
  pool: string,
  member: string,
  now: Date,
): Override | null {
  const exact = overrides.exact(pool, member)
  if (exact !== null && isStanding(exact, now)) return exact
  const holds = (override: Override) => matchesPattern(override.member, member) && isStanding(override, now)
  return overrides.patternsOf(pool).find(holds) ?? null
}

function byPrecedence(a: Override, b: Override): number {
  const literals = literalsOf(b) - literalsOf(a)
  if (literals !== 0) return literals
  const age = b.since.getTime() - a.since.getTime()
  if (age !== 0) return age
  // Set at the same time: any order will do, if it is the same on every node.
  return formatMemberKey(a) < formatMemberKey(b) ? -1 : 1
}

function literalsOf({ pool, member }: MemberPattern): number {
  return literalCharacters(pool) + literalCharacters(member)
}
