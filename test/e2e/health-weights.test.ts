/** What members' health changes in answers besides who is in them: weights and TTLs, and how soon. */
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, putService, startBackend, timing } from './fixture.ts'
import { sharesOf } from './shares.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const name = 'www.example.test'
const both = ['192.0.2.1', '192.0.2.2']
const weighted = { select: 'weighted', answers: 1 }

const start = async () => startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })

t.test('recheck: a failure is looked into at once', async () => {
  await using daemon = await start()
  await using failing = await startBackend()
  await using other = await startBackend()
  failing.healthy = false
  // The first probe comes at once. By the interval, four of them would take three hours.
  const monitor = { interval: '1h', timeout: '1h', rise: 1, fall: 4, recheck: '20ms' }
  await putService(daemon, [failing, other], {}, {}, monitor)
  await askUntil(daemon.dns, name, ['192.0.2.2'])
})

t.test('a TTL is shorter while a member is near a change, or gone', async (t) => {
  await using daemon = await start()
  await using one = await startBackend()
  await using two = await startBackend()
  await putService(daemon, [one, two], { ttl: { min: 3, max: 300 } })
  // It is near a change for as long as the test takes.
  await put(daemon, '/v1/monitors/web', { ...timing, recheck: '500ms', fall: 1000 })
  const answered = async () => {
    const { packet, answers } = await ask(daemon.dns, name)
    const [answer] = packet.answers as { ttl: number }[]
    return `${answers.join()} ${answer?.ttl}`
  }
  const until = async (wanted: string) => {
    await eventually(async () => ((await answered()) === wanted ? true : undefined))
    t.pass(wanted)
  }
  await until(`${both.join()} 300`)
  one.healthy = false
  await until(`${both.join()} 3`)
  one.healthy = true
  await until(`${both.join()} 300`)
  await put(daemon, '/v1/monitors/web', timing)
  one.healthy = false
  await until('192.0.2.2 3')
  one.healthy = true
  await until(`${both.join()} 300`)
})

t.test('a member sheds load by its own word', async () => {
  await using daemon = await start()
  await using shedding = await startBackend()
  await using other = await startBackend()
  await putService(daemon, [shedding, other], {}, weighted)
  await put(daemon, '/v1/monitors/web', { ...timing, weight: { header: 'X-Weight' } })
  const share = (from: number, to: number) =>
    eventually(async () => {
      const found = (await sharesOf(daemon.dns, name)).get('192.0.2.1') ?? 0
      return found >= from && found <= to ? true : undefined
    })
  await share(0.4, 0.6)
  shedding.headers = { 'x-weight': '10' }
  await share(0.04, 0.16)
  // No weight: nobody gets it as long as there is another one.
  shedding.headers = { 'x-weight': '0' }
  await share(0, 0)
  shedding.headers = { 'x-weight': '100%' }
  await share(0.4, 0.6)
  shedding.headers = { 'x-weight': '25' }
  await share(0.12, 0.28)
  shedding.headers = {}
  await share(0.4, 0.6)
})

t.test('slow start: the share of a member that comes back rises', async (t) => {
  await using daemon = await start()
  await using back = await startBackend()
  await using other = await startBackend()
  await putService(daemon, [back, other], {}, { ...weighted, slowStart: '1h' })
  const share = async () => (await sharesOf(daemon.dns, name)).get('192.0.2.1') ?? 0
  t.ok((await share()) > 0.35, 'not for one that has never been down')
  back.healthy = false
  const from = daemon.lines.length
  await daemon.line(({ to }) => to === 'down', { from })
  back.healthy = true
  const { time } = await daemon.line(({ to }) => to === 'up', { from })
  const upAtMs = Date.parse(String(time))
  // A tenth of its weight at first, for as long as it takes to see that.
  const shares = [await share()]
  t.ok(shares[0]! < 0.3, `${shares[0]} at first`)
  // Then more with each second; the whole of it is half of the answers. Most of the way is ahead, however long it took to come here.
  const slowStartMs = 20_000 + 4 * (Date.now() - upAtMs)
  const json = { slowStart: `${slowStartMs}ms` }
  t.equal((await daemon.request('/v1/pools/web', { method: 'PATCH', json })).status, 200)
  await eventually(async () => {
    // So many that chance does not find the whole of it in half.
    const now = (await sharesOf(daemon.dns, name, 2000)).get('192.0.2.1') ?? 0
    shares.push(now)
    return now > 0.42 ? true : undefined
  })
  const tookMs = Date.now() - upAtMs
  t.ok(tookMs > slowStartMs / 2, `${tookMs} ms until the whole`)
  t.ok(
    shares.some((found) => found > 0.15 && found < 0.35),
    'something in between',
  )
})
