/**
 * What answers would be by another configuration than the one that is served: by the code that plans, with what is known of members
 * now. Nothing of it is handed to anybody.
 */
import { leavesOf, type PlanNode, type PlanTrees } from '../../dataplane/image/plan-tree.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Readings } from '../model/feed-use.ts'
import type { MemberKey } from '../model/member-key.ts'
import type { Resolution } from '../model/observation.ts'
import { toPlans } from '../steering/plan.ts'
import { mapsOf, nodeFor, type Shares, sharesOf } from '../steering/shares.ts'
import type { LocationMaps, PreviewedMaps } from './location-maps.ts'
import type { Planner } from './planner.ts'

/** How a service would be answered. */
export interface PreviewedService {
  /** By family, the same object where they are not told apart. */
  readonly ipv4: PreviewedAnswers
  readonly ipv6: PreviewedAnswers
  readonly ttlSeconds: number
}

export interface PreviewedAnswers {
  /** What they go by, where it matters where clients are. */
  readonly maps: readonly PreviewedMap[]
  /**
   * The shares for clients of some areas: 1 together, or none. The same object for areas that are answered alike.
   *
   * @param areas one for each of the maps
   */
  sharesIn(areas: readonly number[]): readonly PreviewedShare[]
  /** All that some client may be answered with. */
  readonly members: readonly MemberKey[]
}

export interface PreviewedMap {
  readonly image: SharedArrayBuffer
  /** How many areas are told apart. */
  readonly areas: number
}

export type PreviewedShare = MemberKey & { readonly share: number }

export interface PreviewSources {
  readonly planner: Pick<Planner, 'preview'>
  readonly locations: Pick<LocationMaps, 'foresee' | 'previewed'>
  readonly resolution: (host: string) => Resolution
  /** What feeds say for a configuration that may name others than the one that is served; left out: nothing. */
  readonly readings?: (catalog: Catalog) => Promise<Readings>
}

/** The plan that a service would have. */
interface PreviewedPlan {
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
  { planner, locations, resolution, readings }: PreviewSources,
  catalog: Catalog,
  signal: AbortSignal,
): Promise<PreviewedPlans> {
  const maps = locations.previewed(await locations.foresee(catalog, signal))
  const selectionsOf = planner.preview(catalog, maps.areas, await readings?.(catalog))
  const planOf = (name: string) => {
    const service = catalog.services.get(name)
    if (service === undefined) return null
    const members: MemberKey[] = []
    const trees = toPlans(selectionsOf(name), {
      counterOf: (pool, member) => members.push({ pool: pool.name, member: member.name }) - 1,
      resolutionOf: resolution,
    })
    return { trees, members, ttlSeconds: service.ttlSeconds }
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
    const { trees, members, ttlSeconds } = plan
    const ipv4 = answersOf(trees.ipv4, members, maps)
    return { ipv4, ipv6: trees.ipv4 === trees.ipv6 ? ipv4 : answersOf(trees.ipv6, members, maps), ttlSeconds }
  }
}

function answersOf(
  plan: PlanNode,
  members: readonly MemberKey[],
  { image }: Pick<PreviewedMaps, 'image'>,
): PreviewedAnswers {
  const maps = Array.from(mapsOf(plan), ([slot, areas]) => ({ slot, image: image(slot)!, areas }))
  const known = new Map<PlanNode, readonly PreviewedShare[]>()
  return {
    maps,
    sharesIn: (areas) => {
      const areaIn = (mapSlot: number) => areas[maps.findIndex(({ slot }) => slot === mapSlot)]!
      const node = nodeFor(plan, areaIn)
      const found = known.get(node) ?? byMember(sharesOf(node, areaIn), members)
      // Chance may come first, and places after it.
      if (mapsOf(node).size === 0) known.set(node, found)
      return found
    },
    members: leavesOf(plan).flatMap((leaf) =>
      Array.from(sharesOf(leaf, () => 0).keys(), (at) => members[at]!),
    ),
  }
}

/** A member may be counted at several places of one plan. */
function byMember(shares: Shares, members: readonly MemberKey[]): PreviewedShare[] {
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
