/** Imports beside other writes, on a real PostgreSQL: who waits for whom. A lock of the test's own holds an import up midway. */
import pg from 'pg'
import t, { type Test } from 'tap'
import { Database } from '../../../src/controlplane/store/database.ts'
import { putOverride } from '../../../src/controlplane/store/overrides.ts'
import { putPool } from '../../../src/controlplane/store/pools.ts'
import { deleteRrset, getRrset, putRrset } from '../../../src/controlplane/store/rrsets.ts'
import { getService, putService } from '../../../src/controlplane/store/services.ts'
import type { WriteCondition } from '../../../src/controlplane/store/stored.ts'
import { deleteZone, getZoneHead, putZone } from '../../../src/controlplane/store/zones.ts'
import { importZone } from '../../../src/controlplane/zonefile/import.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import { member, pool, put, refused, rrset, service, zone } from '../store/suite/samples.ts'

const apex = 'example.test'
const head = '$TTL 300\n@ SOA ns1 hostmaster 1 1h 10m 14d 60\n@ NS ns1\nns1 A 192.0.2.53\n'
const override = {
  pool: 'web',
  member: 'm1',
  state: 'drain',
  until: null,
  reason: 'test',
  actor: 'ann',
  since: new Date(0),
} as const

const server = await startPostgres()
t.teardown(() => server.stop())

/** Two nodes of one database with a zone, another zone and a pool, and a connection that can hold up what they do. */
async function prepare(t: Test) {
  const url = await server.createDatabase()
  const nodes = [await open(t, url), await open(t, url)] as const
  const holder = new pg.Client(url)
  await holder.connect()
  t.teardown(() => holder.end())
  const [database] = nodes
  await put(database, async (write) => {
    await putZone(
      write,
      zone(apex, rrset('@', 'NS', 'ns1.example.test.'), rrset('www', 'A', '192.0.2.1')),
      {},
    )
    await putZone(write, zone('other.test'), {})
    await putPool(write, pool('web', [member('m1', '192.0.2.9')]), {})
  })
  return {
    nodes,
    /** Resolves once so many connections wait for a lock. */
    async waiting(count: number) {
      const query = `select count(distinct pid)::int as count from pg_locks where not granted`
      for (;;) if ((await holder.query<{ count: number }>(query)).rows[0]!.count === count) return
    },
    /** Holds up whoever changes the A of www. @returns lets them go on */
    async hold(
      statement = `select from rrsets where zone = '${apex}' and owner = 'www' and type = 'A' for update`,
    ) {
      await holder.query(`begin; ${statement}`)
      return () => holder.query('rollback')
    },
  }
}

async function open(t: Test, url: string): Promise<Database> {
  const database = await Database.open({ url, dataDir: '/nowhere' })
  t.teardown(() => database.stop())
  await database.ready(patience())
  return database
}

/** Holds up whoever creates this zone. */
const creating = (name: string) => `insert into zones
  select (json_populate_record(z, '{"apex":"${name}"}')).* from zones z where apex = '${apex}'`

const load = (database: Database, text: string, condition: WriteCondition = {}, name = apex) =>
  importZone(database, {
    apex: name,
    source: [head + text],
    by: { actor: 'ann', source: 'api', message: null },
    condition,
    dryRun: false,
    maxGathered: 0,
  })

const readRrset = (database: Database, owner: string, type = 'A') =>
  database.read((tx) => getRrset(tx, apex, owner, type))

t.test('an import in the middle of its rows holds up no override and no RRset of another zone', async (t) => {
  const { nodes, waiting, hold } = await prepare(t)
  const release = await hold()
  const imported = load(nodes[0], 'www A 192.0.2.2\n')
  await waiting(1)
  for (const node of nodes) {
    await put(node, (write) => putOverride(write, override))
    await put(node, (write) => putRrset(write, 'other.test', rrset('a', 'A', '192.0.2.3'), {}))
    await put(node, (write) => putService(write, service(`www.other.test`, ['web']), {}))
  }
  await put(nodes[0], (write) => putService(write, service('s.example.test', ['web']), {}))
  await release()
  const { revision, zoneRevision, changed } = await imported
  t.equal(changed, true)
  t.equal(zoneRevision, revision)
  t.equal((await nodes[0].read((tx) => getZoneHead(tx, apex)))?.revision, revision)
  const www = await readRrset(nodes[0], 'www')
  t.same(www?.value.data, ['192.0.2.2'])
  t.equal(www?.revision, 2, 'the revision of its RRsets is newer than any before')
  const again = await put(nodes[0], (write) =>
    putRrset(write, apex, rrset('www', 'A', '192.0.2.4'), { ifMatch: www!.revision }),
  )
  t.equal(again.revision, revision + 1, 'and their ETag is good for the next write')
})

