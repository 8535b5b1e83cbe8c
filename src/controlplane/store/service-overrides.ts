/** What operators say of services that stand in a pool's place: a column of the service, so that it ends with it. */
import { and, eq, inArray, isNotNull, sql } from '../../../schema/drizzle.ts'
import { services } from '../../../schema/services.ts'
import { auditedWord, endedWord, OverrideWord, toldWord } from '../document/override.ts'
import { ControlError } from '../model/errors.ts'
import { isStanding, type ServiceOverride } from '../model/override.ts'
import { reached } from './reached.ts'
import { type OnBad, type Page, type PageRequest, readPage, readSettings } from './stored.ts'
import type { Tx, Write } from './transaction.ts'

/** What a row says; null for nothing, and for what can't be read, which is told. */
export function readServiceOverride(
  { name, override }: { readonly name: string; readonly override: unknown },
  onBad: OnBad = () => {},
): ServiceOverride | null {
  if (override === null) return null
  const what = `the override of service ${name}`
  const read = readSettings(what, (problems) => OverrideWord.parse(override, '', problems) ?? null, onBad)
  return read === null ? null : { service: name, ...read }
}

/** Throws `not-found` when there is no such service. */
export async function getServiceOverride(tx: Tx, name: string): Promise<ServiceOverride | null> {
  return readServiceOverride(await findRow(tx, name))
}

/** Those of some services, by their names, without those that have ended at `now`. */
export async function serviceOverridesOf(
  tx: Tx,
  names: readonly string[],
  now: Date,
): Promise<ReadonlyMap<string, ServiceOverride>> {
  const some = and(isNotNull(services.override), inArray(services.name, [...names]))
  const rows = await tx.select(columns).from(services).where(some)
  const overrides = rows.flatMap((row) => readServiceOverride(row) ?? [])
  return new Map(overrides.flatMap((one) => (isStanding(one, now) ? [[one.service, one]] : [])))
}

/** One page in the order of services, without those that have ended at `now`, and those that can't be read. */
export async function pageServiceOverrides(
  tx: Tx,
  request: PageRequest,
  now: Date,
): Promise<Page<ServiceOverride>> {
  // As text, which a row that was written by hand can't fail by.
  const until = sql`${services.override} ->> 'until'`
  const standing = sql`(${until} is null or ${until} > ${now.toISOString()})`
  const query = tx.select(columns).from(services).$dynamic()
  const page = await readPage(
    query,
    { name: services.name },
    request,
    (rows) => rows.map((row) => readServiceOverride(row)),
    { where: and(isNotNull(services.override), standing, reached(request.reach, 'service', services.name)) },
  )
  const read = page.items.flatMap((item, nth) => (item === null ? [] : [{ item, nth }]))
  return {
    items: read.map(({ item }) => item),
    nextCursor: page.nextCursor,
    cursorAfter: (index) => page.cursorAfter(read[index]!.nth),
  }
}

/** Sets or replaces the override of a service, and returns what it was. Throws `not-found` when there is no such service. */
export async function putServiceOverride(
  write: Write,
  override: ServiceOverride,
): Promise<ServiceOverride | null> {
  const { service: name, ...word } = override
  const before = await getServiceOverride(write.tx, name)
  write.send(write.tx.update(services).set({ override: word }).where(eq(services.name, name)))
  write.change('service', name)
  write.audit('service-override.put', name, before && auditedWord(before), auditedWord(override))
  write.say(toldWord(`service ${name}`, override))
  return before
}

/**
 * Deletes it, and returns what it was. Throws `not-found` when there is none.
 *
 * @param endedAt when that was said, if not now
 */
export async function deleteServiceOverride(
  write: Write,
  name: string,
  endedAt?: Date,
): Promise<ServiceOverride> {
  const row = await findRow(write.tx, name)
  const override = readServiceOverride(row)
  if (override === null) throw new ControlError('not-found', `there is no override of service ${name}`)
  remove(write, override, 'delete', endedAt === undefined ? null : { endedAt })
  return override
}

/** Deletes those that ended at `now` or before, and returns them. */
export async function expireServiceOverrides(write: Write, now: Date): Promise<ServiceOverride[]> {
  const rows = await write.tx.select(columns).from(services).where(isNotNull(services.override))
  const ended = rows.flatMap((row) => {
    const override = readServiceOverride(row)
    return override === null || override.until === null || override.until > now ? [] : [override]
  })
  for (const override of ended) remove(write, override, 'expire')
  return ended
}

const columns = { name: services.name, override: services.override }

async function findRow(tx: Tx, name: string) {
  const [row] = await tx.select(columns).from(services).where(eq(services.name, name))
  if (row === undefined) throw new ControlError('not-found', `service ${name} does not exist`)
  return row
}

function remove(
  write: Write,
  override: ServiceOverride,
  how: 'delete' | 'expire',
  after: object | null = null,
): void {
  const { service: name } = override
  write.send(write.tx.update(services).set({ override: null }).where(eq(services.name, name)))
  write.change('service', name)
  write.audit(`service-override.${how}`, name, auditedWord(override), after)
  write.say(endedWord(`service ${name}`, override, how === 'delete' ? 'taken back' : 'run out'))
}
