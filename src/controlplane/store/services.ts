import { isDeepStrictEqual } from 'node:util'
import { asc, eq, gt, inArray, sql } from 'drizzle-orm'
import { pools } from '../../../schema/pools.ts'
import { servicePools, services } from '../../../schema/services.ts'
import { zones } from '../../../schema/zones.ts'
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import { formatServiceSettings, parseServiceSettings } from '../document/service.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import type { Choice, Service } from '../model/service.ts'
import { nestedIn, nestingProblems } from '../rules/graph.ts'
import { aliasProblems } from './alias-conflicts.ts'
import { distanceProblems } from './distance-conflicts.ts'
import { servicesBelowDname } from './dname-conflicts.ts'
import { edgesAround } from './edges-around.ts'
import { pathOfService, rrsetProblems, throwIfAny, throwIfUsed } from './name-conflicts.ts'
import {
  checkCondition,
  checkExists,
  decodeCursor,
  type Page,
  type PageRequest,
  type Put,
  pageOf,
  type Stored,
  type WriteCondition,
} from './stored.ts'
import type { Tx, Write } from './transaction.ts'
import { type OnBad, unreadable } from './unreadable.ts'

export interface StoredService extends Stored<Service> {
  /** Apex of the zone that the service lies in. */
  readonly zone: string
}

interface ChoiceRow {
  readonly pool: string | null
  readonly nested: string | null
  readonly weight: number
  readonly bias: number
  readonly latitude: number | null
  readonly longitude: number | null
}

const columns = {
  name: services.name,
  zone: services.zone,
  ttlSeconds: services.ttlSeconds,
  minTtlSeconds: services.minTtlSeconds,
  steer: services.steer,
  whenAllDown: services.whenAllDown,
  fallback: services.fallback,
  settings: services.settings,
  revision: services.revision,
  choices: sql<ChoiceRow[]>`(
    select coalesce(json_agg(json_build_object('pool', sp.pool, 'nested', sp.nested, 'weight', sp.weight, 'bias', sp.bias,
      'latitude', sp.latitude, 'longitude', sp.longitude) order by sp.position), '[]')
    from service_pools sp where sp.service = services.name)`,
}

/** Throws `invalid` for a row that can't be read; with `onBad`, that is told, and its settings are the defaults. */
export async function getService(tx: Tx, name: string, onBad?: OnBad): Promise<StoredService | null> {
  const [row] = await tx.select(columns).from(services).where(eq(services.name, name))
  return row === undefined ? null : toStored(row, onBad)
}

/** One page in the order of names. Throws `invalid` for a row that can't be read. */
export async function listServices(tx: Tx, { limit, cursor }: PageRequest): Promise<Page<StoredService>> {
  const after = decodeCursor(cursor, 'string')
  const rows = await tx
    .select(columns)
    .from(services)
    .where(after === null ? undefined : gt(services.name, after[0]))
    .orderBy(asc(services.name))
    .limit(limit + 1)
  return pageOf(
    rows,
    limit,
    (row) => toStored(row),
    (row) => [row.name],
  )
}

/** Every service, for the publisher; `onBad` as with `getService`. */
export async function listAllServices(tx: Tx, onBad?: OnBad): Promise<StoredService[]> {
  const rows = await tx.select(columns).from(services).orderBy(asc(services.name))
  return rows.map((row) => toStored(row, onBad))
}

/**
 * Creates or replaces a service. Throws `invalid` when it lies in no zone or names a pool or a service that does not exist,
 * `conflict` when its zone has an A, AAAA or CNAME at its name, or anything at all (such as the SOA of an apex) and a pool
 * answers with a CNAME, when the services that it names lead back to it or too far, or when it chooses the nearest and
 * knows of no place.
 */
export async function putService(write: Write, service: Service, condition: WriteCondition): Promise<Put> {
  const { tx, revision } = write
  const { name } = service
  // Whatever can't be read is replaced.
  let readable = true
  const current = await getService(tx, name, () => {
    readable = false
  })
  checkCondition(condition, current, `service ${name}`)
  if (current !== null && readable && isDeepStrictEqual(current.value, service)) {
    return { created: false, changed: false, revision: current.revision }
  }
  const zone = await findZone(tx, name)
  if (zone === null) {
    throw new ControlError('invalid', `service ${name} lies in no zone`, {
      problems: [{ path: 'name', message: `${name} lies in no zone` }],
    })
  }
  const refusal = `service ${name} is refused`
  await checkChoices(tx, service)
  throwIfAny(await nestingProblemsOf(tx, service), refusal)
  throwIfAny(await rrsetProblems(tx, zone, [name]), refusal)
  throwIfAny(await servicesBelowDname(tx, zone, [name]), refusal)
  await saveRows(write, service, zone)
  throwIfAny(await aliasProblems(tx, { service: name }), refusal)
  if (service.steer === 'nearest') throwIfAny(await distanceProblems(tx, { service: name }), refusal)
  write.change('service', name)
  write.audit('service.put', name, current?.value, service)
  return { created: current === null, changed: true, revision }
}

