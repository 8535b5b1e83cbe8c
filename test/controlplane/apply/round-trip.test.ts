/**
 * Whatever is exported and applied changes nothing, and what is read is what was written: random configurations in random words, by
 * the API, on both kinds of database. `POOLDNS_TEST_RUNS=1000` tries that many.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { type Pair, visit, Document as YamlDocument } from 'yaml'
import { formatFeed, parseFeed } from '../../../src/controlplane/document/feed.ts'
import type { Body, ParseNamed } from '../../../src/controlplane/document/forms.ts'
import { formatMonitor, parseMonitor } from '../../../src/controlplane/document/monitor.ts'
import {
  formatMember,
  formatPool,
  formatWholePool,
  parsePool,
} from '../../../src/controlplane/document/pool.ts'
import { formatService, parseService } from '../../../src/controlplane/document/service.ts'
import { formatYaml, readYaml } from '../../../src/controlplane/document/yaml-text.ts'
import {
  formatWholeHead,
  formatZone,
  formatZoneRrset,
  parseZone,
} from '../../../src/controlplane/document/zone.ts'
import type { Configuration } from '../../../src/controlplane/model/configuration.ts'
import type { Monitor } from '../../../src/controlplane/model/monitor.ts'
import type { Pool } from '../../../src/controlplane/model/pool.ts'
import { startPostgres } from '../../support/postgres.ts'
import { holds } from '../../support/property.ts'
import { type Harness, startHarness } from '../api/fixture.ts'
import { configurationArbitrary } from '../document/configuration-arbitrary.ts'
import { oneOf, type Random, randomBy, respelled } from '../document/respelling.ts'

const kinds = ['feeds', 'monitors', 'zones', 'pools', 'services'] as const
type Kind = (typeof kinds)[number]
type Kinds = Readonly<Record<Kind, Readonly<Record<string, Body>>>>

/** What is applied, and what is then to be read. */
interface Written {
  readonly document: Kinds
  readonly read: Kinds
}

/** A configuration in somebody's words. */
function writtenOf(configuration: Configuration, random: Random): Written {
  const each = <T>(
    parts: readonly T[],
    nameOf: (part: T) => string,
    bodyOf: (part: T) => Body,
    parse: ParseNamed<T>,
  ) => parts.map((part) => [nameOf(part), respelled(nameOf(part), bodyOf(part), parse, random)] as const)
  const named = ({ name }: { readonly name: string }) => name
  const whole = () => random() < 0.3
  const parts = {
    feeds: each(configuration.feeds, named, (feed) => formatFeed(feed, whole()), parseFeed),
    monitors: each(
      configuration.monitors,
      named,
      (each: Monitor) => formatMonitor(each, whole()),
      parseMonitor,
    ),
    pools: each(configuration.pools, named, (pool) => poolBody(pool, random), parsePool),
    services: each(configuration.services, named, (service) => formatService(service, whole()), parseService),
    zones: each(
      configuration.zones,
      ({ apex }) => apex,
      (zone) => (whole() ? { ...formatZone(zone), ...formatWholeHead(zone) } : formatZone(zone)),
      parseZone,
    ),
  }
  const spelling = (name: string) => oneOf(random, [name, name, name.toUpperCase(), `${name}.`])
  const asWritten = (kind: Kind) =>
    parts[kind].map(([name, body]) => [kind === 'services' || kind === 'zones' ? spelling(name) : name, body])
  const asRead = (kind: Kind) =>
    parts[kind].map(([name, body]) => [name, readOf(configuration, kind, name, body)])
  const all = (of: (kind: Kind) => readonly unknown[]) =>
    Object.fromEntries(kinds.map((kind) => [kind, Object.fromEntries(of(kind) as [string, Body][])])) as Kinds
  return { document: all(asWritten), read: all(asRead) }
}

function poolBody(pool: Pool, random: Random): Body {
  const isWhole = random() < 0.3
  // Members that JavaScript has before the others, whatever their order in the text.
  const nameOf = (name: string, nth: number) => (random() < 0.1 ? String(100 - nth) : name)
  const members = pool.members.map((member, nth) => [nameOf(member.name, nth), formatMember(member, isWhole)])
  return { ...(isWhole ? formatWholePool(pool) : formatPool(pool)), members: Object.fromEntries(members) }
}

/** What is read of a part: not what the daemon tells beside it, which whoever wrote it sent back; and RRsets as the model has them. */
function readOf(configuration: Configuration, kind: Kind, name: string, written: Body): Body {
  const { status: _, ...body } = written
  if (kind === 'zones') return { ...body, rrsets: rrsetsOf(configuration, name) }
  if (kind !== 'pools' || body.members === undefined) return body
  const members = Object.entries(body.members as Record<string, Body>)
  const bare = members.map(([member, { status: __, ...fields }]) => [member, fields])
  return { ...body, members: Object.fromEntries(bare) }
}

function rrsetsOf({ zones }: Configuration, apex: string): Body[] {
  return sorted(zones.find((zone) => zone.apex === apex)!.rrsets.map(formatZoneRrset))
}

