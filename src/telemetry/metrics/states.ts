/**
 * What pools, services and members are now. Bound: those of the configuration, times the states, which are words of fixed lists.
 *
 * Pools and services have a series for each state, 1 for the one that they are in, so that an alert finds what it compares with
 * whether it is so or not.
 */
import type { Registry } from 'prom-client'
import { expose, type Scrape, type Series } from './series.ts'

export interface PoolNow {
  readonly pool: string
  readonly state: string
}

export interface ServiceNow {
  readonly service: string
  readonly state: string
  /** The operator's word on it; null when there is none. */
  readonly override: string | null
}

export interface MemberNow {
  readonly pool: string
  readonly member: string
  /** What it has of its weight, by slow start and its own word. */
  readonly weight: number
  /** The operator's word; null when there is none. */
  readonly override: string | null
  readonly held: boolean
}

/** A member that is drained. */
export interface DrainNow {
  readonly pool: string
  readonly member: string
  /** Whether no cache has it any more. */
  readonly complete: boolean
}

const poolStates = ['healthy', 'degraded', 'down']
const serviceStates = ['up', 'degraded', 'down']

interface States {
  pools(): readonly PoolNow[]
  services(): readonly ServiceNow[]
  members(): readonly MemberNow[]
  drains(): readonly DrainNow[]
}

export function registerStateMetrics(registry: Registry, scrape: Scrape, now: States): void {
  const members = scrape.once(() => now.members())
  const services = scrape.once(() => now.services())
  const gauge = (name: string, help: string, read: () => Iterable<Series>) =>
    expose(registry, 'gauge', `pooldns_${name}`, help, read)
  const ofPools = 'State of a pool by its members: 1 for the one that it is in.'
  gauge('pool_state', ofPools, () =>
    now.pools().flatMap(({ pool, state }) => stateSet({ pool }, state, poolStates)),
  )
  const ofServices = 'State of a service by what answers for it: 1 for the one that it is in.'
  gauge('service_state', ofServices, () =>
    services().flatMap(({ service, state }) => stateSet({ service }, state, serviceStates)),
  )
  const ofService = "1 while an operator's word holds a service where others name it; absent otherwise."
  gauge('service_override', ofService, () =>
    services().flatMap(({ service, override: state }) => {
      return state === null ? [] : [{ labels: { service, state }, value: 1 }]
    }),
  )
  const weight = 'Weight that a member has now: by its configuration, slow start and its own word.'
  gauge('member_weight', weight, () =>
    members().map(({ pool, member, weight: value }) => ({ labels: { pool, member }, value })),
  )
  const override = "1 while an operator's word holds a member; absent otherwise."
  gauge('member_override', override, () =>
    members().flatMap(({ pool, member, override: state }) => {
      return state === null ? [] : [{ labels: { pool, member, state }, value: 1 }]
    }),
  )
  const drained =
    'Of a member that is drained: 1 once no answer and no cache has it any more, 0 until then; absent otherwise.'
  gauge('member_drain_complete', drained, () =>
    now.drains().map(({ pool, member, complete }) => ({ labels: { pool, member }, value: Number(complete) })),
  )
  const held = '1 while a member is held down for changing too often; absent otherwise.'
  gauge('member_held', held, () =>
    members().flatMap(({ pool, member, held }) => (held ? [{ labels: { pool, member }, value: 1 }] : [])),
  )
}

function stateSet(labels: Series['labels'], state: string, states: readonly string[]): Series[] {
  return states.map((one) => ({ labels: { ...labels, state: one }, value: Number(one === state) }))
}
