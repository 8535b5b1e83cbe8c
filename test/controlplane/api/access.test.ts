import t from 'tap'
import { WrongTokens } from '../../../src/controlplane/api/clients/wrong-tokens.ts'
import { createToken, listTokens } from '../../../src/controlplane/store/tokens.ts'
import { startPostgres } from '../../support/postgres.ts'
import { monitor, rawRequest, startHarness } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('a dry run changes nothing, and needs no right to change', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, database } = harness
  const reader = await database.record((tx) => createToken(tx, 'reader', ['read']))
  const reports = await database.record((tx) => createToken(tx, 'reports', ['report']))
  const value = 'Bearer of-the-member'
  const secret = { ...monitor, headers: { authorization: value } }
  t.equal((await call('PUT', '/v1/monitors/m', secret)).status, 201)
  t.equal((await call('PUT', '/v1/monitors/m', { ...secret, rise: 4 })).status, 200)
  const document = { monitors: { m: { ...secret, rise: 5 } } }
  const requests = [
    ['PUT', '/v1/config', document],
    ['POST', '/v1/revisions/1/rollback', undefined],
  ] as const
  for (const [method, path, body] of requests) {
    const as = (token: string, query: string) => call(method, path + query, body, { token })
    const dry = await as(reader, '?dryRun=true')
    t.equal(dry.status, 200, JSON.stringify(dry.body))
    t.notMatch(JSON.stringify(dry.body), value)
    t.equal((await as(reports, '?dryRun=true')).status, 403)
    const others = [
      '',
      '?dryRun=false',
      '?dryRun=TRUE',
      '?dryRun=1',
      '?dryRun=true&dryRun=true',
      '?dryrun=true',
    ]
    for (const query of others) t.equal((await as(reader, query)).status, 403, `${path}${query}`)
  }
  t.match((await call('GET', '/v1/monitors/m')).body, { rise: 4 })
  const file = await call('PUT', '/v1/zones/z.test/zonefile?dryRun=true', '@ 1h NS ns1', { token: reader })
  t.equal(file.status, 403, 'a master file is tried in the database')
  t.equal((await call('PUT', '/v1/monitors/m?dryRun=true', monitor, { token: reader })).status, 403)
})

t.test('a token opens the routes of its scopes and no others', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, database } = harness
  const reader = await database.record((tx) => createToken(tx, 'reader', ['read']))
  const writer = await database.record((tx) => createToken(tx, 'writer', ['write']))
  const both = await database.record((tx) => createToken(tx, 'both', ['read', 'write']))

  const guarded = [
    ['GET', '/v1/zones'],
    ['GET', '/v1/zones/z.test'],
    ['PUT', '/v1/zones/z.test'],
    ['DELETE', '/v1/zones/z.test'],
    ['GET', '/v1/zones/z.test/rrsets'],
    ['PUT', '/v1/zones/z.test/rrsets/a/A'],
    ['GET', '/v1/monitors'],
    ['PATCH', '/v1/monitors/m'],
    ['GET', '/v1/pools'],
    ['PUT', '/v1/pools/p'],
    ['PUT', '/v1/pools/p/members/a'],
    ['PUT', '/v1/pools/p/members/a/override'],
    ['DELETE', '/v1/pools/p/members/a/override'],
    ['GET', '/v1/pools/p/members/a/override'],
    ['PUT', '/v1/pools/p/override'],
    ['GET', '/v1/overrides'],
    ['PUT', '/v1/overrides/p/*'],
    ['GET', '/v1/services'],
    ['PUT', '/v1/services/s.test'],
    ['GET', '/v1/events'],
    ['GET', '/v1/events/stream'],
    ['GET', '/v1/webhooks'],
    ['PUT', '/v1/webhooks/w'],
    ['GET', '/v1/audit'],
  ] as const
  for (const [method, path] of guarded) {
    const body = method === 'GET' || method === 'DELETE' ? undefined : {}
    const without = await call(method, path, body, { token: null })
    t.equal(without.status, 401, `${method} ${path} without a token`)
    t.match(without.headers.get('www-authenticate'), /^Bearer/)
    t.equal((await call(method, path, body, { token: 'wrong' })).status, 401)
    const other = method === 'GET' ? writer : reader
    const refused = await call(method, path, body, { token: other })
    t.equal(refused.status, 403, `${method} ${path} without the scope`)
    t.match(refused.headers.get('www-authenticate'), /insufficient_scope/)
  }

  t.equal((await call('GET', '/v1/zones', undefined, { token: reader })).status, 200)
  t.equal((await call('HEAD', '/v1/zones', undefined, { token: reader })).status, 200)
  t.equal((await call('PUT', '/v1/monitors/m', monitor, { token: writer })).status, 201)
  t.equal((await call('PUT', '/v1/monitors/m', { rise: 4 }, { token: both })).status, 200)
  const audit = await call('GET', '/v1/audit', undefined, { token: both })
  t.same(
    audit.body.items.map((entry: { actor: string }) => entry.actor),
    ['token:both', 'token:writer'],
  )
  const tokens = await database.read((tx) => listTokens(tx))
  t.ok(tokens.every((token) => token.lastUsedAt !== null))

  for (const authorization of ['Basic YWRtaW46eA==', 'Bearer', 'Bearer ', `Bearer ${reader} x`, '']) {
    t.equal(
      (await call('GET', '/v1/zones', undefined, { token: null, headers: { authorization } })).status,
      401,
    )
  }
  const lower = await call('GET', '/v1/zones', undefined, {
    token: null,
    headers: { authorization: `bearer ${both}` },
  })
  t.equal(lower.status, 200)

  for (const path of ['/', '/health', '/ready', '/metrics', '/openapi.json', '/docs/', '/history']) {
    t.equal((await call('GET', path, undefined, { token: null })).status, 200, `${path} is open`)
  }
  t.equal(
    await rawRequest(harness.origin, '/v1/zones', { host: 'evil.example' }),
    421,
    'a page that was bound to this address gets nothing',
  )
  const secrets = [reader, writer, both]
  t.notOk(harness.lines.some((line) => secrets.some((secret) => JSON.stringify(line).includes(secret))))
})

