import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, putEndingSoon, putService, soa, startBackend } from './fixture.ts'

// One server for all of them; the embedded database is the one of `process.test.ts`.
const postgres = await startPostgres()
t.teardown(() => postgres.stop())
const start = async () => startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })

t.test('what was written by HTTP is answered by the next query', async (t) => {
  await using daemon = await start()
  const { dns } = daemon
  t.equal((await ask(dns, 'example.test', 'SOA')).rcode, 'REFUSED')
  await put(daemon, '/v1/zones/example.test', {
    soa,
    rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }],
  })
  t.match(await ask(dns, 'a.example.test'), { rcode: 'NOERROR', authoritative: true, answers: ['192.0.2.1'] })
  for (let i = 2; i < 60; i++) {
    await put(daemon, '/v1/zones/example.test/rrsets/a/A', { ttl: 60, data: [`192.0.2.${i}`] })
    t.same((await ask(dns, 'a.example.test')).answers, [`192.0.2.${i}`])
  }
  t.equal((await daemon.request('/v1/zones/example.test/rrsets/a/A', { method: 'DELETE' })).status, 204)
  t.equal((await ask(dns, 'a.example.test')).rcode, 'NXDOMAIN')
  await put(daemon, '/v1/zones/sub.example.test', {
    soa,
    rrsets: [{ name: '@', type: 'TXT', data: ['"child"'] }],
  })
  t.same((await ask(dns, 'sub.example.test', 'TXT')).answers, ['child'])
  t.equal((await daemon.request('/v1/zones/sub.example.test', { method: 'DELETE' })).status, 204)
  t.equal((await ask(dns, 'sub.example.test', 'TXT')).rcode, 'NXDOMAIN', 'the parent answers again')
  t.equal((await daemon.request('/v1/zones/example.test', { method: 'DELETE' })).status, 204)
  t.equal((await ask(dns, 'a.example.test')).rcode, 'REFUSED')
})

t.test('a member that fails leaves the answers, and comes back', async (t) => {
  await using daemon = await start()
  await using one = await startBackend()
  await using two = await startBackend()
  await putService(daemon, [one, two])
  const { dns } = daemon
  await askUntil(dns, 'www.example.test', ['192.0.2.1', '192.0.2.2'])
  two.healthy = false
  await askUntil(dns, 'www.example.test', ['192.0.2.1'])
  one.healthy = false
  await askUntil(dns, 'www.example.test', ['192.0.2.1', '192.0.2.2'])
  const service = (await (await daemon.request('/v1/services/www.example.test')).json()) as {
    status: unknown
  }
  t.match(service.status, { state: 'down', pool: 'web', reason: /serve-all/ })
  one.healthy = true
  await askUntil(dns, 'www.example.test', ['192.0.2.1'])

  const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
  t.match(metrics, /pooldns_member_up\{pool="web",member="m1"\} 1/)
  t.match(metrics, /pooldns_member_up\{pool="web",member="m2"\} 0/)
  t.match(metrics, /pooldns_member_transitions_total\{pool="web",member="m2",to="down"\} 1/)
  t.match(metrics, /pooldns_service_answers_total\{service="www.example.test",pool="web",member="m1"\} [1-9]/)
  t.match(metrics, /pooldns_dns_response_duration_seconds_count [1-9]/)

  // Transitions are stored a moment behind.
  const down = await eventually(async () => {
    const { items } = (await (await daemon.request('/v1/events')).json()) as {
      items: Record<string, string>[]
    }
    return items.find(({ member, to }) => member === 'm2' && to === 'down')
  })
  t.match(down, { from: 'up', reason: 'status 503' })
})

