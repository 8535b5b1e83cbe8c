import t from 'tap'
import type { DaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { startUpstream } from '../support/upstream.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put } from './fixture.ts'
import { lb, memberStatus, startResolving, zone } from './host-fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const ttlOf = async (daemon: DaemonProcess, name = 'example.test') => {
  const { packet } = await ask(daemon.dns, name)
  return (packet.answers as { ttl: number }[])[0]?.ttl
}

t.test('an apex on a host member follows the host, through failures', async (t) => {
  await using upstream = await startUpstream()
  upstream.says.set(`${lb} A`, { ttl: 5, data: ['192.0.2.2', '192.0.2.1'] })
  upstream.says.set(`${lb} AAAA`, { ttl: 60, data: ['2001:db8::1'] })
  await using daemon = await startResolving(upstream, await postgres.createDatabase())
  const { dns } = daemon
  await put(daemon, '/v1/zones/example.test', zone)
  await put(daemon, '/v1/pools/web', { members: { lb: { host: lb } } })
  await put(daemon, '/v1/services/example.test', { pools: ['web'], ttl: 300 })

  await askUntil(dns, 'example.test', ['192.0.2.1', '192.0.2.2'])
  t.match(await ask(dns, 'example.test', 'AAAA'), {
    rcode: 'NOERROR',
    authoritative: true,
    answers: ['2001:db8::1'],
  })
  t.same((await ask(dns, 'example.test', 'NS')).answers, ['ns1.example.test'], 'beside NS')
  t.equal((await ask(dns, 'example.test', 'SOA')).answers.length, 1, 'and SOA')
  t.match(await ask(dns, 'example.test', 'TXT'), { rcode: 'NOERROR', answers: [] })
  // Unless nobody came to ask the resolver again in time, which is told by another TTL.
  const ttl = await eventually(async () => {
    const left = await ttlOf(daemon)
    return left !== undefined && left <= 5 ? left : undefined
  })
  t.ok(ttl >= 1, `what is left of 5 s: ${ttl}`)
  const fresh = await eventually(async () => {
    const status = await memberStatus(daemon)
    return status.resolution?.state === 'fresh' ? status : undefined
  })
  t.match(fresh, { state: 'up', resolution: { state: 'fresh', error: null } })

  upstream.says.set(`${lb} A`, { ttl: 5, data: ['192.0.2.3'] })
  await askUntil(dns, 'example.test', ['192.0.2.3'])

  for (const type of ['A', 'AAAA']) upstream.says.set(`${lb} ${type}`, 'servfail')
  const stale = await eventually(async () => {
    const { resolution } = await memberStatus(daemon)
    return resolution?.state === 'stale' ? resolution : undefined
  })
  t.match(stale, { addresses: ['192.0.2.3', '2001:db8::1'], error: 'SERVFAIL', expires: null })
  await upstream.asked(`${lb} A`)
  t.same((await ask(dns, 'example.test')).answers, ['192.0.2.3'], 'the last good answer stays')
  t.equal(await ttlOf(daemon), 30, 'for a short time each')
  t.equal((await memberStatus(daemon)).state, 'up')
  const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
  t.match(metrics, /^pooldns_resolve_failures_total\{pool="web",member="lb"\} [1-9]/m)
  t.match(metrics, /^pooldns_resolved_addresses\{pool="web",member="lb"\} 2$/m)
  t.match(metrics, /^pooldns_service_answers_total\{service="example.test",pool="web",member="lb"\} [1-9]/m)

  upstream.says.set(`${lb} A`, { ttl: 60, data: ['192.0.2.4'] })
  upstream.says.set(`${lb} AAAA`, 'noerror')
  await askUntil(dns, 'example.test', ['192.0.2.4'])
})

t.test('nothing is known of a host: SERVFAIL; there is no address: NODATA', async (t) => {
  await using upstream = await startUpstream()
  for (const type of ['A', 'AAAA']) upstream.says.set(`${lb} ${type}`, 'servfail')
  await using daemon = await startResolving(upstream, await postgres.createDatabase())
  await put(daemon, '/v1/zones/example.test', zone)
  await put(daemon, '/v1/pools/web', { members: { lb: { host: lb } } })
  await put(daemon, '/v1/pools/nx', { members: { lb: { host: 'nx.provider.example' } } })
  await put(daemon, '/v1/services/example.test', { pools: ['web'] })
  await put(daemon, '/v1/services/nx.example.test', { pools: ['nx'] })
  t.match(await ask(daemon.dns, 'example.test'), { rcode: 'SERVFAIL', answers: [] })
  await eventually(async () =>
    (await ask(daemon.dns, 'nx.example.test')).rcode === 'NOERROR' ? true : undefined,
  )
  t.match(await ask(daemon.dns, 'nx.example.test'), { rcode: 'NOERROR', answers: [], authoritative: true })
  upstream.says.set(`${lb} A`, { ttl: 60, data: ['192.0.2.1'] })
  await askUntil(daemon.dns, 'example.test', ['192.0.2.1'])
})
