/** Explanations as JSON. What is known of a member beside them the API says everywhere alike, so it hands that in. */
import Type, { type TProperties, type TSchema } from 'typebox'
import { poolConditions } from '../model/event.ts'
import { type Asked, familyNames } from '../model/family.ts'
import { type HealthState, healthStates } from '../model/observation.ts'
import type { Override } from '../model/override.ts'
import { allDownPolicies, type Member, type MinUp, type Pool, poolSelects } from '../model/pool.ts'
import { serviceSteers } from '../model/service.ts'
import { areasOf, choiceKey, explainArea } from '../steering/compose.ts'
import { type Fed, fedStates } from '../steering/fed.ts'
import { type PoolJudgement, poolCondition } from '../steering/judge.ts'
import type { ServiceJudgement } from '../steering/selection.ts'
import {
  AnswerView,
  type ExplainedMember,
  type ExplainedPool,
  type ExplainedService,
  type Explanation,
} from './explanation.ts'
import type { Level } from './route.ts'

const TextOrNull = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })
const NumberOrNull = (description: string) =>
  Type.Unsafe<number | null>({ type: ['number', 'null'], description })
const AnsweredBy = Type.Enum(['up', ...allDownPolicies], {
  description: '`up`, or the policy that answers because nothing is',
})

const PlaceView = Type.Object({
  continent: TextOrNull('AF, AN, AS, EU, NA, OC or SA'),
  country: TextOrNull('ISO 3166-1 alpha-2'),
  subdivision: TextOrNull('ISO 3166-2'),
  asn: NumberOrNull('AS number'),
  location: Type.Unsafe<{ latitude: number; longitude: number } | null>({
    type: ['object', 'null'],
    properties: { latitude: { type: 'number' }, longitude: { type: 'number' } },
  }),
})

const ChoiceView = Type.Object({
  kind: Type.Enum(['pool', 'service']),
  name: Type.String(),
  weight: Type.Integer(),
  up: Type.Boolean({ description: 'whether it counts as up to the service' }),
  absent: Type.Boolean({ description: 'whether it is no choice here: it has no address of the family' }),
  used: Type.Boolean({ description: 'whether some client is answered from it' }),
  taken: Type.Boolean({ description: 'whether this answer came by it' }),
  latencyMs: NumberOrNull('smoothed time of its probes'),
  why: Type.String(),
})

const LevelView = Type.Object({
  service: Type.String(),
  steer: Type.Enum([...serviceSteers]),
  up: Type.Boolean({ description: 'whether one of its choices is' }),
  met: Type.Boolean({ description: 'whether this answer came by it' }),
  area: Type.Unsafe<{ number: number; choices: string[] } | null>({
    type: ['object', 'null'],
    properties: {
      number: { type: 'integer' },
      choices: { type: 'array', items: { type: 'string' }, description: 'in order of preference' },
    },
    description: 'of `geo` and `nearest`: the area that the client is in, 0 for the default',
  }),
  choices: Type.Array(ChoiceView),
})

const fedFields = {
  feed: Type.String(),
  entity: Type.String(),
  column: Type.String(),
  state: Type.Enum([...fedStates], {
    description:
      '`stale`: older than its `maxAge`; `missing`: there is none; `waiting`: none has been read yet',
  }),
  value: NumberOrNull('the newest'),
  at: TextOrNull('its time'),
  age: NumberOrNull('in seconds'),
}

function FedOrNull<F extends TProperties>(description: string, more: F) {
  const { properties } = Type.Object({ ...fedFields, ...more })
  return Type.Unsafe<Type.Static<ReturnType<typeof Type.Object<typeof fedFields & F>>> | null>({
    type: ['object', 'null'],
    properties,
    description,
  })
}

const memberFields = {
  name: Type.String(),
  address: TextOrNull('the first one; null for a host'),
  addresses: Type.Array(Type.String(), {
    description: 'of the family that is asked for: those that it is answered with while it is kept',
  }),
  host: TextOrNull('null for an address'),
  given: Type.Boolean({ description: 'whether this answer holds it' }),
  answers: Type.Boolean({ description: 'whether the service answers with it' }),
  kept: Type.Boolean({ description: 'whether it counts as one that is up' }),
  why: Type.String(),
  weight: Type.Object({
    configured: Type.Integer(),
    effective: Type.Number({ description: 'by slow start, and by what the member says' }),
    percent: NumberOrNull('what the member says that it can bear; null when it says nothing'),
    feed: FedOrNull('what a feed says of its weight; null when none does', {
      weight: NumberOrNull('null: what is configured holds'),
    }),
  }),
  shed: FedOrNull('what it sheds by a feed; null when it never does', {
    share: Type.Number({ description: 'of its answers, from 0 to 1' }),
  }),
  near: Type.Boolean({ description: 'verdicts count towards a change of its state' }),
  latencyMs: NumberOrNull('smoothed time of its probes'),
  own: Type.Unsafe<{ state: string; reason: string } | null>({
    type: ['object', 'null'],
    properties: { state: { type: 'string', enum: [...healthStates] }, reason: { type: 'string' } },
    description: 'what this node has measured itself, where the state is another one',
  }),
}

