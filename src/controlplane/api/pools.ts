import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { formatMember, formatPool, MemberSchema, PoolSchema, parsePool } from '../document/pool.ts'
import type { Pool } from '../model.ts'
import { effectiveOverride, OverrideIndex } from '../override-index.ts'
import type { Tx } from '../store/database.ts'
import { listOverrides } from '../store/overrides.ts'
import { deletePool, getPool, listPools, putPool } from '../store/pools.ts'
import type { Stored } from '../store/stored.ts'
import type { ApiContext } from './context.ts'
import { MemberStatus, memberStatus } from './member-status.ts'
import { type Resource, registerListing, registerResource } from './resource.ts'
import { withStatus } from './schemas.ts'

const members = { members: Type.Record(Type.String(), withStatus(MemberSchema, MemberStatus)) }
const viewed = Type.Object({ ...PoolSchema.properties, ...members })

function poolResource(context: ApiContext): Resource<string, Pool, Pool> {
  return {
    kind: 'pool',
    url: '/v1/pools/:name',
    params: Type.Object({ name: Type.String() }),
    body: PoolSchema,
    view: withStatus(viewed, null),
    key: (params) => params.name!,
    describe: (name) => `pool ${name}`,
    get: getPool,
    put: (write, _name, pool, condition) => putPool(write, pool, condition),
    delete: deletePool,
    parse: (name, body, problems) => parsePool(name, body, '', problems),
    format: formatPool,
    present: (tx, stored) => present(context, tx, stored),
  }
}

async function present(context: ApiContext, tx: Tx, stored: readonly Stored<Pool>[]): Promise<object[]> {
  const overrides = new OverrideIndex(await listOverrides(tx))
  const now = context.now()
  return stored.map(({ value: pool }) => ({
    ...formatPool(pool),
    members: Object.fromEntries(
      pool.members.map((member) => {
        const override = effectiveOverride(overrides, pool.name, member.name, now)
        const status = memberStatus(context, pool, member, override)
        return [member.name, { ...formatMember(member), status }]
      }),
    ),
  }))
}

export function poolRoutes(app: FastifyInstance, context: ApiContext): void {
  const resource = poolResource(context)
  registerResource(app, context, resource)
  registerListing(app, context, resource, {
    url: '/v1/pools',
    item: withStatus(viewed, null, { name: Type.String() }),
    list: listPools,
    nameOf: (pool) => pool.name,
  })
}
