import { isDeepStrictEqual } from 'node:util'
import { asc, eq, gt, inArray, sql } from 'drizzle-orm'
import { pools } from '../../../schema/pools.ts'
import { servicePools, services } from '../../../schema/services.ts'
import { zones } from '../../../schema/zones.ts'
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import { ControlError } from '../errors.ts'
import type { Service } from '../model.ts'
import { servicesBelowDname } from './dname-conflicts.ts'
import { aliasProblems, rrsetProblems, throwIfAny } from './name-conflicts.ts'
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

export interface StoredService extends Stored<Service> {
  /** Apex of the zone that the service lies in. */
  readonly zone: string
}

const columns = {
  name: services.name,
  zone: services.zone,
  ttlSeconds: services.ttlSeconds,
  steer: services.steer,
  whenAllDown: services.whenAllDown,
  fallback: services.fallback,
  revision: services.revision,
  pools: sql<
    string[]
  >`array(select sp.pool from service_pools sp where sp.service = services.name order by sp.position)`,
}

export async function getService(tx: Tx, name: string): Promise<StoredService | null> {
  const [row] = await tx.select(columns).from(services).where(eq(services.name, name))
  return row === undefined ? null : toStored(row)
}

/** One page in the order of names. */
export async function listServices(tx: Tx, { limit, cursor }: PageRequest): Promise<Page<StoredService>> {
  const after = decodeCursor(cursor, 'string')
  const rows = await tx
    .select(columns)
    .from(services)
    .where(after === null ? undefined : gt(services.name, after[0]))
    .orderBy(asc(services.name))
    .limit(limit + 1)
  return pageOf(rows, limit, toStored, (row) => [row.name])
}

/** Every service, for the publisher. */
export async function listAllServices(tx: Tx): Promise<StoredService[]> {
  return (await tx.select(columns).from(services).orderBy(asc(services.name))).map(toStored)
}

/**
 * Creates or replaces a service. Throws `invalid` when it lies in no zone or names a pool that does not exist,
 * `conflict` when its zone has an A, AAAA or CNAME at its name, or anything at all (such as the SOA of an apex) and a pool
 * answers with a CNAME.
 */
export async function putService(write: Write, service: Service, condition: WriteCondition): Promise<Put> {
  const { tx, revision } = write
  const { name } = service
  const current = await getService(tx, name)
  checkCondition(condition, current, `service ${name}`)
  if (current !== null && isDeepStrictEqual(current.value, service)) {
    return { created: false, changed: false, revision: current.revision }
  }
  const zone = await findZone(tx, name)
  if (zone === null) {
    throw new ControlError('invalid', `service ${name} lies in no zone`, {
      problems: [{ path: 'name', message: `${name} lies in no zone` }],
    })
  }
  await checkPools(tx, service)
  throwIfAny(await rrsetProblems(tx, zone, [name]), `service ${name} is refused`)
  throwIfAny(await servicesBelowDname(tx, zone, [name]), `service ${name} is refused`)
  const { pools: names, ...head } = service
  const row = { ...head, zone, revision }
  await tx.insert(services).values(row).onConflictDoUpdate({ target: services.name, set: row })
  if (current !== null) await tx.delete(servicePools).where(eq(servicePools.service, name))
  await tx.insert(servicePools).values(names.map((pool, position) => ({ service: name, position, pool })))
  throwIfAny(await aliasProblems(tx, { service: name }), `service ${name} is refused`)
  write.change('service', name)
  write.audit('service.put', name, current?.value, service)
  return { created: current === null, changed: true, revision }
}

export async function deleteService(write: Write, name: string, condition: WriteCondition): Promise<void> {
  const current = await getService(write.tx, name)
  checkExists(condition, current, `service ${name}`)
  await write.tx.delete(services).where(eq(services.name, name))
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

async function checkPools(tx: Tx, { name, pools: wanted, fallback }: Service): Promise<void> {
  if (wanted.length === 0) {
    throw new ControlError('invalid', `service ${name} has no pool`, {
      problems: [{ path: 'pools', message: 'must name at least one pool' }],
    })
  }
  const places = wanted.map((pool, index) => ({ pool, path: `pools[${index}]` }))
  if (fallback !== null) places.push({ pool: fallback, path: 'fallback' })
  const rows = await tx
    .select({ name: pools.name })
    .from(pools)
    .where(
      inArray(
        pools.name,
        places.map(({ pool }) => pool),
      ),
    )
  const found = new Set(rows.map((row) => row.name))
  const problems = places
    .filter(({ pool }) => !found.has(pool))
    .map(({ pool, path }) => ({ path, message: `pool ${pool} does not exist` }))
  if (problems.length > 0)
    throw new ControlError('invalid', `service ${name}: ${problems[0]!.message}`, { problems })
}

interface Row extends Omit<Service, 'steer' | 'whenAllDown'> {
  readonly zone: string
  readonly steer: string
  readonly whenAllDown: string
  readonly revision: number
}

function toStored({ zone, revision, ...value }: Row): StoredService {
  return { value: value as Service, zone, revision }
}
