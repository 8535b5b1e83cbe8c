/** The database is not the one that it was: restored from a backup, or dropped and made anew. */
import { readFile, rm } from 'node:fs/promises'
import t from 'tap'
import { Database } from '../../src/controlplane/store/database.ts'
import { putZone } from '../../src/controlplane/store/zones.ts'
import { zone as sampleZone } from '../controlplane/store/suite/samples.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { patience } from '../support/patience.ts'
import { startPostgres } from '../support/postgres.ts'
import { backUp, makeAnew, restore } from '../support/postgres-backup.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

const zone = (address: string) => ({ soa, rrsets: [{ name: 'a', type: 'A', data: [address] }] })

async function metric(daemon: DaemonProcess, line: RegExp): Promise<string> {
  return eventually(async () => line.exec(await (await fetch(`${daemon.http}/metrics`)).text())?.[1])
}

const breaks = (kind: string) =>
  new RegExp(`^pooldns_history_breaks_total\\{kind="${kind}"\\} ([1-9]\\d*)$`, 'm')

const revisionOf = (daemon: DaemonProcess) => metric(daemon, /^pooldns_config_revision (\d+)$/m)

t.test(
  'a backup that has come to the same revision by other changes is noticed, and served whole',
  async (t) => {
    await using postgres = await startPostgres()
    const url = await postgres.createDatabase()
    await using daemon = await startDaemonProcess({ env: { DATABASE_URL: url } })
    await put(daemon, '/v1/zones/kept.test', zone('192.0.2.1'))
    await backUp(postgres, url, 'backup')
    await eventually(async () => ((await daemon.request('/v1/nodes')).ok ? true : undefined))
    await put(daemon, '/v1/zones/lost.test', zone('192.0.2.2'))
    await put(daemon, '/v1/zones/kept.test', zone('192.0.2.3'))
    const revision = Number(await revisionOf(daemon))

    // Another node has gone on from the backup, and further than we have come.
    const elsewhere = new URL(url)
    elsewhere.pathname = '/backup'
    const other = await Database.open({ url: elsewhere.href, dataDir: '/nowhere' })
    await other.ready(patience())
    for (const address of ['192.0.2.4', '192.0.2.5', '192.0.2.6']) {
      await other.write('ann', (write) =>
        putZone(
          write,
          {
            ...sampleZone('new.test'),
            rrsets: [{ owner: 'a', type: 'A', ttlSeconds: null, data: [address] }],
          },
          {},
        ),
      )
    }
    await other.stop()
    await restore(postgres, url, 'backup')

    await daemon.line(({ msg, kind }) => kind === 'other' && /another history/.test(msg ?? ''))
    await askUntil(daemon.dns, 'a.new.test', ['192.0.2.6'])
    await askUntil(daemon.dns, 'a.kept.test', ['192.0.2.1'])
    t.equal((await ask(daemon.dns, 'a.lost.test')).rcode, 'REFUSED')
    t.equal(await metric(daemon, breaks('other')), '1')
    t.equal(Number(await revisionOf(daemon)), revision + 1)
    await put(daemon, '/v1/zones/kept.test', zone('192.0.2.7'))
    t.same((await ask(daemon.dns, 'a.kept.test')).answers, ['192.0.2.7'])
    t.equal(await metric(daemon, breaks('other')), '1', 'once')
  },
)

t.test('a backup of before is noticed, also by a node that was not there', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  const env = { DATABASE_URL: url }
  await using first = await startDaemonProcess({ env })
  await put(first, '/v1/zones/kept.test', zone('192.0.2.1'))
  await backUp(postgres, url, 'backup')
  await eventually(async () => ((await first.request('/v1/nodes')).ok ? true : undefined))
  await put(first, '/v1/zones/kept.test', zone('192.0.2.2'))
  first.signal('SIGTERM')
  await first.exited
  await restore(postgres, url, 'backup')

  await using second = await startDaemonProcess({ env, dataDir: first.dataDir })
  await second.line(({ msg, kind }) => kind === 'back' && /went back/.test(msg ?? ''))
  await askUntil(second.dns, 'a.kept.test', ['192.0.2.1'])
  t.equal(await metric(second, breaks('back')), '1')
})

