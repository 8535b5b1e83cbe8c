import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { spellingOfPart } from '../../catalog/spellings.ts'
import { formatPool, formatWholePool, MemberSchema, PoolSchema, parsePool } from '../../document/pool.ts'
import { poolConditions } from '../../model/event.ts'
import type { Override } from '../../model/override.ts'
import { effectiveOverride, OverrideIndex } from '../../model/override-index.ts'
import type { Member, Pool } from '../../model/pool.ts'
import { namedByPool } from '../../rules/reach.ts'
import { listOverrides } from '../../store/overrides.ts'
import { deletePool, getPool, listPools, putPool } from '../../store/pools.ts'
import { bodyOf, type Stored } from '../../store/stored.ts'
import type { Ground, Observations } from '../context.ts'
import { MemberStatus, memberStatus } from '../operations/member-status.ts'
import { titled, withStatus } from '../schemas.ts'
import { type Resource, registerResource } from './resource.ts'

const members = {
  members: Type.Optional(
    Type.Record(Type.String(), titled('PoolMemberView', withStatus(MemberSchema, MemberStatus))),
  ),
}
const viewed = Type.Object({ ...PoolSchema.properties, ...members })

const Status = Type.Object({
  condition: Type.Enum([...poolConditions], {
    description:
      '`healthy`: every member that is not drained is up; `degraded`: up without some, or by a later tier; `down`: not up by ' +
      'its members, whatever it answers then',
  }),
  reason: Type.String({ description: 'such as `2 of 5 members up, minUp 0.5`' }),
})

export function poolRoutes(app: FastifyInstance, context: Ground & Observations): void {
  const resource: Resource<string, Pool, Pool> = {
    kind: 'pool',
    access: { kind: 'pool', param: 'name' },
    url: '/v1/pools/:name',
    body: PoolSchema,
    view: withStatus(viewed, Type.Partial(Status)),
    key: (params) => params.name!,
    get: getPool,
    put: (write, pool, condition, _name, body) => putPool(write, pool, condition, body),
    delete: deletePool,
    parse: parsePool,
    bodyOf: (stored) => bodyOf(stored, formatPool),
    named: namedByPool,
    effective: formatWholePool,
    present: async (tx, stored) => {
      const [overrides, pool] = await Promise.all([listOverrides(tx), stored])
      return presentStored(context, overrides)(pool)
    },
    remembered: {
      get: ({ catalog }, name) => catalog.pools.get(name) ?? null,
      present: ({ catalog }, pool) =>
        presentPool(context, { value: pool, written: spellingOfPart(pool) }, (name) =>
          catalog.overrideOf(pool.name, name, context.now()),
        ),
      list: ({ catalog }) => catalog.pools.values(),
    },
    listing: {
      present: async (tx, stored) => stored.map(presentStored(context, await listOverrides(tx))),
      item: withStatus(viewed, Type.Optional(Status), { name: Type.String() }),
      list: listPools,
      nameOf: ({ name }) => name,
    },
  }
  registerResource(app, context, resource)
}

function presentStored(
  context: Ground & Observations,
  given: readonly Override[],
): (stored: Stored<Pool>) => object {
  const overrides = new OverrideIndex(given)
  const now = context.now()
  return (stored) =>
    presentPool(context, stored, (name) => effectiveOverride(overrides, stored.value.name, name, now))
}

function presentPool(
  context: Observations,
  { value: pool, written }: Pick<Stored<Pool>, 'value' | 'written'>,
  overrideOf: (member: string) => Override | null,
): object {
  const body = written ?? formatPool(pool)
  const fragments = body.members as Readonly<Record<string, object>>
  const presentMember = (member: Member) => {
    const status = memberStatus(context, pool, member, overrideOf(member.name))
    return { ...fragments[member.name], status }
  }
  const status = context.poolCondition(pool.name)
  const members = pool.members.map((member) => [member.name, presentMember(member)])
  return {
    ...body,
    ...(members.length === 0 ? {} : { members: Object.fromEntries(members) }),
    ...(status && { status }),
  }
}
