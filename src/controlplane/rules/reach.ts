/**
 * Whom a part of the configuration names, and how far whoever writes it must reach. What it named before it may go on naming: who
 * may set the weights of a service need not reach its pools. What it names anew must be reached, or a service would give the
 * addresses of anybody's pool away, and tell whether there is such a pool; and a pool the values of anybody's feed, which its status shows.
 */
import type { Monitor } from '../model/monitor.ts'
import type { Member, Pool } from '../model/pool.ts'
import type { Named, Reach } from '../model/reach.ts'
import type { Service } from '../model/service.ts'
import { columnsOfMember, columnsOfMonitor, columnsOfPool } from './feed-uses.ts'
import type { ColumnUse } from './feeds.ts'
import { partsOf } from './graph.ts'

export function namedByMonitor(monitor: Monitor): Named[] {
  return [
    ...partsOf(monitor).map((name) => ({ kind: 'monitor', name }) as const),
    ...feedsOf(columnsOfMonitor(monitor)),
  ]
}

export function namedByPool(pool: Pool): Named[] {
  const { monitor, fallback } = pool
  return [
    ...(monitor === null ? [] : [{ kind: 'monitor', name: monitor } as const]),
    ...(fallback === null ? [] : [{ kind: 'pool', name: fallback } as const]),
    ...feedsOf(columnsOfPool(pool)),
  ]
}

export function namedByMember(member: Member): Named[] {
  return feedsOf(columnsOfMember(member))
}

const feedsOf = (uses: readonly ColumnUse[]) =>
  uses.map(({ feed }) => ({ kind: 'feed', name: feed }) as const)

export function namedByService({ choices, fallback }: Pick<Service, 'choices' | 'fallback'>): Named[] {
  return [
    ...choices.map(({ kind, name }) => ({ kind, name })),
    ...(fallback === null ? [] : [{ kind: 'pool', name: fallback } as const]),
  ]
}

/** The first that is named, was not before and is not reached; undefined when there is none. */
export function firstBeyond(
  reach: Reach,
  named: readonly Named[],
  before: readonly Named[],
): Named | undefined {
  const known = new Set(before.map(({ kind, name }) => `${kind} ${name}`))
  return named.find((one) => !known.has(`${one.kind} ${one.name}`) && !reach.includes(one))
}
