import type { Births } from '../model/births.ts'
import type { ServedKey } from '../model/dnssec.ts'
import type { Feed } from '../model/feed.ts'
import { matchesPattern } from '../model/glob.ts'
import type { MemberKey } from '../model/member-key.ts'
import type { Monitor } from '../model/monitor.ts'
import { isStanding, type Override, type ServiceOverride } from '../model/override.ts'
import { effectiveOverride, type MemberPattern, OverrideIndex } from '../model/override-index.ts'
import { needsAddresses, type Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import type { Webhook } from '../model/webhook.ts'
import type { ZoneHead } from '../model/zone.ts'
import { answeringPools, namersOf, nestedIn, once, partsOf, reach } from '../rules/graph.ts'

/** A zone's head with the serial of its SOA. */
export interface CatalogZone extends ZoneHead {
  readonly serial: number
  /** Those that it is signed with, sealed; left out for a zone that is not signed. */
  readonly keys?: readonly ServedKey[]
}

/** A service and the apex of the zone that it lies in. */
export interface CatalogService extends Service {
  readonly zone: string
  /** What an operator says of it where it stands in a pool's place; null or left out for nothing. */
  readonly override?: ServiceOverride | null
}

/** A revision of the configuration, and what tells it from another one of its number (see `stampOf`); null when that is not known. */
export interface Mark {
  readonly revision: number
  readonly stamp: string | null
}

/** What a catalog is made of. A snapshot holds no webhooks. */
export type CatalogParts = Pick<
  Catalog,
  'revision' | 'monitors' | 'pools' | 'services' | 'zones' | 'overrides'
> &
  Partial<Pick<Catalog, 'stamp' | 'feeds' | 'webhooks' | 'births'>>

/** A member that is a host whose addresses something depends on. */
export interface HostedMember extends MemberKey {
  readonly host: string
}

/** Who leads where: the same for all catalogs with these pools and services, and made when it is asked for. */
class Links {
  readonly pools: Catalog['pools']
  /** Bounded by the services, for nobody asks for others. */
  readonly poolsOf: (service: string) => ReadonlySet<string>
  readonly #services: Catalog['services']
  #byZone: Map<string, string[]> | undefined
  #byPool: Map<string, string[]> | undefined
  #outer: Map<string, string[]> | undefined

  constructor(pools: Catalog['pools'], services: Catalog['services']) {
    this.pools = pools
    this.#services = services
    this.poolsOf = once(answeringPools(pools, services))
  }

  get byZone(): ReadonlyMap<string, readonly string[]> {
    this.#byZone ??= this.#by(({ zone }) => [zone])
    return this.#byZone
  }

  get byPool(): ReadonlyMap<string, readonly string[]> {
    this.#byPool ??= this.#by(({ name }) => this.poolsOf(name))
    return this.#byPool
  }

  get outer(): ReadonlyMap<string, readonly string[]> {
    this.#outer ??= this.#by(nestedIn)
    return this.#outer
  }

  /** The names of the services by what each of them names. */
  #by(namesOf: (service: CatalogService) => Iterable<string>): Map<string, string[]> {
    return namersOf(Array.from(this.#services, ([name, service]) => [name, namesOf(service)]))
  }
}

/** By services. */
const links = new WeakMap<Catalog['services'], Links>()

function linksOf(pools: Catalog['pools'], services: Catalog['services']): Links {
  const known = links.get(services)
  if (known?.pools === pools) return known
  const made = new Links(pools, services)
  links.set(services, made)
  return made
}

/**
 * The configuration of one revision in memory, apart from the zones' RRsets, which only the images hold. Immutable: a
 * change makes a new catalog that shares what stayed.
 */
export class Catalog implements Mark {
  readonly revision: number
  readonly stamp: string | null
  // By name; overrides by `formatMemberKey`
  readonly feeds: ReadonlyMap<string, Feed>
  readonly monitors: ReadonlyMap<string, Monitor>
  readonly pools: ReadonlyMap<string, Pool>
  readonly services: ReadonlyMap<string, CatalogService>
  readonly zones: ReadonlyMap<string, CatalogZone>
  readonly overrides: ReadonlyMap<string, Override>
  readonly webhooks: ReadonlyMap<string, Webhook>
  readonly births: Births
  readonly #links: Links
  #byHost: Map<string, HostedMember[]> | undefined
  #overrideIndex: OverrideIndex | undefined
  #serviceOverrides: readonly ServiceOverride[] | undefined

  static readonly empty = new Catalog({
    revision: -1,
    monitors: new Map(),
    pools: new Map(),
    services: new Map(),
    zones: new Map(),
    overrides: new Map(),
  })

  constructor(parts: CatalogParts) {
    this.revision = parts.revision
    this.stamp = parts.stamp ?? null
    this.feeds = parts.feeds ?? new Map()
    this.monitors = parts.monitors
    this.pools = parts.pools
    this.services = parts.services
    this.zones = parts.zones
    this.overrides = parts.overrides
    this.webhooks = parts.webhooks ?? new Map()
    this.births = parts.births ?? new Map()
    this.#links = linksOf(this.pools, this.services)
  }

  /** The same revision with other overrides. */
  with({ overrides, services }: Pick<Catalog, 'overrides' | 'services'>): Catalog {
    return new Catalog({ ...this, overrides, services })
  }

  /** Names of the services that lie in a zone. */
  servicesIn(apex: string): readonly string[] {
    return this.#links.byZone.get(apex) ?? []
  }

  /** Names of the services that may be answered from a pool, by whatever service or fallback between them. */
  servicesOf(pool: string): readonly string[] {
    return this.#links.byPool.get(pool) ?? []
  }

  /** Names of the pools that a service may be answered from; see `answeringPools`. */
  poolsOf(service: string): ReadonlySet<string> {
    return this.#links.poolsOf(service)
  }

  /** Names of these services, and of all that lead to them, directly or through others. */
  withOuterServices(services: Iterable<string>): readonly string[] {
    return reach(services, (inner) => this.#links.outer.get(inner) ?? [])
  }

  /** Names of the pools whose members these monitors judge, directly or as part of a composite. */
  poolsJudgedBy(monitors: Iterable<string>): readonly string[] {
    const changed = [...monitors]
    if (changed.length === 0) return []
    const composites = namersOf(Array.from(this.monitors, ([name, monitor]) => [name, partsOf(monitor)]))
    const judging = new Set(reach(changed, (part) => composites.get(part) ?? []))
    return [...this.pools.values()].flatMap(({ name, monitor }) =>
      monitor !== null && judging.has(monitor) ? [name] : [],
    )
  }

  /** The override that holds a member of a pool that there is; null when none does. */
  overrideOf(pool: string, member: string, now: Date): Override | null {
    this.#overrideIndex ??= new OverrideIndex(this.overrides.values())
    return effectiveOverride(this.#overrideIndex, pool, member, now)
  }

  /** What an operator says of services that stand in a pool's place, whether it has ended or not. */
  get serviceOverrides(): readonly ServiceOverride[] {
    this.#serviceOverrides ??= [...this.services.values()].flatMap(({ override }) => override ?? [])
    return this.#serviceOverrides
  }

  /** The override of a service that stands now; null for none. */
  overrideOfService(service: string, now: Date): ServiceOverride | null {
    const override = this.services.get(service)?.override ?? null
    return override !== null && isStanding(override, now) ? override : null
  }

  /** The pools with a member that one of these patterns matches. */
  poolsMatching(patterns: Iterable<MemberPattern>): Set<string> {
    const found = new Set<string>()
    for (const { pool, member } of patterns) {
      const exact = this.pools.get(pool)
      for (const { name, members } of exact === undefined ? this.pools.values() : [exact]) {
        if (found.has(name) || !matchesPattern(pool, name)) continue
        if (members.some((candidate) => matchesPattern(member, candidate.name))) found.add(name)
      }
    }
    return found
  }

  /** The members that overrides drain now. */
  drained(now: Date): MemberPattern[] {
    if (![...this.overrides.values()].some(({ state }) => state === 'drain')) return []
    return [...this.pools.values()].flatMap(({ name: pool, members }) =>
      members.flatMap(({ name: member }) =>
        this.overrideOf(pool, member, now)?.state === 'drain' ? [{ pool, member }] : [],
      ),
    )
  }

  /** The hosts that have to be resolved, each with the members that name it. */
  get hosts(): ReadonlyMap<string, readonly HostedMember[]> {
    this.#byHost ??= Map.groupBy(hostedMembers(this.pools.values()), ({ host }) => host)
    return this.#byHost
  }
}

function hostedMembers(pools: Iterable<Pool>): HostedMember[] {
  return [...pools].flatMap((pool) =>
    pool.members.flatMap((member) =>
      member.host !== null && needsAddresses(pool, member)
        ? [{ pool: pool.name, member: member.name, host: member.host }]
        : [],
    ),
  )
}
