/** What is wrong between the parts of a configuration, by the rules of `rules/` and with the paths of the document. */
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import type { Configuration } from '../model/configuration.ts'
import type { Problem } from '../model/errors.ts'
import { addressBreaches } from '../rules/addresses.ts'
import type { Breach } from '../rules/breach.ts'
import { usesOfFeedsBreaches } from '../rules/feed-uses.ts'
import { feedCountBreaches } from '../rules/feeds.ts'
import { aliasBreaches, aliasedServices, placeBreaches } from '../rules/places.ts'
import { planSizeBreaches, poolSizeBreaches, sizeOf } from '../rules/plan-size.ts'
import {
  choiceBreaches,
  fallbackOfPoolBreaches,
  monitorNestingBreaches,
  monitorOfPoolBreaches,
  partBreaches,
  serviceNestingBreaches,
} from '../rules/references.ts'
import { type ConfigurationView, type Parts, viewOf } from '../rules/view.ts'
import { joinPath } from './path.ts'

/** Names of parts that are there and could not be read, by kind. */
export type Unread = Readonly<
  Record<'feeds' | 'monitors' | 'pools' | 'services' | 'zones', ReadonlySet<string>>
>

/**
 * Names of what does not exist, circles, services outside of every zone or in the way of its data: all that no part shows alone.
 *
 * @param unread of which nothing is known but that they are there: what may hold because of them is not told
 */
export function crossProblems(configuration: Configuration, unread?: Unread): Problem[] {
  return judgeableBreaches(configuration, unread).map(toProblem)
}

/** As `crossProblems`. */
export function judgeableBreaches(configuration: Configuration, unread?: Unread): Breach[] {
  if (unread === undefined) return crossBreaches(configuration)
  const placed = configuration.services.flatMap(({ name }) =>
    enclosingHostnames(name).some((each) => unread.zones.has(each)) ? [] : [name],
  )
  return crossBreaches(configuration, placed).filter(
    ({ missing }) => missing === undefined || !unread[missing.kind].has(missing.name),
  )
}

/** A configuration of which the zones may be known in part. */
export type JudgedConfiguration = Pick<Configuration, 'feeds' | 'monitors' | 'pools' | 'services'> &
  Pick<Parts, 'zones'>

/** @param placed services of which it is judged whether they may be where they are; all without */
export function crossBreaches(
  configuration: JudgedConfiguration,
  placed: readonly string[] = configuration.services.map(({ name }) => name),
): Breach[] {
  const view = viewOf(configuration, placed)
  return [
    ...feedCountBreaches(view.feeds),
    ...usesOfFeedsBreaches(view.feeds, configuration),
    ...[...view.monitors.keys()].flatMap((name) => partBreaches(view, name)),
    ...monitorNestingBreaches(view),
    ...configuration.pools.flatMap(({ name, members }) => addressBreaches(name, members)),
    ...configuration.pools.flatMap((pool) => poolSizeBreaches(pool.name, sizeOf(pool))),
    ...planSizeBreaches(
      view,
      [...view.services.keys()],
      new Map(configuration.pools.map((pool) => [pool.name, sizeOf(pool)])),
    ),
    ...[...view.pools.values()].flatMap((pool) => monitorOfPoolBreaches(view, pool)),
    ...planBreaches(view),
    ...placed.flatMap((name) => placeBreaches(view, name)),
    ...aliasBreaches(view, aliasedServices(view, placed)),
  ]
}

/** What plans can't be made of, in a document that may lack its zones and monitors. */
export function choiceProblems({ pools, services }: Configuration): Problem[] {
  return planBreaches(viewOf({ feeds: [], monitors: [], pools, services, zones: [] }, [])).map(toProblem)
}

function planBreaches(view: ConfigurationView): Breach[] {
  return [
    ...[...view.pools.values()].flatMap((pool) => fallbackOfPoolBreaches(view, pool)),
    ...[...view.services.values()].flatMap((service) => choiceBreaches(view, service)),
    ...serviceNestingBreaches(view),
  ]
}

export const toProblem = (breach: Breach): Problem => ({ path: pathOf(breach), message: breach.message })

/** Where it is in a document. */
export function pathOf({ kind, name, at }: Pick<Breach, 'kind' | 'name' | 'at'>): string {
  return joinPath(kind, name, ...at)
}
