/** Another version is installed, and processes die before anybody has asked for a restart. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { type DaemonProcess, repository } from '../support/daemon.ts'
import { makeNewerVersion } from '../support/newer-version.ts'
import { startPostgres } from '../support/postgres.ts'
import { processesOf, processOf } from '../support/processes.ts'
import { askUntil } from './ask.ts'
import { askAllTheTime, losesNothing, name, putMember, startServer } from './asked-server.ts'
import { eventually } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const parts = ['src', 'schema', 'drizzle', 'deploy', 'package.json']
/** Whoever says this, or hears it, in the conversation about what is served. */
const conversing = [
  'src/dataplane/process/messages.ts',
  'src/dataplane/process/answering.ts',
  'src/daemon/remote-data-plane.ts',
  'src/daemon/image-store/journal-writer.ts',
]

function edit(path: string, change: (text: string) => string): void {
  const text = readFileSync(path, 'utf8')
  const changed = change(text)
  if (changed === text) throw new Error(`${path} stays as it was`)
  writeFileSync(path, changed)
}

const setVersion = (folder: string, version: string) =>
  edit(join(folder, 'package.json'), (text) => text.replace(/"version": "[^"]+"/, `"version": "${version}"`))

async function versionOf(daemon: DaemonProcess): Promise<string> {
  return ((await (await daemon.request('/')).json()) as { version: string }).version
}

/** Waits until there is one data plane, and not that one. */
const replaced = (daemon: DaemonProcess, before: number) =>
  eventually(async () => {
    const now = processesOf(daemon, 'data')
    return now.length === 1 && now[0] !== before ? true : undefined
  })

t.test('what dies comes back as the version that is installed, and so does the other', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-installed-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const part of parts) cpSync(join(repository, part), join(folder, part), { recursive: true })
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  await using daemon = await startServer(await postgres.createDatabase(), {
    entry: join(folder, 'src/main.ts'),
  })
  const before = await versionOf(daemon)

  await t.test('the control plane: the data plane is replaced, and nothing is lost', async (t) => {
    {
      await using newer = await makeNewerVersion()
      for (const part of ['src', 'schema', 'drizzle'])
        cpSync(join(dirname(newer.entry), '..', part), join(folder, part), { recursive: true })
    }
    // As versions differ: what one says the other does not know.
    for (const path of conversing)
      edit(join(folder, path), (text) => text.replaceAll("'replace'", "'serve-this'"))
    setVersion(folder, '99.0.0')
    const stop = askAllTheTime(daemon)
    const data = processOf(daemon, 'data')
    const from = daemon.lines.length
    process.kill(processOf(daemon, 'control'), 'SIGKILL')
    t.match(
      await daemon.line(({ msg }) => msg === 'the data plane is of another version: it is replaced', {
        from,
      }),
      { control: '99.0.0', data: before },
    )
    await daemon.line(({ msg }) => msg === 'ready', { from })
    await replaced(daemon, data)
    t.equal(await versionOf(daemon), '99.0.0')
    await putMember(daemon, 2)
    await askUntil(daemon.dns, name, ['192.0.2.2'])
    await losesNothing(t, stop)
  })

  await t.test('the data plane: the control plane is replaced', async (t) => {
    setVersion(folder, '99.0.1')
    const from = daemon.lines.length
    const data = processOf(daemon, 'data')
    process.kill(data, 'SIGKILL')
    t.match(await daemon.line(({ control }) => control === '99.0.0', { from }), { data: '99.0.1' })
    await daemon.line(({ msg }) => msg === 'ready', { from })
    await replaced(daemon, data)
    t.equal(await versionOf(daemon), '99.0.1')
    await putMember(daemon, 3)
    await askUntil(daemon.dns, name, ['192.0.2.3'])
  })
})
