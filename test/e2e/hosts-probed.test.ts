import { once } from 'node:events'
import { createServer } from 'node:http'
import t from 'tap'
import { freePort } from '../support/free-port.ts'
import { startPostgres } from '../support/postgres.ts'
import { startUpstream } from '../support/upstream.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, startBackend, timing } from './fixture.ts'
import { lb, memberStatus, startResolving, zone } from './host-fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('hosts are probed at their addresses', async (t) => {
  await using upstream = await startUpstream()
  await using backend = await startBackend()
  // The same port of another address of the loopback network.
  const hosts: string[] = []
  const second = createServer((request, response) => {
    hosts.push(request.headers.host ?? '')
    response.end('ok\n')
  }).listen(backend.port, '127.0.0.2')
  await once(second, 'listening')
  t.teardown(() => {
    second.closeAllConnections()
    second.close()
  })
  upstream.says.set(`${lb} A`, { ttl: 5, data: ['127.0.0.1'] })
  await using daemon = await startResolving(upstream, await postgres.createDatabase())
  const { dns } = daemon
  await put(daemon, '/v1/zones/example.test', zone)
  await put(daemon, '/v1/monitors/web', { port: backend.port, ...timing })
  const members = { lb: { host: lb }, nx: { host: 'nx.provider.example' }, spare: { address: '127.0.0.9' } }
  await put(daemon, '/v1/pools/web', { monitor: 'web', members })
  await put(daemon, '/v1/services/example.test', { pools: ['web'] })

  await askUntil(dns, 'example.test', ['127.0.0.1'])
  // One that nothing is known of yet is answered, too.
  const isUp = () => eventually(async () => ((await memberStatus(daemon)).state === 'up' ? true : undefined))
  await isUp()
  t.match(await memberStatus(daemon), { state: 'up', reason: 'answered as expected' })
  await eventually(async () => ((await memberStatus(daemon, 'nx')).state === 'down' ? true : undefined))
  t.match(await memberStatus(daemon, 'nx'), {
    state: 'down',
    reason: 'not resolved',
    resolution: { state: 'absent', addresses: [], error: 'NXDOMAIN' },
  })
  t.match(
    await (await fetch(`${daemon.http}/metrics`)).text(),
    /pooldns_member_up\{pool="web",member="nx"\} 0/,
  )
  backend.healthy = false
  // All are down, so all are served: those that have an address.
  await askUntil(dns, 'example.test', ['127.0.0.1', '127.0.0.9'])

  upstream.says.set(`${lb} A`, { ttl: 60, data: ['127.0.0.2'] })
  await askUntil(dns, 'example.test', ['127.0.0.2'])
  await isUp()
  t.match(await memberStatus(daemon), { state: 'up', resolution: { addresses: ['127.0.0.2'] } })
  t.equal(hosts[0], `${lb}:${backend.port}`, 'asked by its name')
})

t.test('a host with several addresses is probed at each, and answered with those that are up', async (t) => {
  await using upstream = await startUpstream()
  const port = await freePort()
  const servers = new Map<string, ReturnType<typeof createServer>>()
  for (const address of ['127.0.3.1', '127.0.3.2', '::1']) {
    const server = createServer((_request, response) => void response.end('ok\n')).listen(port, address)
    await once(server, 'listening')
    servers.set(address, server)
  }
  const fail = (address: string) => {
    servers.get(address)?.closeAllConnections()
    servers.get(address)?.close()
    servers.delete(address)
  }
  t.teardown(() => [...servers.keys()].forEach(fail))
  upstream.says.set(`${lb} A`, { ttl: 60, data: ['127.0.3.1', '127.0.3.2'] })
  upstream.says.set(`${lb} AAAA`, { ttl: 60, data: ['::1'] })
  const env = { POOLDNS_PROBE_ALLOW: '127.0.0.0/8,::1/128' }
  await using daemon = await startResolving(upstream, await postgres.createDatabase(), { env })
  const { dns } = daemon
  await put(daemon, '/v1/zones/example.test', zone)
  await put(daemon, '/v1/monitors/web', { port, ...timing })
  await put(daemon, '/v1/pools/web', { monitor: 'web', unknown: 'down', members: { lb: { host: lb } } })
  await put(daemon, '/v1/services/www.example.test', { pools: ['web'], ttl: 5 })
  const asked = 'www.example.test'
  await askUntil(dns, asked, ['127.0.3.1', '127.0.3.2'])
  fail('127.0.3.2')
  await askUntil(dns, asked, ['127.0.3.1'])
  t.same((await ask(dns, asked, 'AAAA')).answers, ['::1'])
  const server = createServer((_request, response) => void response.end('ok\n')).listen(port, '127.0.3.2')
  await once(server, 'listening')
  servers.set('127.0.3.2', server)
  await askUntil(dns, asked, ['127.0.3.1', '127.0.3.2'])
  fail('127.0.3.1')
  await askUntil(dns, asked, ['127.0.3.2'])
  t.same((await ask(dns, asked, 'AAAA')).answers, ['::1'], 'the first one takes nobody else out')
  t.match(await memberStatus(daemon), {
    state: 'up',
    addresses: [
      { address: '127.0.3.1', state: 'down' },
      { address: '127.0.3.2', state: 'up' },
      { address: '::1', state: 'up' },
    ],
  })
})

t.test('a pool with hosts: cname answers with the name of its member', async (t) => {
  await using upstream = await startUpstream()
  await using daemon = await startResolving(upstream, await postgres.createDatabase())
  const { dns } = daemon
  await put(daemon, '/v1/zones/example.test', zone)
  await put(daemon, '/v1/pools/web', { hosts: 'cname', members: { lb: { host: lb } } })
  const refused = await daemon.request('/v1/services/example.test', {
    method: 'PUT',
    json: { pools: ['web'] },
  })
  t.equal(refused.status, 409)
  t.match(await refused.json(), { detail: /can't stand at the apex of zone example\.test/ })
  await put(daemon, '/v1/services/www.example.test', { pools: ['web'], ttl: 5 })
  for (const type of ['A', 'AAAA', 'TXT', 'CNAME'] as const) {
    t.match(
      await ask(dns, 'www.example.test', type),
      { rcode: 'NOERROR', authoritative: true, answers: [lb] },
      type,
    )
  }
  t.same(upstream.questions, [], 'no address of it is needed')
  const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
  t.match(metrics, /service_answers_total\{service="www.example.test",pool="web",member="lb"\} 4/)
  await put(daemon, '/v1/pools/web', { members: { a: { address: '192.0.2.1' } } })
  t.same((await ask(dns, 'www.example.test')).answers, ['192.0.2.1'])
  t.same((await ask(dns, 'www.example.test', 'TXT')).answers, [])
})
