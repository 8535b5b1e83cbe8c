import t from 'tap'
import { openStream } from '../controlplane/api/operations/event-stream-client.ts'
import { startReceiver } from '../controlplane/events/webhooks/receiver.ts'
import { type LogLine, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { eventually, put, putService, startBackend } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('a transition is streamed, listed and sent', async (t) => {
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  await using receiver = await startReceiver()
  await using backend = await startBackend()
  await put(daemon, '/v1/webhooks/here', { url: receiver.url })
  await put(daemon, '/v1/webhooks/metadata', { url: 'http://169.254.169.254/hook' })
  await using stream = await openStream(daemon.http, '/v1/events/stream?kind=member', {
    authorization: `Bearer ${daemon.token}`,
  })
  // From then on it has all that comes.
  await stream.comment()
  await putService(daemon, [backend])
  const up = await stream.next()
  t.match(up.data, { kind: 'member', pool: 'web', member: 'm1', to: 'up', node: /^[0-9a-f]{12}$/ })
  backend.healthy = false
  const down = await stream.next()
  t.match(down, { event: 'member', data: { from: 'up', to: 'down', reason: 'status 503' } })
  const path = '/v1/events?kind=member&pool=web&limit=1'
  const listed = (await (await daemon.request(path)).json()) as { items: object[] }
  t.same(listed.items, [down.data])

  // The member comes up and goes down, and so does its pool.
  await receiver.count(3)
  const sent = receiver.received.map(({ body }) => JSON.parse(body) as { kind: string; to: string })
  t.ok(sent.some(({ kind, to }) => kind === 'member' && to === 'up'))
  t.match(receiver.received[0]?.headers, { 'content-type': /json/ })
  // What may not be probed may not be sent to either.
  const status = await eventually(async () => {
    const { status } = (await (await daemon.request('/v1/webhooks/metadata')).json()) as {
      status: { state: string; queued: number; lastError: { reason: string } | null }
    }
    return status.lastError === null ? undefined : status
  })
  t.match(status, { state: 'active', lastError: { reason: /169\.254\.169\.254/ } })
  const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
  t.match(metrics, /pooldns_webhook_deliveries_total\{webhook="here",outcome="delivered"\} [1-9]/)
  t.match(metrics, /pooldns_webhook_deliveries_total\{webhook="metadata",outcome="retried"\} [1-9]/)

  await daemon.stop()
  await stream.ended
})

t.test('a pool that changes, an override and a drain are streamed in order', async (t) => {
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  await using one = await startBackend()
  await using two = await startBackend()
  await putService(daemon, [one, two], { ttl: 1 })
  const up = ({ pool, member, to }: LogLine) => pool === 'web' && member !== undefined && to === 'up'
  const first = await daemon.line(up)
  await daemon.line(up, { from: daemon.lines.indexOf(first) + 1 })
  const authorization = `Bearer ${daemon.token}`
  const open = (kind: string) =>
    openStream(daemon.http, `/v1/events/stream?kind=${kind}&pool=web`, { authorization })
  await using pools = await open('pool')
  await using overrides = await open('override')
  await using drained = await open('drained')
  await Promise.all([pools, overrides, drained].map((stream) => stream.comment()))

  const changes: object[] = []
  const next = async () => {
    const { data } = await pools.next()
    changes.unshift(data)
    return data
  }
  one.healthy = false
  t.match(await next(), { from: 'healthy', to: 'degraded', reason: /^1 of 2 members up/ })
  two.healthy = false
  t.match(await next(), { from: 'degraded', to: 'down', reason: /^0 of 2 members up/ })
  one.healthy = true
  t.match(await next(), { from: 'down', to: 'degraded' })
  two.healthy = true
  t.match(await next(), { from: 'degraded', to: 'healthy' })
  const path = '/v1/events?kind=pool&limit=4'
  t.same(((await (await daemon.request(path)).json()) as { items: object[] }).items, changes)

  const override = '/v1/pools/web/members/m1/override'
  await put(daemon, override, { state: 'down', reason: 'broken' })
  t.match((await overrides.next()).data, {
    kind: 'override',
    pool: 'web',
    member: 'm1',
    what: 'set',
    state: 'down',
    actor: 'admin',
    reason: 'broken',
  })
  await put(daemon, override, { state: 'drain', reason: 'new disks' })
  t.match((await overrides.next()).data, { what: 'changed', state: 'drain', reason: 'new disks' })
  t.match(await drained.next(), { event: 'drained', data: { kind: 'drained', pool: 'web', member: 'm1' } })
  await daemon.request(override, { method: 'DELETE' })
  t.match((await overrides.next()).data, { what: 'deleted', state: 'drain' })
})

t.test('a service tells who answers, that all is down, and that it is back', async (t) => {
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  await using receiver = await startReceiver()
  await using eu = await startBackend()
  await using us = await startBackend()
  await put(daemon, '/v1/webhooks/here', { url: receiver.url, kinds: ['service'], pools: ['u*'] })
  await putService(daemon, [eu], {})
  const member = (address: string, { port }: { port: number }) => ({
    address,
    probe: { address: '127.0.0.1', port },
  })
  await put(daemon, '/v1/pools/us', { monitor: 'web', members: { u1: member('198.51.100.1', us) } })
  await put(daemon, '/v1/services/www.example.test', { pools: ['web', 'us'], whenAllDown: 'nodata' })
  await daemon.line(({ pool, to }) => pool === 'us' && to === 'up')
  await using stream = await openStream(daemon.http, '/v1/events/stream?service=www.example.test', {
    authorization: `Bearer ${daemon.token}`,
  })
  await stream.comment()
  const metric = async () => {
    const text = await (await fetch(`${daemon.http}/metrics`)).text()
    return text.split('\n').filter((line) => /_(service|pool)_state.* 1$/.test(line))
  }
  const states = (service: string, web: string, other: string) => [
    `pooldns_pool_state{pool="us",state="${other}"} 1`,
    `pooldns_pool_state{pool="web",state="${web}"} 1`,
    `pooldns_service_state{service="www.example.test",state="${service}"} 1`,
  ]
  const event = (from: string, to: string, before: string[], pools: string[]) => ({
    event: 'service',
    data: { kind: 'service', service: 'www.example.test', from, to, before, pools },
  })
  t.same((await metric()).sort(), states('up', 'healthy', 'healthy'))
  eu.healthy = false
  t.match(await stream.next(), event('up', 'up', ['web'], ['us']))
  t.same((await metric()).sort(), states('up', 'down', 'healthy'))
  us.healthy = false
  const down = await stream.next()
  t.match(down, event('up', 'down', ['us'], []))
  t.match(down.data, { reason: 'every pool is down: nodata' })
  t.same((await metric()).sort(), states('down', 'down', 'down'))
  eu.healthy = true
  t.match(await stream.next(), event('down', 'up', [], ['web']))
  const path = '/v1/events?kind=service&pool=us&limit=2'
  const { items } = (await (await daemon.request(path)).json()) as { items: object[] }
  t.match(items, [{ to: 'down' }, { to: 'up', pools: ['us'] }])
  await receiver.count(2)
  const sent = receiver.received.map(({ body }) => JSON.parse(body) as { to: string; before: string[] })
  t.match(sent, [{ to: 'up', before: ['web'] }, { to: 'down' }])

  // An operator's word and what a member weighs.
  await put(daemon, '/v1/pools/us/members/u1/override', { state: 'drain' })
  const text = await (await fetch(`${daemon.http}/metrics`)).text()
  t.match(text, 'pooldns_member_override{pool="us",member="u1",state="drain"} 1')
  t.match(text, /pooldns_member_weight\{pool="us",member="u1"\} 100$/m)
  // Another service of the name is looked at as if for the first time, and the series of one that is gone go.
  await daemon.request('/v1/services/www.example.test', { method: 'DELETE' })
  t.equal((await metric()).filter((line) => line.includes('service_state')).length, 0)
})
