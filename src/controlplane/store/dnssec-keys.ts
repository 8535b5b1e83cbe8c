/**
 * Keys of signed zones, and what becomes of them when a zone is signed, and no more. A key is made in the transaction that has a zone
 * signed, sealed before it gets there; private parts are never in the clear in here.
 *
 *     from      to        by
 *     -         active    a zone is signed for the first time
 *     -         retired   a key is imported into a zone that is not signed
 *     retired   active    a zone is signed (again) with its algorithm: the newest one of each role, so that its parent's DS stays good
 *     any       retired   the zone is signed no more, or is no more
 *
 * Those of a rollover are in `rollovers.ts`.
 */
import { isDeepStrictEqual } from 'node:util'
import { dnssecKeys, dnssecRollovers } from '../../../schema/dnssec-keys.ts'
import { and, desc, eq, inArray, isNotNull, ne, sql } from '../../../schema/drizzle.ts'
import { zones } from '../../../schema/zones.ts'
import {
  addedTypes,
  type KeyRole,
  keyFlags,
  keyRoles,
  keyStates,
  type SealedKey,
  type ServedKey,
  type SigningAlgorithm,
  type ZoneKey,
  type ZoneSigning,
} from '../model/dnssec.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import { dutiesOf } from '../model/rollover.ts'
import { demandAllHeard } from '../model/silence.ts'
import type { ZoneHead } from '../model/zone.ts'
import {
  madeBySigning,
  newForeignKeys,
  type SigningBreach,
  type SigningChange,
  signingBreaches,
} from '../rules/signing.ts'
import { listSigningNodes } from './fleet.ts'
import { texts } from './neighbourhood.ts'
import { throwIfAny } from './refusals.ts'
import { readRows } from './stored.ts'
import type { Tx, Write } from './transaction.ts'

/** Keys of zones that there are none of any more are kept, but not without end. */
export const mostKeysOfZone = 16

/** All keys of a zone, the newest first. Throws `invalid` for a row that can't be read. */
export async function listKeys(tx: Tx, apex: string): Promise<ZoneKey[]> {
  const rows = await tx
    .select()
    .from(dnssecKeys)
    .where(eq(dnssecKeys.apex, apex))
    .orderBy(desc(dnssecKeys.since), desc(dnssecKeys.id))
    .limit(mostKeysOfZone)
  return readRows(rows, ({ id }) => `key ${id} of zone ${apex}`, readKey)
}

const publicOctets: Readonly<Record<number, number>> = { 13: 64, 15: 32 }

function readKey(row: Row, problems: Problem[]): ZoneKey | null {
  const { algorithm, publicKey, role, state, since } = row
  const wrong = (path: string) => problems.push({ path, message: 'is none' })
  if (Buffer.from(publicKey, 'base64').length !== publicOctets[algorithm]) wrong('public_key')
  if (!keyRoles.includes(role)) wrong('role')
  if (!keyStates.includes(state)) wrong('state')
  if (Number.isNaN(since.getTime())) wrong('since')
  return problems.length > 0 ? null : keyOf(row)
}

/** The keys that do something, by the apex of their zones. @param apexes null for all */
export async function readActiveKeys(
  tx: Tx,
  apexes: readonly string[] | null,
): Promise<ReadonlyMap<string, readonly ServedKey[]>> {
  if (apexes?.length === 0) return new Map()
  const isOfUse = ne(dnssecKeys.state, 'retired')
  const rows = await tx
    .select({ key: dnssecKeys, rollover: dnssecRollovers })
    .from(dnssecKeys)
    .leftJoin(dnssecRollovers, eq(dnssecRollovers.apex, dnssecKeys.apex))
    .where(apexes === null ? isOfUse : and(isOfUse, sql`${dnssecKeys.apex} = any(${texts(apexes)})`))
    .orderBy(dnssecKeys.id)
  const byZone = Map.groupBy(rows, ({ key }) => key.apex)
  const served = ({ key, rollover }: (typeof rows)[number]): ServedKey => {
    const { algorithm, flags, publicKey, sealed, role, state } = keyOf(key)
    return { algorithm, flags, publicKey, sealed, duties: dutiesOf(role, state, rollover) }
  }
  return new Map(Array.from(byZone, ([apex, keys]) => [apex, keys.map(served)]))
}

/**
 * Judges what a write makes of the signing of a zone, and has the keys follow. Throws `conflict` when that can't be.
 *
 * @param before null for a zone that is new
 */
export async function followSigning(write: Write, before: ZoneHead | null, after: ZoneHead): Promise<void> {
  const { apex } = after
  const [was, is] = [before?.dnssec ?? null, after.dnssec]
  const [breach] = await breachesOfSigning(write.tx, [{ apex, was, is }])
  if (breach !== undefined) throw new ControlError('conflict', `zone ${apex} ${breach.message}`)
  if (is === null) return
  // Of a zone that is new a silent node has nothing.
  if (before !== null && was === null)
    demandAllHeard(await listSigningNodes(write.tx), apex, "can't be signed")
  else if (was !== null && !isDeepStrictEqual(was.foreignKeys, is.foreignKeys))
    demandAllHeard(await listSigningNodes(write.tx), apex, "can't have other foreignKeys")
  if (was === null) {
    for (const role of rolesOf(is)) await activate(write, apex, is.algorithm, role)
  } else await followSettings(write, apex, was, is)
  await checkContents(write.tx, apex)
}

