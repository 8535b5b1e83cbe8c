/** Writes whose replies wait for every node on the database. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import pg from 'pg'
import t from 'tap'
import { type DaemonProcess, main, node, repository, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { processOf } from '../support/processes.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

const name = 'a.example.test'

async function putAddress(daemon: DaemonProcess, address: string) {
  const path = '/v1/zones/example.test/rrsets/a/A?wait=fleet'
  const reply = await daemon.request(path, { method: 'PUT', json: { ttl: 5, data: [address] } })
  return [reply.status, reply.headers.get('pooldns-published'), reply.headers.get('pooldns-fleet')]
}

const nodes = async (daemon: DaemonProcess) =>
  (
    (await (await daemon.request('/v1/nodes')).json()) as {
      items: { id: string; self: boolean; live: boolean }[]
    }
  ).items

t.test('a reply means that every node answers by the change, or names those that do not', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using one = await startDaemonProcess({ env: { DATABASE_URL: url } })
  await put(one, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  t.same(await putAddress(one, '192.0.2.1'), [201, 'yes', 'yes'], 'alone')
  await using two = await startDaemonProcess({ env: { DATABASE_URL: url } })
  await eventually(async () => ((await nodes(one)).length === 2 ? true : undefined))

  for (let i = 2; i < 12; i++) {
    const [here, there] = i % 2 === 0 ? [one, two] : [two, one]
    t.same(await putAddress(here, `192.0.2.${i}`), [200, 'yes', 'yes'])
    t.same((await ask(there.dns, name)).answers, [`192.0.2.${i}`], 'the other node answers by it at once')
  }

  // The supervisor first, so that nothing takes the place of what seems to hang.
  const frozen = [two.pid, processOf(two, 'control'), processOf(two, 'data')]
  const other = (await nodes(two)).find(({ self }) => self)!.id
  const sql = new pg.Client(url)
  await sql.connect()
  sql.on('error', () => undefined)
  t.teardown(() => sql.end())
  for (const pid of frozen) process.kill(pid, 'SIGSTOP')
  try {
    // It counts as live until the test says otherwise, however long this takes.
    await sql.query(`update nodes set seen_at = now() + interval '1 hour' where id = $1`, [other])
    t.same(await putAddress(one, '192.0.2.20'), [200, 'yes', `pending ${other}`], 'one that hangs is named')
    t.same((await ask(one.dns, name)).answers, ['192.0.2.20'])
    await sql.query(`update nodes set seen_at = now() - interval '1 hour' where id = $1`, [other])
    const isGone = async () => (await nodes(one)).some(({ id, live }) => id === other && !live)
    await eventually(async () => ((await isGone()) ? true : undefined))
    t.same(await putAddress(one, '192.0.2.21'), [200, 'yes', 'yes'], 'nobody waits for one that is gone')
  } finally {
    for (const pid of frozen.reverse()) process.kill(pid, 'SIGCONT')
  }
  await eventually(async () => {
    const { answers } = await ask(two.dns, name)
    return answers[0] === '192.0.2.21' ? true : undefined
  })
})

t.test('a drain is safe when every live node has heard of it, and those that lag are named', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: url } })
  await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  await put(daemon, '/v1/pools/web', {
    members: { first: { address: '192.0.2.1' }, second: { address: '192.0.2.2' } },
  })
  await put(daemon, '/v1/services/www.example.test', { pools: ['web'], ttl: 1 })
  await askUntil(daemon.dns, 'www.example.test', ['192.0.2.1', '192.0.2.2'])
  const sql = new pg.Client(url)
  await sql.connect()
  sql.on('error', () => undefined)
  t.teardown(() => sql.end())
  // A node that lives, and polls no more.
  await sql.query(`insert into nodes (id, version, started_at, seen_at, revision, suspect, verdicts, verdicts_version)
    values ('lagging', '1.0.0', now(), now() + interval '1 hour', 1, false, '{}', 0)`)
  await eventually(async () => ((await nodes(daemon)).some(({ id }) => id === 'lagging') ? true : undefined))

  const args = [main, 'drain', 'web/first', '--wait']
  const env = { ...process.env, POOLDNS_SERVER: daemon.http, POOLDNS_TOKEN: daemon.token }
  const waiting = spawn(node, args, { cwd: repository, env, stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(waiting, 'exit')
  const said = createInterface({ input: waiting.stderr })[Symbol.asyncIterator]()
  const hears = async (words: RegExp): Promise<void> => {
    for (let line = await said.next(); line.done !== true; line = await said.next())
      if (words.test(line.value)) return
    t.fail(`it did not say ${words}`)
  }
  await hears(/first.*node lagging has not heard of it/)
  await askUntil(daemon.dns, 'www.example.test', ['192.0.2.2'])
  const status = async () => {
    const pool = (await (await daemon.request('/v1/pools/web/members/first')).json()) as { status: object }
    return pool.status
  }
  t.match(await status(), { answered: true, answeredBy: ['lagging'], safeAt: null })
  await sql.query(`update nodes set revision = 1000 where id = 'lagging'`)
  t.same(await exited, [0, null])
  t.match(await status(), { answered: false, safeAt: /^2/ })
  t.notOk('answeredBy' in (await status()))
  await daemon.line(({ msg }) => msg === 'member drained')
})
