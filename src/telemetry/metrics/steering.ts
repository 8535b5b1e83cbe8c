import type { Registry } from 'prom-client'
import { expose } from './series.ts'

/** What a member or a pool goes by of a feed. */
export interface FeedUseNow {
  readonly pool: string
  /** Null: it is the pool's. */
  readonly member: string | null
  readonly kind: 'weight' | 'shed' | 'capacity'
  readonly isGood: boolean
  /** Null: there is none. */
  readonly value: number | null
  readonly ageSeconds: number | null
  /** Of the answers, from 0 to 1, how many go elsewhere; of weights 0. */
  readonly share: number
}

/** Bound: what members and pools of the configuration name of feeds. */
export function registerSteeringMetrics(registry: Registry, uses: () => readonly FeedUseNow[]): void {
  const labelsOf = ({ pool, member, kind }: FeedUseNow) => ({ pool, member: member ?? '', use: kind })
  const each = (read: (use: FeedUseNow) => number | null) => () =>
    uses().flatMap((use) => {
      const value = read(use)
      return value === null ? [] : [{ labels: labelsOf(use), value }]
    })
  const value = 'The newest value of a feed that a member or (without a member) a pool goes by.'
  expose(
    registry,
    'gauge',
    'pooldns_feed_reading',
    value,
    each((use) => use.value),
  )
  const age = 'How old it is, in seconds.'
  expose(
    registry,
    'gauge',
    'pooldns_feed_reading_age_seconds',
    age,
    each((use) => use.ageSeconds),
  )
  const good = 'Whether there is one that is young enough: 1, or 0 while what goes without one holds.'
  expose(
    registry,
    'gauge',
    'pooldns_feed_reading_good',
    good,
    each((use) => Number(use.isGood)),
  )
  const shed = 'Share of its answers, from 0 to 1, that a member hands on to others.'
  expose(registry, 'gauge', 'pooldns_member_shed_ratio', shed, () =>
    uses().flatMap(({ pool, member, kind, share }) =>
      kind === 'shed' ? [{ labels: { pool, member: member! }, value: share }] : [],
    ),
  )
  const spill = 'Share of its answers, from 0 to 1, that a pool hands on to the next one.'
  expose(registry, 'gauge', 'pooldns_pool_spill_ratio', spill, () =>
    uses().flatMap(({ pool, kind, share }) =>
      kind === 'capacity' ? [{ labels: { pool }, value: share }] : [],
    ),
  )
}
