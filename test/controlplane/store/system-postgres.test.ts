/** Every aggregate on the PostgreSQL that is installed, Debian's in particular, which has JIT. */
import { tmpdir } from 'node:os'
import t from 'tap'
import { startSystemPostgres, withoutSystemPostgres } from '../../support/system-postgres.ts'
import { runSuites } from './suite/run-suites.ts'

/**
 * A server compiles a statement that it guesses to cost more than 100,000, for seconds; it guesses worst about tables that it
 * has no statistics of. Ten times less than that is far more than any statement of the store needs on small tables.
 */
const mostCost = 10_000

t.test('the PostgreSQL that is installed, with JIT', { skip: withoutSystemPostgres() }, async (t) => {
  const explained = ['shared_preload_libraries=auto_explain', 'auto_explain.log_min_duration=0']
  const settings = ['fsync=off', 'autovacuum=off', ...explained].flatMap((setting) => ['-c', setting])
  await using server = await startSystemPostgres(...settings)
  await runSuites(t, await server.createDatabase(), tmpdir())
  const plans = server.log.split(/duration: [\d.]+ ms {2}plan:/).slice(1)
  t.ok(plans.length > 1_000, `${plans.length} statements`)
  const costs = plans.map((plan) => ({ plan, cost: Number(/cost=[\d.]+\.\.([\d.]+)/.exec(plan)?.[1]) }))
  const dearest = costs.reduce((most, each) => (each.cost > most.cost ? each : most))
  t.ok(dearest.cost < mostCost, `the dearest statement: ${dearest.cost}`, { plan: dearest.plan })
})
