/**
 * Everything at a glance, in one reply: what is down, since when, why, and what is answered instead. It says what this node serves, out of its
 * memory, whether the database is there or not. Whatever is not as it should be comes first.
 *
 * Bounds: `most` entries of each kind; how many were left out is under `more`. Counts are of all.
 */
import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import type { Catalog } from '../../catalog/catalog.ts'
import { ControlError } from '../../model/errors.ts'
import { poolConditions, serviceConditions } from '../../model/event.ts'
import { healthStates } from '../../model/observation.ts'
import { isStanding, type Override } from '../../model/override.ts'
import type { Member, Pool } from '../../model/pool.ts'
import { type Reach, within } from '../../model/reach.ts'
import type { FedUseNow } from '../../serve/fed-watch.ts'
import type { Ground, Memory, Observations, Operations, System } from '../context.ts'
import { markRevision } from '../memory.ts'
import { guarded, Instant, InstantOrNull, json, TextOrNull } from '../schemas.ts'
import { NodeView, presentNodes } from '../system/fleet.ts'
import { type GradualReply, GradualView, presentGradual, reachedChanges } from './gradual-view.ts'
import { MemberStatus, memberStatus, stateOf } from './member-status.ts'
import { MemberItem, ServiceItem } from './override-list.ts'
import { heldInMemory, presentOverride } from './override-view.ts'
import { presentServiceOverride } from './service-overrides.ts'

type Context = Ground & Observations & System & Pick<Operations, 'gradual'>

/** Entries of each kind. */
const most = 100

const since = Type.Unsafe<string | null>({
  ...InstantOrNull,
  description: 'null for what was so when this node looked first, after its start for instance',
})

const counts = (words: readonly string[]) =>
  Type.Object(Object.fromEntries(words.map((word) => [word, Type.Integer()])))

const lists = {
  nodes: NodeView,
  services: Type.Object(
    {
      name: Type.String(),
      state: Type.Enum([...serviceConditions, 'unknown']),
      since,
      reason: Type.String(),
      pools: Type.Array(Type.String(), { description: 'that answer for it now, 32 at the most' }),
    },
    { title: 'ServiceAtAGlance' },
  ),
  pools: Type.Object(
    {
      name: Type.String(),
      state: Type.Enum([...poolConditions, 'unknown']),
      since,
      reason: Type.String(),
    },
    { title: 'PoolAtAGlance' },
  ),
  members: Type.Object(
    {
      pool: Type.String(),
      member: Type.String(),
      address: Type.String({ description: 'or its host' }),
      waitsForFailBack: Type.Boolean(),
      status: MemberStatus,
    },
    { title: 'MemberAtAGlance' },
  ),
  overrides: MemberItem,
  serviceOverrides: ServiceItem,
  gradualChanges: GradualView,
}
type Kind = keyof typeof lists

const described: Readonly<Record<Kind, string>> = {
  nodes: 'servers on this database',
  services: 'worst first, then those that are up',
  pools: 'worst first, then those that are healthy',
  members: 'that are not up, that an override holds, or that wait to be let back',
  overrides: "operators' words on members",
  serviceOverrides: "operators' words on services",
  gradualChanges: 'that run or are paused, and those that ended within the last hour',
}

const kinds = Object.keys(lists) as Kind[]

const Overview = Type.Object(
  {
    at: Instant,
    node: Type.Object({ id: Type.String(), version: Type.String() }),
    revision: Type.Integer({ description: 'of the configuration that this node serves' }),
    database: Type.Enum(['up', 'away']),
    missing: Type.Array(Type.String(), { description: 'what keeps this node from being ready' }),
    warnings: Type.Array(Type.String()),
    suspicion: TextOrNull('why this node doubts its own network; its verdicts do not count then'),
    counts: Type.Object({
      services: counts([...serviceConditions, 'unknown']),
      pools: counts([...poolConditions, 'unknown']),
      members: counts([...healthStates, 'overridden']),
    }),
    ...Object.fromEntries(
      kinds.map((kind) => [kind, Type.Array(lists[kind], { description: described[kind], maxItems: most })]),
    ),
    more: Type.Object(Object.fromEntries(kinds.map((kind) => [kind, Type.Integer()])), {
      description: 'entries that were left out',
    }),
  },
  { title: 'Overview' },
)

