import t from 'tap'
import type { HandedOutState } from '../../../../src/controlplane/serve/handed-out.ts'
import { listAudit } from '../../../../src/controlplane/store/audit.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const safeAt = (minute: number) => new Date(Date.UTC(2027, 0, 31, 3, minute))
const handedOut = new Map<string, HandedOutState>()
const harness = await startHarness(await postgres.createDatabase(), {
  handedOut: (pool, member) => handedOut.get(`${pool}/${member}`) ?? { answered: false, safeAt: null },
})
t.teardown(() => harness[Symbol.asyncDispose]())
const { call, state } = harness

const pool = (...names: string[]) => ({
  members: Object.fromEntries(names.map((name, index) => [name, { address: `192.0.2.${index}` }])),
})
await call('PUT', '/v1/pools/web-eu', pool('fra-1', 'fra-2', 'lon-1'))
await call('PUT', '/v1/pools/web-us', pool('fra-1', 'nyc-1'))
await call('PUT', '/v1/pools/api', pool('fra-1'))

const overrideOf = async (path: string) => (await call('GET', `/v1/pools/${path}`)).body.status.override

t.test('an override by a pattern holds every member that it stands for', async (t) => {
  const set = await call('PUT', '/v1/overrides/web-*/fra-*', { state: 'drain', reason: 'new disks' })
  t.equal(set.status, 201)
  t.equal(set.headers.get('pooldns-published'), 'yes')
  t.match(set.body, {
    state: 'drain',
    until: null,
    reason: 'new disks',
    status: { actor: 'admin', matches: 3 },
  })
  t.same((await call('GET', '/v1/overrides/web-*/fra-*')).body, set.body)
  t.match(await overrideOf('web-eu/members/fra-2'), {
    state: 'drain',
    until: null,
    reason: 'new disks',
    pattern: 'web-*/fra-*',
    status: { since: set.body.status.since, actor: 'admin' },
  })
  t.equal(await overrideOf('web-eu/members/lon-1'), null)
  t.equal(await overrideOf('api/members/fra-1'), null)
  const listed = (await call('GET', '/v1/pools')).body.items
  t.match(listed[2].members['fra-1'].status, { state: 'up', override: { pattern: 'web-*/fra-*' } })

  const replaced = await call('PUT', '/v1/overrides/web-*/fra-*', { ...set.body, state: 'down' })
  t.equal(replaced.status, 200, 'what was read can be written back')
  t.equal((await call('PUT', '/v1/overrides/web-%3F%3F/lon-%3F', { state: 'up' })).body.status.matches, 1)
  t.match(await overrideOf('web-eu/members/lon-1'), { state: 'up', pattern: 'web-??/lon-?' })
  t.equal(
    (await call('PUT', '/v1/overrides/later-*/*', { state: 'up' })).body.status.matches,
    0,
    'in advance',
  )
  for (const path of ['web-%3F%3F/lon-%3F', 'later-*/*']) {
    t.equal((await call('DELETE', `/v1/overrides/${path}`)).status, 204)
  }
  const gone = await call('DELETE', '/v1/overrides/later-*/*')
  t.equal(gone.status, 404)
  t.match(gone.body.detail, /no override of later-\*\/\*/)
  t.equal((await call('GET', '/v1/overrides/later-*/*')).status, 404)
  t.same(
    (await harness.database.read((tx) => listAudit(tx, { limit: 2 }))).items.map(
      ({ actor, action, key }) => `${actor} ${action} ${key}`,
    ),
    ['admin override.delete later-*/*', 'admin override.delete web-??/lon-?'],
  )
})

