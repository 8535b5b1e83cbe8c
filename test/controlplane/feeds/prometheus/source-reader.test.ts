/** Servers that read feeds from their sources: whose turn it is, what comes of turns, and what is told. */
import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import { sql } from '../../../../schema/drizzle.ts'
import { FeedWriter } from '../../../../src/controlplane/feeds/feed-writer.ts'
import { SourceReader } from '../../../../src/controlplane/feeds/prometheus/source-reader.ts'
import type { Feed } from '../../../../src/controlplane/model/feed.ts'
import { Database } from '../../../../src/controlplane/store/database.ts'
import { claimTurns, readSourceStates } from '../../../../src/controlplane/store/feed-sources.ts'
import { getFeed, putFeed, type StoredFeed } from '../../../../src/controlplane/store/feeds.ts'
import { holdTimers } from '../../../support/held-timers.ts'
import { temporaryDataFolder } from '../../../support/kept.ts'
import { patience } from '../../../support/patience.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { put } from '../../store/suite/samples.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

/** Of a request. */
const timeoutMs = 999

/** Answers like a Prometheus, as long as `series` is not null. No request is given up, however busy the machine is. */
async function startApi(t: Test) {
  holdTimers(t, timeoutMs)
  const api = { series: [['a', '1']] as [string, string][] | null, asked: [] as string[], origin: '' }
  const server = createServer((request, response) => {
    api.asked.push(`${request.headers['x-node']}`)
    if (api.series === null) {
      response.writeHead(503).end('{"status":"error","error":"not yet"}')
      return
    }
    const result = api.series.map(([instance, value]) => ({
      metric: { instance },
      value: [Date.now() / 1000, value],
    }))
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }))
  })
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  api.origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  return api
}

const feedOf = (prometheus: string, everyMs: number): Feed => ({
  name: 'load',
  columns: [{ name: 'value', type: 'double', unit: '', description: '' }],
  retention: { ageMs: null, rows: 1000 },
  cacheMs: 0,
  source: {
    prometheus,
    query: 'up',
    everyMs,
    timeoutMs,
    entity: '{instance}',
    column: null,
    headers: [],
  },
})

interface Node extends AsyncDisposable {
  readonly database: Database
  readonly reader: SourceReader
  /** What was told of turns, each with why it failed. */
  readonly told: (string | null)[]
  /** Rows of each turn that this node took; null for one that failed. */
  readonly turns: (number | null)[]
  readonly errors: unknown[]
  turn(): Promise<void>
}

