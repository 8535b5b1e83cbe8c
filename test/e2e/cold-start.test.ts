/** What a start serves when its database is away and its disk is not what it was. */
import { execFileSync } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { placeEmbeddedDatabase } from '../support/embedded-database.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

/** Nobody listens there. */
const away = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }

const zone = (address: string) => ({ soa, rrsets: [{ name: 'a', type: 'A', data: [address] }] })

/** Waits until the snapshot holds a name, and the pass that wrote it is over. */
async function kept(daemon: DaemonProcess, name: string): Promise<void> {
  const base = join(daemon.dataDir, 'snapshot/base.json')
  await eventually(async () => {
    return (await readFile(base, 'utf8').catch(() => '')).includes(name) ? true : undefined
  })
}

/** A data directory that has two generations of everything: service `one` on 192.0.2.1, then `two` and 192.0.2.2. */
async function twoGenerations(): Promise<string> {
  const dataDir = await temporaryDataFolder('pooldns-cold-')
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  await placeEmbeddedDatabase(dataDir)
  await using daemon = await startDaemonProcess({ dataDir })
  await put(daemon, '/v1/pools/web', { members: { a: { address: '192.0.2.9' } } })
  await put(daemon, '/v1/zones/example.test', zone('192.0.2.1'))
  await put(daemon, '/v1/services/one.example.test', { pools: ['web'] })
  await kept(daemon, 'one.example.test')
  // By one change: of two the snapshot may be written between them, and then the image before is of this generation too.
  const before = (await (await daemon.request('/v1/config')).json()) as Record<'services' | 'zones', object>
  await put(daemon, '/v1/config', {
    ...before,
    services: { ...before.services, 'two.example.test': { pools: ['web'] } },
    zones: { 'example.test': zone('192.0.2.2') },
  })
  await kept(daemon, 'two.example.test')
  daemon.signal('SIGKILL')
  await daemon.exited
  return dataDir
}

const whole = twoGenerations()

/** A copy of it, which a test may damage, and the path of its only image. */
async function copyOf(t: Test): Promise<{ readonly dataDir: string; readonly image: string }> {
  const dataDir = await temporaryDataFolder('pooldns-cold-')
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  // Nobody listens to the socket of what was killed.
  await cp(await whole, dataDir, { recursive: true, filter: (path) => !path.endsWith('.sock') })
  const zones = join(dataDir, 'snapshot/zones')
  const name = (await readdir(zones)).find((file) => file.endsWith('.image'))!
  return { dataDir, image: join(zones, name) }
}

const answersOf = async (daemon: DaemonProcess, name: string) =>
  (await ask(daemon.dns, `${name}.example.test`)).answers

interface Ready {
  readonly status: string
  readonly snapshot: { readonly ageSeconds: number }
  readonly warnings?: readonly string[]
}

const readyOf = async (daemon: DaemonProcess) => (await (await fetch(`${daemon.http}/ready`)).json()) as Ready

async function ageOf(daemon: DaemonProcess): Promise<number> {
  const text = await (await fetch(`${daemon.http}/metrics`)).text()
  return Number(/^pooldns_snapshot_age_seconds (\S+)$/m.exec(text)?.[1] ?? Number.NaN)
}

t.test('files of the snapshot that can not be used are told, and those before serve', async (t) => {
  const { dataDir, image } = await copyOf(t)
  const base = join(dataDir, 'snapshot/base.json')
  await rm(base)
  await mkdir(join(base, 'something'), { recursive: true })
  const octets = await readFile(image)
  octets[octets.length - 1]! ^= 4
  await writeFile(image, octets)
  await using daemon = await startDaemonProcess({ dataDir, env: away })
  const troubles = [/base\.json can't be used: EISDIR/, /\.image can't be used: its checksum is wrong/]
  t.match(
    daemon.lines.filter(({ level }) => level === 'error'),
    troubles.map((reason) => ({ msg: 'a part of the snapshot was left out', reason })),
  )
  t.same(await answersOf(daemon, 'one'), ['192.0.2.9'])
  t.same(await answersOf(daemon, 'a'), ['192.0.2.1'], 'that of the image before')
  const { status, snapshot, warnings } = await readyOf(daemon)
  t.equal(status, 'ready')
  t.ok(snapshot.ageSeconds >= 0, `its age is ${snapshot.ageSeconds}`)
  t.ok((await ageOf(daemon)) >= snapshot.ageSeconds)
  t.match(warnings, troubles)
})

