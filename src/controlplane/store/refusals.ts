/** How a write is refused: by a rule that it breaks, or because others name what it would delete. */
import { type SQL, sql } from '../../../schema/drizzle.ts'
import { joinPath } from '../document/path.ts'
import { pathOf } from '../document/references.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import type { Breach } from '../rules/breach.ts'
import { texts } from './neighbourhood.ts'
import type { Tx } from './transaction.ts'

/** Problems in one answer; whoever has more starts with these. */
const mostProblems = 100

/**
 * Throws when a rule is broken: `invalid` when something is named that is not there, else `conflict`. The paths are those of
 * a document, but for what `pathInside` knows better.
 *
 * @param what is refused, such as `pool web`
 * @param pathInside the path in the body of the request; null for what lies outside of it
 */
export function throwIfBroken(
  what: string,
  breaches: readonly Breach[],
  pathInside: (breach: Breach) => string | null,
): void {
  const problems = breaches.map((breach) => {
    return { path: pathInside(breach) ?? pathOf(breach), message: breach.message }
  })
  throwIfAny(what, problems, breaches.some(({ code }) => code === 'invalid') ? 'invalid' : 'conflict')
}

/** Paths of breaches in the body of one monitor, pool or service. */
export const insideOf = (kind: Breach['kind'], name: string) => (breach: Breach) =>
  breach.kind === kind && breach.name === name ? joinPath('', ...breach.at) : null

/** Throws with the problems, the first of them in the message. */
export function throwIfAny(
  what: string,
  problems: readonly Problem[],
  code: 'invalid' | 'conflict' = 'conflict',
): void {
  const [first] = problems
  if (first === undefined) return
  throw new ControlError(code, `${what} is refused: ${first.message}`, {
    problems: problems.slice(0, mostProblems),
  })
}

type Kind = 'feed' | 'monitor' | 'pool' | 'service'

/** Who names something, as queries of `kind`, `name` and the `field` that names it; in the order in which they are told. */
const naming: Readonly<Record<Kind, (name: string) => SQL>> = {
  feed: (name) => usersOfFeed(name),
  monitor: (name) => sql`
    select 1 as nth, 'pool' as kind, name, 'monitor' as field from pools where monitor = ${name}
    union all select 2, 'monitor', composite, 'monitors' from monitor_parts where monitor = ${name}`,
  pool: (name) => sql`
    select 1 as nth, 'service' as kind, service as name, null as field from service_pools where pool = ${name}
    union select 1, 'service', name, null from services where fallback = ${name}
    union all select 2, 'pool', name, 'fallback' from pools where fallback = ${name}`,
  service: (name) => sql`
    select 1 as nth, 'service' as kind, service as name, null as field from service_pools where nested = ${name}`,
}

/** @param columns only those that name one of these */
function usersOfFeed(name: string, columns?: readonly string[]): SQL {
  const names = (use: SQL) =>
    columns === undefined
      ? sql`${use} ->> 'feed' = ${name}`
      : sql`(${use} ->> 'feed' = ${name} and ${use} ->> 'column' = any(${texts(columns)}))`
  return sql`
    select 1 as nth, 'monitor' as kind, name, 'feed' as field from monitors where type = 'feed' and ${names(sql`settings`)}
    union select 2, 'pool', name, 'capacity' from pools where ${names(sql`settings -> 'capacity'`)}
    union select 2, 'pool', pool, 'members' from members
      where feeds <> '{}' and (${names(sql`feeds -> 'weight'`)} or ${names(sql`feeds -> 'shed'`)})`
}

/** Who names one of these columns of a feed. */
export async function findColumnUsers(tx: Tx, feed: string, columns: readonly string[]): Promise<User[]> {
  if (columns.length === 0) return []
  const { rows } = await tx.execute<User>(
    sql`select kind, name, field from (${usersOfFeed(feed, columns)}) as users order by nth, name`,
  )
  return rows
}

/** Somebody who names something. */
type User = { readonly kind: Kind; readonly name: string; readonly field: string | null }

export async function findUsers(tx: Tx, kind: Kind, name: string): Promise<User[]> {
  const { rows } = await tx.execute<User>(
    sql`select kind, name, field from (${naming[kind](name)}) as users order by nth, name`,
  )
  return rows
}

/** Throws `conflict` when anybody names it, with a problem for each. */
export function throwIfUsed(kind: Kind | 'column', name: string, users: readonly User[]): void {
  if (users.length === 0) return
  const lists = Array.from(
    Map.groupBy(users, (user) => user.kind),
    ([each, named]) => `${each}${named.length === 1 ? '' : 's'} ${named.map((user) => user.name).join(', ')}`,
  )
  throw new ControlError('conflict', `${kind} ${name} is used by ${lists.join(' and ')}`, {
    problems: users.map((user) => ({
      path: pathOf({ kind: `${user.kind}s`, name: user.name, at: user.field === null ? [] : [user.field] }),
      message: `uses ${kind} ${name}`,
    })),
  })
}