t.test('of a whole pool, and of one member in it', async (t) => {
  t.equal((await call('PUT', '/v1/pools/web-eu/override', { state: 'down' })).status, 201)
  const one = await call('PUT', '/v1/pools/web-eu/members/fra-1/override', { state: 'up' })
  t.match(one.body, { status: { matches: 1 } })
  t.same((await call('GET', '/v1/pools/web-eu/members/fra-1/override')).body, one.body)
  t.same((await call('GET', '/v1/overrides/web-eu/fra-1')).body, one.body)
  t.match(await overrideOf('web-eu/members/fra-1'), { state: 'up', pattern: 'web-eu/fra-1' })
  t.match(await overrideOf('web-eu/members/lon-1'), { state: 'down', pattern: 'web-eu/*' })
  t.match(await overrideOf('web-eu/members/fra-2'), { pattern: 'web-*/fra-*' }, 'eight characters before six')

  const { body } = await call('GET', '/v1/overrides')
  t.match(body, {
    items: [
      { pool: 'web-*', member: 'fra-*', status: { matches: 2 } },
      { pool: 'web-eu', member: '*', status: { matches: 1 } },
      { pool: 'web-eu', member: 'fra-1', status: { matches: 1 } },
    ],
    nextCursor: null,
  })
  t.equal((await call('PUT', '/v1/overrides/web-eu/*', body.items[1])).status, 200, 'with its names')
  const first = (await call('GET', '/v1/overrides?limit=2')).body
  const rest = (await call('GET', `/v1/overrides?limit=2&cursor=${first.nextCursor}`)).body
  t.same(
    [...first.items, ...rest.items].map((item) => item.member),
    ['fra-*', '*', 'fra-1'],
  )

  t.equal((await call('DELETE', '/v1/pools/web-eu/members/fra-1')).status, 204)
  t.equal((await call('GET', '/v1/overrides/web-eu/fra-1')).status, 404, 'gone with its member')
  t.equal((await call('GET', '/v1/pools/web-eu/override')).status, 200)
  t.equal((await call('DELETE', '/v1/pools/web-eu/override')).status, 204)
})

t.test('who is not there', async (t) => {
  for (const path of [
    'pools/web-eu/members/nobody/override',
    'pools/nowhere/members/fra-1/override',
    'pools/web-*/members/fra-1/override',
    'pools/web-eu/members/fra-*/override',
    'pools/nowhere/override',
    'pools/web-*/override',
    'overrides/web-eu/nobody',
  ]) {
    t.equal((await call('PUT', `/v1/${path}`, { state: 'up' })).status, 404, `PUT ${path}`)
    t.equal((await call('GET', `/v1/${path}`)).status, 404, `GET ${path}`)
    t.equal((await call('DELETE', `/v1/${path}`)).status, 404, `DELETE ${path}`)
  }
})

t.test('one that has ended is none, whether or not it has been deleted', async (t) => {
  const until = new Date(Date.now() + 3_600_000)
  await call('PUT', '/v1/overrides/*/*', { state: 'down', until: until.toISOString() })
  t.match(await overrideOf('api/members/fra-1'), { pattern: '*/*', until: until.toISOString() })
  state.now = until
  t.equal(await overrideOf('api/members/fra-1'), null)
  t.match(await overrideOf('web-us/members/fra-1'), { pattern: 'web-*/fra-*' })
  t.equal((await call('GET', '/v1/overrides/*/*')).status, 404)
  t.equal((await call('GET', '/v1/overrides')).body.items.length, 1)
  state.now = null
  await call('DELETE', '/v1/overrides/*/*')
})

t.test('when a drained member is safe', async (t) => {
  handedOut.set('web-us/fra-1', { answered: true, safeAt: null })
  handedOut.set('web-us/nyc-1', { answered: false, safeAt: safeAt(1) })
  handedOut.set('api/fra-1', { answered: false, safeAt: safeAt(2) })
  const status = async (path: string) => (await call('GET', `/v1/pools/${path}`)).body.status
  t.match(await status('web-us/members/fra-1'), { answered: true, safeAt: null })
  t.match(await status('web-us/members/nyc-1'), { answered: false, safeAt: safeAt(1).toISOString() })
  t.match(await status('web-eu/members/lon-1'), { answered: false, safeAt: null })

  const drain = async (path: string) =>
    (await call('PUT', `/v1/overrides/${path}`, { state: 'drain' })).body.status
  t.match(await drain('web-us/*'), { matches: 1, answered: false, safeAt: safeAt(1).toISOString() })
  await call('DELETE', '/v1/overrides/web-*/fra-*')
  t.match(await drain('web-us/*'), { matches: 2, answered: true, safeAt: null })
  t.match(await drain('*/*-1'), { matches: 2, answered: false, safeAt: safeAt(2).toISOString() })
  t.match(await drain('web-eu/lon-1'), { matches: 1, answered: false, safeAt: null })
  const down = (await call('PUT', '/v1/overrides/web-us/*', { state: 'down' })).body.status
  t.notOk('safeAt' in down || 'answered' in down)
})

