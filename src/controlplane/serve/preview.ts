/**
 * What answers would be by another configuration than the one that is served: by the code that plans, with what is known of members
 * now. Nothing of it is handed to anybody.
 */
import type { PlanNode, PlanTrees } from '../../dataplane/image/plan-tree.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { MemberKey } from '../model/member-key.ts'
import type { Resolution } from '../model/observation.ts'
import { toPlans } from '../steering/plan.ts'
import type { Selections, ServiceAreas } from '../steering/selection.ts'
import { type Shares, sharesOf } from '../steering/shares.ts'
import type { LocationMaps, PreviewedMaps } from './location-maps.ts'
import type { Planner } from './planner.ts'

/** How a service would be answered. */
export interface PreviewedService {
  /** By family, the same where they are not told apart; in each one for all clients, or one for each area. */
  readonly ipv4: readonly PreviewedShares[]
  readonly ipv6: readonly PreviewedShares[]
  readonly ttlSeconds: number
}

export interface PreviewedShares {
  /** Choices of the area in order of preference; null when the area does not matter. */
  readonly area: readonly string[] | null
  /** Shares of members, 1 together, or none. */
  readonly members: readonly (MemberKey & { readonly share: number })[]
}

export interface PreviewSources {
  readonly planner: Pick<Planner, 'preview'>
  readonly locations: Pick<LocationMaps, 'prepare' | 'previewed'>
  readonly resolution: (host: string) => Resolution
}

/** The plan that a service would have. */
interface PreviewedPlan {
  readonly selections: Selections
  readonly trees: PlanTrees
  /** By where they are counted. */
  readonly members: readonly MemberKey[]
  readonly ttlSeconds: number
}

/** What would be served of services by a catalog. */
export interface PreviewedPlans {
  /** Null for a service that the catalog has not. */
  planOf(service: string): PreviewedPlan | null
  readonly maps: PreviewedMaps
}

/** The plans of services by a catalog, each made when it is asked for. */
export async function previewPlans(
  { planner, locations, resolution }: PreviewSources,
  catalog: Catalog,
  signal: AbortSignal,
): Promise<PreviewedPlans> {
  const maps = locations.previewed(await locations.prepare(catalog, signal))
  const selectionsOf = planner.preview(catalog, maps.areas)
  const planOf = (name: string) => {
    const service = catalog.services.get(name)
    if (service === undefined) return null
    const selections = selectionsOf(name)
    const members: MemberKey[] = []
    const trees = toPlans(selections, {
      counterOf: (pool, member) => members.push({ pool: pool.name, member: member.name }) - 1,
      resolutionOf: resolution,
    })
    return { selections, trees, members, ttlSeconds: service.ttlSeconds }
  }
  return { planOf, maps }
}

/** How services are answered by a catalog. Of a service that the catalog has not, it gives null. */
export async function preview(
  sources: PreviewSources,
  catalog: Catalog,
  signal: AbortSignal,
): Promise<(service: string) => PreviewedService | null> {
  const { planOf, maps } = await previewPlans(sources, catalog, signal)
  return (name) => {
    const plan = planOf(name)
    if (plan === null) return null
    const { selections, members, ttlSeconds } = plan
    const { ipv4, ipv6 } = plan.trees
    const shares = (plan: PlanNode) =>
      sharesOf(plan).map((each, index) => ({
        area: plan.kind === 'located' ? areaOf(selections, maps.areas(name), index) : null,
        members: byMember(each, members),
      }))
    return { ipv4: shares(ipv4), ipv6: shares(ipv6), ttlSeconds }
  }
}

function areaOf({ ipv4 }: Selections, areas: ServiceAreas | null, index: number): readonly string[] {
  const { choices } = ipv4.judgement.service
  return (areas?.areas[index] ?? []).map((choice) => choices[choice]!.name)
}

/** A member may be counted at several places of one plan. */
function byMember(shares: Shares, members: readonly MemberKey[]): PreviewedShares['members'] {
  const found = new Map<string, MemberKey & { share: number }>()
  for (const [counter, share] of shares) {
    const { pool, member } = members[counter]!
    const key = `${pool}/${member}`
    const known = found.get(key)
    if (known === undefined) found.set(key, { pool, member, share })
    else known.share += share
  }
  return [...found.values()]
}
