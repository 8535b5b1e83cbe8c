import { type SQL, sql } from 'drizzle-orm'

/** A label that ends with a backslash of its own is no label: the dot behind it is escaped. */
const escapesDot = String.raw`(^|[^\\])(\\\\)*\\$`

/**
 * A subquery of one column, `name`: the names that an owner lies below, the apex included, as owners. The owner and what
 * comes out are relative to the apex, `@` for the apex itself, which lies below nothing.
 */
export function ancestorsOf(owner: SQL): SQL {
  return sql`(
    select array_to_string(labels[i:], '.') as name
    from (select string_to_array(${owner}, '.') as labels) as split, generate_series(2, cardinality(labels)) as i
    where labels[i - 1] !~ ${escapesDot}
    union all
    select '@' where ${owner} <> '@'
  )`
}
