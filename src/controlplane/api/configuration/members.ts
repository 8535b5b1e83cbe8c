import type { FastifyInstance } from 'fastify'
import { spellingOfPart } from '../../catalog/spellings.ts'
import { formatMember, MemberSchema, parseMember } from '../../document/pool.ts'
import type { MemberKey } from '../../model/member-key.ts'
import { effectiveOverride, OverrideIndex } from '../../model/override-index.ts'
import type { Member, Pool } from '../../model/pool.ts'
import { namedByMember } from '../../rules/reach.ts'
import { deleteMember, getMember, putMember } from '../../store/members.ts'
import { overridesFor } from '../../store/overrides.ts'
import { getPool } from '../../store/pools.ts'
import { bodyOf } from '../../store/stored.ts'
import type { Ground, Observations } from '../context.ts'
import { MemberStatus, memberStatus } from '../operations/member-status.ts'
import { withStatus } from '../schemas.ts'
import { notFound, type Resource, registerResource } from './resource.ts'

export function memberRoutes(app: FastifyInstance, context: Ground & Observations): void {
  const resource: Resource<MemberKey, Member, Member> = {
    kind: 'member',
    access: { kind: 'pool', param: 'name' },
    url: '/v1/pools/:name/members/:member',
    body: MemberSchema,
    view: withStatus(MemberSchema, MemberStatus),
    key: (params) => ({ pool: params.name!, member: params.member! }),
    describe: ({ pool, member }) => `member ${member} of pool ${pool}`,
    get: (tx, { pool, member }) => getMember(tx, pool, member),
    put: (write, member, condition, { pool }, body) => putMember(write, pool, member, condition, body),
    delete: (write, { pool, member }, condition) => deleteMember(write, pool, member, condition),
    parse: ({ member }, body, path, problems) => parseMember(member, body, path, problems),
    bodyOf: (stored) => bodyOf(stored, formatMember),
    effective: (member) => formatMember(member, true),
    named: namedByMember,
    remembered: {
      get: ({ catalog }, key) => memberIn(catalog.pools.get(key.pool), key.member),
      present: ({ catalog }, member, key) => {
        const { pool } = key!
        const override = catalog.overrideOf(pool, member.name, context.now())
        const status = memberStatus(context, catalog.pools.get(pool)!, member, override)
        const fragments = spellingOfPart(catalog.pools.get(pool)!)?.members as
          | Record<string, object>
          | undefined
        return { ...(fragments?.[member.name] ?? formatMember(member)), status }
      },
    },
    present: async (tx, stored, key) => {
      const [pool, given, there] = await Promise.all([
        // What else is in the pool matters to the status alone: a row of it that can't be read keeps nobody from this member.
        getPool(tx, key.pool, () => {}),
        overridesFor(tx, key.pool, key.member),
        stored,
      ])
      if (pool === null) throw notFound(`pool ${key.pool}`)
      const override = effectiveOverride(new OverrideIndex(given), key.pool, key.member, context.now())
      const status = memberStatus(context, pool.value, there.value, override)
      return { ...bodyOf(there, formatMember), status }
    },
  }
  registerResource(app, context, resource)
}

function memberIn(pool: Pool | undefined, name: string): Member | null {
  return pool?.members.find((member) => member.name === name) ?? null
}