const poolFields = {
  name: Type.String(),
  select: Type.Enum([...poolSelects]),
  answers: NumberOrNull('most members in one answer; null: by its `select`'),
  monitor: TextOrNull('null: it is not monitored'),
  minUp: Type.Unsafe<MinUp>({ description: 'as in the pool' }),
  met: Type.Boolean({ description: 'whether this answer came from it' }),
  condition: Type.Enum([...poolConditions, 'absent'], {
    description: 'of its members of the family that is asked for; `absent`: it has none of that family',
  }),
  reason: Type.String(),
  capacity: FedOrNull('what a feed says of its capacity; null when it has none', {
    limit: Type.Number(),
    share: Type.Number({ description: 'of its answers, from 0 to 1, how many go on to the next pool' }),
  }),
}

const serviceFields = {
  name: Type.String(),
  state: Type.Enum(['up', 'down', 'absent'], {
    description: '`absent`: nothing of it has an address of the family that is asked for',
  }),
  outcome: AnsweredBy,
  pool: TextOrNull('the one that this answer came from'),
  ttl: Type.Integer({ description: 'in seconds, as configured' }),
  minTtl: NumberOrNull(
    'of an answer that may be another one soon; null when the TTL does not depend on health',
  ),
  unsettled: Type.Boolean({ description: 'whether this answer may be another one soon' }),
  why: Type.String(),
  levels: Type.Array(LevelView, { description: 'the service itself, then those that it leads to' }),
}

const explanationFields = {
  name: Type.String(),
  type: Type.String(),
  client: Type.String(),
  zone: TextOrNull('null when no zone here holds the name'),
  why: Type.String(),
  answer: AnswerView,
  place: Type.Unsafe<Type.Static<typeof PlaceView> | null>(
    Type.Union([PlaceView, Type.Null()], {
      description: 'where the client is; null when no service asks for it, or it can not be told',
    }),
  ),
}

/** @param status what is known of a member */
export function explanationView<Status extends TSchema>(status: Status) {
  const MemberView = Type.Object({ ...memberFields, status }, { title: 'ExplainedMember' })
  const told = {
    members: Type.Array(MemberView, {
      description:
        'of more than are told those that this answer holds, then those that are not as they should be',
    }),
    moreMembers: Type.Integer({ minimum: 0, description: 'that are not told' }),
  }
  const PoolView = Type.Object({ ...poolFields, ...told }, { title: 'ExplainedPool' })
  const ServiceView = Type.Object(
    { ...serviceFields, pools: Type.Array(PoolView) },
    { title: 'ExplainedService' },
  )
  const description = 'those that the query met, in the order of aliases'
  return Type.Object({ ...explanationFields, services: Type.Array(ServiceView, { description }) })
}

interface Measured {
  readonly state: HealthState
}

/** Which members of each pool are told of. */
export interface MembersTold {
  /** Most of a pool. */
  readonly most: number
  /** A part of their names, addresses or hosts, unless the answer holds them; empty for all. */
  readonly find: string
}

/** What is known of members now. */
export interface MemberViews<Status> {
  /** What checking it comes to, and what this node has measured itself (`own`); null for one that is not checked. */
  vitals(
    pool: string,
    member: string,
  ): {
    readonly near: boolean
    readonly weightPercent: number | null
    readonly latencyMs: number | null
    readonly own: { readonly state: HealthState; readonly reason: string }
  } | null
  status(pool: Pool, member: Member, override: Override | null): Status
}

export function presentExplanation<Status extends Measured>(
  explanation: Explanation,
  members: MemberViews<Status>,
  told: MembersTold,
) {
  const { question, services, at, ...rest } = explanation
  const shown = services.map((service) => presentService(service, members, told, at))
  return { ...question, ...rest, services: shown }
}

function presentService<Status extends Measured>(
  service: ExplainedService,
  members: MemberViews<Status>,
  told: MembersTold,
  at: Date,
) {
  const { selection, answer, levels, pools, why } = service
  const { judgement, by } = selection
  const { name, ttlSeconds, minTtlSeconds } = judgement.service
  return {
    name,
    state: stateOf(judgement),
    outcome: answer?.by ?? by,
    pool: answer?.pool?.name ?? null,
    ttl: ttlSeconds,
    minTtl: minTtlSeconds,
    unsettled: answer?.unsettled ?? false,
    why,
    levels: levels.map(presentLevel),
    pools: pools.map((pool) => presentPool(pool, members, told, at)),
  }
}

