import { isDeepStrictEqual } from 'node:util'
import { and, asc, eq, inArray, type SQL, sql } from '../../../schema/drizzle.ts'
import { reports } from '../../../schema/fleet.ts'
import { memberHealth, overrides } from '../../../schema/health.ts'
import { members, pools } from '../../../schema/pools.ts'
import { canonicalAddress } from '../../dataplane/wire/address.ts'
import { formatFed, readFed } from '../document/feed-use.ts'
import type { Body } from '../document/forms.ts'
import { joinPath } from '../document/path.ts'
import { formatMember, parseMember } from '../document/pool.ts'
import { spellingFor, spellingOf } from '../document/written.ts'
import { ControlError } from '../model/errors.ts'
import { formatMemberKey } from '../model/member-key.ts'
import { addressesOf, type Member } from '../model/pool.ts'
import { addressBreaches } from '../rules/addresses.ts'
import { columnsOfMember } from '../rules/feed-uses.ts'
import { columnBreaches } from '../rules/feeds.ts'
import { addressInCnamePool } from '../rules/places.ts'
import { loadNeighbourhood, viewAfter } from './neighbourhood.ts'
import { checkPoolSize } from './plan-sizes.ts'
import { throwIfAny, throwIfBroken } from './refusals.ts'
import {
  checkCondition,
  checkExists,
  type OnBad,
  type Put,
  readRows,
  type Stored,
  type WriteCondition,
} from './stored.ts'
import type { Tx, Write } from './transaction.ts'

type MemberRow = typeof members.$inferSelect

/** Null when the pool or the member does not exist. Throws `invalid` for a row that can't be read. */
export async function getMember(tx: Tx, pool: string, name: string): Promise<Stored<Member> | null> {
  const row = await findRow(tx, pool, name)
  return row === null ? null : toStored(row)
}

async function findRow(tx: Tx, pool: string, name: string): Promise<MemberRow | null> {
  const [row] = await tx
    .select()
    .from(members)
    .where(and(eq(members.pool, pool), eq(members.name, name)))
  return row ?? null
}

/** For who is to write or delete it: whether it can be read or not. */
const asWritten = (row: MemberRow): Stored<Member> => ({ value: toMember(row), revision: row.revision })

const toStored = (row: MemberRow): Stored<Member> => {
  const value = readMembers([row])[0]!
  return { value, revision: row.revision, written: spellingIn(row, value) }
}

/** How somebody wrote the member that a row is; null where that is how we write it. */
export const spellingIn = (row: MemberRow, member: Member): Body | null =>
  spellingFor(row.written, member, (body, problems) => parseMember(row.name, body, '', problems))

/** The fragment of a row, whether it can be read or not. */
export function memberBody(row: MemberRow): Body {
  const member = toMember(row)
  return spellingIn(row, member) ?? formatMember(member)
}

/** Names of every member, pools in order. */
export async function listMemberNames(tx: Tx): Promise<{ pool: string; member: string }[]> {
  return tx.select({ pool: members.pool, member: members.name }).from(members).orderBy(asc(members.pool))
}

/**
 * Creates or replaces one member; a new one comes last. Throws `not-found` when there is no such pool, `invalid` for an
 * address that is no server's, or in a pool that is answered with CNAMEs.
 */
export async function putMember(
  write: Write,
  pool: string,
  member: Member,
  condition: WriteCondition,
  body: unknown = null,
): Promise<Put> {
  const { tx } = write
  const [[head], rivals] = await Promise.all([
    tx
      .select({ hosts: pools.hosts, row: members })
      .from(pools)
      .leftJoin(members, and(eq(members.pool, pools.name), eq(members.name, member.name)))
      .where(eq(pools.name, pool)),
    findRivals(tx, pool, member),
  ])
  if (head === undefined) throw new ControlError('not-found', `pool ${pool} does not exist`)
  if (head.hosts === 'cname' && member.host === null) {
    throw new ControlError('invalid', `member ${member.name} ${addressInCnamePool}`, {
      problems: [
        { path: member.moreAddresses.length === 0 ? 'address' : 'addresses', message: addressInCnamePool },
      ],
    })
  }
  const current = head.row === null ? null : asWritten(head.row)
  checkCondition(condition, current, `member ${member.name} of pool ${pool}`)
  const written = spellingOf(body, formatMember(member))
  if (
    current !== null &&
    isDeepStrictEqual(current.value, member) &&
    isDeepStrictEqual(spellingIn(head.row!, member), written)
  ) {
    return { created: false, changed: false, revision: current.revision }
  }
  throwIfBroken(`member ${member.name} of pool ${pool}`, addressBreaches(pool, [member]), ({ at }) =>
    joinPath('', ...at.slice(2)),
  )
  throwIfTaken(pool, member, rivals)
  await checkColumns(tx, pool, member)
  const { revision } = write
  saveRows(write, [{ ...member, pool, written, revision }])
  write.beforeCommit(checkPoolSize(tx, `member ${member.name} of pool ${pool}`, pool))
  if (current !== null && probesElsewhere(current.value, member)) renew(write, pool, [member.name])
  touchPool(write, pool)
  const key = formatMemberKey({ pool, member: member.name })
  const former = head.row === null ? null : memberBody(head.row)
  write.keep('member', key, former)
  write.audit('member.put', key, former, written ?? formatMember(member))
  return { created: current === null, changed: true, revision }
}