t.test(
  'writes of the same zone wait for an import, whichever node they come to, and hold up nobody',
  async (t) => {
    const { nodes, waiting, hold } = await prepare(t)
    const release = await hold()
    const imported = load(nodes[0], 'www A 192.0.2.2\nold A 192.0.2.2\n')
    await waiting(1)
    const log: string[] = []
    const after = [
      put(nodes[0], (write) => putRrset(write, apex, rrset('here', 'A', '192.0.2.3'), {})),
      put(nodes[1], (write) => putRrset(write, apex, rrset('there', 'A', '192.0.2.3'), {})),
      put(nodes[1], (write) => deleteRrset(write, apex, 'old', 'A', {})),
    ].map((write) => write.then(() => log.push('written')))
    await waiting(2)
    for (const node of nodes) await put(node, (write) => putOverride(write, override))
    t.same(log, [])
    await release()
    const { revision } = await imported
    await Promise.all(after)
    t.equal((await nodes[0].read((tx) => getZoneHead(tx, apex)))?.revision, revision + 3)
    t.same(
      (await readRrset(nodes[1], 'here'))?.value.data,
      ['192.0.2.3'],
      'nothing that came meanwhile is lost',
    )
    t.same((await readRrset(nodes[0], 'there'))?.value.data, ['192.0.2.3'])
    t.equal(await readRrset(nodes[0], 'old'), null)
  },
)

t.test('two imports of a zone and its deletion come one after the other', async (t) => {
  const { nodes, waiting, hold } = await prepare(t)
  const release = await hold()
  const first = load(nodes[0], 'www A 192.0.2.2\nfirst A 192.0.2.2\n')
  await waiting(1)
  const second = load(nodes[1], 'www A 192.0.2.3\nsecond A 192.0.2.3\n')
  await waiting(2)
  await release()
  t.match(await first, { created: false, changed: true })
  t.match(await second, { created: false, changed: true, rrsets: 4 })
  t.equal(await readRrset(nodes[0], 'first'), null, 'the second replaces what the first wrote')

  const releaseAgain = await hold()
  const third = load(nodes[0], 'www A 192.0.2.4\n')
  await waiting(1)
  const deleted = put(nodes[1], (write) => deleteZone(write, apex, {}))
  await waiting(2)
  await put(nodes[1], (write) => putOverride(write, override))
  await releaseAgain()
  t.match(await third, { changed: true })
  await deleted
  t.equal(await readRrset(nodes[0], 'www'), null)
})

t.test('a zone that several create at once is created once', async (t) => {
  const { nodes, waiting, hold } = await prepare(t)
  const release = await hold(creating('new.test'))
  const first = load(nodes[0], 'a A 192.0.2.2\n', {}, 'new.test')
  await waiting(1)
  const second = put(nodes[1], (write) => putZone(write, zone('new.test', rrset('b', 'A', '192.0.2.3')), {}))
  await waiting(2)
  const third = refused(t, 'stale', load(nodes[0], '', { ifNoneMatch: '*' }, 'new.test'))
  for (const node of nodes) await put(node, (write) => putOverride(write, override))
  await release()
  t.match(await first, { created: true })
  t.match(await second, { created: false, changed: true })
  await third
})

t.test("an import's If-Match is judged by what is there when it has the zone", async (t) => {
  const { nodes, waiting } = await prepare(t)
  const gate = Promise.withResolvers<void>()
  const inside = Promise.withResolvers<void>()
  const before = put(nodes[1], async (write) => {
    await putRrset(write, apex, rrset('new', 'A', '192.0.2.3'), {})
    inside.resolve()
    await gate.promise
  })
  await inside.promise
  const stale = refused(t, 'stale', load(nodes[0], '', { ifMatch: 1 }))
  await waiting(1)
  gate.resolve()
  await before
  await stale
})

t.test('a service that comes while the rows are written is judged with them', async (t) => {
  const { nodes, waiting, hold } = await prepare(t)
  const release = await hold()
  const barred = refused(t, 'conflict', load(nodes[0], 'www A 192.0.2.2\ntaken A 192.0.2.2\n'))
  await waiting(1)
  await put(nodes[1], (write) => putService(write, service('taken.example.test', ['web']), {}))
  await release()
  t.match((await barred).problems, [{ message: /taken.example.test .*can't have A there/ }])
  t.same((await readRrset(nodes[0], 'www'))?.value.data, ['192.0.2.1'], 'nothing changed')

  const releaseAgain = await hold(creating(`sub.${apex}`))
  const adopted = load(nodes[0], 'a A 192.0.2.2\n', {}, `sub.${apex}`)
  await waiting(1)
  await put(nodes[1], (write) => putService(write, service('late.sub.example.test', ['web']), {}))
  await releaseAgain()
  t.match(await adopted, { created: true })
  const late = await nodes[0].read((tx) => getService(tx, 'late.sub.example.test'))
  t.equal(late?.zone, `sub.${apex}`, 'and a new zone takes it over')
})
