/**
 * A random walk through configurations: each change is judged as a document and as a write, which must be refused for the same
 * reasons or be accepted both. The document is judged whole, the write by what the store loads of its neighbourhood, so
 * whatever a neighbourhood lacks shows here.
 */
import fc from 'fast-check'
import t from 'tap'
import { crossProblems } from '../../../src/controlplane/document/references.ts'
import type { Configuration } from '../../../src/controlplane/model/configuration.ts'
import { ControlError, type Problem } from '../../../src/controlplane/model/errors.ts'
import type { Monitor } from '../../../src/controlplane/model/monitor.ts'
import type { Pool } from '../../../src/controlplane/model/pool.ts'
import type { Choice, Service } from '../../../src/controlplane/model/service.ts'
import type { Rrset, Zone } from '../../../src/controlplane/model/zone.ts'
import { checkZone } from '../../../src/controlplane/rules/zone-data.ts'
import { Database, type Write } from '../../../src/controlplane/store/database.ts'
import { deleteMonitor, putMonitor } from '../../../src/controlplane/store/monitors.ts'
import { deletePool, putPool } from '../../../src/controlplane/store/pools.ts'
import { deleteRrset, putRrset } from '../../../src/controlplane/store/rrsets.ts'
import { deleteService, putService } from '../../../src/controlplane/store/services.ts'
import { deleteZone, putZone } from '../../../src/controlplane/store/zones.ts'
import { apply } from '../../support/apply.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import { poolChoice, serviceChoice } from '../model/defaults.ts'
import { hostMember, pool, rrset, service, zone } from './suite/samples.ts'

const steps = 300
const seed = Number(process.env.POOLDNS_TEST_SEED ?? Date.now() % 1_000_000)

/** One change, on both sides. */
interface Change {
  readonly what: string
  /** Null when there is nothing that it could change. */
  after(before: Configuration): Configuration | null
  write(write: Write): Promise<unknown>
}

const here = { latitude: 1, longitude: 2 }
const monitorName = fc.constantFrom('m0', 'm1', 'm2', 'm3')
const poolName = fc.constantFrom('p0', 'p1', 'p2', 'p3', 'p4')
const apex = fc.constantFrom('z.test', 'z.test', 'a.z.test', 'c.z.test')
const owner = fc.constantFrom('@', 'a', 'b.a', 'c', 'x.c', 'd')
const serviceName = fc.constantFrom(
  'z.test',
  'a.z.test',
  'b.a.z.test',
  'c.z.test',
  'x.c.z.test',
  'd.z.test',
  'e.else.test',
)
const dataOf = { A: '192.0.2.1', TXT: '"x"', CNAME: 'x.test.', DNAME: 'x.test.', NS: 'ns.test.' } as const

const rrsets: fc.Arbitrary<Rrset> = fc
  .tuple(owner, fc.constantFrom('A', 'TXT', 'CNAME', 'DNAME', 'NS'))
  .map(([at, type]) => rrset(at, type, dataOf[type]))

const monitors: fc.Arbitrary<Monitor> = fc
  .tuple(monitorName, fc.uniqueArray(monitorName, { maxLength: 3 }))
  .map(([name, parts]) =>
    parts.length === 0
      ? { name, type: 'static', state: 'up' }
      : { name, type: 'composite', monitors: parts, require: 'all', invert: false },
  )

const pools: fc.Arbitrary<Pool> = fc
  .record({
    name: poolName,
    monitor: fc.option(monitorName),
    hosts: fc.constantFrom('resolve', 'resolve', 'cname'),
    fallback: fc.option(poolName),
    location: fc.option(fc.constant(here)),
  })
  .filter(({ name, fallback }) => name !== fallback)
  .map(({ name, ...rest }) =>
    pool(name, [hostMember('h', 'lb.example.')], {
      ...rest,
      whenAllDown: rest.fallback === null ? null : 'fallback',
    }),
  )

const choice: fc.Arbitrary<Choice> = fc.oneof(
  fc.tuple(poolName, fc.option(fc.constant(here))).map(([name, location]) => poolChoice(name, { location })),
  serviceName.map((name) => serviceChoice(name)),
)

