import t from 'tap'
import { startPostgres } from '../../../support/postgres.ts'
import { startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('a token from its creation to its end', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call } = harness
  const created = await call('POST', '/v1/tokens', { name: 'ci', scopes: ['read', 'write'] })
  t.match(created, { status: 201, body: { name: 'ci', scopes: ['read', 'write'] } })
  t.equal(created.headers.get('cache-control'), 'no-store')
  const { secret } = created.body
  t.match(await call('GET', '/v1/tokens'), {
    body: { items: [{ name: 'ci', scopes: ['read', 'write'], lastUsedAt: null }], nextCursor: null },
  })
  t.equal((await call('GET', '/v1/zones', undefined, { token: secret })).status, 200)
  const [used] = (await call('GET', '/v1/tokens')).body.items
  t.ok(Date.parse(used.lastUsedAt) >= Date.parse(used.createdAt))

  t.equal((await call('DELETE', '/v1/tokens/ci')).status, 204)
  t.equal((await call('GET', '/v1/zones', undefined, { token: secret })).status, 401, 'worthless at once')
  t.match(await call('DELETE', '/v1/tokens/ci'), { status: 404, body: { detail: /token ci does not exist/ } })

  const audit = await call('GET', '/v1/audit')
  t.match(audit.body.items, [
    { actor: 'admin', action: 'token.revoke', key: 'ci' },
    { actor: 'admin', action: 'token.create', key: 'ci', after: { scopes: ['read', 'write'] } },
  ])
  t.equal(audit.body.items.length, 2, 'what fails is not in it')
  t.notOk(JSON.stringify([audit.body, harness.lines]).includes(secret), 'the secret is told once')
})

t.test('a token that can be none is refused, with the path of what is wrong', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call } = harness
  t.match((await call('POST', '/v1/tokens', { name: 'reader' })).body, { scopes: ['read'] }, 'the least')
  t.equal((await call('POST', '/v1/tokens', { name: 'reader' })).status, 409, 'a name is taken once')
  for (const [body, path] of [
    [{}, 'name'],
    [{ name: 'Two Words' }, 'name'],
    [{ name: 'x', scopes: [] }, 'scopes'],
    [{ name: 'x', scopes: ['admin'] }, 'scopes[0]'],
    [{ name: 'x', scopes: ['read', 'read'] }, 'scopes'],
    [{ name: 'x', scope: 'read' }, 'scope'],
    [[], ''],
  ] as const) {
    const reply = await call('POST', '/v1/tokens', body)
    t.match(reply, { status: 400, body: { errors: [{ path }] } }, JSON.stringify(body))
  }
  t.match(await call('GET', '/v1/tokens/reader'), { status: 405 })
})

t.test('nobody but the admin', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call } = harness
  const made = await call('POST', '/v1/tokens', { name: 'both', scopes: ['read', 'write'] })
  const token = made.body.secret
  for (const [method, path, body] of [
    ['GET', '/v1/tokens', undefined],
    ['POST', '/v1/tokens', { name: 'x' }],
    ['DELETE', '/v1/tokens/both', undefined],
  ] as const) {
    t.equal((await call(method, path, body, { token: null })).status, 401, `${method} without a token`)
    const reply = await call(method, path, body, { token })
    t.match(reply, { status: 403, body: { detail: 'this needs the admin token' } }, method)
    t.match(reply.headers.get('www-authenticate'), /insufficient_scope/)
  }
  t.equal((await call('GET', '/v1/tokens')).body.items.length, 1)
})

t.test('tokens are listed page by page, in the order of names', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call } = harness
  for (const name of ['c', 'a', 'b']) await call('POST', '/v1/tokens', { name })
  const first = await call('GET', '/v1/tokens?limit=2')
  const second = await call('GET', `/v1/tokens?limit=2&cursor=${first.body.nextCursor}`)
  const names = [...first.body.items, ...second.body.items].map((item: { name: string }) => item.name)
  t.same(names, ['a', 'b', 'c'])
  t.equal(second.body.nextCursor, null)
  t.equal((await call('GET', '/v1/tokens?cursor=x')).status, 400)
})
