/** Every aggregate, on a real PostgreSQL, on the embedded database and, where there is one, on the PostgreSQL of the system. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { Database } from '../../../src/controlplane/store/database.ts'
import { startPostgres } from '../../support/postgres.ts'
import { startSystemPostgres, withoutSystemPostgres } from '../../support/system-postgres.ts'
import { eventsSuite } from './suite/events.ts'
import { fleetSuite } from './suite/fleet.ts'
import { hostsSuite } from './suite/hosts.ts'
import { journalSuite } from './suite/journal.ts'
import { overridesSuite } from './suite/overrides.ts'
import { poolsSuite } from './suite/pools.ts'
import { referencesSuite } from './suite/references.ts'
import { rrsetsSuite } from './suite/rrsets.ts'
import { servicesSuite } from './suite/services.ts'
import { webhooksSuite } from './suite/webhooks.ts'
import { zonesSuite } from './suite/zones.ts'

const suites = {
  zones: zonesSuite,
  rrsets: rrsetsSuite,
  pools: poolsSuite,
  overrides: overridesSuite,
  services: servicesSuite,
  references: referencesSuite,
  hosts: hostsSuite,
  fleet: fleetSuite,
  journal: journalSuite,
  events: eventsSuite,
  webhooks: webhooksSuite,
}

const dataDir = await mkdtemp(join(tmpdir(), 'pooldns-aggregates-'))
t.teardown(() => rm(dataDir, { recursive: true, force: true }))

const runAll = (url: string | null) => async (t: Test) => {
  await using database = await Database.open({ url, dataDir })
  t.equal(database.kind, url === null ? 'embedded' : 'postgres')
  await database.ready(AbortSignal.timeout(60_000))
  for (const [name, suite] of Object.entries(suites)) {
    await database.record((tx) =>
      tx.execute(sql`truncate zones, rrsets, monitors, monitor_parts, pools, members, services, service_pools, overrides, member_health,
        events, webhooks, changes, audit_log, tokens, lookups, nodes, reports`),
    )
    await t.test(name, (t) => suite(t, database))
  }
}

t.test('postgres', async (t) => {
  await using server = await startPostgres()
  await runAll(await server.createDatabase())(t)
})

t.test('embedded', runAll(null))

/**
 * A server compiles a statement that it guesses to cost more than 100,000, for seconds; it guesses worst about tables that it
 * has no statistics of. Ten times less than that is far more than any statement of the store needs on small tables.
 */
const mostCost = 10_000

t.test('the PostgreSQL that is installed, with JIT', { skip: withoutSystemPostgres() }, async (t) => {
  const explained = ['shared_preload_libraries=auto_explain', 'auto_explain.log_min_duration=0']
  const settings = ['fsync=off', 'autovacuum=off', ...explained].flatMap((setting) => ['-c', setting])
  await using server = await startSystemPostgres(...settings)
  await runAll(await server.createDatabase())(t)
  const plans = server.log.split(/duration: [\d.]+ ms {2}plan:/).slice(1)
  t.ok(plans.length > 1_000, `${plans.length} statements`)
  const costs = plans.map((plan) => ({ plan, cost: Number(/cost=[\d.]+\.\.([\d.]+)/.exec(plan)?.[1]) }))
  const dearest = costs.reduce((most, each) => (each.cost > most.cost ? each : most))
  t.ok(dearest.cost < mostCost, `the dearest statement: ${dearest.cost}`, { plan: dearest.plan })
})
