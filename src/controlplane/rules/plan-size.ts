/**
 * What the plan of a service may come to, by the configuration alone: whoever writes it is told then, and not when health changes at
 * night, that a plan can't hold it. A host counts as one address here; what its name comes to is known later, and told by the
 * status of the service then.
 *
 * The worst that health can make of a service counts. Of `failover` and `latency` one choice is answered at a time, and with it those
 * that take what full pools spill; of all others, and where clients that a nested service has nothing for go on to the next
 * choice, every choice may be in one plan. What members add that shed is left out: it is little (`steering/pool-tree.ts`).
 */
import { maxCandidates, maxPlanCandidates } from '../../dataplane/image/plan.ts'
import { familyOf } from '../model/family.ts'
import { addressesOf, type Pool } from '../model/pool.ts'
import type { Breach } from './breach.ts'
import { answeringPools } from './graph.ts'
import { aliasedServices } from './places.ts'
import type { ConfigurationView, ServiceView } from './view.ts'

/** What a pool has, up or down. */
export interface PoolSize {
  readonly ipv4: number
  readonly ipv6: number
  readonly hosts: number
}

const nothing: PoolSize = { ipv4: 0, ipv6: 0, hosts: 0 }

/** Full pools of which one takes what the other spills, besides the last that takes it (`maxFilledHeight` in `steering/holes.ts`). */
const mostSpilling = 7

type Sizes = ReadonlyMap<string, PoolSize>

export function sizeOf({ members }: Pick<Pool, 'members'>): PoolSize {
  const all = members.flatMap(addressesOf)
  const ipv4 = all.filter((address) => familyOf(address) === 'ipv4').length
  return { ipv4, ipv6: all.length - ipv4, hosts: members.filter(({ host }) => host !== null).length }
}

const total = ({ ipv4, ipv6, hosts }: PoolSize) => ipv4 + ipv6 + hosts

/** A pool with more addresses of a family than it can choose among. */
export function poolSizeBreaches(name: string, { ipv4, ipv6 }: PoolSize): Breach[] {
  return [
    { family: 'IPv4', count: ipv4 },
    { family: 'IPv6', count: ipv6 },
  ].flatMap(({ family, count }) => {
    if (count <= maxCandidates) return []
    const message =
      `pool ${name} has ${count} ${family} addresses, and a pool can choose among ${maxCandidates} of a family: ` +
      'split it, and name both pools where it is named'
    return [{ code: 'conflict' as const, kind: 'pools' as const, name, at: ['members'], message }]
  })
}

type View = Pick<ConfigurationView, 'pools' | 'services'>

/** Services that no plan can hold, or of whose pools one can hold but a part. */
export function planSizeBreaches(view: View, names: Iterable<string>, sizes: Sizes): Breach[] {
  const reached = [...names]
  const poolsOf = plannedPools(view, sizes)
  const found = reached.flatMap((name) => {
    const pools = [...poolsOf(name)]
    const count = pools.reduce((sum, pool) => sum + worst(view, sizes, pool), 0)
    if (count <= maxPlanCandidates) return []
    const message =
      `service ${name} may have to be answered from ${count} addresses at once, those of ${listed(pools)}, and the most that ` +
      `a service can is ${maxPlanCandidates}: name fewer or smaller pools`
    return [breach(name, message)]
  })
  return [...found, ...joinedBreaches(view, reached, sizes)]
}

/**
 * Where a CNAME may be the answer, A and AAAA are chosen for at once (`steering/select.ts`), and the addresses of both families are
 * candidates of one choice.
 */
function joinedBreaches(view: View, names: readonly string[], sizes: Sizes): Breach[] {
  const poolsOf = answeringPools(view.pools, view.services)
  return Array.from(aliasedServices(view, names)).flatMap(([name, alias]) =>
    [...poolsOf(name)].flatMap((pool) => {
      const count = total(sizes.get(pool) ?? nothing)
      if (count <= maxCandidates) return []
      const message =
        `service ${name} may be answered by pool ${alias} with a CNAME (hosts: cname), so that both families are chosen for at ` +
        `once, and pool ${pool} has ${count} addresses, where ${maxCandidates} can be: split pool ${pool}, or give pool ` +
        `${alias} hosts: resolve`
      return [breach(name, message)]
    }),
  )
}

/** The pools that may be in the plan of a service together, those of them that come to most. */
function plannedPools({ services, pools }: View, sizes: Sizes): (service: string) => ReadonlySet<string> {
  const known = new Map<string, ReadonlySet<string>>()
  const sum = (names: Iterable<string>) =>
    [...names].reduce((count, pool) => count + worst({ services, pools }, sizes, pool), 0)
  const planned = (name: string): ReadonlySet<string> => {
    const before = known.get(name)
    if (before !== undefined) return before
    // What leads back to itself is told by another rule.
    known.set(name, new Set())
    const service = services.get(name)
    const made = service === undefined ? new Set<string>() : ofService(service)
    known.set(name, made)
    return made
  }
  const ofService = ({ steer, choices, fallback }: ServiceView): ReadonlySet<string> => {
    const parts = choices.map((choice) =>
      choice.kind === 'pool' ? new Set([choice.name]) : planned(choice.name),
    )
    const last = fallback === null ? [] : [new Set([fallback])]
    const one = (steer === 'failover' || steer === 'latency') && choices.every(({ kind }) => kind === 'pool')
    if (!one) return new Set([...parts, ...last].flatMap((part) => [...part]))
    return [spillingChain(choices), ...parts, ...last].reduce(
      (most, part) => (sum(part) > sum(most) ? part : most),
      new Set<string>(),
    )
  }
  /** Pools that may be answered one behind the other, as all that have a capacity are full: the largest that there can be. */
  const spillingChain = (choices: ServiceView['choices']): ReadonlySet<string> => {
    const largestFirst = choices.map(({ name }) => name).sort((a, b) => sum([b]) - sum([a]))
    const spills = (name: string) => (pools.get(name)?.capacity ?? null) !== null
    const chain = largestFirst.filter(spills).slice(0, mostSpilling)
    const end = largestFirst.find((name) => !spills(name))
    return new Set(chain.length === 0 || end === undefined ? chain : [...chain, end])
  }
  return planned
}

/** What a pool is answered with: its own members, or those of its fallback. */
function worst({ pools }: View, sizes: Sizes, name: string): number {
  const fallback = pools.get(name)?.fallback ?? null
  const own = total(sizes.get(name) ?? nothing)
  return fallback === null ? own : Math.max(own, total(sizes.get(fallback) ?? nothing))
}

const shownPools = 5

function listed(pools: readonly string[]): string {
  const shown = pools.slice(0, shownPools).join(', ')
  return `pools ${shown}${pools.length > shownPools ? ` and ${pools.length - shownPools} others` : ''}`
}

const breach = (name: string, message: string): Breach => {
  return { code: 'conflict', kind: 'services', name, at: ['pools'], message }
}
