import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { formatMember, formatPool, MemberSchema, PoolSchema, parsePool } from '../../document/pool.ts'
import { effectiveOverride, OverrideIndex } from '../../model/override-index.ts'
import type { Pool } from '../../model/pool.ts'
import { poolConditions } from '../../steering/judge.ts'
import type { Tx } from '../../store/database.ts'
import { listOverrides } from '../../store/overrides.ts'
import { deletePool, getPool, listPools, putPool } from '../../store/pools.ts'
import type { Stored } from '../../store/stored.ts'
import type { ApiContext } from '../context.ts'
import { MemberStatus, memberStatus } from '../operations/member-status.ts'
import { withStatus } from '../schemas.ts'
import { type Resource, registerListing, registerResource } from './resource.ts'

const members = { members: Type.Record(Type.String(), withStatus(MemberSchema, MemberStatus)) }
const viewed = Type.Object({ ...PoolSchema.properties, ...members })

const Status = Type.Object({
  condition: Type.Enum([...poolConditions], {
    description:
      '`healthy`: every member that is not drained is up; `degraded`: up without some, or by a later tier; `down`: not up by ' +
      'its members, whatever it answers then',
  }),
  reason: Type.String({ description: 'such as `2 of 5 members up, minUp 0.5`' }),
})

function poolResource(context: ApiContext): Resource<string, Pool, Pool> {
  return {
    kind: 'pool',
    url: '/v1/pools/:name',
    params: Type.Object({ name: Type.String() }),
    body: PoolSchema,
    view: withStatus(viewed, Type.Optional(Status)),
    key: (params) => params.name!,
    describe: (name) => `pool ${name}`,
    get: getPool,
    put: (write, _name, pool, condition) => putPool(write, pool, condition),
    delete: deletePool,
    parse: (name, body, problems) => parsePool(name, body, '', problems),
    format: formatPool,
    present: (tx, stored) => presentAll(context, tx, stored),
  }
}

async function presentAll(context: ApiContext, tx: Tx, stored: readonly Stored<Pool>[]): Promise<object[]> {
  const overrides = new OverrideIndex(await listOverrides(tx))
  const now = context.now()
  const present = (pool: Pool) => ({
    ...formatPool(pool),
    members: Object.fromEntries(
      pool.members.map((member) => {
        const override = effectiveOverride(overrides, pool.name, member.name, now)
        const status = memberStatus(context, pool, member, override)
        return [member.name, { ...formatMember(member), status }]
      }),
    ),
  })
  return stored.map(({ value: pool }) => {
    const status = context.poolCondition?.(pool.name) ?? null
    return { ...present(pool), ...(status === null ? {} : { status }) }
  })
}

export function poolRoutes(app: FastifyInstance, context: ApiContext): void {
  const resource = poolResource(context)
  registerResource(app, context, resource)
  registerListing(app, context, resource, {
    url: '/v1/pools',
    item: withStatus(viewed, Type.Optional(Status), { name: Type.String() }),
    list: listPools,
    nameOf: (pool) => pool.name,
  })
}
