/**
 * The whole document: its kinds, each a map from name to fragment. What is wrong between fragments is told by
 * `references.ts`.
 */
import type { Configuration } from '../model/configuration.ts'
import type { Problem } from '../model/errors.ts'
import { formatFeed, parseFeed } from './feed.ts'
import { readHostname } from './fields.ts'
import type { Body, ParseNamed } from './forms.ts'
import { formatMonitor, parseMonitor } from './monitor.ts'
import { joinPath } from './path.ts'
import { formatPool, parsePool } from './pool.ts'
import { crossProblems, type Unread } from './references.ts'
import { isMap, maxProblems, show, unknownField } from './schema-check.ts'
import { formatService, parseService } from './service.ts'
import { formatZone, parseZone } from './zone.ts'

export const kinds = ['feeds', 'monitors', 'pools', 'services', 'zones'] as const

/** The document, ready for YAML or JSON. */
type ConfigurationBody = Partial<Record<(typeof kinds)[number], Readonly<Record<string, Body>>>>

export type ConfigurationResult =
  | { readonly ok: true; readonly configuration: Configuration }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** What is wrong between the parts. @param unread parts that are there and could not be read, when there are any */
export type CrossCheck = (configuration: Configuration, unread?: Unread) => readonly Problem[]

/**
 * The configuration that a document (already read from YAML or JSON) describes, or all that is wrong with it.
 *
 * @param check the document of the snapshot lacks its zones
 * @param known fields that stand beside the kinds where the document comes from; they are not looked at
 */
export function parseConfiguration(
  input: unknown,
  check: CrossCheck = crossProblems,
  known: readonly string[] = [],
): ConfigurationResult {
  const problems: Problem[] = []
  const document = mapping(
    input ?? {},
    '',
    'the document must be a map of feeds, monitors, pools, services and zones',
    problems,
  )
  for (const key of document.keys()) {
    if (!kinds.some((kind) => kind === key)) {
      problems.push({
        path: joinPath('', key),
        message: unknownField(key, [...known, ...kinds]),
      })
    }
  }
  const unread = {
    feeds: new UnreadNames(),
    monitors: new UnreadNames(),
    pools: new UnreadNames(),
    services: new UnreadNames(),
    zones: new UnreadNames(),
  }
  const configuration: Configuration = {
    feeds: parseKind(document, 'feeds', parseFeed, problems, unread.feeds),
    monitors: parseKind(document, 'monitors', parseMonitor, problems, unread.monitors),
    pools: parseKind(document, 'pools', parsePool, problems, unread.pools),
    services: parseKind(document, 'services', parseService, problems, unread.services),
    zones: parseKind(document, 'zones', parseZone, problems, unread.zones),
  }
  // With so many problems the parts were not read to their end.
  if (problems.length < maxProblems) {
    problems.push(...check(configuration, problems.length === 0 ? undefined : unread))
  }
  return problems.length === 0
    ? { ok: true, configuration }
    : { ok: false, problems: problems.slice(0, maxProblems) }
}

/** Names of one kind that could not be read; every name, where the kind as a whole could not be. */
class UnreadNames extends Set<string> {
  isWhole = false

  override has(name: string): boolean {
    return this.isWhole || super.has(name)
  }
}

type Named = { readonly name: string } | { readonly apex: string }

function nameOf(item: Named): string {
  return 'apex' in item ? item.apex : item.name
}

function parseKind<T extends Named>(
  document: ReadonlyMap<string, unknown>,
  kind: (typeof kinds)[number],
  parse: ParseNamed<T>,
  problems: Problem[],
  unread: UnreadNames,
): T[] {
  const items = new Map<string, T>()
  // `pools:` with nothing behind it is null in YAML, and means none.
  const written = document.get(kind) ?? {}
  const fragments = mapping(written, kind, 'must be a map by name', problems)
  unread.isWhole = !isMap(written)
  for (const [key, fragment] of fragments) {
    const path = joinPath(kind, key)
    const item = parse(key, fragment, path, problems)
    if (item === null) {
      unread.add(canonicalName(kind, key))
      continue
    }
    const name = nameOf(item)
    if (items.has(name)) problems.push({ path, message: `${name} is in the document twice` })
    else items.set(name, item)
  }
  return [...items.values()]
}

/** A name as the model has it: of services and zones there are several spellings. One that is none is as it is written. */
export function canonicalName(kind: (typeof kinds)[number], name: string): string {
  if (kind === 'feeds' || kind === 'monitors' || kind === 'pools') return name
  return readHostname(name, '', []) ?? name
}

function mapping(input: unknown, path: string, message: string, problems: Problem[]): Map<string, unknown> {
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) {
    return new Map(Object.entries(input))
  }
  problems.push({ path, message: `${message}, not ${show(input)}` })
  return new Map()
}

/** The document of a configuration, ready for YAML or JSON; empty kinds are left out. */
export function formatConfiguration(configuration: Configuration): ConfigurationBody {
  const byName = <T extends Named>(items: readonly T[], format: (item: T) => Body) =>
    items.length === 0 ? undefined : Object.fromEntries(items.map((item) => [nameOf(item), format(item)]))
  const bodies = {
    feeds: byName(configuration.feeds, (feed) => formatFeed(feed)),
    monitors: byName(configuration.monitors, formatMonitor),
    pools: byName(configuration.pools, formatPool),
    services: byName(configuration.services, formatService),
    zones: byName(configuration.zones, formatZone),
  }
  return Object.fromEntries(Object.entries(bodies).filter(([, body]) => body !== undefined))
}
