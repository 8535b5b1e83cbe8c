/** Every aggregate, on a real PostgreSQL and on the embedded database. */
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import { placeEmbeddedDatabase } from '../../support/embedded-database.ts'
import { temporaryDataFolder } from '../../support/kept.ts'
import { startPostgres } from '../../support/postgres.ts'
import { runSuites } from './suite/run-suites.ts'

t.test('postgres', async (t) => {
  await using server = await startPostgres()
  await runSuites(t, await server.createDatabase(), tmpdir())
})

t.test('embedded', async (t) => {
  const dataDir = await temporaryDataFolder('pooldns-aggregates-')
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  await placeEmbeddedDatabase(dataDir)
  await runSuites(t, null, dataDir)
})
