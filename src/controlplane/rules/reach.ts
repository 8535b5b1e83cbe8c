/**
 * Whom a part of the configuration names, and how far whoever writes it must reach. What it named before it may go on naming: who
 * may set the weights of a service need not reach its pools. What it names anew must be reached, or a service would give the
 * addresses of anybody's pool away, and tell whether there is such a pool.
 */
import type { Monitor } from '../model/monitor.ts'
import type { Pool } from '../model/pool.ts'
import type { Named, Reach } from '../model/reach.ts'
import type { Service } from '../model/service.ts'
import { partsOf } from './graph.ts'

export function namedByMonitor(monitor: Pick<Monitor, 'type'>): Named[] {
  return partsOf(monitor).map((name) => ({ kind: 'monitor', name }))
}

export function namedByPool({ monitor, fallback }: Pick<Pool, 'monitor' | 'fallback'>): Named[] {
  return [
    ...(monitor === null ? [] : [{ kind: 'monitor', name: monitor } as const]),
    ...(fallback === null ? [] : [{ kind: 'pool', name: fallback } as const]),
  ]
}

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
