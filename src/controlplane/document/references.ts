/** The names in a configuration that name something else in it: that it is there, and that no way leads in a circle. */

import type { Configuration } from '../model/configuration.ts'
import type { Problem } from '../model/errors.ts'
import type { Pool } from '../model/pool.ts'
import type { Choice, Service } from '../model/service.ts'
import { expansionProblems, nestedIn, nestingProblems, partsOf } from '../rules/graph.ts'
import { joinPath } from './path.ts'

/** All that is wrong with names. */
export function referenceProblems(configuration: Configuration): Problem[] {
  return [...monitorProblems(configuration), ...choiceProblems(configuration)]
}

/** Names of monitors that the configuration lacks, and composite monitors that lead back to themselves. */
function monitorProblems({ monitors, pools }: Configuration): Problem[] {
  const known = new Set(monitors.map(({ name }) => name))
  const composites = monitors.flatMap((monitor) => (monitor.type === 'composite' ? [monitor] : []))
  const missing = composites.flatMap((monitor) => {
    const at = joinPath(joinPath('monitors', monitor.name), 'monitors')
    return monitor.monitors.flatMap((part, index) =>
      known.has(part) ? [] : [{ path: joinPath(at, index), message: `there is no monitor ${part}` }],
    )
  })
  const ofPools = pools.flatMap(({ name, monitor }) => {
    if (monitor === null || known.has(monitor)) return []
    return [{ path: joinPath(joinPath('pools', name), 'monitor'), message: `there is no monitor ${monitor}` }]
  })
  const graph = new Map(composites.map((monitor) => [monitor.name, partsOf(monitor)]))
  const nested = [...nestingProblems(graph), ...expansionProblems(graph)].map(({ name, message }) => ({
    path: joinPath(joinPath('monitors', name), 'monitors'),
    message,
  }))
  return [...missing, ...nested, ...ofPools]
}

/**
 * Names of pools and services that the configuration lacks, services that lead back to themselves, and those that steer by
 * distances that nobody knows: what plans can't be made of.
 */
export function choiceProblems({ pools, services }: Configuration): Problem[] {
  const poolByName = new Map(pools.map((pool) => [pool.name, pool]))
  const serviceNames = new Set(services.map(({ name }) => name))
  const graph = new Map(services.map((service) => [service.name, nestedIn(service)]))
  const ofPools = pools.flatMap(({ name, fallback }) =>
    fallback === null || poolByName.has(fallback)
      ? []
      : [{ path: joinPath(joinPath('pools', name), 'fallback'), message: `there is no pool ${fallback}` }],
  )
  const ofServices = services.flatMap((service) => {
    const at = joinPath('services', service.name)
    const { choices, fallback } = service
    const exists = ({ kind, name }: Choice) =>
      kind === 'pool' ? poolByName.has(name) : serviceNames.has(name)
    const missing = choices.flatMap((choice, index) =>
      exists(choice)
        ? []
        : [
            {
              path: joinPath(joinPath(at, 'pools'), index),
              message: `there is no ${choice.kind} ${choice.name}`,
            },
          ],
    )
    if (fallback !== null && !poolByName.has(fallback)) {
      missing.push({ path: joinPath(at, 'fallback'), message: `there is no pool ${fallback}` })
    }
    return [...missing, ...(missing.length === 0 ? distanceProblems(service, poolByName, at) : [])]
  })
  const nested = nestingProblems(graph).map(({ name, message }) => ({
    path: joinPath(joinPath('services', name), 'pools'),
    message,
  }))
  return [...ofPools, ...ofServices, ...nested]
}

export const noLocation =
  'has no entry with a location, of its own or of its pool, and with steer: nearest the nearest one is chosen'

function distanceProblems(service: Service, pools: ReadonlyMap<string, Pool>, path: string): Problem[] {
  if (service.steer !== 'nearest') return []
  const located = service.choices.some(
    ({ kind, name, location }) =>
      location !== null || (kind === 'pool' && (pools.get(name)?.location ?? null) !== null),
  )
  return located ? [] : [{ path: joinPath(path, 'pools'), message: noLocation }]
}