async function saveRows({ tx, revision }: Write, service: Service, zone: string): Promise<void> {
  const { name, ttlSeconds, minTtlSeconds, steer, whenAllDown, fallback, choices } = service
  const settings = formatServiceSettings(service)
  // What could not be read again must not be written.
  const problems: Problem[] = []
  if (parseServiceSettings(settings, service, '', problems) === null) {
    throw unreadable(`service ${name}`, problems)
  }
  const row = { name, zone, ttlSeconds, minTtlSeconds, steer, whenAllDown, fallback, settings, revision }
  await tx.insert(services).values(row).onConflictDoUpdate({ target: services.name, set: row })
  await tx.delete(servicePools).where(eq(servicePools.service, name))
  await tx.insert(servicePools).values(
    choices.map((choice, position) => ({
      service: name,
      position,
      pool: choice.kind === 'pool' ? choice.name : null,
      nested: choice.kind === 'service' ? choice.name : null,
      weight: choice.weight,
      bias: choice.bias,
      latitude: choice.location?.latitude ?? null,
      longitude: choice.location?.longitude ?? null,
    })),
  )
}

/** Throws `conflict` with one problem for each service that names it. */
export async function deleteService(write: Write, name: string, condition: WriteCondition): Promise<void> {
  const { tx } = write
  const current = await getService(tx, name, () => {})
  checkExists(condition, current, `service ${name}`)
  const users = await tx
    .select({ name: servicePools.service })
    .from(servicePools)
    .where(eq(servicePools.nested, name))
    .orderBy(asc(servicePools.service))
  throwIfUsed(
    `service ${name}`,
    users.map((user) => {
      const problem = { path: pathOfService(user.name), message: `uses service ${name}` }
      return { kind: 'service', name: user.name, problem }
    }),
  )
  await tx.delete(services).where(eq(services.name, name))
  write.change('service', name)
  write.audit('service.delete', name, current.value, null)
}

/** Apex of the zone that a name lies in, by the longest match; null when there is none. */
export async function findZone(tx: Tx, name: string): Promise<string | null> {
  const candidates = enclosingHostnames(name)
  const rows = await tx.select({ apex: zones.apex }).from(zones).where(inArray(zones.apex, candidates))
  const found = new Set(rows.map((row) => row.apex))
  return candidates.find((apex) => found.has(apex)) ?? null
}

interface Named extends Pick<Choice, 'kind' | 'name'> {
  readonly path: string
}

/** Every pool and service that is named exists. */
async function checkChoices(tx: Tx, { name, choices, fallback }: Service): Promise<void> {
  if (choices.length === 0) {
    throw new ControlError('invalid', `service ${name} has no pool`, {
      problems: [{ path: 'pools', message: 'must name at least one pool' }],
    })
  }
  const named: Named[] = choices.map((choice, index) => ({ ...choice, path: `pools[${index}]` }))
  if (fallback !== null) named.push({ kind: 'pool', name: fallback, path: 'fallback' })
  const namesOf = (kind: Choice['kind']) => named.filter((one) => one.kind === kind).map((one) => one.name)
  const inner = namesOf('service')
  const ofPools = await tx
    .select({ name: pools.name })
    .from(pools)
    .where(inArray(pools.name, namesOf('pool')))
  const ofServices =
    inner.length === 0
      ? []
      : await tx.select({ name: services.name }).from(services).where(inArray(services.name, inner))
  const found = {
    pool: new Set(ofPools.map((row) => row.name)),
    // That it names itself is said where circles are looked for.
    service: new Set([name, ...ofServices.map((row) => row.name)]),
  }
  const problems = named
    .filter((one) => !found[one.kind].has(one.name))
    .map((one) => ({ path: one.path, message: `${one.kind} ${one.name} does not exist` }))
  if (problems.length > 0)
    throw new ControlError('invalid', `service ${name}: ${problems[0]!.message}`, { problems })
}

/** Who names no service closes no circle and makes no way longer. */
async function nestingProblemsOf(tx: Tx, service: Service): Promise<Problem[]> {
  const inner = nestedIn(service)
  if (inner.length === 0) return []
  const edges = sql`
    select service as outer_name, nested as inner_name from service_pools where nested is not null`
  const around = await edgesAround(tx, service.name, edges)
  const problems = nestingProblems(around.set(service.name, inner))
  return problems.map(({ message }) => ({ path: 'pools', message }))
}

interface Row
  extends Omit<Service, 'steer' | 'whenAllDown' | 'choices' | 'geo' | 'hashPrefix' | 'hysteresis'> {
  readonly zone: string
  readonly steer: string
  readonly whenAllDown: string
  readonly choices: readonly ChoiceRow[]
  readonly settings: unknown
  readonly revision: number
}

function toStored(row: Row, onBad?: OnBad): StoredService {
  const { zone, revision, settings, ...fields } = row
  const head = {
    ...fields,
    steer: row.steer as Service['steer'],
    whenAllDown: row.whenAllDown as Service['whenAllDown'],
    choices: row.choices.map(toChoice),
  }
  const problems: Problem[] = []
  const read = parseServiceSettings(settings, head, '', problems)
  if (read !== null) return { value: { ...head, ...read }, zone, revision }
  const error = unreadable(`service ${row.name}`, problems)
  if (onBad === undefined) throw error
  onBad(error.message)
  // Without its rules `geo` could choose nothing; in order of preference there is always an answer.
  const plain = { ...head, steer: head.steer === 'geo' ? ('failover' as const) : head.steer }
  return { value: { ...plain, ...parseServiceSettings({}, plain, '', [])! }, zone, revision }
}

function toChoice({ pool, nested, weight, bias, latitude, longitude }: ChoiceRow): Choice {
  return {
    kind: pool === null ? 'service' : 'pool',
    // The database sees to it that there is one of the two.
    name: pool ?? nested!,
    weight,
    bias,
    location: latitude === null || longitude === null ? null : { latitude, longitude },
  }
}
