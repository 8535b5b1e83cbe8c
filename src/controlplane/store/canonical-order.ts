/**
 * All RRsets of a zone in the canonical order of names (RFC 4034 section 6.1): by labels from the right, octet by octet.
 * The table is ordered by the text of owners, where a name stands far from what is below it and escapes mislead; so they
 * are sorted for this, by a key in which the labels stand in reverse.
 *
 * In the key an octet of 1 divides labels, so that a shorter name comes before what is below it. Octets of 0, 1 and 2
 * inside a label become 2 and the octet plus 1, which keeps their order and never looks like a divider.
 */
import { type SQL, sql } from '../../../schema/drizzle.ts'
import type { Rrset } from '../model/zone.ts'
import { fetchRows } from './cursor.ts'
import type { Tx } from './transaction.ts'

/** `batch` at a time, ordered by owner and, within one, by type as text. Bounded memory, here and in the server. */
export async function* streamCanonically(tx: Tx, apex: string, batch: number): AsyncGenerator<Rrset[]> {
  yield* fetchRows<Rrset>(
    tx,
    sql`
    select owner, type, ttl_seconds as "ttlSeconds", data from rrsets where zone = ${apex}
    order by ${canonicalKey}, type`,
    batch,
  )
}

/** Owners with escapes are few, and are taken apart octet by octet; all others are cut at their dots. */
const canonicalKey: SQL = sql`
  case when owner = '@' then ''::bytea
  when position(${'\\'} in owner) = 0 then convert_to(array_to_string(array(
    select label from unnest(string_to_array(owner, '.')) with ordinality as u(label, nth) order by nth desc
  ), chr(1)), 'UTF8')
  else (
    select decode(string_agg(label, '01' order by nth desc), 'hex') from (
      select nth, string_agg(octet, '' order by place) as label from (
        select place, nth, dot, case when code <= 2 then '020' || (code + 1) else lpad(to_hex(code), 2, '0') end as octet
        from (
          select place, token = '.' as dot, count(*) filter (where token = '.') over (order by place) as nth,
            case when token ~ ${String.raw`^\\\d`} then substr(token, 2)::int else ascii(right(token, 1)) end as code
          from regexp_matches(owner, ${String.raw`\\\d\d\d|\\.|[^\\]`}, 'g') with ordinality as m(found, place),
            lateral (select found[1] as token) as t
        ) as tokens
      ) as octets where not dot group by nth
    ) as labels
  ) end`
