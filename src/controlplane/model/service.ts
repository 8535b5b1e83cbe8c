/** Services: names that are answered with the members of pools, and how a service chooses among its pools. */
import type { AllDownPolicy, ClientPrefix, Location } from './pool.ts'

/** One of the things that a service chooses among: a pool, or another service. */
export interface Choice {
  readonly kind: 'pool' | 'service'
  /** The pool's, or the service's as in `Service`. */
  readonly name: string
  /** 0..65535, for `weighted` and `hash`; 0 is chosen only when nothing else is up. */
  readonly weight: number
  /** -99..99, for `nearest`: above 0 the choice is taken to be nearer than it is, below it farther. */
  readonly bias: number
  /** Where it is, for `nearest`; null means the pool's. */
  readonly location: Location | null
}

/**
 * Rules for `geo`: from where a client is to its choices in order of preference, each by its index in `Service.choices`. What
 * is more exact goes first: cidr (the longest prefix), asn, subdivision, country, continent; a client of none of them gets
 * `default`. When nothing of its list is up, a client gets what `beyond` says.
 */
export interface GeoRules {
  /** Prefixes such as `192.0.2.0/24`, in canonical form; the entries of each map stand in the order of their keys. */
  readonly cidr: readonly (readonly [prefix: string, choices: readonly number[]])[]
  readonly asn: readonly (readonly [asn: number, choices: readonly number[]])[]
  /** ISO 3166-2, such as `US-CA`. */
  readonly subdivision: readonly (readonly [code: string, choices: readonly number[]])[]
  /** ISO 3166-1 alpha-2, such as `CH`. */
  readonly country: readonly (readonly [code: string, choices: readonly number[]])[]
  /** One of `continents`. */
  readonly continent: readonly (readonly [code: string, choices: readonly number[]])[]
  readonly default: readonly number[]
  /**
   * Where a client is sent when nothing of its list is up: `none`, nowhere else, and the service's `whenAllDown` answers it;
   * `default`, on to that list; `any`, on to that list and then to whatever is up. A list may be there to keep clients
   * from what is not for them, so going on has to be asked for.
   */
  readonly beyond: GeoBeyond
}

export const geoBeyonds = ['none', 'default', 'any'] as const
export type GeoBeyond = (typeof geoBeyonds)[number]

export const continents = ['AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA'] as const

export const serviceSteers = ['failover', 'weighted', 'hash', 'geo', 'nearest', 'latency'] as const
export type ServiceSteer = (typeof serviceSteers)[number]

/** A name that is answered with the members of a pool, chosen by the service itself or by one that it names. */
export interface Service {
  /** Absolute name in lower case with the final dot left out, as in the document. */
  readonly name: string
  readonly ttlSeconds: number
  /**
   * Served while a member is about to change its state or a pool is degraded, never above `ttlSeconds`; null: the TTL does
   * not depend on health.
   */
  readonly minTtlSeconds: number | null
  readonly steer: ServiceSteer
  /** At least one, in order of preference, no two of the same kind and name. The document calls them `pools`. */
  readonly choices: readonly Choice[]
  /** Not null exactly with `geo`. */
  readonly geo: GeoRules | null
  /** What is hashed of a client's address, for `hash`. */
  readonly hashPrefix: ClientPrefix
  /** How much faster another pool must be, for `latency`, as a share (0..1) of the time of the one before. */
  readonly hysteresis: number
  readonly whenAllDown: AllDownPolicy
  /** Pool that is served whole, unprobed, when `whenAllDown` is `fallback`; null with any other policy. */
  readonly fallback: string | null
}
