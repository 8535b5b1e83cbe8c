/** Two nodes on one PostgreSQL, without the daemons around them. */
import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { sql } from '../../../schema/drizzle.ts'
import { Peers, type PeersOptions } from '../../../src/controlplane/fleet/peers.ts'
import type { MemberReport, NodeVerdicts } from '../../../src/controlplane/model/observation.ts'
import { Database } from '../../../src/controlplane/store/database.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'

const server = await startPostgres()
t.teardown(() => server.stop())

class Node extends EventEmitter implements AsyncDisposable {
  verdicts: NodeVerdicts | null = null
  suspect = false
  readonly reports: MemberReport[] = []
  readonly told: string[] = []
  readonly bad: string[] = []
  readonly database: Database
  readonly peers: Peers

  constructor(database: Database, id: string, options: Partial<PeersOptions> = {}) {
    super()
    this.database = database
    this.peers = new Peers({
      database,
      node: { id, name: null, version: '1.0.0' },
      served: () => ({ revision: 1, stamp: null }),
      suspect: () => this.suspect,
      verdicts: () => this.verdicts,
      takesReports: () => true,
      onBad: (message) => void this.bad.push(message),
      onVotes: (members) => {
        this.told.push(...members.map(({ pool, member }) => `${pool}/${member}`))
        this.emit('votes')
      },
      onReports: (reports) => {
        this.reports.push(...reports)
        this.emit('reports')
      },
      onError: (error) => {
        throw error
      },
      everyMs: 20,
      ...options,
    })
    this.peers.start()
  }

  /** Waits for news until they are as they should be. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await once(this, 'votes', { signal: patience() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peers.stop()
    await this.database[Symbol.asyncDispose]()
  }
}

async function startNode(url: string, id: string, options: Partial<PeersOptions> = {}): Promise<Node> {
  const database = await Database.open({ url, dataDir: '/nonexistent' })
  await database.ready(patience())
  return new Node(database, id, options)
}

t.test('nodes hear what the others say, until they leave', async (t) => {
  const url = await server.createDatabase()
  await using a = await startNode(url, 'a')
  t.equal(a.peers.votes('web', 'm1'), null, 'alone')
  const b = await startNode(url, 'b')
  b.verdicts = { web: { m1: 'down', m2: 'up' } }
  b.peers.hint()
  await a.until(() => a.peers.votes('web', 'm1')?.down === 1)
  t.same(a.peers.votes('web', 'm2'), { up: 1, down: 0 })
  t.same(a.peers.votes('web', 'other'), { up: 0, down: 0 })
  t.ok(a.told.includes('web/m1') && a.told.includes('web/m2'))

  b.verdicts = { web: { m1: 'up' } }
  b.peers.hint()
  await a.until(() => a.peers.votes('web', 'm1')?.up === 1)
  t.same(a.peers.votes('web', 'm2'), { up: 0, down: 0 }, 'what is not said any more is not known')

  b.suspect = true
  b.peers.hint()
  await a.until(() => a.peers.votes('web', 'm1') === null)
  b.suspect = false
  b.peers.hint()
  await a.until(() => a.peers.votes('web', 'm1') !== null)

  await b[Symbol.asyncDispose]()
  await a.until(() => a.peers.votes('web', 'm1') === null)
})

t.test('what a silent node has said runs out', async () => {
  const url = await server.createDatabase()
  await using a = await startNode(url, 'a', { staleMs: 300 })
  await using b = await startNode(url, 'b', { staleMs: 300 })
  b.verdicts = { web: { m1: 'down' } }
  b.peers.hint()
  await a.until(() => a.peers.votes('web', 'm1')?.down === 1)
  // As if it had been killed: no good-bye.
  await b.database[Symbol.asyncDispose]()
  await a.until(() => a.peers.votes('web', 'm1') === null)
})

t.test('a node that lost the database decides alone', async (t) => {
  const url = await server.createDatabase()
  await using a = await startNode(url, 'a', { staleMs: 300 })
  await using b = await startNode(url, 'b', { staleMs: 300 })
  b.verdicts = { web: { m1: 'down' } }
  b.peers.hint()
  await a.until(() => a.peers.votes('web', 'm1')?.down === 1)
  await a.database[Symbol.asyncDispose]()
  await a.until(() => a.peers.votes('web', 'm1') === null)
  t.ok(a.told.includes('web/m1'))
})

t.test('a node whose exchange hangs decides alone, and hears the others again afterwards', async (t) => {
  const url = await server.createDatabase()
  await using a = await startNode(url, 'a', { staleMs: 300 })
  await using b = await startNode(url, 'b', { staleMs: 300 })
  b.verdicts = { web: { m1: 'down' } }
  b.peers.hint()
  await a.until(() => a.peers.votes('web', 'm1')?.down === 1)
  // The beat of either node waits for the table, whatever else goes on.
  const release = Promise.withResolvers<void>()
  await using other = await Database.open({ url, dataDir: '/nonexistent' })
  await other.ready(patience())
  const lock = other.record(async (tx) => {
    await tx.execute(sql`lock table nodes in access exclusive mode`)
    await release.promise
  })
  await a.until(() => a.peers.votes('web', 'm1') === null)
  t.ok(a.database.up, 'nothing has failed')
  release.resolve()
  await lock
  await a.until(() => a.peers.votes('web', 'm1')?.down === 1)
})

t.test('a report reaches the other node', async (t) => {
  const url = await server.createDatabase()
  await using a = await startNode(url, 'a')
  await using b = await startNode(url, 'b')
  const report: MemberReport = {
    pool: 'web',
    member: 'm1',
    state: 'down',
    reason: 'out of disk',
    weightPercent: 50,
    at: new Date(1_000_000),
    until: new Date(2_000_000),
  }
  const heard = once(a, 'reports', { signal: patience() })
  b.peers.add(report)
  await heard
  t.same(a.reports[0], report)
})

t.test('of many members only those are told that a node says something else of', async (t) => {
  const url = await server.createDatabase()
  await using a = await startNode(url, 'a')
  await using b = await startNode(url, 'b')
  b.verdicts = { web: { m1: 'up', m2: 'up' }, constructor: { constructor: 'up' as never } }
  b.peers.hint()
  await a.until(() => a.peers.votes('web', 'm1')?.up === 1)
  t.same(a.told.splice(0).sort(), ['constructor/constructor', 'web/m1', 'web/m2'])
  t.same(a.peers.votes('constructor', 'constructor'), { up: 1, down: 0 })
  b.verdicts = { web: { m1: 'up', m2: 'down' }, constructor: { constructor: 'up' as never } }
  b.peers.hint()
  await a.until(() => a.peers.votes('web', 'm2')?.down === 1)
  t.same(a.told, ['web/m2'])
})

t.test('verdicts are asked for at each exchange, and written when they are others', async (t) => {
  const url = await server.createDatabase()
  await using a = await startNode(url, 'a')
  const verdicts = { web: { m1: 'up' } } as const
  let exchanges = 0
  const twice = Promise.withResolvers<void>()
  await using b = await startNode(url, 'b', {
    verdicts: () => {
      if (++exchanges === 6) twice.resolve()
      return verdicts
    },
  })
  await a.until(() => a.peers.votes('web', 'm1')?.up === 1)
  const versionOf = () =>
    b.database.read(
      async (tx) =>
        (await tx.execute<{ v: string }>(`select verdicts_version v from nodes where id = 'b'`)).rows[0]!.v,
    )
  const before = await versionOf()
  await twice.promise
  t.equal(await versionOf(), before)
})
