import type { HealthState, Resolution } from '../model/observation.ts'
import type { OverrideState } from '../model/override.ts'
import type { Member, Pool } from '../model/pool.ts'

/**
 * What is known of members now; the caller's tables stand behind it. Of a pool without a monitor nothing but `forced` and
 * `resolution` is asked for.
 */
export interface Conditions {
  /** What the probes say. */
  measured(pool: string, member: string): HealthState
  /** The last state that was not `unknown`, whenever that was; null when there has been none. */
  lastKnown(pool: string, member: string): 'up' | 'down' | null
  /** Whether failures or successes are counting towards a change of state. */
  near(pool: string, member: string): boolean
  /** 0..1: how much of its weight a member that came back has by now. */
  share(pool: string, member: string): number
  /** What a member says of itself: how much of its weight it can bear; null when it says nothing. */
  weightPercent(pool: string, member: string): number | null
  /** Smoothed time of its probes in milliseconds; null without samples. */
  latencyMs(pool: string, member: string): number | null
  /** The operator's word while it lasts, or null. */
  forced(pool: string, member: string): OverrideState | null
  /** What resolving a host has come to; asked for those that `needsAddresses` says, and those to be answered with. */
  resolution(host: string): Resolution
}

/** Whether anything depends on the addresses of a member's host: its answers, or where it is probed. */
export function needsAddresses({ hosts, monitor }: Pool, { host, probeAddress }: Member): boolean {
  return host !== null && (hosts === 'resolve' || (monitor !== null && probeAddress === null))
}

export function hasAddress({ host }: Member, conditions: Conditions): boolean {
  return host === null || conditions.resolution(host).addresses.length > 0
}

/** Whether there is anything to answer with; the name of a host is enough for a CNAME. */
export function canServe({ hosts }: Pool, member: Member, conditions: Conditions): boolean {
  return hosts === 'cname' || hasAddress(member, conditions)
}
