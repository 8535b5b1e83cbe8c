/** Nobody but the server's user gets at what it keeps: the mode of everything, whatever was there before. */
import { execFile } from 'node:child_process'
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { main, node, spawnDaemon, startDaemonProcess } from '../support/daemon.ts'
import { put, soa } from './fixture.ts'

const run = promisify(execFile)
const zone = { soa, rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }] }

/** A folder of its own, with `data` of the mode 0755 in it. */
async function openFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-private-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'data'))
  await chmod(join(folder, 'data'), 0o755)
  return folder
}

/** Everything below a folder, and the folder, with its mode. Links have none of their own. */
async function modesBelow(folder: string): Promise<Map<string, number>> {
  const modes = new Map([['.', (await stat(folder)).mode]])
  for (const name of await readdir(folder, { recursive: true })) {
    const found = await lstat(join(folder, name)).catch(() => null)
    if (found !== null && !found.isSymbolicLink()) modes.set(name, found.mode)
  }
  return modes
}

function opensTo(modes: ReadonlyMap<string, number>): string[] {
  return [...modes].filter(([, mode]) => (mode & 0o077) !== 0).map(([name]) => name)
}

t.test('a directory that others may enter is closed, with all that is or comes in it', async (t) => {
  const folder = await openFolder(t)
  const dataDir = join(folder, 'data')
  await mkdir(join(dataDir, 'certificates'))
  await writeFile(join(dataDir, 'certificates', 'shop.key'), 'a key')
  await writeFile(join(dataDir, 'admin-token'), 'a-token-that-others-could-read\n', { mode: 0o644 })
  await mkdir(join(folder, 'tmp'))
  await chmod(join(folder, 'tmp'), 0o777)
  {
    await using daemon = await startDaemonProcess({ dataDir, env: { TMPDIR: join(folder, 'tmp') } })
    t.equal(daemon.token, 'a-token-that-others-could-read')
    await put(daemon, '/v1/zones/example.test', zone)
    await put(daemon, '/v1/webhooks/w', { url: 'https://hooks.example.test/' })
    const running = await modesBelow(dataDir)
    t.ok([...running.keys()].filter((name) => name.startsWith('db/')).length > 100, 'the database is there')
    t.same(opensTo(running), [], 'while it runs')
    const temporary = await modesBelow(join(folder, 'tmp'))
    t.ok(
      [...temporary.keys()].some((name) => name.includes('.s.PGSQL')),
      'the socket is there',
    )
    t.same(
      opensTo(temporary).filter((name) => name !== '.'),
      [],
      'the socket',
    )
    const entry = main
    const output = join(folder, 'zone')
    const exporting = `umask 022; exec '${node}' '${entry}' export-zone example.test --output '${output}'`
    const asked = { POOLDNS_SERVER: daemon.http, POOLDNS_TOKEN_FILE: join(dataDir, 'admin-token') }
    await run('sh', ['-c', exporting], { env: { ...process.env, ...asked } })
    t.equal((await stat(output)).mode & 0o777, 0o644, 'what its user asks for has the modes of its user')
  }
  const stopped = await modesBelow(dataDir)
  t.same(opensTo(stopped), [], 'with its snapshot, at the end')
  for (const name of ['admin-token', 'node-id', 'snapshot/base.json', 'certificates/shop.key']) {
    t.ok(stopped.has(name), `${name} is there`)
  }
  // As a version left it that made files for everybody.
  for (const name of stopped.keys()) await chmod(join(dataDir, name), (stopped.get(name)! & 0o700) | 0o066)
  await chmod(dataDir, 0o711)
  const env = { ...process.env, POOLDNS_DATA_DIR: dataDir }
  await run(node, [main, 'token', 'create', 'ci'], { env })
  t.same(opensTo(await modesBelow(dataDir)), [], 'by a command, too')
})

const skip = process.getuid?.() === 0 ? false : 'only root gives files away'
t.test('what is not ours to close is refused', { skip }, async (t) => {
  const fails = async (dataDir: string, message: RegExp) => {
    await using daemon = await spawnDaemon({ dataDir })
    t.same(await daemon.exited, { code: 1, signal: null })
    t.match(daemon.stderr, message)
  }
  const folder = await openFolder(t)
  const dataDir = join(folder, 'data')
  await chown(dataDir, 12345, 12345)
  await fails(dataDir, /POOLDNS_DATA_DIR: .*data belongs to user 12345 and not to user 0/)
  await chown(dataDir, 0, 0)
  await chmod(dataDir, 0o777)
  await symlink('/etc/passwd', join(dataDir, 'admin-token'))
  const planted = join(dataDir, 'snapshot.json')
  await writeFile(planted, '{}')
  await chown(planted, 12345, 12345)
  await fails(dataDir, /can be written by others, and snapshot\.json in it belongs to user 12345/)
  t.equal((await stat('/etc/passwd')).mode & 0o777, 0o644, 'nothing that a link leads to is changed')
})

t.test('a place where no directory can be made', async (t) => {
  await using daemon = await spawnDaemon({ dataDir: '/proc/pooldns/data' })
  t.same(await daemon.exited, { code: 1, signal: null })
  t.match(daemon.stderr, /POOLDNS_DATA_DIR: .*\/proc\/pooldns\/data can't be written/)
})
