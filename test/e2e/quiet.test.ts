/**
 * What a node that has nothing to do asks the database: each statement is some work of its own, of the driver and of a server that
 * others may use. Counted, not timed: on a slow machine there are fewer.
 */
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { eventually, put } from './fixture.ts'

const windowMs = 10_000
/** What a second comes to: a look at the revision each, and each some seconds one at tokens, nodes, feeds and what moves gradually. */
const mostPerSecond = 3.5

const statements = /LOG: {2}(execute [^:]*|statement): /g

t.test('a node that has nothing to do hardly asks the database anything', async (t) => {
  await using postgres = await startPostgres()
  const databaseUrl = await postgres.createDatabase({ log_statement: "'all'" })
  const env = { DATABASE_URL: databaseUrl, POOLDNS_WORKERS: '1' }
  await using daemon = await startDaemonProcess({ env })
  await put(daemon, '/v1/pools/one', { members: { a: { address: '192.0.2.1' } } })
  await put(daemon, '/v1/zones/quiet.test', {
    soa: { mname: 'ns1.quiet.test.', rname: 'hostmaster.quiet.test.' },
    rrsets: [{ name: '@', type: 'NS', data: ['ns1.quiet.test.'] }],
  })
  await put(daemon, '/v1/services/www.quiet.test', { pools: ['one'] })
  const count = () => postgres.log.match(statements)?.length ?? 0
  // What comes of these writes is over.
  await eventually(async () => {
    const before = count()
    await delay(1000)
    return count() - before <= 2 * mostPerSecond || undefined
  })
  const from = postgres.log.length
  const begunMs = performance.now()
  await delay(windowMs)
  const asked = postgres.log.slice(from)
  // This process may have come to it much later.
  const seconds = (performance.now() - begunMs) / 1000
  const number = asked.match(statements)?.length ?? 0
  t.ok(number >= windowMs / 5000, 'it looks all the same')
  t.ok(number <= mostPerSecond * seconds, `${number} statements in ${seconds} s: ${asked.slice(-3000)}`)
  await put(daemon, '/v1/pools/two', { members: { a: { address: '192.0.2.2' } } })
})