t.test('with its database again all is served and written anew, and nothing is wrong any more', async (t) => {
  const { dataDir, image } = await copyOf(t)
  await writeFile(join(dataDir, 'snapshot/base.json'), '{')
  await writeFile(image, '')
  await using daemon = await startDaemonProcess({ dataDir })
  // A database that is slow to start finds what was before in its place.
  await askUntil(daemon.dns, 'a.example.test', ['192.0.2.2'])
  await askUntil(daemon.dns, 'two.example.test', ['192.0.2.9'])
  await eventually(async () => ((await readyOf(daemon)).warnings === undefined ? true : undefined))
  t.match(await readFile(join(dataDir, 'snapshot/base.json'), 'utf8'), /two\.example\.test/)
  t.ok((await stat(image)).size > 0)
})

t.test('a database that fails at the first statement is followed once it does not any more', async (t) => {
  await using postgres = await startPostgres()
  const env = { DATABASE_URL: await postgres.createDatabase() }
  const dataDir = await temporaryDataFolder('pooldns-cold-')
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const before = await startDaemonProcess({ dataDir, env })
  await put(before, '/v1/zones/example.test', zone('192.0.2.1'))
  await eventually(async () => {
    return (await readdir(join(dataDir, 'snapshot/zones')).catch(() => [])).length > 0 ? true : undefined
  })
  await before.stop()

  const sql = new pg.Client(env.DATABASE_URL)
  // The server ends first when the test fails.
  sql.on('error', () => undefined)
  await sql.connect()
  await sql.query(`alter table schema_migrations rename to kept;
    create function broken() returns text language plpgsql as $$ begin raise 'cache lookup failed' using errcode = 'XX000'; end $$;
    create view schema_migrations as select broken() as tag, broken() as hash`)
  await using daemon = await startDaemonProcess({ dataDir, env })
  t.same(await answersOf(daemon, 'a'), ['192.0.2.1'])
  await daemon.line(({ msg }) => msg === 'the configuration was not loaded; trying again')
  await sql.query('drop view schema_migrations; alter table kept rename to schema_migrations')
  await sql.end()
  // A write that nobody serves is only accepted.
  await eventually(async () => {
    const json = zone('192.0.2.2')
    const reply = await daemon.request('/v1/zones/example.test', { method: 'PUT', json })
    return reply.status === 200 ? true : undefined
  })
  t.same(await answersOf(daemon, 'a'), ['192.0.2.2'])
})

/** Runs the rest of a command line in a mount namespace of its own, behind a script that is given the data directory. */
const mounted = (script: string, dataDir: string) => [
  ...['unshare', '--mount', 'sh', '-c', `D=$0; ${script}; exec "$@"`],
  dataDir,
]

function canMount(): boolean {
  const script = 'mount -t tmpfs -o size=64k tmpfs /mnt'
  try {
    execFileSync('unshare', ['--mount', 'sh', '-c', script], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const disks: Readonly<Record<string, string>> = {
  'on a full disk': `mount -t tmpfs -o size=256m,mode=700 tmpfs /mnt && cp -a "$D/." /mnt/ && mount --move /mnt "$D" || exit 1
    cat /dev/zero > "$D/filling" 2> /dev/null`,
  'in a directory that can only be read': 'mount --bind "$D" "$D" && mount -o remount,bind,ro "$D" || exit 1',
}

const skip = !canMount() && 'file systems can not be mounted here'

for (const [where, script] of Object.entries(disks)) {
  t.test(`a start ${where} serves the snapshot`, { skip }, async (t) => {
    const { dataDir } = await copyOf(t)
    await using daemon = await startDaemonProcess({ dataDir, through: mounted(script, dataDir) })
    t.same(await answersOf(daemon, 'a'), ['192.0.2.2'])
    t.same(await answersOf(daemon, 'two'), ['192.0.2.9'])
    const reply = await daemon.request('/v1/pools/other', { method: 'PUT', json: { members: {} } })
    t.equal(reply.status, 503)
    t.ok(reply.headers.get('retry-after'))
    t.same(await daemon.stop(), { code: 0, signal: null })
  })
}
