/** All suites, one after the other on one database. */

import type { Test } from 'tap'
import { sql } from '../../../../schema/drizzle.ts'
import { parentData } from '../../../../src/controlplane/dnssec/sign-zone.ts'
import { makeKeyParts, openKey, sealKey } from '../../../../src/controlplane/dnssec/zone-key.ts'
import { keyFlags } from '../../../../src/controlplane/model/dnssec.ts'
import { Database } from '../../../../src/controlplane/store/database.ts'
import { patience } from '../../../support/patience.ts'
import { dnssecSuite, testSecret } from './dnssec.ts'
import { eventsSuite } from './events.ts'
import { feedRowsSuite } from './feed-rows.ts'
import { feedsSuite } from './feeds.ts'
import { fleetSuite } from './fleet.ts'
import { hostsSuite } from './hosts.ts'
import { journalSuite } from './journal.ts'
import { overridesSuite } from './overrides.ts'
import { poolsSuite } from './pools.ts'
import { queriesSuite } from './queries.ts'
import { reachedSuite } from './reached.ts'
import { referencesSuite } from './references.ts'
import { rolloversSuite } from './rollovers.ts'
import { rrsetsSuite } from './rrsets.ts'
import { serviceOverridesSuite } from './service-overrides.ts'
import { servicesSuite } from './services.ts'
import { signalsSuite } from './signals.ts'
import { toldWordsSuite } from './told-words.ts'
import { webhooksSuite } from './webhooks.ts'
import { zonesSuite } from './zones.ts'

const suites = {
  zones: zonesSuite,
  dnssec: dnssecSuite,
  rollovers: rolloversSuite,
  signals: signalsSuite,
  rrsets: rrsetsSuite,
  pools: poolsSuite,
  overrides: overridesSuite,
  'service overrides': serviceOverridesSuite,
  'told words': toldWordsSuite,
  services: servicesSuite,
  references: referencesSuite,
  feeds: feedsSuite,
  hosts: hostsSuite,
  fleet: fleetSuite,
  journal: journalSuite,
  events: eventsSuite,
  webhooks: webhooksSuite,
  reached: reachedSuite,
  queries: queriesSuite,
  'rows of feeds': feedRowsSuite,
}

/** @param url null for the embedded database in `dataDir` */
export async function runSuites(t: Test, url: string | null, dataDir: string): Promise<void> {
  await using database = await Database.open({
    url,
    dataDir,
    keys: {
      make: (apex, algorithm, role) => sealKey(testSecret, apex, makeKeyParts(algorithm), keyFlags[role]),
      check: (apex, key) => void openKey(testSecret, apex, key),
      parentData,
    },
  })
  t.equal(database.kind, url === null ? 'embedded' : 'postgres')
  await database.ready(patience())
  for (const [name, suite] of Object.entries(suites)) {
    await database.record((tx) =>
      // The audit log refuses to be emptied, but to who may turn triggers off.
      tx.execute(sql`set local session_replication_role = replica; truncate dnssec_rollovers, dnssec_signals, dnssec_keys, feed_sources, feeds, zones, rrsets, monitors, monitor_parts, pools, members, services, service_pools, overrides, member_health,
        events, webhooks, changes, audit_log, tokens, lookups, queries, nodes, reports`),
    )
    await t.test(name, (t) => suite(t, database))
  }
}
