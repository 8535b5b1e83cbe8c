import { isDeepStrictEqual } from 'node:util'
import { asc, eq, sql } from '../../../schema/drizzle.ts'
import { servicePools, services } from '../../../schema/services.ts'
import type { Body } from '../document/forms.ts'
import {
  formatService,
  formatServiceSettings,
  parseService,
  parseServiceSettings,
} from '../document/service.ts'
import { spellingFor, spellingOf } from '../document/written.ts'
import type { Problem } from '../model/errors.ts'
import type { ServiceOverride } from '../model/override.ts'
import type { Choice, Service } from '../model/service.ts'
import { nestedIn } from '../rules/graph.ts'
import { placeBreaches, typesThatHide } from '../rules/places.ts'
import { choiceBreaches, serviceNestingBreaches } from '../rules/references.ts'
import { type ConfigurationView, placesOf } from '../rules/view.ts'
import { batches } from './batches.ts'
import {
  aliasBreachesAfter,
  choiceColumns,
  jsonRows,
  loadNeighbourhood,
  texts,
  viewAfter,
} from './neighbourhood.ts'
import { checkServiceSize, fitsAlone } from './plan-sizes.ts'
import { reached } from './reached.ts'
import { findUsers, insideOf, throwIfAny, throwIfBroken, throwIfUsed } from './refusals.ts'
import { readServiceOverride } from './service-overrides.ts'
import {
  bodyOf,
  checkCondition,
  checkExists,
  type OnBad,
  type Owned,
  type Page,
  type PageRequest,
  type Put,
  readPage,
  readSettings,
  type Stored,
  type WriteCondition,
} from './stored.ts'
import type { Tx, Write } from './transaction.ts'

export interface StoredService extends Stored<Service>, Owned {
  /** Apex of the zone that the service lies in. */
  readonly zone: string
  /** What an operator says of it where it stands in a pool's place. */
  readonly override: ServiceOverride | null
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
  override: services.override,
  written: services.written,
  owner: services.owner,
  revision: services.revision,
  choices: sql<Choice[]>`${jsonRows(sql`
    select ${choiceColumns} from service_pools where service = services.name order by position`)}`,
}

const selectServices = (tx: Tx) => tx.select(columns).from(services)

type Row = Awaited<ReturnType<typeof selectServices>>[number]

/**
 * Throws `invalid` for a row that can't be read. With `onBad`, that is told, and its settings are the defaults; when more than
 * they can't be read, there is no such service.
 */
export async function getService(tx: Tx, name: string, onBad?: OnBad): Promise<StoredService | null> {
  const [row] = await selectServices(tx).where(eq(services.name, name))
  return row === undefined ? null : toStored(row, onBad)
}

/** One page in the order of names. Throws `invalid` for a row that can't be read. */
export async function listServices(tx: Tx, request: PageRequest): Promise<Page<StoredService>> {
  const query = selectServices(tx).$dynamic()
  const where = reached(request.reach, 'service', services.name)
  return readPage(query, { name: services.name }, request, (rows) => rows.map((row) => toStored(row)!), {
    where,
  })
}

/** Every service, for the publisher; `onBad` as with `getService`. */
export async function listAllServices(tx: Tx, onBad?: OnBad): Promise<StoredService[]> {
  const rows = await selectServices(tx).orderBy(asc(services.name))
  return rows.flatMap((row) => toStored(row, onBad) ?? [])
}

/**
 * Creates or replaces a service. Throws `invalid` when it lies in no zone or names a pool or a service that does not exist,
 * `conflict` when its zone has an A, AAAA or CNAME at its name, or anything at all (such as the SOA of an apex) and a pool
 * answers with a CNAME, when the services that it names lead back to it or too far, when it chooses the nearest and
 * knows of no place, or when no plan can hold what it comes to.
 */