/** As a client reads it. */
export interface OverviewReply {
  readonly at: string
  readonly node: { readonly id: string; readonly version: string }
  readonly revision: number
  readonly database: 'up' | 'away'
  readonly missing: readonly string[]
  readonly warnings: readonly string[]
  readonly suspicion: string | null
  readonly counts: Readonly<Record<'services' | 'pools' | 'members', Readonly<Record<string, number>>>>
  readonly nodes: readonly Static<typeof lists.nodes>[]
  readonly services: readonly Static<typeof lists.services>[]
  readonly pools: readonly Static<typeof lists.pools>[]
  readonly members: readonly Static<typeof lists.members>[]
  readonly overrides: readonly Static<typeof lists.overrides>[]
  readonly serviceOverrides: readonly Static<typeof lists.serviceOverrides>[]
  readonly gradualChanges: readonly GradualReply[]
  readonly more: Readonly<Record<Kind, number>>
}

export function overviewRoutes(app: FastifyInstance, context: Context): void {
  const schema = guarded(
    { tag: 'fleet', id: 'getOverview', summary: 'Everything at a glance: what is down, since when, and why' },
    {
      200: json('What this node serves, and what it knows.', Overview, {
        'pooldns-revision': 'The revision that this node serves.',
      }),
    },
  )
  app.get('/v1/overview', { schema, config: { access: 'within' } }, async ({ reach }, reply) => {
    const memory = context.memory()
    if (memory === null) throw new ControlError('unavailable', 'this node has no configuration yet')
    markRevision(reply, memory)
    return overview(context, memory, reach)
  })
}

/** @param reach of whoever asks: nothing else is told or counted, and of nodes nothing at all */
function overview(context: Context, memory: Memory, reach: Reach | null): OverviewReply {
  const now = context.now()
  const { catalog } = memory
  const [isPool, isService] = [within(reach, 'pool'), within(reach, 'service')]
  const services = conditions(catalog.services, isService, context.conditions.services(), 'up')
  const pools = conditions(catalog.pools, isPool, context.conditions.pools(), 'healthy')
  const members = notable(context, catalog, isPool, now)
  const overrides = [...catalog.overrides.values()].filter(
    (override) => isStanding(override, now) && isPool(override.pool),
  )
  const serviceOverrides = catalog.serviceOverrides.filter(
    (override) => isStanding(override, now) && isService(override.service),
  )
  const nodes = reach === null ? presentNodes(context) : []
  const shown = overrides.slice(0, most)
  const held = heldInMemory(memory, shown, now)
  const all = {
    nodes,
    services: services.names,
    pools: pools.names,
    members: members.found,
    overrides,
    serviceOverrides,
    gradualChanges: reachedChanges(context.gradual.current(), reach),
  }
  const { conditions: known } = context
  return {
    at: now.toISOString(),
    node: { id: context.node.id, version: context.version },
    revision: catalog.revision,
    database: context.database.up ? 'up' : 'away',
    missing: reach === null ? context.readiness.missing().map(({ message }) => message) : [],
    warnings: [
      ...(reach === null ? (context.readiness.warnings?.() ?? []) : []),
      ...withoutReadings(context.conditions.feedUses(), isPool),
    ],
    suspicion: reach === null ? context.health.suspicion() : null,
    counts: { services: services.counts, pools: pools.counts, members: members.counts },
    nodes: nodes.slice(0, most),
    services: services.names.slice(0, most).map((name) => {
      const report = known.services().get(name)
      const { condition: state = 'unknown', reason = 'not looked at yet', pools: by = [] } = report ?? {}
      return { name, state, since: sinceOf(context, 'service', name), reason, pools: by.slice(0, 32) }
    }),
    pools: pools.names.slice(0, most).map((name) => {
      const { condition: state = 'unknown', reason = 'not looked at yet' } = known.pools().get(name) ?? {}
      return { name, state, since: sinceOf(context, 'pool', name), reason }
    }),
    members: members.found.slice(0, most).map(({ pool, member, override, waits }) => ({
      pool: pool.name,
      member: member.name,
      address: addressOf(member),
      waitsForFailBack: waits,
      status: memberStatus(context, pool, member, override),
    })),
    overrides: shown.map((override) => ({
      pool: override.pool,
      member: override.member,
      ...presentOverride(context, override, held(override)),
    })),
    serviceOverrides: serviceOverrides
      .slice(0, most)
      .map((override) => ({ service: override.service, ...presentServiceOverride(override) })),
    gradualChanges: all.gradualChanges.slice(0, most).map(presentGradual),
    more: Object.fromEntries(kinds.map((kind) => [kind, Math.max(0, all[kind].length - most)])) as Record<
      Kind,
      number
    >,
  }
}