async function startNode(t: Test, url: string, name: string): Promise<Node> {
  const database = await Database.open({ url, dataDir: await temporaryDataFolder('pooldns-source-') })
  await database.ready(patience())
  const [told, turns, errors] = [[] as (string | null)[], [] as (number | null)[], [] as unknown[]]
  let next = Promise.withResolvers<void>()
  const writer = new FeedWriter(database)
  const reader = new SourceReader({
    database,
    node: name,
    policy: () => null,
    write: (feed, rows) => writer.write(feed, rows),
    trusts: () => true,
    onTurn: (_, failure) => told.push(failure),
    onResult: (_, { rows }) => {
      turns.push(rows)
      next.resolve()
      next = Promise.withResolvers()
    },
    onOwnFault: () => undefined,
    onError: (error) => errors.push(error),
  })
  const node = {
    database,
    reader,
    told,
    turns,
    errors,
    turn: () => next.promise,
    [Symbol.asyncDispose]: async () => {
      await reader[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
  t.teardown(() => node[Symbol.asyncDispose]())
  reader.start()
  return node
}

async function declare({ database }: Node, feed: Feed): Promise<StoredFeed> {
  await put(database, (write) => putFeed(write, feed, {}))
  return (await database.read((tx) => getFeed(tx, feed.name)))!
}

async function until(holds: () => boolean, next: () => Promise<void>): Promise<void> {
  while (!holds()) await next()
}

t.test('what is read becomes rows; what fails is told once, and when it ends', async (t) => {
  const api = await startApi(t)
  const node = await startNode(t, await postgres.createDatabase(), 'one')
  api.series = [
    ['a', '1.5'],
    ['b', 'NaN'],
  ]
  const feed = await declare(node, feedOf(api.origin, 1000))
  node.reader.setFeeds([feed])
  await node.turn()
  await until(() => node.turns.length >= 2, node.turn)
  const { rows } = await node.database.read((tx) =>
    tx.execute(sql`select id_entity, "values"::text as values from feed_latest`),
  )
  t.same(rows, [{ id_entity: 'a', values: '{1.5}' }])
  const state = async () => (await node.database.read((tx) => readSourceStates(tx, [feed.id]))).get(feed.id)
  t.match(await state(), {
    node: 'one',
    rows: 1,
    leftOut: 1,
    reason: 'series {instance="b"} is NaN, which is no number',
    failingSince: null,
  })
  t.same(node.told, [], 'nothing has changed')
  api.series = null
  await until(() => node.turns.filter((turn) => turn === null).length >= 3, node.turn)
  t.match(await state(), { rows: null, reason: 'status 503: not yet', failingSince: Date })
  t.same(node.told, ['status 503: not yet'])
  api.series = [['a', '2']]
  await until(() => node.told.length === 2, node.turn)
  t.same(node.told, ['status 503: not yet', null])
  t.match(await state(), { rows: 1, reason: null, failingSince: null })
  t.same(node.errors, [])
})

t.test('servers take turns, and go on when one of them is gone', async (t) => {
  const api = await startApi(t)
  const url = await postgres.createDatabase()
  const [one, two] = [await startNode(t, url, 'one'), await startNode(t, url, 'two')]
  const feed = await declare(one, feedOf(api.origin, 1000))
  const begun = performance.now()
  for (const { reader } of [one, two]) reader.setFeeds([feed])
  await until(
    () => api.asked.length >= 4,
    () => Promise.race([one.turn(), two.turn()]),
  )
  const seconds = (performance.now() - begun) / 1000
  t.ok(api.asked.length <= seconds + 1, `${api.asked.length} turns in ${seconds} s, and not twice as many`)
  await one.reader[Symbol.asyncDispose]()
  const before = two.turns.length
  await until(() => two.turns.length >= before + 2, two.turn)
  t.match((await two.database.read((tx) => readSourceStates(tx, [feed.id]))).get(feed.id), { node: 'two' })
  t.same([...one.errors, ...two.errors], [])
})

t.test(
  'a turn that another server took while this one waited for the database is not taken again',
  async (t) => {
    const api = await startApi(t)
    const url = await postgres.createDatabase()
    const [one, two] = [await startNode(t, url, 'one'), await startNode(t, url, 'two')]
    const { id } = await declare(one, feedOf(api.origin, 60_000))
    const turn = [{ feed: id, source: 'same', everyMs: 60_000 }]
    await one.database.record(async (tx) => {
      // As of now for all that this transaction asks.
      await tx.execute(sql`select now()`)
      const [theirs] = await two.database.record((other) => claimTurns(other, turn, 'two'))
      t.equal(theirs!.won, true)
      const [ours] = await claimTurns(tx, turn, 'one')
      t.match(ours, { won: false })
      t.ok(ours!.dueInMs > 30_000)
      const [sooner] = await claimTurns(tx, [{ ...turn[0]!, everyMs: 1_000 }], 'one')
      t.equal(sooner!.won, true, 'one that comes more often now does not wait for the turn of before')
    })
  },
)

t.test('another source is read at once, and a feed that is gone no more', async (t) => {
  const api = await startApi(t)
  const other = await startApi(t)
  const node = await startNode(t, await postgres.createDatabase(), 'one')
  node.reader.setFeeds([await declare(node, feedOf(api.origin, 86_400_000))])
  await until(() => node.turns.length === 1, node.turn)
  const moved = await declare(node, feedOf(other.origin, 86_400_000))
  node.reader.setFeeds([moved])
  await until(() => node.turns.length === 2, node.turn)
  t.same([api.asked.length, other.asked.length], [1, 1], 'though the next turn would have been a day away')
  node.reader.setFeeds([{ ...moved, value: { ...moved.value, cacheMs: 1 } }])
  node.reader.hint()
  await node.database.read((tx) => tx.execute(sql`select pg_sleep(0.2)`))
  t.equal(other.asked.length, 1, 'another setting is no reason to ask again')
  await node.database.record((tx) => tx.execute(sql`delete from feeds`))
  node.reader.setFeeds([{ ...moved, value: feedOf(api.origin, 1000) }])
  await node.database.read((tx) => tx.execute(sql`select pg_sleep(0.5)`))
  t.equal(api.asked.length, 1, 'nobody takes a turn of a feed that is not there')
  t.same(node.errors, [])
})
