import t from 'tap'
import type { Resolution } from '../../../../src/controlplane/model/observation.ts'
import { monitor, soa, startHarness } from '../fixture.ts'

const since = new Date('2026-11-01T10:00:00Z')
const expiresAt = new Date('2026-11-01T10:01:00Z')
const fresh: Resolution = {
  host: 'lb.provider.example.',
  state: 'fresh',
  addresses: ['192.0.2.8', '2001:db8::8'],
  since,
  expiresAt,
  error: null,
}

t.test('members that are hosts', async (t) => {
  let resolution = fresh
  const harness = await startHarness(null, { resolution: () => resolution })
  t.teardown(() => harness[Symbol.asyncDispose]())
  const { call } = harness
  await call('PUT', '/v1/monitors/m', monitor)

  await t.test('what they are resolved to stands under status', async (t) => {
    const body = {
      monitor: 'm',
      members: { lb: { host: 'LB.provider.example' }, a: { address: '192.0.2.1' } },
    }
    const created = await call('PUT', '/v1/pools/p', body)
    t.equal(created.status, 201)
    const { lb, a } = created.body.members
    t.same(lb, {
      host: 'LB.provider.example',
      status: {
        state: 'unknown',
        since: null,
        reason: 'not probed yet',
        answered: false,
        safeAt: null,
        override: null,
        resolution: {
          state: 'fresh',
          addresses: fresh.addresses,
          since: since.toISOString(),
          expires: expiresAt.toISOString(),
          error: null,
        },
      },
    })
    t.notOk('resolution' in a.status)
    const { effective, ...status } = (await call('GET', '/v1/pools/p/members/lb')).body.status
    t.same(effective, { host: 'lb.provider.example.', weight: 100, priority: 1 })
    t.same(status, lb.status)
    t.same(
      (await call('PUT', '/v1/pools/p', created.body)).body,
      created.body,
      'what was read can be written back',
    )
    t.same((await call('GET', '/v1/pools')).body.items[0].members.lb, lb)
  })

  await t.test('a host without addresses is down, or unknown until it is resolved', async (t) => {
    const error = 'NXDOMAIN'
    await call('PUT', '/v1/pools/free', { members: { lb: { host: 'lb.provider.example.' } } })
    const status = async () => (await call('GET', '/v1/pools/free/members/lb')).body.status
    resolution = { ...fresh, state: 'absent', addresses: [], expiresAt: null, error }
    t.match(await status(), {
      state: 'down',
      reason: 'not resolved',
      since: since.toISOString(),
      resolution: { state: 'absent', addresses: [], expires: null, error },
    })
    resolution = { ...resolution, state: 'pending', error: null }
    t.match(await status(), { state: 'unknown', reason: 'not resolved' })
    resolution = { ...fresh, state: 'stale', expiresAt: null, error: 'timeout' }
    t.match(await status(), { state: 'up', resolution: { state: 'stale', error: 'timeout' } })
  })

  await t.test('an address becomes a host, and back', async (t) => {
    const url = '/v1/pools/p/members/a'
    const moved = await call('PATCH', url, { address: null, host: 'a.provider.example.' })
    t.match(moved.body, { host: 'a.provider.example.' })
    t.notOk('address' in moved.body)
    const both = await call('PATCH', url, { address: '192.0.2.1' })
    t.match(both.body, { status: 400, errors: [{ path: 'address', message: /one of the two/ }] })
    t.equal((await call('PATCH', url, { address: '192.0.2.1', host: null })).status, 200)
    const taken = await call('PUT', '/v1/pools/p/members/b', { host: 'lb.provider.example' })
    t.equal(taken.status, 409)
    const wrong = await call('PUT', '/v1/pools/p/members/b', { host: '192.0.2.7' })
    t.match(wrong.body, { status: 400, errors: [{ path: 'host' }] })
    t.match((await call('PUT', '/v1/pools/p/members/b', {})).body, { errors: [{ path: 'address' }] })
  })

  await t.test('a pool that is answered with CNAMEs takes hosts alone, and resolves none', async (t) => {
    const mixed = await call('PATCH', '/v1/pools/p', { hosts: 'cname' })
    t.match(mixed.body, {
      status: 400,
      errors: [{ path: 'members.a.address', message: /only members with a host/ }],
    })
    const alias = await call('PATCH', '/v1/pools/p', { hosts: 'cname', members: { a: null }, monitor: null })
    t.match(alias.body, { hosts: 'cname', members: { lb: { status: { state: 'up' } } } })
    t.notOk('resolution' in alias.body.members.lb.status, 'nobody needs its addresses')
    const address = await call('PUT', '/v1/pools/p/members/a', { address: '192.0.2.1' })
    t.match(address.body, { status: 400, errors: [{ path: 'address' }] })

    const rrsets = [{ name: 'txt', type: 'TXT', data: ['x'] }]
    await call('PUT', '/v1/zones/example.test', { soa, rrsets })
    const apex = await call('PUT', '/v1/services/example.test', { pools: ['p'] })
    t.match(apex.body, { status: 409, detail: /can't stand at the apex of zone example\.test/ })
    const beside = await call('PUT', '/v1/services/txt.example.test', { pools: ['p'] })
    t.match(beside.body, { status: 409, detail: /beside the TXT/ })
    t.equal((await call('PUT', '/v1/services/www.example.test', { pools: ['p'] })).status, 201)
    const later = await call('PUT', '/v1/zones/example.test/rrsets/www/TXT', { data: ['x'] })
    t.match(later.body, { status: 409, detail: /beside the TXT/ })
  })
})
