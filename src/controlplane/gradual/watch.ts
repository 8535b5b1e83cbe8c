/** Whether what gains traffic by a gradual change fails, by what this node knows of it. */
import type { Catalog } from '../catalog/catalog.ts'
import type { GradualCourse, GradualPart, HaltCondition } from '../model/gradual.ts'
import type { HealthState } from '../model/observation.ts'
import { gaining } from './weights.ts'

export interface Watched {
  readonly catalog: Pick<Catalog, 'pools' | 'poolsOf'>
  /** Null for what has not been looked at. */
  condition(
    kind: 'pool' | 'service',
    name: string,
  ): { readonly condition: string; readonly reason: string } | null
  /** Null for one that nothing measures. */
  member(pool: string, member: string): { readonly state: HealthState; readonly reason: string } | null
}

type Finding = (part: GradualPart, watched: Watched) => string | null

const findings: Readonly<Record<HaltCondition, Finding>> = {
  degraded: (part, watched) =>
    part.kind === 'pool'
      ? memberDown(part, watched)
      : gainingChoice(part, watched, (condition) => condition === 'degraded' || condition === 'down'),
  down: (part, watched) =>
    part.kind === 'pool'
      ? conditionOf('pool', part.name, watched, (condition) => condition === 'down')
      : gainingChoice(part, watched, (condition) => condition === 'down'),
  'member-down': memberDown,
}

/** @returns such as `pool web-us is degraded: 1 of 2 members up`; null while nothing fails */
export function failureOf(
  { haltWhen, parts }: Pick<GradualCourse, 'haltWhen'> & { readonly parts: readonly GradualPart[] },
  watched: Watched,
): string | null {
  return first(parts, (part) => first(haltWhen, (when) => findings[when](part, watched)))
}

function gainingChoice(part: GradualPart, watched: Watched, fails: (condition: string) => boolean) {
  return first(gaining(part), (key) => {
    const { kind, name } = choiceOf(key)
    return conditionOf(kind, name, watched, fails)
  })
}

function conditionOf(
  kind: 'pool' | 'service',
  name: string,
  watched: Watched,
  fails: (condition: string) => boolean,
): string | null {
  const found = watched.condition(kind, name)
  return found !== null && fails(found.condition)
    ? `${kind} ${name} is ${found.condition}: ${found.reason}`
    : null
}

function memberDown(part: GradualPart, watched: Watched): string | null {
  const { catalog } = watched
  const down = (pool: string, member: string) => {
    const found = watched.member(pool, member)
    return found?.state === 'down' ? `member ${pool}/${member} is down: ${found.reason}` : null
  }
  if (part.kind === 'pool') return first(gaining(part), (member) => down(part.name, member))
  const pools = gaining(part).flatMap((key) => {
    const { kind, name } = choiceOf(key)
    return kind === 'pool' ? [name] : [...catalog.poolsOf(name)]
  })
  return first(pools, (pool) => first(catalog.pools.get(pool)?.members ?? [], ({ name }) => down(pool, name)))
}

function choiceOf(key: string): { readonly kind: 'pool' | 'service'; readonly name: string } {
  const at = key.indexOf(' ')
  return { kind: key.slice(0, at) as 'pool' | 'service', name: key.slice(at + 1) }
}

/** What is found in the first of them in which something is. */
function first<T>(all: readonly T[], find: (one: T) => string | null): string | null {
  for (const one of all) {
    const found = find(one)
    if (found !== null) return found
  }
  return null
}
