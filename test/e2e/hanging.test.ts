/** Threads and processes hang, one after the other: each is replaced, told of and counted, and DNS comes back. */
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { DaemonProcess, LogLine } from '../support/daemon.ts'
import { query, readResponse, TcpClient, UdpClient } from '../support/dns-client.ts'
import { type Freezable, freezable, type Way } from '../support/freezing.ts'
import { startPostgres } from '../support/postgres.ts'
import { processesOf, processOf } from '../support/processes.ts'
import { askUntil } from './ask.ts'
import { askAllTheTime, losesNothing, name, putMember, startServer } from './asked-server.ts'
import { eventually } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const start = async (t: Test, udpBackend: string, embedded = false) => {
  const freezer = freezable()
  const daemon = await startServer(embedded ? undefined : await postgres.createDatabase(), {
    env: { POOLDNS_UDP_BACKEND: udpBackend, POOLDNS_WORKERS: '1' },
    nodeArgs: freezer.nodeArgs,
  })
  t.teardown(async () => {
    await daemon.stop()
    freezer[Symbol.dispose]()
  })
  return { daemon, freezer }
}

const saysHang = ({ reason }: LogLine) => /^it hangs: no sign of life in/.test(String(reason))

/**
 * Freezes a thread until somebody has seen what comes of it, and its successor, too, where that was over before anybody looked.
 *
 * @returns how many were frozen, of whom the last may not have been found yet
 */
async function freezeUntil(
  { daemon, freezer }: Awaited<ReturnType<typeof start>>,
  thread: Freezable,
  way: Way,
  isSeen: () => Promise<boolean>,
): Promise<number> {
  const from = daemon.lines.length
  let times = 0
  await eventually(async () => {
    if (daemon.lines.slice(from).filter(saysHang).length === times) {
      freezer.freeze(thread, way)
      times++
    }
    return (await isSeen()) ? true : undefined
  })
  // What was seen may have come of the one before the one that was to be frozen last.
  return freezer.spare(thread) ? times - 1 : times
}

async function counted(daemon: DaemonProcess, series: string): Promise<number> {
  const text = await (await daemon.request('/metrics')).text()
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  if (line === undefined) throw new Error(`${series} is not there`)
  return Number(line.split(' ')[1])
}

const statusOf = async (daemon: DaemonProcess, path: string) =>
  (await daemon.request(path).catch(() => null))?.status

for (const udpBackend of ['batch', 'dgram']) {
  t.test(`with ${udpBackend}`, async (t) => {
    const started = await start(t, udpBackend)
    const { daemon } = started
    for (const way of ['busy', 'waiting'] as const) {
      await t.test(
        `the only UDP worker hangs ${way}: /health says so until the next one answers`,
        async (t) => {
          const from = daemon.lines.length
          const before = await counted(daemon, 'pooldns_worker_restarts_total')
          const frozen = await freezeUntil(
            started,
            'dns-udp',
            way,
            async () => (await statusOf(daemon, '/health')) === 503,
          )
          t.match(await daemon.line(saysHang, { from }), { transport: 'udp', level: 'error' })
          await using client = await UdpClient.open(daemon.dns)
          client.send(query(name, 'A'))
          t.match(readResponse(await client.next()), { rcode: 0, answer: { length: 1 } })
          // One that was frozen as it began is found some time later.
          const restarts = async () => (await counted(daemon, 'pooldns_worker_restarts_total')) - before
          await eventually(async () => ((await restarts()) >= frozen ? true : undefined))
          await eventually(async () => ((await statusOf(daemon, '/health')) === 200 ? true : undefined))
          t.equal(await restarts(), frozen)
        },
      )
    }

    await t.test('the TCP worker hangs: the node is not ready, and UDP loses nothing', async (t) => {
      const from = daemon.lines.length
      const stop = askAllTheTime(daemon)
      await freezeUntil(started, 'dns-tcp', 'busy', async () =>
        /no thread answers over TCP/.test(await (await daemon.request('/ready')).text()),
      )
      t.match(await daemon.line(saysHang, { from }), { transport: 'tcp' })
      await eventually(async () => ((await statusOf(daemon, '/ready')) === 200 ? true : undefined))
      using client = await TcpClient.open(daemon.dns)
      t.match(readResponse((await client.exchange(query(name, 'A')))!), { rcode: 0 })
      await losesNothing(t, stop)
    })
  })
}

