/** Every aggregate, on a real PostgreSQL and on the embedded database. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { Database } from '../../../src/controlplane/store/database.ts'
import { startPostgres } from '../../support/postgres.ts'
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
const server = await startPostgres()
t.teardown(async () => {
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

for (const kind of ['postgres', 'embedded'] as const) {
  await t.test(kind, async (t) => {
    const url = kind === 'postgres' ? await server.createDatabase() : null
    await using database = await Database.open({ url, dataDir })
    t.equal(database.kind, kind)
    await database.ready(AbortSignal.timeout(60_000))
    for (const [name, suite] of Object.entries(suites)) {
      await database.record((tx) =>
        tx.execute(sql`truncate zones, rrsets, monitors, monitor_parts, pools, members, services, service_pools, overrides, member_health,
          events, webhooks, changes, audit_log, tokens, lookups, nodes, reports`),
      )
      await t.test(name, (t) => suite(t, database))
    }
  })
}
