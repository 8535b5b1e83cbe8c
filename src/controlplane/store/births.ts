/** Reads what tells things apart that have had one name after each other; see `born` in the schema. */
import { inArray, type SQL } from '../../../schema/drizzle.ts'
import { feeds } from '../../../schema/feeds.ts'
import { members, pools } from '../../../schema/pools.ts'
import { services } from '../../../schema/services.ts'
import { webhooks } from '../../../schema/webhooks.ts'
import { type Births, birthKeys } from '../model/births.ts'
import type { Tx } from './transaction.ts'

/** What has changed, by its name; null for everything. */
export interface BirthScope {
  readonly pools: ReadonlySet<string> | null
  readonly services: ReadonlySet<string> | null
  readonly feeds: ReadonlySet<string> | null
  readonly webhooks: ReadonlySet<string> | null
}

const nobody: ReadonlySet<string> = new Set()

/** Of nothing. */
export const noBirths: BirthScope = { pools: nobody, services: nobody, feeds: nobody, webhooks: nobody }

/** The births of what is in scope, those of members with their pools. */
export async function readBirths(tx: Tx, scope: BirthScope): Promise<Births> {
  const found = new Map<string, number>()
  const within = (
    names: ReadonlySet<string> | null,
    column: Parameters<typeof inArray>[0],
  ): SQL | undefined => (names === null ? undefined : inArray(column, [...names]))
  const ofMembers = async () => {
    const { pool, name, born } = members
    for (const row of await tx.select({ pool, name, born }).from(members).where(within(scope.pools, pool)))
      found.set(birthKeys.member({ pool: row.pool, member: row.name }), row.born)
  }
  const others = [
    [pools, 'pool', scope.pools],
    [services, 'service', scope.services],
    [feeds, 'feed', scope.feeds],
    [webhooks, 'webhook', scope.webhooks],
  ] as const
  await Promise.all([
    scope.pools?.size === 0 ? null : ofMembers(),
    ...others.map(async ([table, kind, names]) => {
      if (names?.size === 0) return
      const { name, born } = table
      for (const row of await tx.select({ name, born }).from(table).where(within(names, name)))
        found.set(birthKeys[kind](row.name), row.born)
    }),
  ])
  return found
}