const services: fc.Arbitrary<Service> = fc
  .record({
    name: serviceName,
    steer: fc.constantFrom('failover', 'nearest'),
    choices: fc.uniqueArray(choice, { minLength: 1, maxLength: 3, selector: ({ name }) => name }),
    fallback: fc.option(poolName, { freq: 3 }),
  })
  .map(({ name, ...rest }) =>
    service(name, [], { ...rest, whenAllDown: rest.fallback === null ? 'serve-all' : 'fallback' }),
  )

const zones: fc.Arbitrary<Zone> = fc
  .tuple(apex, fc.uniqueArray(rrsets, { maxLength: 4, selector: (each) => `${each.owner} ${each.type}` }))
  .map(([name, all]) => zone(name, ...all))

function putIn<T>(items: readonly T[], item: T, key: (item: T) => string): T[] {
  return [...items.filter((each) => key(each) !== key(item)), item]
}

function without<T>(items: readonly T[], name: string, key: (item: T) => string): T[] | null {
  const rest = items.filter((each) => key(each) !== name)
  return rest.length === items.length ? null : rest
}

const nameOf = ({ name }: { readonly name: string }) => name
const keyOf = (each: Rrset) => `${each.owner} ${each.type}`

function changeOf<K extends 'monitors' | 'pools' | 'services' | 'zones'>(
  kind: K,
  items: fc.Arbitrary<Configuration[K][number]>,
  names: fc.Arbitrary<string>,
  key: (item: Configuration[K][number]) => string,
  put: (write: Write, item: never) => Promise<unknown>,
  remove: (write: Write, name: string) => Promise<unknown>,
): fc.WeightedArbitrary<Change>[] {
  type Item = Configuration[K][number]
  return [
    {
      weight: 4,
      arbitrary: items.map(
        (item): Change => ({
          what: `put ${kind} ${JSON.stringify(item)}`,
          after: (before) => ({ ...before, [kind]: putIn<Item>(before[kind], item, key) }),
          write: (write) => put(write, item as never),
        }),
      ),
    },
    {
      weight: 1,
      arbitrary: names.map(
        (name): Change => ({
          what: `delete ${kind} ${name}`,
          after: (before) => {
            const rest = without<Item>(before[kind], name, key)
            return rest === null ? null : { ...before, [kind]: rest }
          },
          write: (write) => remove(write, name),
        }),
      ),
    },
  ]
}

/** A change of the RRsets of a zone that is there. */
const withRrsets = (
  before: Configuration,
  name: string,
  change: (all: readonly Rrset[]) => Rrset[] | null,
) => {
  const found = before.zones.find((each) => each.apex === name)
  const changed = found === undefined ? null : change(found.rrsets)
  if (found === undefined || changed === null) return null
  return { ...before, zones: putIn(before.zones, { ...found, rrsets: changed }, (each) => each.apex) }
}

