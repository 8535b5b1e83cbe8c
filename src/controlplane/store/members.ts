import { isDeepStrictEqual } from 'node:util'
import { and, asc, eq, inArray, type SQL, sql } from '../../../schema/drizzle.ts'
import { reports } from '../../../schema/fleet.ts'
import { memberHealth, overrides } from '../../../schema/health.ts'
import { members, pools } from '../../../schema/pools.ts'
import { canonicalAddress } from '../../dataplane/wire/address.ts'
import { joinPath } from '../document/path.ts'
import { formatMember, parseMember } from '../document/pool.ts'
import { ControlError } from '../model/errors.ts'
import { formatMemberKey } from '../model/member-key.ts'
import { addressesOf, type Member } from '../model/pool.ts'
import { addressBreaches } from '../rules/addresses.ts'
import { addressInCnamePool } from '../rules/places.ts'
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

const toStored = (row: MemberRow): Stored<Member> => ({
  value: readMembers([row])[0]!,
  revision: row.revision,
})

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
): Promise<Put> {
  const { tx, revision } = write
  const [head] = await tx
    .select({ hosts: pools.hosts, row: members })
    .from(pools)
    .leftJoin(members, and(eq(members.pool, pools.name), eq(members.name, member.name)))
    .where(eq(pools.name, pool))
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
  if (current !== null && isDeepStrictEqual(current.value, member)) {
    return { created: false, changed: false, revision: current.revision }
  }
  throwIfBroken(`member ${member.name} of pool ${pool}`, addressBreaches(pool, [member]), ({ at }) =>
    joinPath('', ...at.slice(2)),
  )
  await checkTargets(tx, pool, member)
  await saveRows(tx, pool, [{ ...member, revision }])
  await checkPoolSize(tx, `member ${member.name} of pool ${pool}`, pool)
  if (current !== null && probesElsewhere(current.value, member)) await renew(tx, pool, [member.name])
  await touchPool(write, pool)
  write.audit('member.put', formatMemberKey({ pool, member: member.name }), current?.value, member)
  return { created: current === null, changed: true, revision }
}

/** Throws `conflict` when another member of the pool has one of the addresses or the host. A pool that is put whole has been checked. */
async function checkTargets(tx: Tx, pool: string, member: Member): Promise<void> {
  const { name, host } = member
  const own = addressesOf(member)
  const { rows: others } = await tx.execute<{ name: string; addresses: string[] | null }>(sql`
    select name, (select array_agg(host(given)) from unnest(array_prepend(address, more_addresses)) as given) as addresses
    from members
    where pool = ${pool} and name <> ${name} and (host = ${host} or array_prepend(address, more_addresses) &&
      (select coalesce(array_agg(given::inet), '{}') from json_array_elements_text(${JSON.stringify(own)}::json) as given))
    order by name limit 100`)
  const what = host !== null ? 'host' : own.length === 1 ? 'address' : 'addresses'
  throwIfAny(
    `member ${name} of pool ${pool}`,
    others.map((other) => {
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
  await removeMembers(write, pool, [current.value])
  await touchPool(write, pool)
  write.audit('member.delete', formatMemberKey({ pool, member: name }), current.value, null)
}

/**
 * Writes the members that differ from what is stored, and the order of all. None is removed.
 *
 * @param isNew whether the pool is, so that nothing is stored
 */
export async function saveMembers(
  { tx, revision }: Write,
  pool: string,
  wanted: readonly Member[],
  isNew: boolean,
): Promise<void> {
  const stored = isNew
    ? []
    : await tx.select().from(members).where(eq(members.pool, pool)).orderBy(asc(members.name))
  const byName = new Map(stored.map((row) => [row.name, row]))
  const rows = []
  const moved = []
  for (const [position, member] of wanted.entries()) {
    const row = byName.get(member.name)
    const same = row !== undefined && isDeepStrictEqual(toMember(row), member)
    if (same && row.position === position) continue
    rows.push({ ...member, position, revision: same ? row.revision : revision })
    if (row !== undefined && probesElsewhere(toMember(row), member)) moved.push(member.name)
  }
  await saveRows(tx, pool, rows)
  await renew(tx, pool, moved)
}

/** Ends the overrides that name a pool, all of them or those of some members: a later pool or member of the name is another one. */
export async function endOverrides(write: Write, pool: string, ofMembers?: SQL): Promise<void> {
  const freed = await write.tx
    .delete(overrides)
    .where(and(eq(overrides.pool, pool), ofMembers))
    .returning({ member: overrides.member })
  for (const { member } of freed) write.change('override', formatMemberKey({ pool, member }))
}

/** Deletes members, and their own overrides with them. Those by patterns stay. */
export async function removeMembers(
  write: Write,
  pool: string,
  gone: readonly Pick<Member, 'name'>[],
): Promise<void> {
  if (gone.length === 0) return
  const names = gone.map((member) => member.name)
  await endOverrides(write, pool, inArray(overrides.member, names))
  await forgetReports(write.tx, pool, names)
  await write.tx.delete(members).where(and(eq(members.pool, pool), inArray(members.name, names)))
}

/** The members of rows; those that can't be read are told and left out, or, without `onBad`, `invalid`. */
export function readMembers(rows: readonly MemberRow[], onBad?: OnBad): Member[] {
  return readRows(
    rows,
    ({ pool, name }) => `member ${formatMemberKey({ pool, member: name })}`,
    (row, problems) => parseMember(row.name, formatMember(toMember(row)), '', problems),
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
async function renew(tx: Tx, pool: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  await tx
    .delete(memberHealth)
    .where(and(eq(memberHealth.pool, pool), inArray(memberHealth.member, [...names])))
  await forgetReports(tx, pool, names)
  await tx.execute(sql`
    update members set born = default
    where pool = ${pool} and name in (select json_array_elements_text(${JSON.stringify(names)}::json))`)
}

/** Reports have no foreign key; one that is on its way tells by `born` that it is not meant. */
async function forgetReports(tx: Tx, pool: string, names: readonly string[]): Promise<void> {
  await tx.delete(reports).where(and(eq(reports.pool, pool), inArray(reports.member, [...names])))
}

type NewRow = Member & {
  /** Absent: the one that it has, or the last. */
  readonly position?: number
  readonly revision: number
}

// One statement for all, so that members may swap addresses: that constraint is checked at its end.
async function saveRows(tx: Tx, pool: string, rows: readonly NewRow[]): Promise<void> {
  if (rows.length === 0) return
  await tx.execute(sql`
    insert into members (pool, name, position, address, more_addresses, host, weight, priority, probe_address, probe_port, revision)
    select ${pool}::text, r.name,
      coalesce(r.position, (select position from members m where m.pool = ${pool} and m.name = r.name),
        (select max(position) + 1 from members m where m.pool = ${pool}), 0),
      r.address, r."moreAddresses", r.host, r.weight, r.priority, r."probeAddress", r."probePort", r.revision
    from json_to_recordset(${JSON.stringify(rows)}::json) as r(name text, position int, address inet, "moreAddresses" inet[], host text, weight int, priority int,
      "probeAddress" inet, "probePort" int, revision bigint)
    on conflict (pool, name) do update set position = excluded.position, address = excluded.address,
      more_addresses = excluded.more_addresses, host = excluded.host, weight = excluded.weight, priority = excluded.priority,
      probe_address = excluded.probe_address, probe_port = excluded.probe_port, revision = excluded.revision`)
}

async function touchPool(write: Write, pool: string): Promise<void> {
  await write.tx.update(pools).set({ revision: write.revision }).where(eq(pools.name, pool))
  write.change('pool', pool)
}
