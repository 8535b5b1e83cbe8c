import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import pg from 'pg'
import t from 'tap'
import { type DaemonProcess, spawnDaemon, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, putService, soa, startBackend } from './fixture.ts'

const rrset = '/v1/zones/example.test/rrsets/a/A'
const putA = (daemon: DaemonProcess, address: string) =>
  daemon.request(rrset, { method: 'PUT', json: { data: [address] } })

t.test('losing the database changes no answer; it comes back without a restart', async (t) => {
  await using postgres = await startPostgres()
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  await using one = await startBackend()
  await using two = await startBackend()
  await putService(daemon, [one, two])
  t.equal((await putA(daemon, '192.0.2.50')).status, 201)
  await askUntil(daemon.dns, 'www.example.test', ['192.0.2.1', '192.0.2.2'])

  await postgres.kill()
  const refused = await putA(daemon, '192.0.2.51')
  t.equal(refused.status, 503)
  t.match(await refused.json(), { status: 503, title: String, detail: /database/ })
  t.ok(refused.headers.get('retry-after'))
  t.same((await ask(daemon.dns, 'a.example.test')).answers, ['192.0.2.50'])
  t.equal((await fetch(`${daemon.http}/health`)).status, 200)
  t.match(await (await fetch(`${daemon.http}/metrics`)).text(), /pooldns_database_up 0/)
  two.healthy = false
  await askUntil(daemon.dns, 'www.example.test', ['192.0.2.1'])

  await postgres.restart()
  const retried = await putA(daemon, '192.0.2.52')
  t.equal(retried.status, 200, await retried.text())
  t.same((await ask(daemon.dns, 'a.example.test')).answers, ['192.0.2.52'])
  t.same((await ask(daemon.dns, 'www.example.test')).answers, ['192.0.2.1'])
})

t.test(
  'a start without the database serves the snapshot, and follows the database when it comes',
  async (t) => {
    await using postgres = await startPostgres()
    const env = { DATABASE_URL: await postgres.createDatabase() }
    await using first = await startDaemonProcess({ env })
    await put(first, '/v1/zones/example.test', {
      soa,
      rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }],
    })
    await put(first, '/v1/pools/web', { members: { a: { address: '192.0.2.9' } } })
    await put(first, '/v1/services/www.example.test', { pools: ['web'] })
    const age = async () => {
      const text = await (await fetch(`${first.http}/metrics`)).text()
      return Number(/^pooldns_snapshot_age_seconds (\S+)$/m.exec(text)?.[1] ?? Number.NaN)
    }
    const { mtime } = await snapshotAfter(first)
    t.ok(mtime)
    // The metric tells of a snapshot when the whole pass has ended, which is a little after the file is there.
    const known = await eventually(async () => {
      const seconds = await age()
      return Number.isNaN(seconds) ? undefined : seconds
    })
    t.ok(known < 60)
    first.signal('SIGKILL')
    await first.exited
    await postgres.kill()

    await using second = await startDaemonProcess({ env, dataDir: first.dataDir })
    t.ok(second.lines.some(({ msg }) => msg === 'serving the snapshot'))
    t.same((await ask(second.dns, 'a.example.test')).answers, ['192.0.2.1'])
    t.same((await ask(second.dns, 'www.example.test')).answers, ['192.0.2.9'])
    t.equal((await putA(second, '192.0.2.2')).status, 503)
    const seen = second.lines.length
    await postgres.restart()
    await second.line(({ msg }) => msg === 'the database is available', { from: seen })
    t.equal((await putA(second, '192.0.2.3')).status, 200)
    t.same((await ask(second.dns, 'a.example.test')).answers, ['192.0.2.3'])
  },
)

t.test(
  'a start takes the images of the snapshot, and from the database only what changed since',
  async (t) => {
    await using postgres = await startPostgres()
    const env = { DATABASE_URL: await postgres.createDatabase() }
    await using other = await startDaemonProcess({ env })
    await using first = await startDaemonProcess({ env })
    const zone = (address: string) => ({ soa, rrsets: [{ name: 'a', type: 'A', data: [address] }] })
    await put(first, '/v1/pools/web', { members: { a: { address: '192.0.2.9' } } })
    await put(first, '/v1/zones/example.test', zone('192.0.2.1'))
    await put(first, '/v1/zones/same.test', zone('192.0.2.1'))
    await put(first, '/v1/zones/put.test', zone('192.0.2.1'))
    await put(first, '/v1/zones/gone.test', zone('192.0.2.1'))
    await put(first, '/v1/services/alpha.example.test', { pools: ['web'] })
    await put(first, '/v1/services/www.example.test', { pools: ['web'] })
    await snapshotAfter(first)
    t.same(await ended(first), { code: 0, signal: null })

    t.equal((await putA(other, '192.0.2.2')).status, 200)
    await put(other, '/v1/zones/put.test', zone('192.0.2.3'))
    await put(other, '/v1/zones/new.test', zone('192.0.2.4'))
    await put(other, '/v1/services/svc.same.test', { pools: ['web'] })
    for (const path of ['zones/gone.test', 'services/alpha.example.test']) {
      t.equal((await other.request(`/v1/${path}`, { method: 'DELETE' })).status, 204, path)
    }
    // What no change of the feed tells shows that the image was taken as it was.
    await using sql = await query(env.DATABASE_URL)
    await sql.query(`update rrsets set data = array['192.0.2.99'] where zone = 'same.test'`)
    // As when the process was killed between the images and the base.
    const base = `${first.dataDir}/snapshot/base.json`
    const document = JSON.parse(await readFile(base, 'utf8'))
    document.status.revision--
    // One without a checksum.
    document.status.format = 3
    const earlier = 'select stamp from changes where revision = $1'
    document.status.stamp = (await sql.query(earlier, [document.status.revision])).rows[0].stamp
    await writeFile(base, JSON.stringify(document))

    await using second = await startDaemonProcess({ env, dataDir: first.dataDir })
    const answers = async (name: string) => (await ask(second.dns, name)).answers
    t.same(await answers('a.example.test'), ['192.0.2.2'])
    t.same(await answers('www.example.test'), ['192.0.2.9'])
    t.same(await answers('a.put.test'), ['192.0.2.3'])
    t.same(await answers('a.new.test'), ['192.0.2.4'])
    t.same(await answers('a.same.test'), ['192.0.2.1'])
    t.same(await answers('svc.same.test'), ['192.0.2.9'])
    t.equal((await ask(second.dns, 'a.gone.test')).rcode, 'REFUSED')
    t.equal((await ask(second.dns, 'alpha.example.test')).rcode, 'NXDOMAIN')
    t.same(
      second.lines.filter(({ level }) => level === 'error'),
      [],
    )
  },
)

