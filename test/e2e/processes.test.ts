/** The processes of a server: each dies, and is replaced, while DNS is asked all the time. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { askToReplace } from '../../src/supervisor/door.ts'
import { startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { startPostgres } from '../support/postgres.ts'
import { isAlive, processesOf } from '../support/processes.ts'
import { askUntil } from './ask.ts'
import { askAllTheTime, losesNothing, name, putMember, startServer } from './asked-server.ts'
import { eventually } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const start = async (env: Readonly<Record<string, string>> = {}) =>
  startServer(await postgres.createDatabase(), { env })

const isReplaced = ({ msg }: { readonly msg?: string }) => msg === 'the processes were replaced'
const isReady = ({ msg }: { readonly msg?: string }) => msg === 'ready'

for (const udpBackend of ['batch', 'dgram']) {
  t.test(`with ${udpBackend}`, async (t) => {
    await using daemon = await start({ POOLDNS_UDP_BACKEND: udpBackend })

    await t.test('the control plane dies: DNS is answered, and the next one can be written to', async (t) => {
      const from = daemon.lines.length
      const before = processesOf(daemon, 'data')
      const stop = askAllTheTime(daemon)
      process.kill(processesOf(daemon, 'control')[0]!, 'SIGKILL')
      await daemon.line(isReady, { from })
      await losesNothing(t, stop)
      t.match(
        daemon.lines.slice(from).find(({ level }) => level === 'error'),
        { msg: 'the control plane ended: it is started again, DNS is answered meanwhile', signal: 'SIGKILL' },
      )
      t.same(processesOf(daemon, 'data'), before)
      await putMember(daemon, 2)
      await askUntil(daemon.dns, name, ['192.0.2.2'])
    })

    await t.test('the data plane dies: queries wait for the next one, which serves the same', async (t) => {
      const from = daemon.lines.length
      const before = processesOf(daemon, 'data')
      const asked = askAllTheTime(daemon)
      await putMember(daemon, 3)
      await asked()
      process.kill(before[0]!, 'SIGKILL')
      await using client = await UdpClient.open(daemon.dns)
      client.send(query(name, 'A', { id: 7 }))
      t.same(readResponse(await client.next()).answer, [`${name} 30 A 192.0.2.3`])
      t.match(
        daemon.lines.slice(from).find(({ level }) => level === 'error'),
        { msg: 'the data plane ended: it is started again', signal: 'SIGKILL' },
      )
      t.notSame(processesOf(daemon, 'data'), before)
      await putMember(daemon, 4)
      await askUntil(daemon.dns, name, ['192.0.2.4'])
      const metrics = await (await daemon.request('/metrics')).text()
      t.match(metrics, 'pooldns_process_restarts_total{process="control"} 1')
      t.match(metrics, 'pooldns_process_restarts_total{process="data"} 1')
    })

    await t.test('both are replaced, and nothing is lost, also not on connections', async (t) => {
      const from = daemon.lines.length
      const before = [...processesOf(daemon, 'control'), ...processesOf(daemon, 'data')]
      const stops = [askAllTheTime(daemon), askAllTheTime(daemon, 'tcp')]
      daemon.signal('SIGHUP')
      await daemon.line(isReplaced, { from })
      for (const stop of stops) await losesNothing(t, stop)
      const after = [...processesOf(daemon, 'control'), ...processesOf(daemon, 'data')]
      t.equal(after.length, 2)
      t.notOk(after.some((pid) => before.includes(pid)))
      t.notOk(daemon.lines.slice(from).some(({ level }) => level === 'error'))
      await putMember(daemon, 5)
      await askUntil(daemon.dns, name, ['192.0.2.5'])
      t.match(
        (await (await daemon.request('/metrics')).text()).match(/^pooldns_dns_responses_total.*NOERROR.*$/m),
        {
          length: 1,
        },
      )
    })
  })
}

t.test('restarts that are asked for while one is under way are one, and the next', async (t) => {
  await using daemon = await start()
  const from = daemon.lines.length
  const stops = [askAllTheTime(daemon), askAllTheTime(daemon, 'tcp')]
  const asked = Array.from({ length: 5 }, () => askToReplace(daemon.dataDir))
  t.same(await Promise.all(asked), Array(5).fill({ replaced: true }))
  const ready = () => daemon.lines.slice(from).filter(isReady).length
  // The log comes by another way than the reply.
  await eventually(async () => (ready() >= 2 ? true : undefined))
  t.equal(ready(), 2)
  for (const stop of stops) await losesNothing(t, stop)
  const last = askToReplace(daemon.dataDir)
  const never = askToReplace(daemon.dataDir)
  await daemon.line(({ msg }) => msg === 'replacing the processes by what is installed now', {
    from: daemon.lines.length,
  })
  await daemon.stop()
  const stopped = { replaced: false, reason: 'the server was stopped' }
  t.same(await Promise.all([last, never]), [stopped, stopped])
})

t.test('the data plane is handed no secret', async (t) => {
  await using daemon = await start()
  const [pid] = processesOf(daemon, 'data')
  // Node tells its children, and so do the tests; we tell them nothing.
  const names = readFileSync(`/proc/${pid}/environ`, 'latin1')
    .split('\0')
    .map((each) => each.split('=')[0])
  t.notOk(
    names.some((each) => /^(?:POOLDNS|DATABASE|PG)/.test(each!)),
    names.join(' '),
  )
  t.notMatch(readFileSync(`/proc/${pid}/cmdline`, 'latin1'), /postgres:|token/)
})

t.test('the data plane may write no file, start no process and hold no capability', async (t) => {
  await using daemon = await start()
  const [pid] = processesOf(daemon, 'data')
  const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
  // A runner that has modules of its own loaded into every process keeps that from us (`children.ts`).
  const isLoaded = readFileSync(`/proc/${daemon.pid}/environ`, 'latin1').includes('--import')
  t.equal(command.includes('--permission'), !isLoaded)
  t.notOk(command.some((each) => /^--allow-(?:child-process|wasi|inspector)/.test(each)))
  t.ok(
    command.filter((each) => each.startsWith('--allow-fs-write')).every((each) => each.includes('pooldns')),
  )
  const answering = readdirSync(`/proc/${pid}/task`)
    .map((task) => readFileSync(`/proc/${pid}/task/${task}/status`, 'latin1'))
    .filter((status) => /^NoNewPrivs:\s*1$/m.test(status))
  // Its main thread, a thread for UDP on each core, and one for TCP.
  t.ok(answering.length >= 3, `${answering.length} threads`)
  t.ok(answering.every((status) => /^CapEff:\s*0{16}$/m.test(status)))
  t.equal(daemon.stderr, '', 'it says nothing beside the log')
})

t.test('when the supervisor dies, nobody is left behind, and the ports are free', async (t) => {
  await using daemon = await start()
  const all = [...processesOf(daemon, 'control'), ...processesOf(daemon, 'data')]
  t.equal(all.length, 2)
  process.kill(daemon.pid, 'SIGKILL')
  await eventually(async () => (all.some(isAlive) ? undefined : true))
  const { host, port } = daemon.dns
  await using next = await startDaemonProcess({ env: { POOLDNS_DNS_LISTEN: `${host}:${port}` } })
  t.same(next.dns, daemon.dns)
})