t.test('every all-down policy', async (t) => {
  await using daemon = await start()
  await using one = await startBackend()
  await using two = await startBackend()
  two.healthy = false
  await putService(daemon, [one, two], { whenAllDown: 'last-known' })
  await put(daemon, '/v1/pools/spare', { members: { s: { address: '192.0.2.99' } } })
  const { dns } = daemon
  const service = (changes: object) =>
    put(daemon, '/v1/services/www.example.test', { pools: ['web'], ttl: 5, ...changes })
  await askUntil(dns, 'www.example.test', ['192.0.2.1'])
  one.healthy = false
  await eventually(async () => {
    const { status } = (await (await daemon.request('/v1/pools/web/members/m1')).json()) as {
      status: { state: string }
    }
    return status.state === 'down' ? true : undefined
  })
  t.same((await ask(dns, 'www.example.test')).answers, ['192.0.2.1'], 'last-known')
  await service({ whenAllDown: 'serve-all' })
  t.same((await ask(dns, 'www.example.test')).answers, ['192.0.2.1', '192.0.2.2'])
  await service({ whenAllDown: 'fallback', fallback: 'spare' })
  t.same((await ask(dns, 'www.example.test')).answers, ['192.0.2.99'])
  await service({ whenAllDown: 'nodata' })
  t.match(await ask(dns, 'www.example.test'), { rcode: 'NOERROR', answers: [], authoritative: true })
  await service({ whenAllDown: 'servfail' })
  t.match(await ask(dns, 'www.example.test'), { rcode: 'SERVFAIL', answers: [] })
})

t.test('an override stands above what is measured, and ends by itself', async (t) => {
  await using daemon = await start()
  await using one = await startBackend()
  await using two = await startBackend()
  await putService(daemon, [one, two])
  const { dns } = daemon
  await put(daemon, '/v1/pools/web/members/m2/override', { state: 'drain', reason: 'maintenance' })
  t.same((await ask(dns, 'www.example.test')).answers, ['192.0.2.1'])
  const member = (await (await daemon.request('/v1/pools/web/members/m2')).json()) as {
    status: { state: string; override: object }
  }
  t.match(member.status, {
    state: /up|unknown/,
    override: { state: 'drain', reason: 'maintenance', status: { actor: 'admin' } },
  })
  t.equal((await daemon.request('/v1/pools/web/members/m2/override', { method: 'DELETE' })).status, 204)
  t.same((await ask(dns, 'www.example.test')).answers, ['192.0.2.1', '192.0.2.2'])
  await put(daemon, '/v1/pools/web/members/m2/override', { state: 'down' })
  t.same((await ask(dns, 'www.example.test')).answers, ['192.0.2.1'])
  const until = await putEndingSoon(daemon, '/v1/pools/web/members/m2/override', {
    state: 'down',
    reason: 'short',
  })
  await askUntil(dns, 'www.example.test', ['192.0.2.1', '192.0.2.2'])
  t.ok(Date.now() >= until.getTime(), 'and not before')
})

t.test('weights share the answers out', async (t) => {
  await using daemon = await start()
  await put(daemon, '/v1/zones/example.test', { soa })
  await put(daemon, '/v1/pools/web', {
    select: 'weighted',
    members: { a: { address: '192.0.2.1', weight: 300 }, b: { address: '192.0.2.2', weight: 100 } },
  })
  await put(daemon, '/v1/services/example.test', { pools: ['web'] })
  const queries = 1000
  let heavy = 0
  for (let i = 0; i < queries; i++) {
    const { answers } = await ask(daemon.dns, 'example.test')
    t.equal(answers.length, 1) || t.bailout('one answer was asked for')
    if (answers[0] === '192.0.2.1') heavy++
  }
  // Binomial with p = 3/4: standard deviation 13.7; six of them.
  t.ok(Math.abs(heavy - 750) < 82, `${heavy} of ${queries} had the heavy member`)
})

t.test('the lookup tool knows our own zones', async (t) => {
  await using daemon = await start()
  await put(daemon, '/v1/zones/example.test', {
    soa,
    rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.7'] }],
  })
  const lookup = await fetch(`${daemon.http}/tools/lookup?domain=a.example.test`)
  t.equal(lookup.status, 200)
  const found = await lookup.json()
  t.match(found, { domain: 'a.example.test', client_ip: '127.0.0.1', addresses: [{ ip: '192.0.2.7' }] })
  t.same(await (await fetch(`${daemon.http}/v1/history`)).json(), [found])
  t.equal((await fetch(`${daemon.http}/tools/lookup?domain=nx.example.test`)).status, 404)
})
