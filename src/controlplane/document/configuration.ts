/**
 * The whole document: its kinds, each a map from name to fragment, and the checks that need more than one fragment.
 * `crossProblems` stands alone because whoever applies a part of a configuration has to check the merged whole.
 */
import { namesAbove } from '../../dataplane/image/check.ts'
import { enclosingHostnames, hostnameToWire, relativeName } from '../../dataplane/wire/name.ts'
import type { Configuration } from '../model/configuration.ts'
import type { Problem } from '../model/errors.ts'
import type { Monitor } from '../model/monitor.ts'
import type { Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import type { Zone } from '../model/zone.ts'
import { aliasAtApex, aliasBesideData } from '../rules/alias-rules.ts'
import { answeringPools } from '../rules/answering-pools.ts'
import type { Body } from './forms.ts'
import { formatMonitor, parseMonitor } from './monitor.ts'
import { joinPath } from './path.ts'
import { formatPool, parsePool } from './pool.ts'
import { referenceProblems } from './references.ts'
import { maxProblems, show } from './schema-check.ts'
import { formatService, parseService } from './service.ts'
import { formatZone, parseZone } from './zone.ts'

export const kinds = ['monitors', 'pools', 'services', 'zones'] as const

/** The document, ready for YAML or JSON. */
export type ConfigurationBody = Partial<Record<(typeof kinds)[number], Readonly<Record<string, Body>>>>

export type ConfigurationResult =
  | { readonly ok: true; readonly configuration: Configuration }
  | { readonly ok: false; readonly problems: readonly Problem[] }

type ParseFragment<T> = (name: string, input: unknown, path: string, problems: Problem[]) => T | null

/**
 * The configuration that a document (already read from YAML or JSON) describes, or all that is wrong with it.
 *
 * @param check what is wrong between the parts; the document of the snapshot lacks its zones
 */
export function parseConfiguration(input: unknown, check = crossProblems): ConfigurationResult {
  const problems: Problem[] = []
  const document = mapping(
    input ?? {},
    '',
    'the document must be a map of monitors, pools, services and zones',
    problems,
  )
  for (const key of document.keys()) {
    if (!kinds.some((kind) => kind === key)) {
      problems.push({
        path: joinPath('', key),
        message: `unknown field ${show(key)}, known here: ${kinds.join(', ')}`,
      })
    }
  }
  const configuration: Configuration = {
    monitors: parseKind<Monitor>(document, 'monitors', parseMonitor, (item) => item.name, problems),
    pools: parseKind<Pool>(document, 'pools', parsePool, (item) => item.name, problems),
    services: parseKind<Service>(document, 'services', parseService, (item) => item.name, problems),
    zones: parseKind<Zone>(document, 'zones', parseZone, (item) => item.apex, problems),
  }
  // References are only worth checking in a document whose parts could be read.
  if (problems.length === 0) problems.push(...check(configuration))
  return problems.length === 0
    ? { ok: true, configuration }
    : { ok: false, problems: problems.slice(0, maxProblems) }
}

function parseKind<T>(
  document: ReadonlyMap<string, unknown>,
  kind: (typeof kinds)[number],
  parse: ParseFragment<T>,
  nameOf: (item: T) => string,
  problems: Problem[],
): T[] {
  const items = new Map<string, T>()
  // `pools:` with nothing behind it is null in YAML, and means none.
  const fragments = mapping(document.get(kind) ?? {}, kind, 'must be a map by name', problems)
  for (const [key, fragment] of fragments) {
    const path = joinPath(kind, key)
    const item = parse(key, fragment, path, problems)
    if (item === null) continue
    const name = nameOf(item)
    if (items.has(name)) problems.push({ path, message: `${name} is in the document twice` })
    else items.set(name, item)
  }
  return [...items.values()]
}

function mapping(input: unknown, path: string, message: string, problems: Problem[]): Map<string, unknown> {
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) {
    return new Map(Object.entries(input))
  }
  problems.push({ path, message: `${message}, not ${show(input)}` })
  return new Map()
}

/** What is wrong between the parts of a configuration: names of nothing, services outside of every zone. */
export function crossProblems(configuration: Configuration): Problem[] {
  const problems = referenceProblems(configuration)
  const zones = indexZones(configuration.zones)
  const dnames = indexDnames(configuration.zones)
  for (const service of configuration.services) {
    checkPlace(service, zones, dnames, joinPath('services', service.name), problems)
  }
  problems.push(...aliasProblems(configuration))
  return problems
}

