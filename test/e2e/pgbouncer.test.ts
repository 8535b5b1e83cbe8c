/** Two servers whose database stands behind pgbouncer in transaction mode. */
import pg from 'pg'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { pooledSessions, startPgbouncer } from '../support/pgbouncer.ts'
import { startPostgres } from '../support/postgres.ts'
import { missingPrograms } from '../support/program.ts'
import { ask, askUntil } from './ask.ts'
import { put, soa } from './fixture.ts'

/** What a session of the server's has that one of ours left there. */
const leftovers = `
  select current_setting('statement_timeout') as statement_timeout, current_setting('lock_timeout') as lock_timeout,
    current_setting('idle_in_transaction_session_timeout') as idle_timeout,
    (select count(*)::int from pg_prepared_statements) as prepared,
    (select count(*)::int from pg_listening_channels()) as listening, pg_backend_pid() as pid`

/** What all of them have, each from a transaction that keeps it from the others. */
async function sessionsOf(url: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  await using stack = new AsyncDisposableStack()
  const found: Readonly<Record<string, unknown>>[] = []
  for (let n = 0; n < pooledSessions; n++) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    stack.defer(() => client.end())
    await client.query('begin')
    found.push((await client.query<Record<string, unknown>>(leftovers)).rows[0]!)
  }
  return found
}

t.test(
  'changes are followed by polling, and nothing is left to the next who gets a session',
  { skip: missingPrograms('pgbouncer') },
  async (t) => {
    await using postgres = await startPostgres()
    await using pgbouncer = await startPgbouncer(postgres)
    const direct = await postgres.createEmptyDatabase()
    const env = { DATABASE_URL: pgbouncer.through(direct) }
    await using one = await startDaemonProcess({ env })
    await using two = await startDaemonProcess({ env })
    await put(one, '/v1/zones/example.test', { soa, rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }] })
    await askUntil(two.dns, 'a.example.test', ['192.0.2.1'])
    // More at once than there are sessions, of all kinds.
    const master =
      '$ORIGIN big.test.\n@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.53\n'
    const statuses = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const daemon = n % 2 === 0 ? one : two
        if (n % 10 === 5) {
          const headers = { 'content-type': 'text/dns' }
          const path = `/v1/zones/big${n}.test/zonefile`
          const body = master.replace('big.', `big${n}.`)
          return (await daemon.request(path, { method: 'PUT', headers, body })).status
        }
        if (n % 4 === 3) return (await daemon.request('/v1/zones/example.test/rrsets')).status
        const path = `/v1/zones/example.test/rrsets/n${n}/A`
        return (await daemon.request(path, { method: 'PUT', json: { data: [`192.0.2.${n}`] } })).status
      }),
    )
    t.same(
      statuses.filter((status) => status >= 300),
      [],
    )
    for (const n of [0, 1, 38]) {
      await askUntil(one.dns, `n${n}.example.test`, [`192.0.2.${n}`])
      await askUntil(two.dns, `n${n}.example.test`, [`192.0.2.${n}`])
    }
    await askUntil(one.dns, 'ns.big5.test', ['192.0.2.53'])
    const sessions = await sessionsOf(env.DATABASE_URL)
    t.equal(new Set(sessions.map(({ pid }) => pid)).size, pooledSessions)
    for (const { pid: _, ...session } of sessions) {
      t.same(session, {
        statement_timeout: '0',
        lock_timeout: '0',
        idle_timeout: '0',
        prepared: 0,
        listening: 0,
      })
    }

    await pgbouncer.kill()
    t.equal((await one.request('/v1/zones/new.test', { method: 'PUT', json: { soa } })).status, 503)
    t.same((await ask(one.dns, 'a.example.test')).answers, ['192.0.2.1'])
    await pgbouncer.restart()
    await put(two, '/v1/zones/example.test/rrsets/a/A', { data: ['192.0.2.2'] })
    await askUntil(one.dns, 'a.example.test', ['192.0.2.2'])
  },
)