const changes = fc.oneof(
  ...changeOf(
    'monitors',
    monitors,
    monitorName,
    nameOf,
    (w, m) => putMonitor(w, m, {}),
    (w, n) => deleteMonitor(w, n, {}),
  ),
  ...changeOf(
    'pools',
    pools,
    poolName,
    nameOf,
    (w, p) => putPool(w, p, {}),
    (w, n) => deletePool(w, n, {}),
  ),
  ...changeOf(
    'services',
    services,
    serviceName,
    nameOf,
    (w, s) => putService(w, s, {}),
    (w, n) => deleteService(w, n, {}),
  ),
  ...changeOf(
    'zones',
    zones,
    apex,
    (z) => z.apex,
    (w, z) => putZone(w, z, {}),
    (w, n) => deleteZone(w, n, {}),
  ),
  {
    weight: 6,
    arbitrary: fc.tuple(apex, rrsets).map(
      ([name, each]): Change => ({
        what: `put RRset ${keyOf(each)} of ${name}`,
        after: (before) => withRrsets(before, name, (all) => putIn(all, each, keyOf)),
        write: (write) => putRrset(write, name, each, {}),
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(apex, rrsets).map(
      ([name, each]): Change => ({
        what: `delete RRset ${keyOf(each)} of ${name}`,
        after: (before) => withRrsets(before, name, (all) => without(all, keyOf(each), keyOf)),
        write: (write) => deleteRrset(write, name, each.owner, each.type, {}),
      }),
    ),
  },
)

/** Most names are there at first, so that most changes are about something. */
const start: Configuration = {
  feeds: [],
  monitors: ['m0', 'm1', 'm2', 'm3'].map((name) => ({ name, type: 'static', state: 'up' })),
  pools: ['p0', 'p1', 'p2', 'p3', 'p4'].map((name) =>
    pool(name, [hostMember('h', 'lb.example.')], { location: name === 'p0' ? null : here }),
  ),
  services: ['z.test', 'a.z.test', 'x.c.z.test'].map((name) => service(name, ['p1'])),
  zones: [zone('z.test', rrset('d', 'TXT', '"x"'))],
}

/** Words of each rule, to tell that it was broken at all. */
const words = [
  'there is no monitor',
  'there is no pool',
  'there is no service',
  'leads back to itself',
  'has no entry with a location',
  'lies in no zone',
  'gives the addresses of its name itself',
  'is a service below the DNAME',
  'is a service at or below the NS',
  'at the apex of zone',
  "can't stand beside",
  'a CNAME stands alone',
  "so it can't be a CNAME",
  'belongs to the zone below such a cut',
  'below which nothing can be',
]

const ruleOf = (message: string) => words.find((each) => message.includes(each)) ?? message

/** What the document says. */
function judge(configuration: Configuration): Problem[] {
  const inZones = configuration.zones.flatMap(({ apex: name, rrsets: all }) =>
    checkZone({ apex: name, rrsets: all }).map(({ message }) => ({ path: `zones["${name}"]`, message })),
  )
  return [...crossProblems(configuration), ...inZones]
}

/** A circle may be told from any of its names; whose user is in the way is told by its path. */
function reasonOf({ path, message }: Problem): string {
  const user = /^(?:uses|there is no) (monitor|pool|service) ([^ ]+)$/.exec(message)
  if (user === null) return message.replace(/: .* -> .*$/, '')
  return `${user[1]} ${user[2]} ${/^(?:\w+\[[^\]]*\]|\w+\.\w+)?/.exec(path)![0]}`
}

t.test(`a document and a write are judged alike (POOLDNS_TEST_SEED=${seed})`, async (t) => {
  await using server = await startPostgres()
  await using database = await Database.open({ url: await server.createDatabase(), dataDir: '/nowhere' })
  await database.ready(patience())
  let configuration = start
  await apply(database, start)
  const counts = { accepted: 0, refused: 0 }
  const rules = new Set<string>()
  for (const change of fc.sample(changes, { numRuns: steps, seed })) {
    const next = change.after(configuration)
    if (next === null) continue
    const expected = judge(next)
    const told = await database.write('tester', change.write).then(
      () => [],
      (error: unknown) => {
        if (error instanceof ControlError && error.problems.length > 0) return error.problems
        throw error
      },
    )
    const own = /^put (\w+) .*?"(?:name|apex)":"([^"]+)"/.exec(change.what)
    const given = told.map((problem) => reasonOf(inDocument(problem, own)))
    const reasons = new Set(expected.map(reasonOf))
    for (const { message } of expected) rules.add(ruleOf(message))
    const alike = given.length === 0 ? reasons.size === 0 : given.every((reason) => reasons.has(reason))
    if (!alike) {
      t.same(given, [...reasons], change.what, { configuration: JSON.stringify(configuration) })
      return
    }
    counts[told.length === 0 ? 'accepted' : 'refused']++
    if (told.length === 0) configuration = next
  }
  t.ok(counts.accepted > 50 && counts.refused > 50, JSON.stringify(counts))
  t.ok(rules.size >= 9, `${rules.size} of ${words.length} rules were broken: ${[...rules].join('; ')}`)
})

/** A problem in the body of a put, with the path that it has in a document. */
function inDocument({ path, message }: Problem, own: RegExpExecArray | null): Problem {
  const inBody = /^(|pools\[\d+\]|monitors\[\d+\]|monitor|fallback|pools|monitors)$/.test(path)
  if (!inBody || own === null) return { path, message }
  const name = /^\w+$/.test(own[2]!) ? `.${own[2]}` : `["${own[2]}"]`
  return { path: `${own[1]}${name}${path === '' ? '' : '.'}${path}`, message }
}
