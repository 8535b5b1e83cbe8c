import t from 'tap'
import { startPostgres } from '../../../support/postgres.ts'
import { startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const now = new Date('2026-05-01T12:00:00Z')
const path = '/v1/pools/web/members/fra-1/report'

async function agents() {
  const harness = await startHarness(await postgres.createDatabase())
  harness.state.now = now
  harness.state.reportTtls.set('web/fra-1', 30_000).set('web/probed', null)
  const tokenFor = async (name: string, ...scopes: string[]): Promise<string> =>
    (await harness.call('POST', '/v1/tokens', { name, scopes })).body.secret
  return { harness, tokenFor, call: harness.call, state: harness.state }
}

t.test('a report, with the least that it can be and all that it can say', async (t) => {
  const { harness, call, state } = await agents()
  await using _ = harness
  t.match(await call('PUT', path, { state: 'down' }), {
    status: 200,
    body: {
      state: 'down',
      reason: 'reported down',
      weight: null,
      status: { at: '2026-05-01T12:00:00.000Z', until: '2026-05-01T12:00:30.000Z' },
    },
  })
  const full = { state: 'up', reason: 'all well: 3 of 3 disks', weight: 40.5, ttl: '2m' }
  const reply = await call('PUT', path, full)
  t.match(reply, { status: 200, body: { weight: 40.5, status: { until: '2026-05-01T12:02:00.000Z' } } })
  t.same(state.reports[1], {
    pool: 'web',
    member: 'fra-1',
    state: 'up',
    reason: full.reason,
    weightPercent: 40.5,
    at: now,
    until: new Date('2026-05-01T12:02:00Z'),
  })
  t.equal((await call('PUT', path, reply.body)).status, 200, 'what was read can be written back')
  const { audit } = { audit: (await call('GET', '/v1/audit')).body.items }
  t.same(audit, [], 'a report is no change of the configuration')
})

t.test('a report that can be none, or that nobody waits for, is refused', async (t) => {
  const { harness, call, state } = await agents()
  await using _ = harness
  for (const [body, at] of [
    [{}, 'state'],
    [{ state: 'unknown' }, 'state'],
    [{ state: 'up', weight: 101 }, 'weight'],
    [{ state: 'up', weight: 'abc' }, 'weight'],
    [{ state: 'up', weight: -5 }, 'weight'],
    [{ state: 'up', ttl: '100ms' }, 'ttl'],
    [{ state: 'up', ttl: '25h' }, 'ttl'],
    [{ state: 'up', reason: 'x'.repeat(161) }, 'reason'],
    [{ state: 'up', reason: 'a\0b' }, 'reason'],
    [{ state: 'up', load: 1 }, 'load'],
    ['up', ''],
  ] as const) {
    const reply = await call('PUT', path, body)
    t.match(reply, { status: 400, body: { errors: [{ path: at }] } }, JSON.stringify(body))
  }
  t.match(await call('PUT', '/v1/pools/web/members/none/report', { state: 'up' }), { status: 404 })
  t.match(await call('PUT', '/v1/pools/web/members/probed/report', { state: 'up' }), {
    status: 409,
    body: { detail: 'the monitor of pool web takes no reports' },
  })
  t.equal((await call('GET', path)).status, 405)
  t.same(state.reports, [])
})

t.test('one call tells of several members, of all or of none', async (t) => {
  const { harness, call, state, tokenFor } = await agents()
  await using _ = harness
  state.reportTtls.set('web/fra-2', 60_000)
  const token = await tokenFor('agent', 'report')
  const one = (member: string, more: object = {}) => ({ pool: 'web', member, state: 'up', ...more })
  const both = { reports: [one('fra-1'), one('fra-2', { state: 'down', reason: 'disk full', ttl: '2m' })] }
  const reply = await call('POST', '/v1/reports', both, { token })
  t.match(reply, {
    status: 200,
    body: { reports: [{ state: 'up' }, { state: 'down', reason: 'disk full' }] },
  })
  t.match(state.reports, [{ member: 'fra-1' }, { member: 'fra-2', until: new Date('2026-05-01T12:02:00Z') }])
  const many = Array.from({ length: 201 }, () => one('fra-1'))
  for (const [reports, status] of [
    [[one('fra-1'), one('nobody')], 404],
    [[one('fra-1'), one('probed')], 409],
    [[one('fra-1', { state: 'well' })], 400],
    [[], 400],
    [many, 400],
  ] as const) {
    t.equal((await call('POST', '/v1/reports', { reports }, { token })).status, status)
  }
  t.equal(state.reports.length, 2, 'none of a call that is refused')
  const reader = await tokenFor('reader', 'read')
  t.equal((await call('POST', '/v1/reports', both, { token: reader })).status, 403)
})

t.test('the scope report: reports, and nothing else', async (t) => {
  const { harness, call, tokenFor, state } = await agents()
  await using _ = harness
  const agent = await tokenFor('agent', 'report')
  t.equal((await call('PUT', path, { state: 'up' }, { token: agent })).status, 200)
  for (const [method, url, body] of [
    ['GET', '/v1/pools', undefined],
    ['GET', '/v1/nodes', undefined],
    ['GET', '/v1/events', undefined],
    ['PUT', '/v1/pools/web', { members: {} }],
    ['PUT', '/v1/pools/web/members/fra-1/override', { state: 'up' }],
    ['POST', '/v1/pools/web/members/fra-1/fail-back', undefined],
    ['GET', '/v1/tokens', undefined],
  ] as const) {
    t.equal((await call(method, url, body, { token: agent })).status, 403, `${method} ${url}`)
  }
  const writer = await tokenFor('writer', 'write')
  t.equal(
    (await call('PUT', path, { state: 'up' }, { token: writer })).status,
    200,
    'who may write may report',
  )
  const reader = await tokenFor('reader', 'read')
  const refused = await call('PUT', path, { state: 'down' }, { token: reader })
  t.match(refused, { status: 403, body: { detail: 'token reader lacks the scope report' } })
  t.match(refused.headers.get('www-authenticate'), /insufficient_scope.*report/)
  t.equal((await call('PUT', path, { state: 'up' }, { token: null })).status, 401)
  t.equal((await call('PUT', path, { state: 'up' }, { token: 'pooldns_wrong' })).status, 401)
  t.equal(state.reports.length, 2)
  t.ok((await call('GET', '/v1/tokens')).body.items[0].lastUsedAt)
})

t.test('while the database is away, agents that were known before go on', async (t) => {
  const server = await startPostgres()
  await using _server = server
  await using harness = await startHarness(await server.createDatabase())
  const { call, state } = harness
  state.reportTtls.set('web/fra-1', 30_000)
  const secretOf = async (name: string): Promise<string> =>
    (await call('POST', '/v1/tokens', { name, scopes: ['report'] })).body.secret
  const [known, revoked] = [await secretOf('known'), await secretOf('revoked')]
  // Of one that there is, this node may have heard by now, whether it has been used or not.
  const unknown = 'pooldns_unknown'
  for (const token of [known, revoked])
    t.equal((await call('PUT', path, { state: 'up' }, { token })).status, 200)
  await call('DELETE', '/v1/tokens/revoked')
  t.equal((await call('PUT', path, { state: 'up' }, { token: revoked })).status, 401)

  await server.kill()
  // Half an hour later: that the token was used could be written down again.
  state.now = new Date(Date.now() + 1_800_000)
  t.equal((await call('PUT', path, { state: 'down' }, { token: known })).status, 200)
  t.match(state.reports.at(-1), { state: 'down' })
  t.equal((await call('PUT', path, { state: 'down' })).status, 200, 'and the admin')
  for (const token of [unknown, revoked]) {
    const reply = await call('PUT', path, { state: 'up' }, { token })
    t.match(reply, { status: 503, body: { type: 'urn:pooldns:problem:unavailable' } })
  }
  const reading = await call('GET', '/v1/pools', undefined, { token: known })
  t.equal(reading.status, 403, 'it may do no more than before')
  await server.restart()
  t.equal((await call('PUT', path, { state: 'up' }, { token: unknown })).status, 401)
})