t.test('tools that are not public ask for a token', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), { publicTools: false })
  const { call, database } = harness
  const reader = await database.record((tx) => createToken(tx, 'reader', ['read']))
  for (const path of [
    '/v1/tools/validate?ip=1.2.3.4',
    '/tools/lookup?domain=a.test',
    '/history',
    '/v1/history',
  ]) {
    t.equal((await call('GET', path, undefined, { token: null })).status, 401, path)
  }
  t.equal((await call('GET', '/tools/validate?ip=1.2.3.4', undefined, { token: reader })).status, 200)
  t.equal((await call('GET', '/v1/history')).status, 200)
})

t.test('tools are limited by client, the rest is not', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), { toolsPerMinute: 3 })
  const { call } = harness
  for (const path of ['/tools/validate?ip=x', '/v1/history', '/history']) {
    t.equal((await call('GET', path, undefined, { token: null })).status, 200)
  }
  const limited = await call('GET', '/v1/tools/validate?ip=x', undefined, { token: null })
  t.equal(limited.status, 429)
  t.match(
    Number(limited.headers.get('retry-after')) >= 1 && Number(limited.headers.get('retry-after')) <= 60,
    true,
  )
  t.equal(limited.body.type, 'urn:pooldns:problem:too-many-requests')
  for (let i = 0; i < 20; i++) t.equal((await call('GET', '/health')).status, 200)
})

t.test('wrong tokens are limited by client, and lock nobody out', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, database } = harness
  const reader = await database.record((tx) => createToken(tx, 'reader', ['read']))
  const zones = (token: string | null) => call('GET', '/v1/zones', undefined, { token })
  const guess = async () => (await zones('a wrong one'.replaceAll(' ', '-'))).status
  const first = await Promise.all(Array.from({ length: 50 }, guess))
  t.same([...new Set(first)], [401])
  // On a busy machine some guesses have come back meanwhile: they are used up.
  const beyond = async <T extends { readonly status: number }>(ask: () => Promise<T>): Promise<T> => {
    const answer = await ask()
    return answer.status === 401 ? beyond(ask) : answer
  }
  const limited = await beyond(() => zones('another-wrong-one'))
  t.equal(limited.status, 429)
  t.match(limited.headers.get('retry-after'), /^[123]$/)
  t.equal(limited.headers.get('connection'), 'close')
  t.equal(limited.body.type, 'urn:pooldns:problem:too-many-requests')
  for (const [method, path, body] of [
    ['GET', '/v1/tokens', undefined],
    ['PUT', '/v1/pools/p/members/a/report', { state: 'up' }],
    ['GET', '/v1/events/stream', undefined],
  ] as const) {
    const answer = await beyond(() => call(method, path, body, { token: 'wrong' }))
    t.equal(answer.status, 429, `${method} ${path}`)
  }
  t.equal((await zones(reader)).status, 200, 'a token that has never been used')
  t.equal((await call('GET', '/v1/tokens')).status, 200, "the admin's")
  t.equal((await zones(null)).status, 401, 'none is not a wrong one')
  t.equal((await call('PUT', '/v1/monitors/m', monitor, { token: reader })).status, 403, 'nor is a weak one')
  t.equal((await beyond(() => zones('wrong'))).status, 429)
})

t.test('wrong tokens are counted by network, and come back with time', async (t) => {
  let now = 0
  const wrong = new WrongTokens(() => now)
  const exhaust = (client: string) => Array.from({ length: 50 }, () => wrong.note(client))
  t.same(exhaust('192.0.2.1'), Array(50).fill(0))
  t.equal(wrong.note('192.0.2.1'), 3)
  t.equal(wrong.note('192.0.2.2'), 0, 'a neighbour')
  exhaust('2001:db8:0:1::1')
  t.equal(wrong.note('2001:db8:0:1:ffff::2'), 3, 'the same /64')
  t.equal(wrong.note('2001:DB8:0:1::9'), 3)
  t.equal(wrong.note('2001:db8:0:2::1'), 0, 'the next /64')
  now += 1500
  t.equal(wrong.note('192.0.2.1'), 2)
  now += 1500
  t.equal(wrong.note('192.0.2.1'), 0)
  t.equal(wrong.note('192.0.2.1'), 3)
  now += 3_600_000
  t.same(exhaust('192.0.2.1'), Array(50).fill(0))
  t.equal(wrong.note('192.0.2.1'), 3, 'no more than at first, however long ago it was')
  for (let i = 0; i < 10_000; i++) wrong.note(`10.0.${i >> 8}.${i & 255}`)
  t.equal(wrong.note('192.0.2.1'), 0, 'the table is bounded: who was there longest is forgotten')
})
