import t from 'tap'
import { sql } from '../../../../schema/drizzle.ts'
import { beat, pruneFleet } from '../../../../src/controlplane/store/fleet.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('the nodes on the database', async (t) => {
  // Those that live do so for longer than a busy machine takes.
  const node = { id: 'node-1', liveForMs: 600_000, known: () => [], revision: () => -1 }
  await using harness = await startHarness(await postgres.createDatabase(), { node })
  const { call, database } = harness
  t.same((await call('GET', '/v1/nodes')).body, { items: [] }, 'before the first word of any')
  const startedAt = new Date('2026-05-01T12:00:00Z')
  const beaten = { version: '1.2.3', startedAt, revision: 7, suspect: false, verdicts: null }
  await database.record(async (tx) => {
    await beat(tx, { ...beaten, id: 'node-1', name: null })
    await beat(tx, { ...beaten, id: 'node-2', name: 'fra', suspect: true })
    await beat(tx, { ...beaten, id: 'node-3', name: 'nyc' })
    await tx.execute(
      sql`update nodes set seen_at = clock_timestamp() - interval '11 minutes' where id = 'node-3'`,
    )
  })
  const { status, body } = await call('GET', '/v1/nodes')
  t.equal(status, 200)
  t.match(body.items, [
    // What it serves itself, and not what it has told.
    { id: 'node-1', name: null, live: true, self: true, suspect: false, revision: -1 },
    { id: 'node-2', name: 'fra', live: true, self: false, suspect: true, revision: 7 },
    { id: 'node-3', name: 'nyc', live: false, self: false, startedAt: startedAt.toISOString() },
  ])
  t.notOk('verdicts' in body.items[0])
  await database.record(async (tx) => {
    await tx.execute(
      sql`update nodes set seen_at = clock_timestamp() - interval '25 hours' where id = 'node-3'`,
    )
  })
  t.equal((await call('GET', '/v1/nodes')).body.items.length, 2, 'of the last day')
  await database.record(pruneFleet)
  t.equal((await call('GET', '/v1/nodes')).body.items.length, 2)
  const forgotten = await call('DELETE', '/v1/nodes/node-3')
  t.equal(forgotten.status, 204, 'though it is shown no more')
  t.equal((await call('DELETE', '/v1/nodes/node-3')).status, 404)
  t.equal((await call('DELETE', '/v1/nodes/node-1')).status, 409)
  t.match((await call('GET', '/v1/audit?limit=1')).body.items, [{ action: 'node.forget', key: 'node-3' }])
  t.equal((await call('GET', '/v1/nodes?limit=1')).status, 400)
  t.equal((await call('GET', '/v1/nodes', undefined, { token: null })).status, 401)
})