export async function putService(
  write: Write,
  service: Service,
  condition: WriteCondition,
  body: unknown = null,
): Promise<Put> {
  const { tx } = write
  const { name } = service
  // Whatever can't be read is replaced.
  let readable = true
  const [current, around] = await Promise.all([
    findRow(tx, name, () => {
      readable = false
    }),
    loadNeighbourhood(tx, concernOf(service)),
  ])
  checkCondition(condition, current, `service ${name}`)
  const written = spellingOf(body, formatService(service))
  const same =
    current !== null &&
    isDeepStrictEqual(current.value, service) &&
    isDeepStrictEqual(current.written, written)
  if (same && readable) {
    return { created: false, changed: false, revision: current.revision }
  }
  const { revision } = write
  const view = viewAfter(around, { service }, [name])
  await checkService(tx, service, view)
  saveServices(write, [{ value: service, written, zone: view.zoneOf(name)!, isNew: current === null }])
  if (!fitsAlone(view, name)) write.beforeCommit(checkServiceSize(tx, name))
  write.change('service', name)
  const former = current === null ? null : bodyOf(current, formatService)
  write.keep('service', name, former, current?.owner ?? null)
  write.audit('service.put', name, former, written ?? formatService(service))
  return { created: current === null, changed: true, revision }
}

/** What lies around a service. */
function concernOf(service: Service) {
  const { name, fallback, choices } = service
  const pools = choices.flatMap((choice) => (choice.kind === 'pool' ? [choice.name] : []))
  return {
    inward: nestedIn(service),
    outward: name,
    pools: fallback === null ? pools : [...pools, fallback],
    places: [name],
  }
}

/** Throws when a rule is broken by the service. */
async function checkService(tx: Tx, service: Service, view: ConfigurationView): Promise<void> {
  const { name, choices } = service
  const what = `service ${name}`
  if (choices.length === 0)
    throwIfAny(what, [{ path: 'pools', message: 'must name at least one pool' }], 'invalid')
  const breaches = [
    ...choiceBreaches(view, service),
    // Who names no service closes no circle and makes no way longer.
    ...(nestedIn(service).length === 0 ? [] : serviceNestingBreaches(view)),
    ...placeBreaches(view, name),
  ]
  throwIfBroken(what, breaches, insideOf('services', name))
  throwIfBroken(what, await aliasBreachesAfter(tx, view), insideOf('services', name))
}

/** A service as it is to be, and where it lies. */
export interface WantedService {
  readonly value: Service
  readonly written: Body | null
  /** Apex of the zone that it lies in. */
  readonly zone: string
  readonly isNew: boolean
}

/** Rows of one statement. */
const batchRows = 2_000

/** Inserts or replaces services and what they choose among, which must be there; those that name each other at once. */
export function saveServices(write: Write, wanted: readonly WantedService[]): void {
  const { tx } = write
  for (const some of batches(wanted, batchRows)) saveHeads(write, some)
  const known = wanted.flatMap(({ value, isNew }) => (isNew ? [] : [value.name]))
  if (known.length > 0) write.send(tx.delete(servicePools).where(sql`service = any(${texts(known)})`))
  for (const some of batches(wanted, batchRows)) saveChoices(write, some)
}

function saveHeads(write: Write, wanted: readonly WantedService[]): void {
  const rows = wanted.map(({ value, written, zone }) => {
    const { name, ttlSeconds, minTtlSeconds, steer, whenAllDown, fallback } = value
    const settings = formatServiceSettings(value)
    // What could not be read again must not be written.
    readSettings(`service ${name}`, (problems) => parseServiceSettings(settings, value, '', problems))
    return { name, zone, ttlSeconds, minTtlSeconds, steer, whenAllDown, fallback, settings, written }
  })
  const saved = write.tx.execute(sql`
    insert into services (name, zone, ttl_seconds, min_ttl_seconds, steer, when_all_down, fallback, settings, written, revision)
    select name, zone, "ttlSeconds", "minTtlSeconds", steer, "whenAllDown", fallback, settings, written, ${write.revision}::bigint
    from json_to_recordset(${JSON.stringify(rows)}::json) as r(name text, zone text, "ttlSeconds" int, "minTtlSeconds" int, steer text,
      "whenAllDown" text, fallback text, settings jsonb, written json)
    on conflict (name) do update set zone = excluded.zone, ttl_seconds = excluded.ttl_seconds,
      min_ttl_seconds = excluded.min_ttl_seconds, steer = excluded.steer, when_all_down = excluded.when_all_down,
      fallback = excluded.fallback, settings = excluded.settings, written = excluded.written, revision = excluded.revision`)
  write.send(saved)
}

