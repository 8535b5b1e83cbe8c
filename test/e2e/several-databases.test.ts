/** `DATABASE_URL` with several hosts, by the whole of the server and by its commands. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { main, node, repository, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

const run = promisify(execFile)

t.test('nodes follow the database from one host to another, and commands find it', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createEmptyDatabase()
  const standby = await postgres.startStandby()
  // The standby comes first, so everybody has to look further.
  const both = url.replace('127.0.0.1:', `127.0.0.1:${standby.port},127.0.0.1:`)
  const env = { DATABASE_URL: `${both}?target_session_attrs=read-write&connect_timeout=5` }
  const { stdout } = await run(node, [main, 'migrate'], {
    cwd: repository,
    env: { ...process.env, ...env },
  })
  t.match(stdout, /up to date/)
  await using one = await startDaemonProcess({ env })
  await using two = await startDaemonProcess({ env })
  const zone = (address: string) => ({ soa, rrsets: [{ name: 'a', type: 'A', data: [address] }] })
  await put(one, '/v1/zones/example.test', zone('192.0.2.1'))
  await askUntil(two.dns, 'a.example.test', ['192.0.2.1'])

  await postgres.kill()
  const refused = await one.request('/v1/zones/example.test', { method: 'PUT', json: zone('192.0.2.2') })
  t.equal(refused.status, 503)
  t.ok(refused.headers.get('retry-after'))
  t.match((await refused.json()) as object, { detail: `127.0.0.1:${standby.port}: it takes no writes` })
  t.same((await ask(one.dns, 'a.example.test')).answers, ['192.0.2.1'])
  await standby.promote()
  await eventually(async () => {
    const { status } = await one.request('/v1/zones/example.test', { method: 'PUT', json: zone('192.0.2.3') })
    return status === 200 ? true : undefined
  })
  t.same((await ask(one.dns, 'a.example.test')).answers, ['192.0.2.3'])
  await askUntil(two.dns, 'a.example.test', ['192.0.2.3'])
  const said = [...one.lines, ...two.lines].map((line) => JSON.stringify(line)).join('\n')
  t.notMatch(said, 'not-a-secret')
})
