/** What a control plane and a data plane do that know different things, or do not hear each other. */
import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { DaemonProcess } from '../support/daemon.ts'
import { runIn } from '../support/inspector.ts'
import { startPostgres } from '../support/postgres.ts'
import { processOf } from '../support/processes.ts'
import { ask, askUntil } from './ask.ts'
import { askAllTheTime, losesNothing, name, putMember, startServer } from './asked-server.ts'
import { eventually } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const says =
  (text: string) =>
  ({ msg }: { readonly msg?: string }) =>
    msg === text
const isReady = says('ready')
const isCold = says('serving the snapshot')
const isOlder = says(
  'the snapshot is not what clients are answered by: they go on with that until the database is there',
)

/** Waits until the snapshot is of what is served. */
async function kept(daemon: DaemonProcess, address: string): Promise<void> {
  const base = join(daemon.dataDir, 'snapshot/base.json')
  await eventually(async () => {
    return (await readFile(base, 'utf8').catch(() => '')).includes(address) ? true : undefined
  })
}

/** Kills the control plane once the snapshot is what `place` makes of it, which nobody writes meanwhile. */
async function killControl(daemon: DaemonProcess, place = async () => {}): Promise<number> {
  const pid = processOf(daemon, 'control')
  const from = daemon.lines.length
  process.kill(pid, 'SIGSTOP')
  await place()
  process.kill(pid, 'SIGKILL')
  return from
}

async function answers(t: Test, daemon: DaemonProcess, address: string): Promise<void> {
  t.same((await ask(daemon.dns, name)).answers, [address])
}

t.test('without the database, a control plane takes no answer back', async (t) => {
  await using daemon = await startServer(await postgres.createDatabase())
  const snapshot = join(daemon.dataDir, 'snapshot')
  const old = join(daemon.dataDir, 'old')
  await kept(daemon, '192.0.2.1"')
  await cp(snapshot, old, { recursive: true })
  await putMember(daemon, 2)
  await askUntil(daemon.dns, name, ['192.0.2.2'])
  await kept(daemon, '192.0.2.2"')

  await postgres.kill()
  const stop = askAllTheTime(daemon)
  let from = await killControl(daemon)
  await daemon.line(isCold, { from })
  await daemon.line(isReady, { from })
  await answers(t, daemon, '192.0.2.2')

  from = await killControl(daemon, async () => {
    await rm(snapshot, { recursive: true })
    await cp(old, snapshot, { recursive: true })
  })
  const { revision, served } = await daemon.line(isOlder, { from })
  t.ok(Number(revision) < Number(served), `${revision} and ${served}`)
  await answers(t, daemon, '192.0.2.2')
  await postgres.restart()
  await daemon.line(isReady, { from })
  await answers(t, daemon, '192.0.2.2')
  await putMember(daemon, 3)
  await askUntil(daemon.dns, name, ['192.0.2.3'])
  await losesNothing(t, stop)
})

/** Ends the connection to the data plane from within. */
const part = `for (const handle of process._getActiveHandles())
  if (handle.constructor.name === 'Socket' && handle._handle?.constructor.name === 'Pipe' && handle.fd !== 1 && handle.fd !== 2)
    handle.destroy()`

t.test('a conversation that breaks while both live is taken up again', async (t) => {
  await using daemon = await startServer(await postgres.createDatabase())
  const pids = [processOf(daemon, 'control'), processOf(daemon, 'data')]
  const stop = askAllTheTime(daemon)
  const from = daemon.lines.length
  await runIn(daemon, pids[0]!, part)
  await daemon.line(says('control plane and data plane had lost each other: they are connected again'), {
    from,
  })
  await putMember(daemon, 2)
  await askUntil(daemon.dns, name, ['192.0.2.2'])
  await losesNothing(t, stop)
  t.same([processOf(daemon, 'control'), processOf(daemon, 'data')], pids)
})
