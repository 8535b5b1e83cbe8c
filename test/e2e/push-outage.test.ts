/** Members that are reported on, on two servers whose database goes away: what one was told by the other does not run out meanwhile. */
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

const name = 'www.example.test'
const shortly = '30s'

interface Status {
  readonly state: string
  readonly reason: string
}

interface Explanation {
  readonly services: readonly [{ readonly pools: readonly ExplainedPool[] }]
}

interface ExplainedPool {
  readonly name: string
  readonly members: readonly [
    { readonly weight: { readonly percent: number | null }; readonly status: Status },
  ]
}

/** What a server knows of the member of a pool. It is asked by way of `explain`, which needs no database. */
async function known(daemon: DaemonProcess, pool: string) {
  const response = await daemon.request(`/v1/explain?name=${name}&type=A`)
  const { services } = (await response.json()) as Explanation
  const [{ weight, status }] = services[0].pools.find((one) => one.name === pool)!.members
  return { percent: weight.percent, state: status.state, reason: status.reason }
}

/** Waits until a server says this of the member of a pool. */
const says = (daemon: DaemonProcess, pool: string, reason: RegExp) =>
  eventually(async () => {
    const now = await known(daemon, pool)
    return reason.test(now.reason) ? now : undefined
  })

const report = (daemon: DaemonProcess, pool: string, body: object) =>
  put(daemon, `/v1/pools/${pool}/members/a/report`, { state: 'up', ...body })

async function configure(daemon: DaemonProcess): Promise<void> {
  await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  await put(daemon, '/v1/monitors/hourly', { type: 'push', ttl: '1h' })
  // Time enough for a busy machine to lose the database before it is over.
  await put(daemon, '/v1/monitors/often', { type: 'push', ttl: shortly })
  await put(daemon, '/v1/monitors/always', { type: 'static', state: 'up' })
  // A report may be a part of what a member is judged by.
  await put(daemon, '/v1/monitors/both', { type: 'composite', monitors: ['always', 'hourly'] })
  const pools = { quick: 'often', mixed: 'both', steady: 'hourly' }
  for (const [index, [pool, monitor]] of Object.entries(pools).entries()) {
    const members = { a: { address: `192.0.2.${index + 1}` } }
    await put(daemon, `/v1/pools/${pool}`, { monitor, unknown: 'down', members })
  }
  const choices = Object.keys(pools)
  await put(daemon, `/v1/services/${name}`, { pools: choices, whenAllDown: 'nodata', ttl: 5 })
}

/** What was reported a moment ago is as good as ever on both. */
async function isSteady(t: Test, daemons: readonly DaemonProcess[], why: string): Promise<void> {
  for (const daemon of daemons) {
    const now = await known(daemon, 'steady')
    t.same(now, { percent: 40, state: 'up', reason: 'nightly run is through' }, why)
  }
}

t.test('reports do not run out while a newer one could not have come', async (t) => {
  await using postgres = await startPostgres()
  const env = { DATABASE_URL: await postgres.createDatabase() }
  await using told = await startDaemonProcess({ env })
  await using other = await startDaemonProcess({ env })
  const both = [told, other]
  await configure(told)
  await report(told, 'steady', { reason: 'nightly run is through', weight: 40 })
  for (const daemon of both) await says(daemon, 'steady', /^nightly/)
  await isSteady(t, both, 'before')
  // Again until both have heard of it, however busy the machine is: from then on there is most of the time left.
  await eventually(async () => {
    await report(told, 'quick', { reason: 'queue is short', weight: 12.5 })
    await report(told, 'mixed', { reason: 'disk has room', ttl: shortly })
    const heard = await Promise.all(
      both.flatMap((daemon) => [known(daemon, 'quick'), known(daemon, 'mixed')]),
    )
    return heard.every(({ state }) => state === 'up') ? true : undefined
  })
  for (const daemon of both) {
    t.same(await known(daemon, 'quick'), { percent: 12.5, state: 'up', reason: 'queue is short' })
    t.match(await known(daemon, 'mixed'), {
      state: 'up',
      reason: /^always: by its monitor, hourly: disk has room/,
    })
  }

  await postgres.kill()
  const late = await says(other, 'quick', /while the database is away/)
  t.same(
    late,
    { percent: 12.5, state: 'up', reason: 'as before, while the database is away: queue is short' },
    'the one that heard of it by the database waits',
  )
  t.match(await says(other, 'mixed', /while the database is away: disk has room/), { state: 'up' })
  t.match(await says(told, 'quick', /^no report by /), { state: 'down' }, 'the one that was told does not')
  t.match(await says(told, 'mixed', /hourly: no report by /), { state: 'down' })
  await askUntil(other.dns, name, ['192.0.2.1'])
  await askUntil(told.dns, name, ['192.0.2.3'])
  await isSteady(t, both, 'meanwhile')
  t.match(await known(other, 'quick'), { state: 'up' }, 'and still does')

  await postgres.restart()
  t.match(await says(other, 'quick', /^no report by /), { state: 'down' }, 'time counts again')
  t.match(await says(other, 'mixed', /hourly: no report by /), { state: 'down' })
  await isSteady(t, both, 'afterwards')
  await report(other, 'quick', { reason: 'queue is empty', ttl: '1h' })
  for (const daemon of both) {
    t.match(await says(daemon, 'quick', /^queue is empty$/), { state: 'up', percent: null })
    await askUntil(daemon.dns, name, ['192.0.2.1'])
  }
})