/** What a feed says, and how old it is. */
function presentFed({ key, state, reading }: Fed, at: Date) {
  const ageMs = reading === null ? null : Math.max(0, at.getTime() - reading.from.getTime())
  return {
    ...key,
    state,
    value: reading?.value ?? null,
    at: reading?.at.toISOString() ?? null,
    age: ageMs === null ? null : Math.round(ageMs / 100) / 10,
  }
}

const familyText = (asked: Asked) => (asked === 'any' ? 'any family' : familyNames[asked])

const rounded = (share: number) => Math.round(share * 10_000) / 10_000

function presentLevel({ judgement, met, taken, area, passed }: Level) {
  const { service, up, choices } = judgement
  const here = area === null ? null : explainArea(judgement, area, passed)
  return {
    service: service.name,
    steer: service.steer,
    up,
    met,
    area: area === null ? null : { number: area, choices: preference(judgement, area) },
    choices: choices.map((choice, index) => {
      const { kind, name, weight } = service.choices[index]!
      return {
        kind,
        name,
        weight,
        up: choice.up,
        absent: !choice.judgement.present,
        used: choice.used,
        taken: taken === index,
        latencyMs: choice.latencyMs,
        // What a policy answers with is no choice of the area's.
        why: here === null || (taken === index && !choice.up) ? choice.why : here[index]!.why,
      }
    }),
  }
}

/** The choices of an area, in order of preference. */
function preference(judgement: ServiceJudgement, area: number): string[] {
  const { areas } = areasOf(judgement)
  return (areas[area] ?? areas[0]!).map((index) => choiceKey(judgement.service.choices[index]!))
}

/** What is not there is neither up nor down. */
function stateOf({ up, present }: ServiceJudgement): 'up' | 'down' | 'absent' {
  if (!present) return 'absent'
  return up ? 'up' : 'down'
}

function conditionOf(judgement: PoolJudgement) {
  if (judgement.present) return poolCondition(judgement)
  return { condition: 'absent' as const, reason: `it has no member of ${familyText(judgement.asked)}` }
}

function presentPool<Status extends Measured>(
  explained: ExplainedPool,
  views: MemberViews<Status>,
  told: MembersTold,
  at: Date,
) {
  const { judgement, met } = explained
  const { members, more } = chosen(explained.members, told)
  const { name, select, answers, monitor, minUp, capacity } = judgement.pool
  const { full } = judgement
  return {
    name,
    select,
    answers,
    monitor,
    minUp,
    met,
    ...conditionOf(judgement),
    capacity:
      capacity === null || full === null
        ? null
        : { ...presentFed(full, at), limit: capacity.limit, share: rounded(full.share) },
    members: members.map((member) => presentMember(judgement.pool, member, views, at)),
    moreMembers: more,
  }
}

function chosen(members: readonly ExplainedMember[], { most, find }: MembersTold) {
  const isFound = ({ judgement: { member, addresses } }: ExplainedMember) =>
    [member.name, member.address, member.host, ...addresses].some((text) => text?.includes(find))
  const found = find === '' ? members : members.filter((each) => each.given || isFound(each))
  if (found.length <= most) return { members: found, more: 0 }
  const rank = (each: ExplainedMember) => {
    if (find !== '' && !isFound(each)) return 3
    return each.given ? 0 : each.override !== null || !each.judgement.kept ? 1 : 2
  }
  const first = found.toSorted((one, other) => rank(one) - rank(other)).slice(0, most)
  return { members: first, more: found.length - most }
}

function presentMember<Status extends Measured>(
  pool: Pool,
  { judgement, override, answers, given, why }: ExplainedMember,
  views: MemberViews<Status>,
  at: Date,
) {
  const { member, kept, weight, steadyWeight, fed } = judgement
  const vitals = views.vitals(pool.name, member.name)
  const status = views.status(pool, member, override)
  const own = vitals === null || vitals.own.state === status.state ? null : vitals.own
  return {
    name: member.name,
    address: member.address,
    addresses: [...judgement.addresses],
    host: member.host,
    given,
    answers,
    kept,
    why,
    weight: {
      configured: member.weight,
      effective: pool.select === 'hash' ? steadyWeight : weight,
      percent: vitals?.weightPercent ?? null,
      feed: fed.weight === null ? null : { ...presentFed(fed.weight, at), weight: fed.weight.weight },
    },
    shed: fed.shed === null ? null : { ...presentFed(fed.shed, at), share: rounded(fed.shed.share) },
    near: vitals?.near ?? false,
    latencyMs: vitals?.latencyMs ?? null,
    own: own === null ? null : { state: own.state, reason: own.reason },
    status,
  }
}