t.test('a snapshot of another history is not believed, and a damaged image is compiled anew', async (t) => {
  await using postgres = await startPostgres()
  const env = { DATABASE_URL: await postgres.createDatabase() }
  await using first = await startDaemonProcess({ env })
  const zone = { soa, rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }] }
  await put(first, '/v1/zones/example.test', zone)
  await put(first, '/v1/zones/other.test', zone)
  await put(first, '/v1/pools/web', { members: { a: { address: '192.0.2.9' } } })
  await put(first, '/v1/services/www.example.test', { pools: ['web'] })
  await snapshotAfter(first)
  await ended(first)
  const folder = `${first.dataDir}/snapshot/zones`
  const damaged = (await readdir(folder)).find((name) => name.endsWith('.image'))
  await writeFile(`${folder}/${damaged}`, 'nothing of ours')

  await using second = await startDaemonProcess({ env, dataDir: first.dataDir })
  for (const name of ['a.example.test', 'a.other.test']) {
    t.same((await ask(second.dns, name)).answers, ['192.0.2.1'], name)
  }
  const told = second.lines.filter(({ level }) => level === 'error')
  t.match(told, [{ msg: 'a part of the snapshot was left out', reason: new RegExp(damaged!) }])
  await ended(second)

  // As a backup brings it about: the same revision, come to by other writes.
  await using sql = await query(env.DATABASE_URL)
  await sql.query(`update rrsets set data = array['192.0.2.99']`)
  await sql.query(`update changes set stamp = 'another'`)
  await using third = await startDaemonProcess({ env, dataDir: first.dataDir })
  for (const name of ['a.example.test', 'a.other.test']) {
    t.same((await ask(third.dns, name)).answers, ['192.0.2.99'], name)
  }
})

/** Stops a daemon in good order; its data directory stays. */
function ended(daemon: DaemonProcess): DaemonProcess['exited'] {
  daemon.signal('SIGTERM')
  return daemon.exited
}

async function query(url: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client(url)
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

/** Waits until the daemon's snapshot on disk holds the service that was put last. */
async function snapshotAfter(daemon: DaemonProcess): Promise<{ mtime: Date }> {
  const base = `${daemon.dataDir}/snapshot/base.json`
  return await eventually(async () => {
    const text = await readFile(base, 'utf8').catch(() => '')
    return text.includes('www.example.test') ? await stat(base) : undefined
  })
}

t.test('two nodes on one database serve the same, whoever was written to', async (t) => {
  await using postgres = await startPostgres()
  const env = { DATABASE_URL: await postgres.createDatabase() }
  // Both start at once, on an empty database that needs migrating.
  const [a, b] = await Promise.all([startDaemonProcess({ env }), startDaemonProcess({ env })])
  await using _a = a
  await using _b = b
  await put(a, '/v1/zones/example.test', { soa, rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }] })
  await askUntil(b.dns, 'a.example.test', ['192.0.2.1'])
  t.equal((await putA(b, '192.0.2.2')).status, 200)
  await askUntil(a.dns, 'a.example.test', ['192.0.2.2'])
})

t.test(
  'a password that the database refuses is retried, and the daemon says what it waits for',
  async (t) => {
    await using postgres = await startPostgres()
    const right = await postgres.createDatabase()
    const wrong = new URL(right)
    wrong.password = 'not-the-password'
    await using daemon = await spawnDaemon({
      env: { DATABASE_URL: wrong.href, POOLDNS_HTTP_LISTEN: '127.0.0.1:0' },
    })
    const line = await daemon.line(({ msg }) => msg === 'waiting for the database')
    t.match(line, { level: 'warn', reason: /password/ })
    await daemon.line(({ msg }) => msg === 'waiting for the database', {
      from: daemon.lines.indexOf(line) + 1,
    })
    t.notOk(daemon.lines.some((entry) => JSON.stringify(entry).includes('not-the-password')))
    t.same(await daemon.stop(), { code: 0, signal: null })
  },
)