t.test('the compile thread hangs: the node is not ready, and what is written comes', async (t) => {
  const started = await start(t, 'auto')
  const { daemon } = started
  const from = daemon.lines.length
  const frozen = await freezeUntil(started, 'compile', 'waiting', async () =>
    /changes can't be compiled/.test(await (await daemon.request('/ready')).text()),
  )
  const rrset = { ttl: 60, data: ['192.0.2.77'] }
  t.equal(
    (await daemon.request('/v1/zones/example.test/rrsets/new/A', { method: 'PUT', json: rrset })).status,
    201,
  )
  await askUntil(daemon.dns, 'new.example.test', ['192.0.2.77'])
  t.match(await daemon.line(saysHang, { from }), { thread: 'compile' })
  const restarts = () => counted(daemon, 'pooldns_thread_restarts_total{thread="compile"}')
  await eventually(async () => ((await restarts()) >= frozen ? true : undefined))
  t.equal(await restarts(), frozen)
  await eventually(async () => ((await statusOf(daemon, '/ready')) === 200 ? true : undefined))
})

t.test('the thread of the embedded database hangs: writes go on with the next one', async (t) => {
  const { daemon, freezer } = await start(t, 'auto', true)
  for (const way of ['busy', 'waiting'] as const) {
    const from = daemon.lines.length
    freezer.freeze('database', way)
    await daemon.line((line) => line.thread === 'database' && saysHang(line), { from })
    await eventually(
      async () =>
        await putMember(daemon, 3).then(
          () => true,
          () => undefined,
        ),
    )
    await askUntil(daemon.dns, name, ['192.0.2.3'])
  }
})

t.test('the main thread of a process hangs', async (t) => {
  const { daemon, freezer } = await start(t, 'auto')
  await t.test('of the control plane: it is started again, and DNS loses nothing', async (t) => {
    const from = daemon.lines.length
    const stop = askAllTheTime(daemon)
    freezer.freeze('control-plane', 'waiting')
    await daemon.line(({ msg }) => msg === 'the control plane hangs: it is killed', { from })
    await daemon.line(({ msg }) => msg === 'ready', { from })
    await losesNothing(t, stop)
    t.equal(await counted(daemon, 'pooldns_process_restarts_total{process="control"}'), 1)
  })

  await t.test('of the data plane: a change that it does not take is served by the next one', async (t) => {
    const from = daemon.lines.length
    // What the one that is killed has read is lost with it, and a client asks again.
    const stop = askAllTheTime(daemon, 'udp-again')
    const before = processOf(daemon, 'data')
    process.kill(before, 'SIGSTOP')
    await putMember(daemon, 5)
    t.not(processOf(daemon, 'data'), before)
    await askUntil(daemon.dns, name, ['192.0.2.5'])
    t.ok(daemon.lines.slice(from).some(({ msg }) => msg === 'the data plane hangs: it is killed'))
    t.equal(await counted(daemon, 'pooldns_process_restarts_total{process="data"}'), 1)
    t.same((await stop()).wrong, [])
  })

  await t.test('of the next data plane as it starts: the one after that answers', async (t) => {
    const from = daemon.lines.length
    const before = processOf(daemon, 'data')
    process.kill(before, 'SIGKILL')
    // As soon as it is there.
    for (;;) {
      const next = processesOf(daemon, 'data').find((pid) => pid !== before)
      if (next !== undefined) {
        process.kill(next, 'SIGSTOP')
        break
      }
    }
    const { reason } = await daemon.line(({ msg }) => msg === 'the data plane hangs: it is killed', { from })
    const [, ms] = /no sign of life in (\d+) ms/.exec(String(reason))!
    t.ok(Number(ms) < 10_000, String(reason))
    await askUntil(daemon.dns, name, ['192.0.2.5'])
  })

  await t.test(
    'all are stopped and go on, as on a machine that was suspended: nobody is replaced',
    async (t) => {
      const from = daemon.lines.length
      const all = [daemon.pid, processOf(daemon, 'control'), processOf(daemon, 'data')]
      for (let time = 0; time < 2; time++) {
        for (const pid of all) process.kill(pid, 'SIGSTOP')
        // More than any of them is given; only time can show it.
        await delay(4000)
        for (const pid of time === 0 ? all : all.toReversed()) process.kill(pid, 'SIGCONT')
        await askUntil(daemon.dns, name, ['192.0.2.5'])
        await eventually(async () => ((await statusOf(daemon, '/ready')) === 200 ? true : undefined))
      }
      await delay(2000)
      t.same(all.slice(1), [processOf(daemon, 'control'), processOf(daemon, 'data')])
      t.same(
        daemon.lines.slice(from).filter(({ level }) => level === 'error'),
        [],
      )
    },
  )
})
