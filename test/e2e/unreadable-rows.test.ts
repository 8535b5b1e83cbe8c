/** Rows of the database that somebody edited by hand: one that can't be read takes nothing else with it. */
import pg from 'pg'
import t from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, putService, soa, startBackend } from './fixture.ts'

async function edit(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

t.test('a monitor that can not be read is left out, here and in the snapshot', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  const env = { DATABASE_URL: url }
  await using backend = await startBackend()
  await using first = await startDaemonProcess({ env })
  await putService(first, [backend])
  await put(first, '/v1/monitors/other', {})
  await askUntil(first.dns, 'www.example.test', ['192.0.2.1'])
  await first.stop()
  await edit(url, `update monitors set settings = '{"port": "many"}' where name = 'web'`)

  await using second = await startDaemonProcess({ env })
  const told = await second.line(({ msg }) => msg === 'a row of the database was left out')
  t.match(
    told.reason,
    /^the settings of monitor web in the database can't be read: port must be a whole number/,
  )
  t.same((await ask(second.dns, 'www.example.test')).answers, ['192.0.2.1'], 'unknown counts as up')
  const read = await second.request('/v1/monitors/web')
  t.equal(read.status, 400)
  t.match(await read.json(), { detail: /monitor web/ })
  const age = /^pooldns_snapshot_age_seconds \d/m
  await eventually(async () => {
    const text = await (await fetch(`${second.http}/metrics`)).text()
    return age.test(text) ? true : undefined
  })
  second.signal('SIGKILL')
  await second.exited
  await postgres.kill()

  await using third = await startDaemonProcess({ env, dataDir: second.dataDir })
  t.same((await ask(third.dns, 'www.example.test')).answers, ['192.0.2.1'])
  const seen = third.lines.length
  await postgres.restart()
  await third.line(({ msg }) => msg === 'the database is available', { from: seen })
  await put(third, '/v1/monitors/web', { interval: '1s', timeout: '1s', recheck: '50ms', fall: 1, rise: 1 })
  backend.healthy = false
  await eventually(async () => {
    const { status } = (await (await third.request('/v1/pools/web/members/m1')).json()) as {
      status: { state: string }
    }
    return status.state === 'down' ? true : undefined
  })
  t.pass('a monitor that was replaced is used')
})

const breaking: readonly (readonly [kind: string, key: string, statement: string])[] = [
  ['zone', 'head.test', `update zones set mname = 'no..name' where apex = 'head.test'`],
  [
    'zone',
    'example.test',
    `update rrsets set data = '{nonsense}' where zone = 'example.test' and owner = 'a'`,
  ],
  [
    'service',
    'www.example.test',
    `update services set settings = '{"ecs": 7}' where name = 'www.example.test'`,
  ],
  ['pool', 'web', `update members set weight = -1 where name = 'm1'`],
  ['pool', 'spare', `update pools set settings = '{"whenAllDown": 5}' where name = 'spare'`],
  ['monitor', 'web', `update monitors set settings = '{"port": "many"}' where name = 'web'`],
]

/** Makes a change as no write of ours does, and has the nodes read what it is of. */
const change = (url: string, kind: string, key: string, statement: string) =>
  edit(
    url,
    `do $$ declare c record; begin for c in select conrelid::regclass as tab, conname from pg_constraint
       where connamespace = 'public'::regnamespace and contype = 'c'
       loop execute format('alter table %s drop constraint %I', c.tab, c.conname); end loop; end $$;
     ${statement};
     update config_revision set revision = revision + 1;
     insert into changes (revision, kind, key, stamp) select revision, '${kind}', '${key}', 'x' || revision from config_revision`,
  )

t.test('the last good stays in the place of rows that somebody broke, until they are healed', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  const env = { DATABASE_URL: url }
  await using backend = await startBackend()
  await using first = await startDaemonProcess({ env })
  const zone = (address: string) => ({ soa, rrsets: [{ name: 'a', type: 'A', data: [address] }] })
  await putService(first, [backend])
  for (const name of ['example.test', 'head.test', 'other.test'])
    await put(first, `/v1/zones/${name}`, zone('192.0.2.50'))
  await put(first, '/v1/pools/spare', { members: { s1: { address: '192.0.2.9' } } })
  await put(first, '/v1/services/spare.example.test', { pools: ['spare'] })
  const warningsOf = async (daemon: DaemonProcess) => {
    const ready = (await (await fetch(`${daemon.http}/ready`)).json()) as { warnings?: string[] }
    return (ready.warnings ?? []).filter((line) => line.startsWith('the database holds'))
  }
  const complaints = (daemon: DaemonProcess, count: number) =>
    eventually(async () => {
      const lines = await warningsOf(daemon)
      return lines.length === count ? lines.sort().join('\n') : undefined
    })
  const answers = async (daemon: DaemonProcess, why: string) => {
    t.same((await ask(daemon.dns, 'a.example.test')).answers, ['192.0.2.50'], why)
    t.same((await ask(daemon.dns, 'a.head.test')).answers, ['192.0.2.50'], why)
    t.same((await ask(daemon.dns, 'www.example.test')).answers, ['192.0.2.1'], why)
    t.same((await ask(daemon.dns, 'spare.example.test')).answers, ['192.0.2.9'], why)
  }
  await answers(first, 'before')
  for (const [kind, key, statement] of breaking) await change(url, kind, key, statement)
  const told = await complaints(first, breaking.length)
  for (const what of [
    'zone head.test',
    'owner a, type A',
    'service www',
    'member web/m1',
    'pool spare',
    'monitor web',
  ])
    t.match(told, what)
  t.match(await (await fetch(`${first.http}/metrics`)).text(), /^pooldns_bad_rows 6$/m)
  await answers(first, 'while it runs')
  await put(first, '/v1/zones/other.test/rrsets/a/A', { data: ['192.0.2.51'] })
  t.same((await ask(first.dns, 'a.other.test')).answers, ['192.0.2.51'], 'others go on')

  await eventually(async () => {
    const { snapshot } = (await (await fetch(`${first.http}/ready`)).json()) as {
      snapshot: { ageSeconds: number | null }
    }
    return snapshot.ageSeconds === null ? undefined : true
  })
  first.signal('SIGTERM')
  await first.exited
  await using second = await startDaemonProcess({ env, dataDir: first.dataDir })
  t.equal(await complaints(second, breaking.length), told)
  await answers(second, 'after a start')

  await change(
    url,
    'zone',
    'example.test',
    `update rrsets set data = '{192.0.2.60}' where owner = 'a' and zone = 'example.test'`,
  )
  await change(url, 'pool', 'web', `update members set weight = 100 where name = 'm1'`)
  await put(second, '/v1/zones/head.test', zone('192.0.2.61'))
  await put(second, '/v1/services/www.example.test', { pools: ['web'], ttl: 5 })
  await put(second, '/v1/pools/spare', { members: { s1: { address: '192.0.2.10' } } })
  await put(second, '/v1/monitors/web', { interval: '1s', timeout: '1s', recheck: '50ms', fall: 1, rise: 1 })
  await complaints(second, 0)
  await askUntil(second.dns, 'a.example.test', ['192.0.2.60'])
  await askUntil(second.dns, 'a.head.test', ['192.0.2.61'])
  await askUntil(second.dns, 'spare.example.test', ['192.0.2.10'])
})
