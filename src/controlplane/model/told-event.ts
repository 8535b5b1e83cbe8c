/** Events as they are told, which is as JSON has them: what they are of, what became of it, and how bad that is. */

import type { RolloverTurn, SteeringTurn } from './event.ts'

/** The fields that kinds of events have; each has some of them. */
export interface ToldEvent {
  readonly kind: string
  readonly at: string
  readonly node: string
  readonly pool?: string
  readonly member?: string
  readonly address?: string
  readonly service?: string
  readonly feed?: string
  readonly zone?: string
  /** Of what goes by a feed: whose value, and in which column. */
  readonly entity?: string
  readonly column?: string
  readonly from?: string
  readonly to?: string
  readonly what?: string
  readonly state?: string
  readonly actor?: string
  readonly reason?: string
  readonly until?: string
  readonly pools?: readonly string[]
  readonly name?: string
  readonly notAfter?: string
  readonly change?: number
  readonly step?: number
  readonly steps?: number
  readonly percent?: number
  /** Of a test: the webhook that is tried. */
  readonly webhook?: string
}

/** What an event is of, such as `web/a`. */
export function subjectOf({
  pool,
  member,
  address,
  service,
  feed,
  zone,
  node,
  name,
  change,
  webhook,
}: ToldEvent): string {
  if (webhook !== undefined) return `webhook ${webhook}`
  if (change !== undefined) return `change ${change}`
  if (service !== undefined) return service
  const of = address === undefined ? '' : ` (${address})`
  const certificate = name === undefined ? '' : ` ${name}`
  if (pool !== undefined) return `${member === undefined ? pool : `${pool}/${member}`}${of}${certificate}`
  if (feed !== undefined) return `feed ${feed}`
  if (zone !== undefined) return `zone ${zone}`
  return `node ${node}`
}

const steeringNews: Readonly<Record<SteeringTurn, string>> = {
  stale: 'goes without its feed',
  fresh: 'goes by its feed again',
  shedding: 'sheds',
  'shed-over': 'sheds no more',
  full: 'is full',
  'full-over': 'is full no more',
}

const rolloverNews: Readonly<Record<RolloverTurn, string>> = {
  begun: 'rolls its keys over',
  step: 'goes on with its rollover',
  done: 'is done with its rollover',
  cancelled: 'has gone back in its rollover',
}

/** What became of it, such as `up -> down`; without the reason. */
export function newsOf(event: ToldEvent): string {
  const { kind, from, to, what, state, actor, until, pools, notAfter } = event
  if (from !== undefined && to !== undefined) {
    const by = pools === undefined || pools.length === 0 ? '' : `, answered from ${pools.join(', ')}`
    return (from === to ? `stays ${to}` : `${from} -> ${to}`) + by
  }
  if (kind === 'test') return `is tried by ${actor}: nothing has happened`
  if (kind === 'override') return `${state} ${what} by ${actor}`
  if (kind === 'certificate') return `${what}, good until ${notAfter}`
  if (kind === 'gradual')
    return `${what}, step ${event.step} of ${event.steps}, ${event.percent} %, by ${actor}`
  if (kind === 'steering') return steeringNews[what as SteeringTurn] ?? `${what}`
  if (kind === 'dnssec') return rolloverNews[what as RolloverTurn] ?? `${what}`
  if (kind === 'hold') return `held down until ${until}`
  return 'is in no cache any more'
}

/** From what is well to what is worst. */
export const gravities = ['good', 'info', 'warning', 'error', 'critical'] as const
export type Gravity = (typeof gravities)[number]

const ofStates: Readonly<Record<string, Gravity>> = {
  up: 'good',
  healthy: 'good',
  trusted: 'good',
  ok: 'good',
  degraded: 'warning',
  suspect: 'error',
  failing: 'warning',
  down: 'critical',
}
const ofTurns: Readonly<Record<string, Gravity>> = {
  'ends-soon': 'warning',
  renewed: 'good',
  returned: 'warning',
  halted: 'warning',
  stale: 'warning',
  fresh: 'good',
  shedding: 'warning',
  'shed-over': 'good',
  full: 'warning',
  'full-over': 'good',
}

/** Kinds that say what has turned. */
const turning: readonly string[] = ['certificate', 'gradual', 'steering']

/** How bad it is. A member that fails is what pools are for, so it is not the worst. */
export function gravityOf({ kind, from, to, what = '' }: ToldEvent): Gravity {
  if (to !== undefined) {
    if (kind === 'member' && to === 'down') return 'error'
    // Another pool answers, and all is well.
    return from === to && to === 'up' ? 'info' : (ofStates[to] ?? 'info')
  }
  if (kind === 'hold') return 'warning'
  return turning.includes(kind) ? (ofTurns[what] ?? 'info') : 'info'
}