/** Of members and pools whose values are too old, or not there. */
const mostReadings = 10

/** Each member and pool that goes by its configuration, since the value that it is to go by is too old or not there. */
function withoutReadings(uses: readonly FedUseNow[], isPool: (name: string) => boolean): string[] {
  const lacking = uses.filter(
    ({ pool, fed: { state } }) => (state === 'stale' || state === 'missing') && isPool(pool),
  )
  const told = lacking
    .slice(0, mostReadings)
    .map(({ pool, member, reason }) => `${member === null ? pool : `${pool}/${member}`}: ${reason}`)
  const more = lacking.length - told.length
  return more === 0 ? told : [...told, `${more} more values of feeds are too old, or not there`]
}

const badness = ['down', 'degraded', 'unknown']

/** Names, those in a bad state first, and how many are in each. */
function conditions(
  all: ReadonlyMap<string, unknown>,
  isShown: (name: string) => boolean,
  known: ReadonlyMap<string, { readonly condition: string }>,
  good: string,
) {
  const byState = new Map<string, string[]>([...badness, good].map((state) => [state, []]))
  for (const name of all.keys()) {
    if (isShown(name)) byState.get(known.get(name)?.condition ?? 'unknown')!.push(name)
  }
  const sorted = [...byState.values()].flatMap((names) => names.sort())
  const numbers = Array.from(byState, ([state, names]) => [state, names.length])
  return { names: sorted, counts: Object.fromEntries(numbers) as Record<string, number> }
}

interface Notable {
  readonly pool: Pool
  readonly member: Member
  readonly override: Override | null
  readonly waits: boolean
  readonly rank: number
}

/** Members that an operator would want to know of, the worst first. */
function notable(context: Context, catalog: Catalog, isShown: (pool: string) => boolean, now: Date) {
  const numbers: Record<string, number> = { up: 0, down: 0, unknown: 0, overridden: 0 }
  const found: Notable[] = []
  const overridden = catalog.overrides.size > 0
  for (const pool of catalog.pools.values()) {
    if (!isShown(pool.name)) continue
    for (const member of pool.members) {
      const state = stateOf(context, pool, member)
      numbers[state]!++
      const override = overridden ? catalog.overrideOf(pool.name, member.name, now) : null
      if (override !== null) numbers.overridden!++
      const waits = state !== 'up' && context.health.waitsForFailBack(pool.name, member.name)
      if (state === 'up' && override === null) continue
      found.push({ pool, member, override, waits, rank: badness.indexOf(state) })
    }
  }
  const rankOf = ({ rank }: Notable) => (rank === -1 ? badness.length : rank)
  return { counts: numbers, found: found.sort((a, b) => rankOf(a) - rankOf(b)) }
}

function addressOf({ address, host }: Member): string {
  return address ?? host ?? ''
}

function sinceOf({ conditions }: Context, kind: 'pool' | 'service', name: string): string | null {
  return conditions.since(kind, name)?.toISOString() ?? null
}