function saveChoices(write: Write, wanted: readonly WantedService[]): void {
  const rows = wanted.flatMap(({ value }) =>
    value.choices.map(({ kind, name, weight, bias, location }, position) => ({
      service: value.name,
      position,
      pool: kind === 'pool' ? name : null,
      nested: kind === 'service' ? name : null,
      weight,
      bias,
      ...location,
    })),
  )
  write.send(
    write.tx.execute(sql`
      insert into service_pools (service, position, pool, nested, weight, bias, latitude, longitude)
      select service, position, pool, nested, weight, bias, latitude, longitude
      from json_to_recordset(${JSON.stringify(rows)}::json) as r(service text, position int, pool text, nested text, weight int, bias int,
        latitude double precision, longitude double precision)`),
  )
}

/** Throws `conflict` with one problem for each service that names it. */
export async function deleteService(write: Write, name: string, condition: WriteCondition): Promise<void> {
  const { tx } = write
  const [current, users] = await Promise.all([findRow(tx, name, () => {}), findUsers(tx, 'service', name)])
  checkExists(condition, current, `service ${name}`)
  throwIfUsed('service', name, users)
  write.send(tx.delete(services).where(eq(services.name, name)))
  write.change('service', name)
  const former = bodyOf(current, formatService)
  write.keep('service', name, former, current.owner)
  write.audit('service.delete', name, former, null)
}

/** As far as it can be read: for who is to write or delete it. */
async function findRow(tx: Tx, name: string, onBad: OnBad): Promise<StoredService | null> {
  const [row] = await selectServices(tx).where(eq(services.name, name))
  return row === undefined ? null : (toStored(row, onBad) ?? withSettings(row, () => {}))
}

function toStored(row: Row, onBad?: OnBad): StoredService | null {
  const stored = withSettings(row, onBad)
  const { value, zone } = stored
  const read = readSettings(
    `service ${row.name}`,
    (problems) => {
      if (isHostnameIn(row.name, zone)) return parseService(row.name, formatService(value), '', problems)
      problems.push({ path: '', message: `${row.name} does not lie in the zone ${zone}` })
      return null
    },
    onBad,
  )
  return read === null ? null : { ...stored, value: read }
}

/** A name below a zone or its own. */
const isHostnameIn = (name: string, zone: string) =>
  zone === '.' || name === zone || name.endsWith(`.${zone}`)

function withSettings(row: Row, onBad?: OnBad): StoredService {
  const { zone, revision, settings, override: said, written: kept, owner, ...fields } = row
  const override = readServiceOverride({ name: row.name, override: said }, onBad)
  const head = {
    ...fields,
    steer: row.steer as Service['steer'],
    whenAllDown: row.whenAllDown as Service['whenAllDown'],
  }
  const parse = (problems: Problem[]) => parseServiceSettings(settings, head, '', problems)
  const read = readSettings(`service ${row.name}`, parse, onBad)
  if (read !== null) {
    const value = { ...head, ...read }
    const written = spellingFor(kept, value, (body, found) => parseService(row.name, body, '', found))
    return { value, zone, override, revision, written, owner }
  }
  // Without its rules `geo` could choose nothing; in order of preference there is always an answer.
  const plain = { ...head, steer: head.steer === 'geo' ? ('failover' as const) : head.steer }
  return { value: { ...plain, ...parseServiceSettings({}, plain, '', [])! }, zone, override, revision, owner }
}

/**
 * The services among some that nobody is answered by, where they stand, each with the reason. No write leaves one, but rows
 * may be older than the rules.
 */
export async function hiddenServices(tx: Tx, names: readonly string[]): Promise<Map<string, string>> {
  if (names.length === 0) return new Map()
  const { zones } = await loadNeighbourhood(tx, { places: names })
  const places = placesOf(zones, names)
  return new Map(
    names.flatMap((name) => {
      const hidden = placeBreaches(places, name).find(({ rrset }) =>
        typesThatHide.some((type) => type === rrset?.type),
      )
      return hidden === undefined ? [] : [[name, hidden.message]]
    }),
  )
}
