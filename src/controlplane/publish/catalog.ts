import type { Monitor, Override, Pool, Service, ZoneHead } from '../model.ts'
import { needsAddresses } from '../steering/select.ts'
import type { Webhook } from '../webhook.ts'

/** A zone's head with the serial of its SOA. */
export interface CatalogZone extends ZoneHead {
  readonly serial: number
}

/** A service and the apex of the zone that it lies in. */
export interface CatalogService extends Service {
  readonly zone: string
}

/** What a catalog is made of. Maps are by name; overrides by `memberKey`. */
export interface CatalogParts {
  /** Revision of the configuration. */
  readonly revision: number
  /** Tells that revision from another one of its number (see `stampOf`); null or left out when that is not known. */
  readonly stamp?: string | null
  readonly monitors: ReadonlyMap<string, Monitor>
  readonly pools: ReadonlyMap<string, Pool>
  readonly services: ReadonlyMap<string, CatalogService>
  readonly zones: ReadonlyMap<string, CatalogZone>
  readonly overrides: ReadonlyMap<string, Override>
  /** None when left out: a snapshot holds none. */
  readonly webhooks?: ReadonlyMap<string, Webhook>
}

const noWebhooks: ReadonlyMap<string, Webhook> = new Map()

/** A member that is a host whose addresses something depends on. */
export interface HostedMember {
  readonly pool: string
  readonly member: string
  readonly host: string
}

/** Neither a pool's name nor a member's holds a slash. */
export function memberKey(pool: string, member: string): string {
  return `${pool}/${member}`
}

/**
 * The configuration of one revision in memory, apart from the zones' RRsets, which only the images hold. Immutable: a
 * change makes a new catalog that shares what stayed.
 */
export class Catalog implements CatalogParts {
  readonly revision: number
  readonly stamp: string | null
  readonly monitors: ReadonlyMap<string, Monitor>
  readonly pools: ReadonlyMap<string, Pool>
  readonly services: ReadonlyMap<string, CatalogService>
  readonly zones: ReadonlyMap<string, CatalogZone>
  readonly overrides: ReadonlyMap<string, Override>
  readonly webhooks: ReadonlyMap<string, Webhook>
  #byZone: Map<string, string[]> | undefined
  #byPool: Map<string, string[]> | undefined
  #byHost: Map<string, HostedMember[]> | undefined

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
    this.monitors = parts.monitors
    this.pools = parts.pools
    this.services = parts.services
    this.zones = parts.zones
    this.overrides = parts.overrides
    this.webhooks = parts.webhooks ?? noWebhooks
  }

  /** Names of the services that lie in a zone. */
  servicesIn(apex: string): readonly string[] {
    this.#byZone ??= group(this.services.values(), (service) => [service.zone])
    return this.#byZone.get(apex) ?? []
  }

  /** Names of the services that may be answered from a pool. */
  servicesOf(pool: string): readonly string[] {
    this.#byPool ??= group(this.services.values(), poolsOf)
    return this.#byPool.get(pool) ?? []
  }

  /** The hosts that have to be resolved, each with the members that it is. */
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

/** The pools that a service may be answered from. */
export function poolsOf({ pools, fallback }: Service): string[] {
  return fallback === null ? [...pools] : [...new Set([...pools, fallback])]
}

function group(
  services: Iterable<CatalogService>,
  keysOf: (service: CatalogService) => string[],
): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const service of services) {
    for (const key of keysOf(service)) {
      const names = groups.get(key)
      if (names === undefined) groups.set(key, [service.name])
      else names.push(service.name)
    }
  }
  return groups
}
