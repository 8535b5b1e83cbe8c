/** Every aggregate, on a real PostgreSQL and on the embedded database. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startPostgres } from '../../support/postgres.ts'
import { runSuites } from './suite/run-suites.ts'

t.test('postgres', async (t) => {
  await using server = await startPostgres()
  await runSuites(t, await server.createDatabase(), tmpdir())
})

t.test('embedded', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'pooldns-aggregates-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  await runSuites(t, null, dataDir)
})
