/** A part that is tried: told as the write would change it, refused as the write would be, and nothing is written. */
import t from 'tap'
import { startPostgres } from '../../../support/postgres.ts'
import { adminToken, monitor, startHarness, zone } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('plans of a part', async (t) => {
  const harness = await startHarness(await postgres.createDatabase())
  t.teardown(() => harness[Symbol.asyncDispose]())
  const { call } = harness
  const plan = (json: object, headers: Record<string, string> = {}, token = adminToken) =>
    call('POST', '/v1/plan', json, { headers, token })
  const web = { monitor: 'web', members: { a: { address: '192.0.2.1' }, b: { address: '192.0.2.2' } } }
  const service = { pools: ['web'] }
  await call('PUT', '/v1/monitors/web', monitor)
  await call('PUT', '/v1/zones/example.test', zone)
  await call('PUT', '/v1/pools/web', web)
  await call('PUT', '/v1/services/www.example.test', service)
  const revision = (await call('GET', '/v1/revisions?limit=1')).body.items[0].revision as number

  t.test('a pool that is put whole loses what the body does not name', async (t) => {
    const body = { ...web, members: { a: { address: '192.0.2.9' } } }
    const { status, body: told, headers } = await plan({ kind: 'pool', name: 'web', body })
    t.equal(status, 200)
    t.equal(headers.get('etag'), `"${revision}"`)
    t.match(told, { revision, changed: true, summary: { change: 1, removeInside: 1 } })
    t.match(told.changes, [{ kind: 'pool', name: 'web', action: 'change' }])
    t.same(told.changes[0].fields, [
      { path: 'members.a.address', before: '192.0.2.1', after: '192.0.2.9' },
      { path: 'members.b', before: { address: '192.0.2.2' } },
    ])
  })

  t.test('what is there already is no change, in every kind', async (t) => {
    const parts = [
      { kind: 'monitor', name: 'web', body: monitor },
      { kind: 'pool', name: 'web', body: web },
      { kind: 'service', name: 'WWW.example.test.', body: service },
      { kind: 'rrset', name: 'example.test', owner: 'ns1', type: 'a', body: { data: ['192.0.2.53'] } },
    ]
    for (const part of parts) {
      const { body } = await plan(part)
      t.match(body, { changed: false, changes: [] }, part.kind)
      const read = await plan({ ...part, name: part.name, body: { ...part.body, status: { state: 'up' } } })
      t.match(read, { status: 200, body: { changed: false } }, `${part.kind}, as it is read`)
    }
  })

  t.test('something new, of every kind', async (t) => {
    const parts = [
      [{ kind: 'feed', name: 'load', body: { columns: { value: {} } } }, 'feed load'],
      [{ kind: 'monitor', name: 'new', body: monitor }, 'monitor new'],
      [{ kind: 'pool', name: 'new', body: web }, 'pool new'],
      [{ kind: 'service', name: 'new.example.test', body: service }, 'service new.example.test'],
    ] as const
    for (const [part, what] of parts) {
      const { body } = await plan(part, { 'if-none-match': '*' })
      t.match(body.changes?.[0], { action: 'add' }, what)
    }
    const rrset = {
      kind: 'rrset',
      name: 'example.test',
      owner: 'mail',
      type: 'A',
      body: { data: ['192.0.2.25'] },
    }
    const { body } = await plan(rrset, { 'if-none-match': '*' })
    t.match(body.changes, [{ kind: 'zone', name: 'example.test', action: 'change' }])
    t.match(JSON.stringify(body.changes[0].fields), /192\.0\.2\.25/)
    t.equal(body.forgottenAfterSeconds, 60, 'of the answer that there is nothing')
    const there = await plan({ ...rrset, owner: 'ns1' })
    t.equal(there.body.forgottenAfterSeconds, 300, 'of what is answered now')
  })

  t.test('problems have the paths of the part', async (t) => {
    const bad = await plan({ kind: 'pool', name: 'web', body: { members: { a: { address: 'x' } } } })
    t.equal(bad.status, 400)
    t.match(bad.body.errors, [{ path: 'members.a.address' }])
    const lost = await plan({ kind: 'service', name: 'www.example.test', body: { pools: ['nowhere'] } })
    t.equal(lost.status, 409)
    t.match(lost.body.errors, [{ path: 'pools[0]', message: /nowhere/ }])
    t.match(lost.body.detail, /^service www\.example\.test can not be so: pools\[0\] /)
    const used = await plan({ kind: 'pool', name: 'web', body: null })
    t.equal(used.status, 409)
    t.match(used.body.detail, /^pool web can not go: services\["www\.example\.test"\]\.pools\[0\] /)
    const beside = await plan({
      kind: 'rrset',
      name: 'example.test',
      owner: 'ns1',
      type: 'CNAME',
      body: { data: ['www.example.test.'] },
    })
    t.equal(beside.status, 409)
    t.match(beside.body.detail, /a CNAME stands alone/)
    const inTheWay = {
      kind: 'rrset',
      name: 'example.test',
      owner: 'www',
      type: 'A',
      body: { data: ['192.0.2.1'] },
    }
    t.equal((await plan(inTheWay)).status, 409)
    t.match(await plan({ kind: 'rrset', name: 'example.test', owner: 'ns1', type: 'A', body: {} }), {
      status: 400,
      body: { errors: [{ path: 'data' }] },
    })
    t.equal((await plan({ kind: 'host', name: 'web', body: {} })).status, 400)
  })

  t.test('what is removed, and what is not there', async (t) => {
    const gone = await plan({ kind: 'service', name: 'www.example.test', body: null })
    t.match(gone.body, { changed: true, summary: { remove: 1 } })
    const rrset = { kind: 'rrset', name: 'example.test', owner: 'ns1', type: 'A', body: null }
    t.match((await plan(rrset)).body, { changed: true, summary: { removeInside: 1 } })
    for (const each of [
      { kind: 'monitor', name: 'none', body: null },
      { ...rrset, owner: 'none' },
      { ...rrset, name: 'none.test' },
    ]) {
      t.equal((await plan(each)).status, 404, each.name)
    }
  })

  t.test('the conditions are those of the write', async (t) => {
    const parts = [
      { kind: 'pool', name: 'web', body: web },
      { kind: 'rrset', name: 'example.test', owner: 'ns1', type: 'A', body: { data: ['192.0.2.54'] } },
    ]
    for (const part of parts) {
      t.equal((await plan(part, { 'if-match': '"999"' })).status, 412)
      t.equal((await plan(part, { 'if-none-match': '*' })).status, 412)
      t.equal((await plan(part, { 'if-match': '*' })).status, 200)
    }
  })

  t.test('who may only read may ask; who has limits within them', async (t) => {
    const token = async (json: object) => (await call('POST', '/v1/tokens', json)).body.secret as string
    const part = { kind: 'service', name: 'www.example.test', body: { pools: ['web'], ttl: 7 } }
    const reader = await token({ name: 'reader', scopes: ['read'] })
    t.equal((await plan(part, {}, reader)).status, 200)
    const limited = await token({
      name: 'limited',
      scopes: ['write'],
      limits: { services: ['api.example.test'] },
    })
    t.equal((await plan(part, {}, limited)).status, 403)
    const named = await plan({ ...part, name: 'api.example.test' }, {}, limited)
    t.match(named, { status: 403, body: { detail: /pool/ } })
  })

  t.equal((await call('GET', '/v1/revisions?limit=1')).body.items[0].revision, revision, 'nothing is written')
})
