/** Rows of the database that somebody edited by hand: one that can't be read takes nothing else with it. */
import pg from 'pg'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, putService, startBackend } from './fixture.ts'

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
  await put(third, '/v1/monitors/web', { interval: '100ms', timeout: '100ms', fall: 1, rise: 1 })
  backend.healthy = false
  await eventually(async () => {
    const { status } = (await (await third.request('/v1/pools/web/members/m1')).json()) as {
      status: { state: string }
    }
    return status.state === 'down' ? true : undefined
  })
  t.pass('a monitor that was replaced is used')
})
