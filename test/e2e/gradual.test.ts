/** Gradual changes through the program's real edges: failing backends, restarts, nodes that are killed, a database that is away. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { GradualReply } from '../../src/controlplane/api/operations/gradual-view.ts'
import { type DaemonProcess, main, node, startDaemonProcess } from '../support/daemon.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { startPostgres } from '../support/postgres.ts'
import { processesOf } from '../support/processes.ts'
import { askUntil } from './ask.ts'
import { type Backend, eventually, put, soa, startBackend } from './fixture.ts'
import { sharesOf } from './shares.ts'

const folder = await mkdtemp(join(tmpdir(), 'pooldns-e2e-gradual-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

const name = 'www.example.test'
const [eu, us] = ['192.0.2.1', '192.0.2.2']

/** Runs a command against a daemon. */
async function pooldns(daemon: DaemonProcess, ...args: readonly string[]) {
  const child = spawn(node, [main, ...args], {
    env: {
      ...process.env,
      XDG_CONFIG_HOME: folder,
      POOLDNS_SERVER: daemon.http,
      POOLDNS_TOKEN: daemon.token,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const code = once(child, 'close').then(([status]) => status as number)
  return { stdout: await text(child.stdout), stderr: await text(child.stderr), code: await code }
}

/** A service that is answered from `eu` alone, and a document by which it would be from `us`. */
async function configure(daemon: DaemonProcess, backends: readonly [Backend, Backend]): Promise<string> {
  await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  // On a busy machine a probe may take long, and a backend that is only slow must not count as one that fails.
  const timing = { interval: '3s', timeout: '3s', recheck: '20ms', rise: 1, fall: 10 }
  await put(daemon, '/v1/monitors/web', timing)
  for (const [index, pool] of ['eu', 'us'].entries()) {
    const probe = { address: '127.0.0.1', port: backends[index]!.port }
    const member = { address: `192.0.2.${index + 1}`, probe }
    await put(daemon, `/v1/pools/${pool}`, { monitor: 'web', members: { a: member } })
  }
  const service = (weights: readonly [number, number]) => ({
    ttl: 5,
    steer: 'weighted',
    pools: ['eu', 'us'].map((pool, index) => ({ pool, weight: weights[index]! })),
  })
  await put(daemon, `/v1/services/${name}`, service([100, 0]))
  await eventually(async () => {
    const { status } = (await (await daemon.request('/v1/pools/us')).json()) as {
      status: { condition: string }
    }
    const { members } = (await (await daemon.request('/v1/pools/us')).json()) as {
      members: { a: { status: { state: string } } }
    }
    return status.condition === 'healthy' && members.a.status.state === 'up' ? true : undefined
  })
  const file = join(folder, 'moved.json')
  await writeFile(file, JSON.stringify({ services: { [name]: service([0, 100]) } }))
  return file
}

async function shown(daemon: DaemonProcess, id = 1): Promise<GradualReply> {
  return (await (await daemon.request(`/v1/gradual-changes/${id}`)).json()) as GradualReply
}

const until = (daemon: DaemonProcess, is: (change: GradualReply) => boolean, id = 1) =>
  eventually(async () => {
    const change = await shown(daemon, id)
    return is(change) ? change : undefined
  })

interface Revisions {
  readonly items: readonly { readonly source: string; readonly message: string }[]
}

/** The steps in the history, oldest first. */
async function stepsOf(daemon: DaemonProcess): Promise<string[]> {
  const { items } = (await (await daemon.request('/v1/revisions?limit=100')).json()) as Revisions
  return items.flatMap(({ source, message }) => (source === 'gradual' ? [message] : [])).reverse()
}

const hasCloseTo = (t: Test, share: number | undefined, expected: number) =>
  t.ok(Math.abs((share ?? 0) - expected) < 0.12, `${share} of the answers, about ${expected} expected`)

for (const kind of ['embedded', 'postgres'] as const) {
  t.test(`what gains traffic fails, on ${kind}`, async (t) => {
    await using postgres = kind === 'postgres' ? await startPostgres() : null
    await using first = await startBackend()
    await using second = await startBackend()
    const env = postgres === null ? {} : { DATABASE_URL: await postgres.createDatabase() }
    await using daemon = await startDaemonProcess({ env })
    const file = await configure(daemon, [first, second])
    const planned = await pooldns(daemon, 'plan', '-f', file, '--gradual', '1h', '--steps', '25,100')
    t.match(planned, {
      code: 3,
      stdout:
        /in 2 steps over 1h, .*degraded:\n {2}at once +25 % +www\.example\.test: eu 75 %, us 25 %\n {2}after 30m +100 %/,
    })
    const applied = await pooldns(
      daemon,
      'apply',
      '-f',
      file,
      '--gradual',
      '1h',
      '--steps',
      '25,100',
      '-m',
      'to us',
    )
    t.match(applied, { code: 0, stdout: /gradual change 1 has taken step 1 of 2 \(25 %\) as revision \d+/ })
    hasCloseTo(t, (await sharesOf(daemon.dns, name)).get(us), 0.25)
    t.match(await pooldns(daemon, 'status'), {
      stdout: /Gradual changes\n.*\n {2}running +1 +www\.example\.test +1 of 2 +25 % +in \d+m/,
    })
    t.match(await pooldns(daemon, 'explain', name), {
      stdout: /Gradual changes\n.*\n {2}1 +running +www\.example\.test +1 of 2 +25 %/,
    })
    t.match(await pooldns(daemon, 'gradual', 'pause', '-m', 'lunch'), {
      code: 0,
      stdout: /^gradual change 1: paused, step 1 of 2, 25 %: lunch\n$/,
    })
    t.match(await pooldns(daemon, 'gradual', 'resume'), {
      code: 0,
      stdout: /: running, step 1 of 2, 25 %, the next in/,
    })

    const watching = pooldns(daemon, 'gradual', 'watch', '1')
    second.healthy = false
    const back = await until(daemon, ({ phase }) => phase === 'returned')
    t.match(back, { percent: 0, reason: /^pool us is down: / })
    t.match(await watching, { code: 1, stdout: /returned, step 1 of 2, 0 %: pool us is down: .*\n$/ })
    await askUntil(daemon.dns, name, [eu!])
    second.healthy = true
    t.equal((await sharesOf(daemon.dns, name)).get(us), undefined, 'and it stays so')
    t.match(await pooldns(daemon, 'events', '--kind', 'gradual'), {
      stdout:
        /change 1 started, step 1 of 2, 25 %, by admin\n.*change 1 paused.*: lunch\n.*change 1 resumed.*\n.*change 1 returned, step 1 of 2, 0 %, by system: pool us is down/,
    })
    t.match(await pooldns(daemon, 'history', '-n', '2'), {
      stdout: /system +gradual +gradual change 1 goes back: pool us is down: .*\n.*admin +gradual +to us\n/,
    })
    t.match(await pooldns(daemon, 'apply', '-f', file, '--gradual', '0s'), {
      code: 2,
      stderr: /gradual must be a duration such as 30m/,
    })
    t.match(await pooldns(daemon, 'apply', '-f', file, '--steps', '1,100'), {
      code: 2,
      stderr: /only for --gradual/,
    })
    t.match(await pooldns(daemon, 'gradual', 'finish'), { code: 2, stderr: /no gradual change is under way/ })
  })

  t.test(`a restart in the middle, on ${kind}`, async (t) => {
    await using postgres = kind === 'postgres' ? await startPostgres() : null
    await using first = await startBackend()
    await using second = await startBackend()
    const dataDir = await temporaryDataFolder('pooldns-gradual-')
    t.teardown(() => rm(dataDir, { recursive: true, force: true }))
    const env = postgres === null ? {} : { DATABASE_URL: await postgres.createDatabase() }
    const start = () => startDaemonProcess({ env, dataDir })
    const before = await start()
    const file = await configure(before, [first, second])
    await pooldns(before, 'apply', '-f', file, '--gradual', '8s', '--steps', '20,40,60,100')
    await until(before, ({ step }) => step >= 2)
    await before.stop()
    await using after = await start()
    const done = await until(after, ({ endedAt }) => endedAt !== null)
    t.match(done, { phase: 'done', percent: 100 })
    t.same(await stepsOf(after), [null, ...[2, 3, 4].map((step) => `gradual change 1, step ${step} of 4`)])
    await askUntil(after.dns, name, [us!])
  })
}

t.test('two nodes: one is killed, and the other carries on', async (t) => {
  await using postgres = await startPostgres()
  await using first = await startBackend()
  await using second = await startBackend()
  const env = { DATABASE_URL: await postgres.createDatabase() }
  await using one = await startDaemonProcess({ env })
  await using two = await startDaemonProcess({ env })
  const file = await configure(one, [first, second])
  await pooldns(one, 'apply', '-f', file, '--gradual', '8s', '--steps', '5,10,15,20,40,60,80,100')
  await until(two, ({ step }) => step >= 3)
  // All of it at once, so that nothing is left to say good-bye.
  const processes = [one.pid, ...processesOf(one, 'control'), ...processesOf(one, 'data')]
  for (const pid of processes) process.kill(pid, 'SIGKILL')
  await one.exited
  const done = await until(two, ({ endedAt }) => endedAt !== null)
  t.match(done, { phase: 'done', percent: 100, step: 8 })
  const steps = [2, 3, 4, 5, 6, 7, 8].map((step) => `gradual change 1, step ${step} of 8`)
  t.same(await stepsOf(two), [null, ...steps], 'each step once')
  await askUntil(two.dns, name, [us!])
})

t.test('the database is away when what gains traffic fails', async (t) => {
  await using postgres = await startPostgres()
  await using first = await startBackend()
  await using second = await startBackend()
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  const file = await configure(daemon, [first, second])
  await pooldns(daemon, 'apply', '-f', file, '--gradual', '1h', '--steps', '50,100')
  const running = /running +1 +www\.example\.test +1 of 2 +50 %/
  // A node has read it a moment after the reply.
  await eventually(async () => (running.test((await pooldns(daemon, 'status')).stdout) ? true : undefined))
  const from = daemon.lines.length
  await postgres.kill()
  second.healthy = false
  await daemon.line(({ pool, to }) => pool === 'us' && to === 'down', { from })
  second.healthy = true
  await daemon.line(({ pool, to }) => pool === 'us' && to === 'healthy', { from })
  t.match(await pooldns(daemon, 'status'), { stdout: running })
  t.match(await pooldns(daemon, 'gradual', 'go-back', '1'), { code: 1, stderr: /the database/ })
  await postgres.restart()
  t.match(await until(daemon, ({ endedAt }) => endedAt !== null), {
    phase: 'returned',
    reason: /^pool us is down: /,
  })
  await askUntil(daemon.dns, name, [eu!])
})