t.test('a database that was made anew takes no answer away until somebody says so', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  const env = { DATABASE_URL: url }
  await using first = await startDaemonProcess({ env })
  await put(first, '/v1/zones/kept.test', zone('192.0.2.1'))
  await makeAnew(postgres, url)

  const isEmptied = async (daemon: DaemonProcess) => {
    await daemon.line(({ msg, level }) => level === 'error' && /is empty, and was not/.test(msg ?? ''))
    t.same((await ask(daemon.dns, 'a.kept.test')).answers, ['192.0.2.1'])
    const ready = await fetch(`${daemon.http}/ready`)
    t.equal(ready.status, 200)
    t.match(await ready.json(), { warnings: [/database is empty, and was not: revision 1 is served/] })
    await metric(daemon, /^pooldns_database_emptied (1)$/m)
    const refused = await daemon.request('/v1/zones/other.test', { method: 'PUT', json: zone('192.0.2.2') })
    t.equal(refused.status, 409)
    t.match(await refused.json(), { detail: /accept-empty/ })
  }
  await isEmptied(first)
  first.signal('SIGTERM')
  t.same(await first.exited, { code: 0, signal: null })

  await using second = await startDaemonProcess({ env, dataDir: first.dataDir })
  await isEmptied(second)
  const accepted = await second.request('/v1/database/accept-empty', { method: 'POST' })
  t.equal(accepted.status, 204, await accepted.text())
  await eventually(async () =>
    (await ask(second.dns, 'a.kept.test')).rcode === 'REFUSED' ? true : undefined,
  )
  await put(second, '/v1/zones/other.test', zone('192.0.2.2'))
  t.same((await ask(second.dns, 'a.other.test')).answers, ['192.0.2.2'])
  const again = await second.request('/v1/database/accept-empty', { method: 'POST' })
  t.equal(again.status, 409)
})

t.test('a database that was made anew and written to by others takes no answer away either', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  const env = { DATABASE_URL: url }
  await using first = await startDaemonProcess({ env })
  await put(first, '/v1/zones/kept.test', zone('192.0.2.1'))
  await put(first, '/v1/zones/kept.test', zone('192.0.2.2'))
  await eventually(async () => {
    const base = await readFile(`${first.dataDir}/snapshot/base.json`, 'utf8').catch(() => '')
    return base.includes('"revision":2') ? true : undefined
  })
  await makeAnew(postgres, url)
  // A node with a fresh disk knows of nothing before.
  await using fresh = await startDaemonProcess({ env })
  for (let last = 3; last < 7; last++) await put(fresh, '/v1/zones/new.test', zone(`192.0.2.${last}`))

  const isKept = async (daemon: DaemonProcess) => {
    await daemon.line(({ msg, level }) => level === 'error' && /is another one than before/.test(msg ?? ''))
    t.same((await ask(daemon.dns, 'a.kept.test')).answers, ['192.0.2.2'])
    t.equal((await ask(daemon.dns, 'a.new.test')).rcode, 'REFUSED')
    await metric(daemon, /^pooldns_database_emptied (1)$/m)
    const refused = await daemon.request('/v1/zones/other.test', { method: 'PUT', json: zone('192.0.2.2') })
    t.equal(refused.status, 409)
    t.match(await refused.json(), { detail: /the database is another one.*accept-empty/ })
  }
  await isKept(first)
  first.signal('SIGTERM')
  await first.exited
  await using second = await startDaemonProcess({ env, dataDir: first.dataDir })
  await isKept(second)
  const accepted = await second.request('/v1/database/accept-empty', { method: 'POST' })
  t.equal(accepted.status, 204, await accepted.text())
  await askUntil(second.dns, 'a.new.test', ['192.0.2.6'])
  t.equal((await ask(second.dns, 'a.kept.test')).rcode, 'REFUSED')
  await put(second, '/v1/zones/new.test', zone('192.0.2.7'))
  await askUntil(fresh.dns, 'a.new.test', ['192.0.2.7'])
  t.equal((await second.request('/v1/database/accept-empty', { method: 'POST' })).status, 409)
})

t.test('an embedded database that is gone takes no answer away', async (t) => {
  await using first = await startDaemonProcess({ firstStart: true })
  await put(first, '/v1/zones/kept.test', zone('192.0.2.1'))
  first.signal('SIGTERM')
  await first.exited
  await rm(`${first.dataDir}/db`, { recursive: true })
  await using second = await startDaemonProcess({ dataDir: first.dataDir })
  await second.line(({ msg }) => /is empty, and was not/.test(msg ?? ''))
  t.same((await ask(second.dns, 'a.kept.test')).answers, ['192.0.2.1'])
})