/** Throws `invalid` for a feed, or a column of one, that is not there. */
async function checkColumns(tx: Tx, pool: string, member: Member): Promise<void> {
  const uses = columnsOfMember(member)
  if (uses.length === 0) return
  const { feeds } = viewAfter(await loadNeighbourhood(tx, { feeds: uses.map(({ feed }) => feed) }), {})
  const breaches = columnBreaches(feeds, { kind: 'pools', name: pool }, uses)
  throwIfBroken(`member ${member.name} of pool ${pool}`, breaches, ({ at }) => joinPath('', ...at))
}

/** Another member of a pool that has one of the addresses or the host of a member. */
type Rival = { readonly name: string; readonly addresses: string[] | null }

async function findRivals(tx: Tx, pool: string, member: Member): Promise<Rival[]> {
  const { name, host } = member
  const own = addressesOf(member)
  const { rows } = await tx.execute<Rival>(sql`
    select name, (select array_agg(host(given)) from unnest(array_prepend(address, more_addresses)) as given) as addresses
    from members
    where pool = ${pool} and name <> ${name} and (host = ${host} or array_prepend(address, more_addresses) &&
      (select coalesce(array_agg(given::inet), '{}') from json_array_elements_text(${JSON.stringify(own)}::json) as given))
    order by name limit 100`)
  return rows
}

/** Throws `conflict` when there is one. A pool that is put whole has been checked. */
function throwIfTaken(pool: string, member: Member, rivals: readonly Rival[]): void {
  const { name, host } = member
  const own = addressesOf(member)
  const what = host !== null ? 'host' : own.length === 1 ? 'address' : 'addresses'
  throwIfAny(
    `member ${name} of pool ${pool}`,
    rivals.map((other) => {
      const taken = host ?? own.find((address) => other.addresses?.map(canonical).includes(address))
      const kind = host === null ? 'address' : 'host'
      return { path: what, message: `${taken} is already the ${kind} of member ${other.name}` }
    }),
  )
}

export async function deleteMember(
  write: Write,
  pool: string,
  name: string,
  condition: WriteCondition,
): Promise<void> {
  const row = await findRow(write.tx, pool, name)
  const current = row === null ? null : asWritten(row)
  checkExists(condition, current, `member ${name} of pool ${pool}`)
  removeMembers(write, pool, [current.value])
  touchPool(write, pool)
  const key = formatMemberKey({ pool, member: name })
  const former = memberBody(row!)
  write.keep('member', key, former)
  write.audit('member.delete', key, former, null)
}

/** A member as it is to be, and its spelling. */
export interface WantedMember {
  readonly value: Member
  readonly written: Body | null
}

/** The members of pools as they are to be, and the rows that there are of each pool. */
export interface WantedMembers {
  readonly pool: string
  readonly wanted: readonly WantedMember[]
  readonly stored: readonly MemberRow[]
}

/** Writes the members that differ from what is stored, the order of all, and deletes the others. */
export function replaceMembers(write: Write, pools: readonly WantedMembers[]): void {
  const { revision } = write
  let rows: NewRow[] = []
  for (const { pool, wanted, stored } of pools) {
    const byName = new Map(stored.map((row) => [row.name, row]))
    const moved = []
    for (const [position, { value, written }] of wanted.entries()) {
      const row = byName.get(value.name)
      byName.delete(value.name)
      const same =
        row !== undefined &&
        isDeepStrictEqual(toMember(row), value) &&
        isDeepStrictEqual(spellingIn(row, value), written)
      if (same && row.position === position) continue
      rows.push({ ...value, pool, position, written, revision: same ? row.revision : revision })
      if (row !== undefined && probesElsewhere(toMember(row), value)) moved.push(value.name)
    }
    removeMembers(write, pool, [...byName.values()])
    renew(write, pool, moved)
    // All of a pool in one statement, so that its members may swap addresses.
    if (rows.length >= batchRows) {
      saveRows(write, rows)
      rows = []
    }
  }
  saveRows(write, rows)
}

/** Rows of one statement at the least, before the next begins: a parameter of some hundreds of KiB. */
const batchRows = 5_000

/** Ends the overrides that name a pool, all of them or those of some members: a later pool or member of the name is another one. */
export function endOverrides(write: Write, pool: string, ofMembers?: SQL): void {
  const freed = write.tx
    .delete(overrides)
    .where(and(eq(overrides.pool, pool), ofMembers))
    .returning({ member: overrides.member })
    .then((rows) => {
      for (const { member } of rows) write.change('override', formatMemberKey({ pool, member }))
    })
  write.beforeCommit(freed)
}