const sorted = (rrsets: readonly Body[]) =>
  [...rrsets].sort((a, b) => (`${a.name} ${a.type}` < `${b.name} ${b.type}` ? -1 : 1))

/** A document of some of its kinds. */
function documentOf(parts: Kinds, wanted: readonly Kind[], owner: string | null): Body {
  const filled = wanted.filter((kind) => Object.keys(parts[kind]).length > 0)
  return {
    ...(owner === null ? {} : { owner }),
    ...Object.fromEntries(filled.map((kind) => [kind, parts[kind]])),
  }
}

/** The same by way of a file with comments, as people keep it. */
function throughFile(document: Body, random: Random): unknown {
  const yaml = new YamlDocument(document, { aliasDuplicateObjects: false })
  visit(yaml, {
    Pair: (_, pair) => {
      if (random() < 0.2) (pair as Pair<{ commentBefore?: string }>).key.commentBefore = ' why: "it" is so #1'
    },
  })
  return inputOf(yaml.toString({ lineWidth: 0 }))
}

function inputOf(text: string): unknown {
  const read = readYaml(text)
  if (!read.ok) throw new Error(`${JSON.stringify(read.problems)}\n${text}`)
  return read.input
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
type Any = any

async function put({ call }: Harness, document: unknown, query = '') {
  const { status, headers, body } = await call('PUT', `/v1/config${query}`, document)
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}\n${JSON.stringify(document)}`)
  return { body, revision: headers.get('etag') }
}

async function exported({ call }: Harness, query = ''): Promise<Any> {
  const { status, body } = await call('GET', `/v1/config${query}`)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body
}

/** Applies what a server gives, by way of a file, and demands that it was so already. */
async function throwIfNew(harness: Harness, query: string): Promise<void> {
  const document = await exported(harness, query)
  const input = inputOf(formatYaml(document))
  assert.deepEqual(input, document, 'the file says what the server said')
  assert.deepEqual(columnsIn(input), columnsIn(document), 'and columns in their order')
  const planned = await put(harness, input, '?dryRun=true')
  assert.equal(planned.body.changed, false, JSON.stringify(planned.body.changes))
  const applied = await put(harness, input, '?prune=true')
  assert.equal(applied.body.changed, false, JSON.stringify(applied.body.changes))
  assert.equal(applied.revision, planned.revision, 'no revision was made')
}

/** The names of columns by feed, in their order, which comparing objects does not look at. */
function columnsIn({ feeds = {} }: Any): (readonly [string, readonly string[]])[] {
  return Object.entries<Any>(feeds).map(([name, { columns }]) => [name, Object.keys(columns)] as const)
}

function assertRead(document: Any, expected: Kinds, wanted: readonly Kind[]): void {
  const { version, owner: _, ...read } = document
  assert.equal(version, 1)
  const zones = Object.entries<Any>(read.zones ?? {}).map(([apex, zone]) => [
    apex,
    { ...zone, rrsets: sorted(zone.rrsets) },
  ])
  const { owner: __, ...parts } = documentOf(expected, wanted, null) as Any
  for (const [name, columns] of columnsIn(parts)) {
    assert.deepEqual(
      Object.keys(read.feeds[name].columns),
      columns,
      `the columns of ${name} are in their order`,
    )
  }
  assert.deepEqual({ ...read, ...(zones.length === 0 ? {} : { zones: Object.fromEntries(zones) }) }, parts)
}

const owners = [null, 'team-a', 'team-b'] as const

const cases = fc.record({
  configuration: configurationArbitrary,
  seed: fc.nat(2 ** 31),
  /** Whose files what others name is in, and whose what names it. */
  first: fc.constantFrom(...owners),
  second: fc.constantFrom(...owners),
  /** How many kinds the first of them has. */
  split: fc.integer({ min: 0, max: kinds.length }),
})

const postgres = await startPostgres()
t.teardown(() => postgres[Symbol.asyncDispose]())

for (const kind of ['postgres', 'embedded'] as const) {
  t.test(`on ${kind}`, async (t) => {
    const harness = await startHarness(kind === 'postgres' ? await postgres.createDatabase() : null)
    t.teardown(() => harness[Symbol.asyncDispose]())

    t.test('what was applied is read, and what is exported and applied changes nothing', async (t) => {
      let last: readonly (string | null)[] = []
      await holds(cases, 15, async ({ configuration, seed, first, second, split }) => {
        for (const owner of last.toReversed())
          await put(harness, owner === null ? {} : { owner }, '?prune=true')
        last = [first, second]
        const random = randomBy(seed)
        const written = writtenOf(configuration, random)
        const halves = [kinds.slice(0, split), kinds.slice(split)] as const
        for (const [nth, half] of halves.entries()) {
          const document = documentOf(written.document, half, last[nth]!)
          await put(harness, throughFile(document, random), first === second ? '' : '?prune=true')
        }
        assertRead(await exported(harness), written.read, kinds)
        await throwIfNew(harness, '')
        for (const owner of new Set(last)) {
          if (owner !== null) await throwIfNew(harness, `?owner=${owner}`)
        }
      })
      t.pass()
    })
  })
}
