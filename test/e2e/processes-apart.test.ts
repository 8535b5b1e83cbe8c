/** What a control plane and a data plane do that know different things, or do not hear each other. */
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { DaemonProcess } from '../support/daemon.ts'
import { runIn } from '../support/inspector.ts'
import { startPostgres } from '../support/postgres.ts'
import { processOf } from '../support/processes.ts'
import { ask, askUntil } from './ask.ts'
import { askAllTheTime, losesNothing, name, putMember, startServer } from './asked-server.ts'
import { eventually, put, startBackend, timing } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const says =
  (text: string) =>
  ({ msg }: { readonly msg?: string }) =>
    msg === text
const isReady = says('ready')
const isCold = says('serving the snapshot')
const isLeft = says('serving what the control plane before was serving')

/** Waits until the snapshot is of what is served. */
async function kept(daemon: DaemonProcess, address: string): Promise<void> {
  const base = join(daemon.dataDir, 'snapshot/base.json')
  await eventually(async () => {
    return (await readFile(base, 'utf8').catch(() => '')).includes(address) ? true : undefined
  })
}

/** Kills the control plane once the snapshot is what `place` makes of it, which nobody writes meanwhile, and nobody starts the next one. */
async function killControl(daemon: DaemonProcess, place = async () => {}): Promise<number> {
  const pid = processOf(daemon, 'control')
  const from = daemon.lines.length
  const stopped = [daemon.pid, pid]
  for (const each of stopped) process.kill(each, 'SIGSTOP')
  await place()
  process.kill(pid, 'SIGKILL')
  process.kill(daemon.pid, 'SIGCONT')
  return from
}

/** Waits until the next control plane finds all that clients are answered by now. */
async function left(daemon: DaemonProcess, from: number): Promise<void> {
  const { revision } = (await (await daemon.request('/v1/overview')).json()) as { revision: number }
  await daemon.line(
    (line) => line.msg === 'left for the next control plane' && Number(line.revision) >= revision,
    { from },
  )
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
  const isUp = async () => ((await fetch(`${daemon.http}/health`)).ok ? true : undefined)
  await eventually(() => isUp().catch(() => undefined))
  await daemon.line(isLeft, { from })
  await daemon.line(isReady, { from })
  await answers(t, daemon, '192.0.2.2')
  await postgres.restart()
  await daemon.line(isReady, { from })
  await answers(t, daemon, '192.0.2.2')
  await putMember(daemon, 3)
  await askUntil(daemon.dns, name, ['192.0.2.3'])
  await losesNothing(t, stop)
})

t.test(
  'without the database and without a disk, the next control plane probes, shows and drains',
  async (t) => {
    const backends = [await startBackend(), await startBackend()]
    await using ended = new AsyncDisposableStack()
    for (const backend of backends) ended.use(backend)
    const debug = { POOLDNS_LOG_LEVEL: 'debug' }
    await using daemon = await startServer(await postgres.createDatabase(), { env: debug })
    await put(daemon, '/v1/monitors/web', timing)
    const [probed, other] = backends.map(({ port }, index) => ({
      address: `192.0.2.${7 + index}`,
      probe: { address: '127.0.0.1', port },
    }))
    await put(daemon, '/v1/pools/pair', { monitor: 'web', members: { probed, other } })
    await put(daemon, '/v1/services/pair.example.test', { pools: ['pair'] })
    await kept(daemon, 'pair.example.test')
    // The last change is one that no file has: the disk takes nothing from here on.
    await rm(join(daemon.dataDir, 'snapshot'), { recursive: true })
    await writeFile(join(daemon.dataDir, 'snapshot'), '')
    await putMember(daemon, 2)
    await askUntil(daemon.dns, name, ['192.0.2.2'])
    await postgres.kill()
    let from = 0
    for (let times = 0; times < 2; times++) {
      await left(daemon, from)
      const stop = askAllTheTime(daemon)
      from = await killControl(daemon)
      await daemon.line(isLeft, { from })
      await daemon.line(isReady, { from })
      await answers(t, daemon, '192.0.2.2')
      await losesNothing(t, stop)
    }
    const shown = await daemon.request('/v1/pools/web')
    t.match(await shown.json(), { members: { m2: { address: '192.0.2.2' } } })
    const pair = 'pair.example.test'
    await askUntil(daemon.dns, pair, ['192.0.2.7', '192.0.2.8'])
    const path = '/v1/pools/pair/members/other/override'
    const drained = await daemon.request(path, { method: 'PUT', json: { state: 'drain' } })
    t.ok(drained.ok, `${drained.status}`)
    await askUntil(daemon.dns, pair, ['192.0.2.7'])
    await daemon.request(path, { method: 'DELETE' })
    await askUntil(daemon.dns, pair, ['192.0.2.7', '192.0.2.8'])
    backends[0]!.healthy = false
    await askUntil(daemon.dns, pair, ['192.0.2.8'])

    await postgres.restart()
    await eventually(async () => {
      const reply = await daemon.request('/v1/pools/other', { method: 'PUT', json: { members: {} } })
      return reply.status === 200 ? true : undefined
    })
    await putMember(daemon, 3)
    await askUntil(daemon.dns, name, ['192.0.2.3'])
  },
)

t.test('after the death of a control plane, answers are counted for who was answered', async (t) => {
  await using daemon = await startServer(await postgres.createDatabase())
  const counted = async () => {
    const text = await (await fetch(`${daemon.http}/metrics`)).text()
    return Array.from(text.matchAll(/^pooldns_service_answers_total\{.*\} (\d+)$/gm), ([, count]) =>
      Number(count),
    )
  }
  for (let times = 0; times < 20; times++) await answers(t, daemon, '192.0.2.1')
  await eventually(async () => ((await counted())[0]! >= 20 ? true : undefined))
  const from = await killControl(daemon)
  await daemon.line(isReady, { from })
  t.same(await counted(), [0], 'what was counted before is not said again')
  await answers(t, daemon, '192.0.2.1')
  await eventually(async () => ((await counted())[0] === 1 ? true : undefined))
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
