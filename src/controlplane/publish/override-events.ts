import { isDeepStrictEqual } from 'node:util'
import type { Override, OverrideState } from '../model.ts'
import type { Catalog } from './catalog.ts'

/** What became of an override. Pool and member are names or patterns, as in the override. */
export interface OverrideEvent {
  readonly pool: string
  readonly member: string
  readonly what: 'set' | 'changed' | 'deleted' | 'expired'
  /** The override's; of one that is gone, what it was. */
  readonly state: OverrideState
  /** Who set it; null of one that was deleted, by whom only the audit log says. */
  readonly actor: string | null
  readonly reason: string
  readonly at: Date
}

/**
 * What happened to overrides from one catalog to the next, in the order of pools and members. Every node that follows the
 * configuration sees the same. From no configuration at all to the first nothing has happened: it was so before.
 */
export function overrideEvents(before: Catalog, after: Catalog, now: Date): OverrideEvent[] {
  if (before.revision < 0 || before.overrides === after.overrides) return []
  const events: OverrideEvent[] = []
  for (const [key, override] of after.overrides) {
    const old = before.overrides.get(key)
    if (old === undefined) events.push(eventOf(override, 'set', override.since))
    else if (!isDeepStrictEqual(old, override)) events.push(eventOf(override, 'changed', override.since))
  }
  for (const [key, override] of before.overrides) {
    if (after.overrides.has(key)) continue
    const { until } = override
    events.push(
      until !== null && until <= now
        ? eventOf(override, 'expired', until)
        : { ...eventOf(override, 'deleted', now), actor: null },
    )
  }
  return events.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

function eventOf(override: Override, what: OverrideEvent['what'], at: Date): OverrideEvent {
  const { pool, member, state, actor, reason } = override
  return { pool, member, what, state, actor, reason, at }
}

function keyOf({ pool, member }: OverrideEvent): string {
  return `${pool}/${member}`
}
