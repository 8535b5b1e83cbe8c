/** Locks that are rows. */
import t from 'tap'
import { sql } from '../../../schema/drizzle.ts'
import { Database } from '../../../src/controlplane/store/database.ts'
import { eventsLock, takeLocks, tryLock, zoneLock } from '../../../src/controlplane/store/lock-rows.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'

t.test('the lock of a zone is the same for all versions', async (t) => {
  t.equal(zoneLock('example.test'), 253)
  t.equal(zoneLock(''), 453)
  const locks = Array.from({ length: 5000 }, (_, n) => zoneLock(`z${n}.test`))
  t.ok(locks.every((lock) => lock >= 0 && lock < eventsLock))
  t.ok(new Set(locks).size > 900, 'spread over all of them')
})

t.test('one has a lock, others wait or are told, and nobody waits in a ring', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using one = await Database.open({ url, dataDir: '/nowhere' })
  await using two = await Database.open({ url, dataDir: '/nowhere' })
  await Promise.all([one.ready(patience()), two.ready(patience())])
  const free = async (lock: number) => {
    const { rows } = await two.record((tx) =>
      tx.execute<{ free: boolean }>(sql`select ${tryLock(lock)} as free`),
    )
    return rows[0]!.free
  }
  const [held, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const holding = one.record(async (tx) => {
    await tx.execute(takeLocks([7, eventsLock, 7]))
    held.resolve()
    await go.promise
  })
  await held.promise
  t.same([await free(7), await free(8), await free(eventsLock)], [false, true, false])
  go.resolve()
  await holding
  t.equal(await free(7), true)

  const counts = new Map<number, number>()
  const run = (database: Database, locks: readonly number[]) =>
    database.record(async (tx) => {
      await tx.execute(takeLocks(locks))
      const inside = locks.map((lock) => counts.get(lock) ?? 0)
      for (const lock of locks) counts.set(lock, (counts.get(lock) ?? 0) + 1)
      await tx.execute(sql`select 1`)
      for (const [n, lock] of locks.entries()) {
        t.equal(counts.get(lock), inside[n]! + 1, 'nobody else was in')
        counts.set(lock, inside[n]!)
      }
    })
  const orders = [
    [1, 2, 3],
    [3, 2, 1],
    [2, 3],
    [3, 1],
  ]
  await Promise.all(Array.from({ length: 24 }, (_, n) => run(n % 2 === 0 ? one : two, orders[n % 4]!)))
})