/** Deletes members, and their own overrides with them. Those by patterns stay. */
function removeMembers(write: Write, pool: string, gone: readonly Pick<Member, 'name'>[]): void {
  if (gone.length === 0) return
  const names = gone.map((member) => member.name)
  endOverrides(write, pool, inArray(overrides.member, names))
  forgetReports(write, pool, names)
  write.send(write.tx.delete(members).where(and(eq(members.pool, pool), inArray(members.name, names))))
}

/** The members of rows; those that can't be read are told and left out, or, without `onBad`, `invalid`. */
export function readMembers(rows: readonly MemberRow[], onBad?: OnBad): Member[] {
  return readRows(
    rows,
    ({ pool, name }) => `member ${formatMemberKey({ pool, member: name })}`,
    // The fragments as they are: what is wrong with them is to be told.
    (row, problems) => parseMember(row.name, { ...formatMember(toMember(row)), ...row.feeds }, '', problems),
    onBad,
  )
}

/** Postgres writes some IPv6 addresses in another way than RFC 5952, `::102:304` as `::1.2.3.4` for one. */
const canonical = (text: string) => canonicalAddress(text) ?? text

function toMember(row: MemberRow): Member {
  const { name, address, moreAddresses, host, weight, priority, probeAddress, probePort } = row
  const settings = {
    name,
    weight,
    ...readFed(row.feeds),
    priority,
    probeAddress: probeAddress === null ? null : canonical(probeAddress),
    probePort,
  }
  // The database sees to it that there is one of the two.
  return host === null
    ? { ...settings, address: canonical(address!), moreAddresses: moreAddresses.map(canonical), host: null }
    : { ...settings, address: null, moreAddresses: [], host }
}

/** What was measured and reported belongs to endpoints: a member that has none of those that it had is another machine of that name. */
function probesElsewhere(before: Member, after: Member): boolean {
  const endpointsOf = (member: Member) =>
    member.probeAddress !== null ? [member.probeAddress] : [...addressesOf(member), member.host]
  const left = new Set(endpointsOf(before).filter((endpoint) => endpoint !== null))
  return !endpointsOf(after).some((endpoint) => left.has(endpoint!)) || before.probePort !== after.probePort
}

/** Makes members other ones than they were. */
function renew(write: Write, pool: string, names: readonly string[]): void {
  if (names.length === 0) return
  const { tx } = write
  write.send(
    tx.delete(memberHealth).where(and(eq(memberHealth.pool, pool), inArray(memberHealth.member, [...names]))),
  )
  forgetReports(write, pool, names)
  write.send(
    tx.execute(sql`
      update members set born = default
      where pool = ${pool} and name in (select json_array_elements_text(${JSON.stringify(names)}::json))`),
  )
}

/** Reports have no foreign key; one that is on its way tells by `born` that it is not meant. */
function forgetReports(write: Write, pool: string, names: readonly string[]): void {
  write.send(write.tx.delete(reports).where(and(eq(reports.pool, pool), inArray(reports.member, [...names]))))
}

type NewRow = Member & {
  readonly pool: string
  readonly written: Body | null
  /** Left out of a row that is written alone: the one that it has, or the last. */
  readonly position?: number
  readonly revision: number
}

/** What is told of all, or, of one alone, the place that it has or the last. */
function positionOf(rows: readonly NewRow[]): SQL {
  const [{ pool, name, position }] = rows as readonly [NewRow]
  if (position !== undefined) return sql`r.position`
  return sql`coalesce((select position from members where pool = ${pool}::text and name = ${name}::text),
    (select max(position) + 1 from members where pool = ${pool}::text), 0)`
}

// One statement for all, so that members may swap addresses: that constraint is checked at its end.
function saveRows(write: Write, rows: readonly NewRow[]): void {
  if (rows.length === 0) return
  const fed = rows.map((row) => ({ ...row, feeds: formatFed(row) }))
  const saved = write.tx.execute(sql`
    insert into members (pool, name, position, address, more_addresses, host, weight, feeds, priority, probe_address, probe_port, written, revision)
    select r.pool, r.name, ${positionOf(rows)}, r.address, r."moreAddresses", r.host, r.weight, r.feeds, r.priority, r."probeAddress", r."probePort", r.written, r.revision
    from json_to_recordset(${JSON.stringify(fed)}::json) as r(pool text, name text, position int, address inet, "moreAddresses" inet[], host text, weight int, feeds jsonb,
      priority int, "probeAddress" inet, "probePort" int, written json, revision bigint)
    on conflict (pool, name) do update set position = excluded.position, address = excluded.address,
      more_addresses = excluded.more_addresses, host = excluded.host, weight = excluded.weight, feeds = excluded.feeds, priority = excluded.priority,
      probe_address = excluded.probe_address, probe_port = excluded.probe_port, written = excluded.written, revision = excluded.revision`)
  write.send(saved)
}

function touchPool(write: Write, pool: string): void {
  write.send(write.tx.update(pools).set({ revision: write.revision }).where(eq(pools.name, pool)))
  write.change('pool', pool)
}