t.test('what becomes of overrides is told', async (t) => {
  state.told.length = 0
  const at = new Date('2027-01-31T03:00:00Z')
  state.now = at
  t.teardown(() => {
    state.now = null
  })
  const told = () => state.told.splice(0)
  const path = '/v1/overrides/web-*/lon-*'
  await call('PUT', path, { state: 'drain', reason: 'new disks' })
  const event = { kind: 'override', pool: 'web-*', member: 'lon-*', actor: 'admin', at }
  t.same(told(), [{ ...event, what: 'set', state: 'drain', reason: 'new disks' }])
  await call('PUT', path, { state: 'down', reason: '' })
  t.same(told(), [{ ...event, what: 'changed', state: 'down', reason: '' }])
  await call('PUT', path, { state: 'sideways' })
  await call('DELETE', '/v1/overrides/nobody/*')
  t.same(told(), [], 'what was refused never happened')
  const made = await call('POST', '/v1/tokens', { name: 'oncall', scopes: ['write'] })
  await call('DELETE', path, undefined, { token: made.body.secret })
  t.same(told(), [{ ...event, what: 'deleted', state: 'down', reason: '', actor: 'token:oncall' }])

  await call('PUT', '/v1/pools/api/override', { state: 'up', reason: '' })
  await call('DELETE', '/v1/pools/api/override')
  await call('PUT', '/v1/pools/api/members/fra-1/override', { state: 'up', reason: '' })
  await call('DELETE', '/v1/pools/api/members/fra-1/override')
  t.match(told(), [
    { pool: 'api', member: '*', what: 'set' },
    { pool: 'api', member: '*', what: 'deleted' },
    { pool: 'api', member: 'fra-1', what: 'set' },
    { pool: 'api', member: 'fra-1', what: 'deleted' },
  ])
})

t.test('the list has those of services, too, behind those of members', async (t) => {
  for (const { pool: of, member } of (await call('GET', '/v1/overrides')).body.items)
    await call('DELETE', `/v1/overrides/${encodeURIComponent(of)}/${encodeURIComponent(member)}`)
  const zone = { soa: { mname: 'ns1.s.test.', rname: 'h.s.test.' }, rrsets: [] }
  await call('PUT', '/v1/zones/s.test', { ...zone, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  for (const name of ['a', 'b', 'c']) {
    await call('PUT', `/v1/services/${name}.s.test`, { pools: ['api'] })
    if (name === 'c') continue
    const set = await call('PUT', `/v1/services/${name}.s.test/override`, { state: 'down', reason: name })
    t.equal(set.status, 201)
  }
  await call('PUT', '/v1/services/c.s.test/override', { state: 'up', until: '2100-01-01T00:00:00Z' })
  for (const member of ['fra-2', 'lon-1'])
    await call('PUT', `/v1/pools/web-eu/members/${member}/override`, { state: 'drain' })
  const nameOf = (item: { service?: string; pool: string; member: string }) =>
    item.service ?? `${item.pool}/${item.member}`
  const whole = (await call('GET', '/v1/overrides')).body
  const names = ['web-eu/fra-2', 'web-eu/lon-1', 'a.s.test', 'b.s.test', 'c.s.test']
  t.same(whole.items.map(nameOf), names)
  t.match(whole.items[2], { service: 'a.s.test', state: 'down', reason: 'a', status: { actor: 'admin' } })
  t.equal(whole.nextCursor, null)
  for (let limit = 1; limit <= names.length; limit++) {
    const found: string[] = []
    for (let next: string | null = ''; next !== null; ) {
      const reply = await call('GET', `/v1/overrides?limit=${limit}${next === '' ? '' : `&cursor=${next}`}`)
      t.equal(reply.status, 200)
      found.push(...reply.body.items.map(nameOf))
      next = reply.body.nextCursor
    }
    t.same(found, names, `${limit} at a time`)
  }
  t.match(await call('GET', '/v1/overrides?cursor=xyz'), {
    status: 400,
    body: { errors: [{ path: 'cursor' }] },
  })

  state.now = new Date('2100-01-01T00:00:01Z')
  t.same(
    (await call('GET', '/v1/overrides?limit=4')).body.items.map(nameOf),
    names.slice(0, 4),
    'c has ended',
  )
  state.now = null
  await call('DELETE', '/v1/pools/web-eu/members/lon-1/override')
  await call('DELETE', '/v1/pools/web-eu/members/fra-2/override')
  t.same((await call('GET', '/v1/overrides?limit=1')).body.items.map(nameOf), ['a.s.test'])
})

t.test('one pattern too many is refused', async (t) => {
  await harness.database.record(async (tx) => {
    await tx.execute(`insert into overrides (pool, member, state, until, reason, actor, since)
      select 'p-' || n, '*', 'drain', null, '', 'ann', now() from generate_series(1, 1000) n`)
  })
  const refused = await call('PUT', '/v1/overrides/x*/*', { state: 'up' })
  t.equal(refused.status, 409)
  t.match(refused.body.detail, /1000/)
})
