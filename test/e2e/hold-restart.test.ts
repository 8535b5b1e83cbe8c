/** A member that is held down for changing too often stays so, whatever becomes of the daemon. */
import { rm } from 'node:fs/promises'
import t from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { startPostgres } from '../support/postgres.ts'
import { askUntil } from './ask.ts'
import { type Backend, eventually, putService, startBackend } from './fixture.ts'

const name = 'www.example.test'
const member = '/v1/pools/web/members/m1'
const settings = { flap: { changes: 1, within: '10m', hold: '10m', maxHold: '1h' } }

async function reason(daemon: DaemonProcess): Promise<string> {
  const { status } = (await (await daemon.request(member)).json()) as { status: { reason: string } }
  return status.reason
}

/** It has answered since, more often than it needs to be up. */
async function answers(backend: Backend): Promise<void> {
  for (let times = 0; times < 4; times++) await backend.asked()
}

t.test('a hold outlasts a crash and a stop, and ends by hand for good', async (t) => {
  await using postgres = await startPostgres()
  const dataDir = await temporaryDataFolder('pooldns-hold-')
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const start = () => startDaemonProcess({ env, dataDir })
  const env = { DATABASE_URL: await postgres.createDatabase() }
  await using backend = await startBackend()
  await using first = await start()
  await putService(first, [backend], { whenAllDown: 'nodata' }, {}, settings)
  for (const healthy of [true, false, true, false]) {
    backend.healthy = healthy
    await askUntil(first.dns, name, healthy ? ['192.0.2.1'] : [])
  }
  backend.healthy = true
  const held = await eventually(async () => {
    const text = await reason(first)
    return /^held down until /.test(text) ? text : undefined
  })
  const until = /until ([^;]*) after 2 changes/.exec(held)![1]!
  await eventually(async () => {
    const response = await first.request('/v1/events?kind=hold')
    return ((await response.json()) as { items: object[] }).items.length === 1 ? true : undefined
  })
  first.signal('SIGKILL')
  await first.exited

  await using second = await start()
  await answers(backend)
  t.match(await reason(second), `held down until ${until} after 2 changes`, 'after a crash')
  await askUntil(second.dns, name, [])
  await second.stop()

  await using third = await start()
  await answers(backend)
  t.match(await reason(third), `held down until ${until} after 2 changes`, 'after a stop')
  const events = await third.request('/v1/events?kind=hold')
  t.equal(((await events.json()) as { items: object[] }).items.length, 1, 'and is told once')
  t.equal((await third.request(`${member}/fail-back`, { method: 'POST' })).ok, true)
  await askUntil(third.dns, name, ['192.0.2.1'])
  await third.stop()

  await using fourth = await start()
  await answers(backend)
  await askUntil(fourth.dns, name, ['192.0.2.1'])
  t.equal(await reason(fourth), 'answered as expected', 'and not again')
})
