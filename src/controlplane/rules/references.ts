/** Names that name something else: that it is there, that no way leads back or too far, and that the nearest can be told. */

import type { Breach } from './breach.ts'
import { expansionProblems, type NestingProblem, nestedIn, nestingProblems } from './graph.ts'
import type { ConfigurationView, PoolView, ServiceView } from './view.ts'

/** The parts that a composite monitor names and that do not exist. */
export function partBreaches({ monitors }: ConfigurationView, name: string): Breach[] {
  return (monitors.get(name) ?? []).flatMap((part, index) =>
    monitors.has(part) ? [] : missing('monitors', name, ['monitors', index], 'monitor', part),
  )
}

export function monitorOfPoolBreaches(
  { monitors }: ConfigurationView,
  { name, monitor }: PoolView,
): Breach[] {
  return monitor === null || monitors.has(monitor)
    ? []
    : missing('pools', name, ['monitor'], 'monitor', monitor)
}

export function fallbackOfPoolBreaches({ pools }: ConfigurationView, { name, fallback }: PoolView): Breach[] {
  return fallback === null || pools.has(fallback)
    ? []
    : missing('pools', name, ['fallback'], 'pool', fallback)
}

/** A service's names of nothing, and, where there are none, a service that chooses the nearest and knows of no place. */
export function choiceBreaches(view: ConfigurationView, service: ServiceView): Breach[] {
  const { name, choices, fallback } = service
  const found = choices.flatMap((choice, index) => {
    const there = (choice.kind === 'pool' ? view.pools : view.services).has(choice.name)
    return there ? [] : missing('services', name, ['pools', index], choice.kind, choice.name)
  })
  if (fallback !== null && !view.pools.has(fallback)) {
    found.push(...missing('services', name, ['fallback'], 'pool', fallback))
  }
  return found.length > 0 ? found : distanceBreaches(view, service)
}

/** A service that chooses the nearest of its pools, and no place of any is known. */
export function distanceBreaches({ pools }: ConfigurationView, service: ServiceView): Breach[] {
  const { name, steer, choices } = service
  const located = choices.some(
    (choice) =>
      choice.location !== null ||
      (choice.kind === 'pool' && (pools.get(choice.name)?.location ?? null) !== null),
  )
  if (steer !== 'nearest' || located) return []
  const message =
    `service ${name} has no entry with a location, of its own or of its pool, and with steer: nearest the nearest one ` +
    'is chosen'
  return [{ code: 'conflict', kind: 'services', name, at: ['pools'], message }]
}

/** Composite monitors that lead back to themselves, or through too many others. */
export function monitorNestingBreaches({ monitors }: ConfigurationView): Breach[] {
  return nested('monitors', 'monitors', [...nestingProblems(monitors), ...expansionProblems(monitors)])
}

/** Services that lead back to themselves, or through too many others. */
export function serviceNestingBreaches({ services }: ConfigurationView): Breach[] {
  const graph = new Map(Array.from(services, ([name, service]) => [name, nestedIn(service)]))
  return nested('services', 'pools', nestingProblems(graph))
}

function nested(kind: Breach['kind'], field: string, problems: readonly NestingProblem[]): Breach[] {
  return problems.map(({ name, message }) => ({ code: 'conflict', kind, name, at: [field], message }))
}

function missing(
  kind: Breach['kind'],
  name: string,
  at: Breach['at'],
  what: 'monitor' | 'pool' | 'service',
  named: string,
): Breach[] {
  const message = `there is no ${what} ${named}`
  return [{ code: 'invalid', kind, name, at, message, missing: { kind: `${what}s`, name: named } }]
}