/** What of this can't be, by its zone. */
export async function breachesOfSigning(
  tx: Tx,
  changes: readonly SigningChange[],
): Promise<(SigningBreach & { readonly apex: string })[]> {
  const listing = changes.filter((change) => newForeignKeys(change).length > 0).map(({ apex }) => apex)
  const rolling =
    listing.length === 0
      ? []
      : await tx
          .select({ apex: dnssecRollovers.apex })
          .from(dnssecRollovers)
          .where(
            and(sql`${dnssecRollovers.apex} = any(${texts(listing)})`, isNotNull(dnssecRollovers.algorithm)),
          )
  const changing = new Set(rolling.map(({ apex }) => apex))
  return changes.flatMap((change) =>
    signingBreaches(change, changing.has(change.apex)).map((breach) => ({ ...breach, apex: change.apex })),
  )
}

/** The keys that a zone is signed by. */
export function rolesOf({ keys }: Pick<ZoneSigning, 'keys'>): readonly KeyRole[] {
  return keys === 'split' ? ['ksk', 'zsk'] : ['csk']
}

/** What goes with settings of a zone that is signed already. */
async function followSettings(write: Write, apex: string, was: ZoneSigning, is: ZoneSigning): Promise<void> {
  if (was.bootstrap !== is.bootstrap)
    write.send(write.tx.update(zones).set({ bootstrappedAt: null }).where(eq(zones.apex, apex)))
  if (was.maxTtlSeconds <= is.maxTtlSeconds) return
  // What was served before lives on in caches for as long as it was allowed to.
  const until = sql`clock_timestamp() + ${was.maxTtlSeconds + was.propagationSeconds} * interval '1 second'`
  const cachedUntil = sql`greatest(${zones.cachedUntil}, ${until})`
  write.send(write.tx.update(zones).set({ cachedUntil }).where(eq(zones.apex, apex)))
}

/** Says that no key of a zone signs any more. */
export function retireKeys(write: Write, apexes: readonly string[]): void {
  const row = { state: 'retired', since: new Date() } as const
  const active = and(inArray(dnssecKeys.apex, [...apexes]), ne(dnssecKeys.state, 'retired'))
  write.send(write.tx.update(dnssecKeys).set(row).where(active))
}

/** Takes a key in, which signs once its zone is signed. Throws `conflict` where there is one that signs. */
export async function importKey(
  write: Write,
  apex: string,
  key: SealedKey,
  role: KeyRole = key.flags === keyFlags.zsk ? 'zsk' : 'csk',
): Promise<void> {
  const keys = await listKeys(write.tx, apex)
  if (keys.some(({ state }) => state !== 'retired')) {
    throw new ControlError('conflict', `zone ${apex} is signed already: a key is imported before that`)
  }
  const same = keys.find(
    ({ publicKey, algorithm }) => publicKey === key.publicKey && algorithm === key.algorithm,
  )
  if (same === undefined && keys.length >= mostKeysOfZone) {
    throw new ControlError('conflict', `zone ${apex} has ${mostKeysOfZone} keys, which is the most`)
  }
  const since = new Date()
  const own = and(eq(dnssecKeys.apex, apex), eq(dnssecKeys.publicKey, key.publicKey))
  write.send(
    same === undefined
      ? write.tx.insert(dnssecKeys).values({ apex, ...key, role, state: 'retired', since })
      : write.tx.update(dnssecKeys).set({ sealed: key.sealed, flags: key.flags, role, since }).where(own),
  )
  const { sealed: _, ...shown } = key
  write.audit('dnssec.import-key', apex, null, { ...shown, role })
}

async function activate(
  write: Write,
  apex: string,
  algorithm: SigningAlgorithm,
  role: KeyRole,
): Promise<void> {
  const { tx } = write
  const since = new Date()
  const [known] = await tx
    .select()
    .from(dnssecKeys)
    .where(and(eq(dnssecKeys.apex, apex), eq(dnssecKeys.algorithm, algorithm), eq(dnssecKeys.role, role)))
    .orderBy(desc(dnssecKeys.since), desc(dnssecKeys.id))
    .limit(1)
  if (known === undefined) {
    const key = write.keys.make(apex, algorithm, role, !write.mayHaveKeys)
    write.bringsKeys()
    write.send(tx.insert(dnssecKeys).values({ apex, ...key, role, state: 'active', since }))
  } else if (known.state !== 'active') {
    write.keys.check(apex, { ...known, algorithm })
    write.send(tx.update(dnssecKeys).set({ state: 'active', since }).where(eq(dnssecKeys.id, known.id)))
  }
}

/** Throws `conflict` when a zone holds what signing makes. */
async function checkContents(tx: Tx, apex: string): Promise<void> {
  const found = await listMadeBySigning(tx, [apex])
  throwIfAny(
    `zone ${apex}`,
    found.map(({ owner, type }) => ({ path: 'rrsets', message: madeBySigning(owner, type) })),
  )
}

/** RRsets of zones that these can't have while they are signed; the first of them. */
export async function listMadeBySigning(
  tx: Tx,
  apexes: readonly string[],
): Promise<readonly { readonly zone: string; readonly owner: string; readonly type: string }[]> {
  if (apexes.length === 0) return []
  const { rows } = await tx.execute<{ zone: string; owner: string; type: string }>(sql`
    select zone, owner, type from rrsets
    where zone = any(${texts(apexes)}) and type = any(${texts(addedTypes)}) order by 1, 2, 3 limit ${mostTold}`)
  return rows
}

/** Enough to see what is the matter. */
const mostTold = 10

type Row = typeof dnssecKeys.$inferSelect

export const keyOf = ({ algorithm, flags, publicKey, sealed, role, state, since }: Row): ZoneKey => ({
  algorithm: algorithm as SigningAlgorithm,
  flags,
  publicKey,
  sealed,
  role,
  state,
  since,
})