/**
 * Services that may be answered with a CNAME. Nothing else may stand at their names (RFC 1034 section 3.6.2), so not at
 * an apex, which has SOA and NS, either.
 */
function aliasProblems({ pools, services, zones }: Configuration): Problem[] {
  const aliases = new Set(pools.filter(({ hosts }) => hosts === 'cname').map(({ name }) => name))
  if (aliases.size === 0) return []
  const poolsOf = answeringPools(
    new Map(pools.map((pool) => [pool.name, pool])),
    new Map(services.map((service) => [service.name, service])),
  )
  const aliased = services.flatMap((service) => {
    const pool = [...poolsOf(service.name)].find((name) => aliases.has(name))
    return pool === undefined ? [] : [{ name: service.name, pool }]
  })
  if (aliased.length === 0) return []
  const apexes = new Map(zones.map((zone): [string, Zone] => [zone.apex, zone]))
  return aliased.flatMap(({ name, pool }) => {
    const path = joinPath('services', name)
    if (apexes.has(name)) return [{ path, message: aliasAtApex(pool, name) }]
    const apex = enclosingHostnames(name).find((candidate) => apexes.has(candidate))
    if (apex === undefined) return []
    const owner = relativeName(hostnameToWire(name), hostnameToWire(apex))
    const beside = apexes.get(apex)!.rrsets.find((rrset) => rrset.owner === owner)
    // Of address types `checkPlace` has spoken.
    if (beside === undefined || addressTypes.has(beside.type)) return []
    return [{ path, message: aliasBesideData(pool, apex, beside.type) }]
  })
}

/** A service needs a zone around it, and its addresses can't be said twice. */
function checkPlace(
  service: Service,
  zones: ZoneIndex,
  dnames: ReadonlySet<string>,
  path: string,
  problems: Problem[],
): void {
  const apex = enclosingHostnames(service.name).find((name) => zones.has(name))
  if (apex === undefined) {
    problems.push({ path, message: `no zone of the document holds ${service.name}` })
    return
  }
  const owner = relativeName(hostnameToWire(service.name), hostnameToWire(apex))
  const type = zones.get(apex)!.get(owner)
  if (type !== undefined) {
    problems.push({ path, message: `zone ${apex} has an RRset ${type} at the same name` })
  }
  const dname = namesAbove(owner).find((at) => dnames.has(`${at} ${apex}`))
  if (dname !== undefined) {
    problems.push({ path, message: `zone ${apex} has a DNAME at ${dname}, and nothing can be below it` })
  }
}

/** Owner and apex of every DNAME. */
function indexDnames(zones: readonly Zone[]): ReadonlySet<string> {
  const dnames = zones.flatMap(({ apex, rrsets }) =>
    rrsets.filter(({ type }) => type === 'DNAME').map(({ owner }) => `${owner} ${apex}`),
  )
  return new Set(dnames)
}

const addressTypes: ReadonlySet<string> = new Set(['A', 'AAAA', 'CNAME'])

/** The owners that no service may have, with the type that takes them, by apex. */
type ZoneIndex = ReadonlyMap<string, ReadonlyMap<string, string>>

function indexZones(zones: readonly Zone[]): ZoneIndex {
  return new Map(
    zones.map(({ apex, rrsets }) => {
      return [
        apex,
        new Map(rrsets.filter(({ type }) => addressTypes.has(type)).map((r) => [r.owner, r.type])),
      ]
    }),
  )
}

/** The document of a configuration, ready for YAML or JSON; empty kinds are left out. */
export function formatConfiguration(configuration: Configuration): ConfigurationBody {
  const { monitors, pools, services, zones } = configuration
  const byName = <T, B>(items: readonly T[], name: (item: T) => string, format: (item: T) => B) =>
    Object.fromEntries(items.map((item) => [name(item), format(item)]))
  return {
    ...(monitors.length === 0 ? {} : { monitors: byName(monitors, (item) => item.name, formatMonitor) }),
    ...(pools.length === 0 ? {} : { pools: byName(pools, (item) => item.name, formatPool) }),
    ...(services.length === 0 ? {} : { services: byName(services, (item) => item.name, formatService) }),
    ...(zones.length === 0 ? {} : { zones: byName(zones, (item) => item.apex, formatZone) }),
  }
}
