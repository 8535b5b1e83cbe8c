/** What is served lies in memory that outlives those who wrote and read it: whoever dies, DNS is answered from that. */
import { rename, rm, writeFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { startPostgres } from '../support/postgres.ts'
import { isAlive, processesOf } from '../support/processes.ts'
import { askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

/** Of which the image is large enough to be shared. */
const owners = Array.from({ length: 1000 }, (_, index) => `host-${index}`)
const largeZone = (address: string) => ({
  soa,
  rrsets: [
    { name: '@', type: 'NS', data: ['ns1'] },
    ...owners.map((name) => ({ name, type: 'A', data: [address] })),
  ],
})

async function start(env: Readonly<Record<string, string>> = {}): Promise<DaemonProcess> {
  await using begun = new AsyncDisposableStack()
  const daemon = begun.use(
    await startDaemonProcess({
      env: { DATABASE_URL: await postgres.createDatabase(), POOLDNS_RRL: 'off', ...env },
    }),
  )
  await put(daemon, '/v1/zones/example.test', largeZone('198.51.100.1'))
  await put(daemon, '/v1/monitors/told', { type: 'static', state: 'up' })
  await put(daemon, '/v1/pools/web', { monitor: 'told', members: { a: { address: '192.0.2.1' } } })
  await put(daemon, '/v1/services/www.example.test', { pools: ['web'] })
  await askUntil(daemon.dns, 'www.example.test', ['192.0.2.1'])
  begun.move()
  return daemon
}

/** From now on no control plane can begin. @returns ends that */
async function blockControlPlane({ dataDir }: DaemonProcess): Promise<() => Promise<void>> {
  const away = `${dataDir}.away`
  await rename(dataDir, away)
  await writeFile(dataDir, '')
  return async () => {
    await rm(dataDir)
    await rename(away, dataDir)
  }
}

async function answersOf(daemon: DaemonProcess, names: readonly string[]): Promise<string[]> {
  await using client = await UdpClient.open(daemon.dns)
  const answers: string[] = []
  for (const [id, name] of names.entries()) {
    client.send(query(name, 'A', { id }))
    const { rcode, answer } = readResponse(await client.next())
    answers.push(`${rcode} ${answer.join()}`)
  }
  return answers
}

const names = [
  'host-0.example.test',
  'host-999.example.test',
  'www.example.test',
  'no.example.test',
  'other.test',
]

async function kill(daemon: DaemonProcess, ...which: ('control' | 'data')[]): Promise<void> {
  const all = which.flatMap((each) => processesOf(daemon, each))
  for (const pid of all) process.kill(pid, 'SIGKILL')
  await eventually(async () => (all.some(isAlive) ? undefined : true))
}

for (const udpBackend of ['batch', 'dgram']) {
  t.test(`both die, and no control plane comes: with ${udpBackend}`, async (t) => {
    await using daemon = await start({ POOLDNS_UDP_BACKEND: udpBackend })
    // What is changed after the start is there, too.
    await put(daemon, '/v1/pools/web', { monitor: 'told', members: { b: { address: '192.0.2.2' } } })
    await put(daemon, '/v1/zones/example.test/rrsets/host-999/A', { data: ['198.51.100.9'] })
    await put(daemon, '/v1/zones/other.test', {
      soa,
      rrsets: [
        { name: '@', type: 'NS', data: ['ns.example.'] },
        { name: '@', type: 'A', data: ['203.0.113.1'] },
      ],
    })
    const before = await answersOf(daemon, names)
    t.match(before, [/198\.51\.100\.1$/, /198\.51\.100\.9$/, /192\.0\.2\.2$/, /^3 /, /203\.0\.113\.1$/])
    const unblock = await blockControlPlane(daemon)
    for (let times = 0; times < 3; times++) {
      await kill(daemon, 'control', 'data')
      t.same(await answersOf(daemon, names), before)
    }
    await unblock()
    await writesAgain(t, daemon)
  })
}

t.test('the data plane dies while the control plane hangs', async (t) => {
  await using daemon = await start()
  const before = await answersOf(daemon, names)
  const [control] = processesOf(daemon, 'control')
  process.kill(control!, 'SIGSTOP')
  await kill(daemon, 'data')
  t.same(await answersOf(daemon, names), before)
  // It may have been replaced meanwhile.
  if (isAlive(control!)) process.kill(control!, 'SIGCONT')
  await writesAgain(t, daemon)
})

async function writesAgain(t: Test, daemon: DaemonProcess): Promise<void> {
  await eventually(async () => {
    const response = await daemon
      .request('/v1/zones/example.test', { method: 'PUT', json: largeZone('198.51.100.2') })
      .catch(() => null)
    return response?.ok ? true : undefined
  })
  // A worker may have it before another one.
  for (const host of ['host-7', 'host-999'])
    await askUntil(daemon.dns, `${host}.example.test`, ['198.51.100.2'])
  t.pass('what is written is answered')
}
