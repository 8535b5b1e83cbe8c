import t from 'tap'
import { changesSince } from '../../../../src/controlplane/store/changes.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const path = '/v1/pools/web/members/fra-1/fail-back'

t.test('a member that waits is let come back, by a word that reaches every node', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, state, database } = harness
  await call('PUT', '/v1/pools/web', { members: { 'fra-1': { address: '192.0.2.1' } } })
  const before = state.published.at(-1)!
  t.match(await call('POST', path), {
    status: 409,
    body: { detail: 'member fra-1 of pool web does not wait for a fail-back' },
  })
  t.match(await call('POST', '/v1/pools/web/members/none/fail-back'), { status: 404 })
  t.match(await call('POST', '/v1/pools/none/members/fra-1/fail-back'), { status: 404 })
  t.equal(state.published.at(-1), before, 'what is refused is no revision')

  state.waiting.add('web/fra-1')
  const reply = await call('POST', path)
  t.equal(reply.status, 204)
  t.equal(reply.headers.get('pooldns-published'), 'yes')
  t.equal(state.published.at(-1), before + 1)
  const batch = await database.read((tx) => changesSince(tx, before, 10))
  t.match(batch?.changes, [{ kind: 'fail-back', key: 'web/fra-1' }])
  const audit = await call('GET', '/v1/audit')
  t.match(audit.body.items[0], { actor: 'admin', action: 'member.fail-back', key: 'web/fra-1' })
})

t.test('only a token that may write lets a member come back', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, state } = harness
  await call('PUT', '/v1/pools/web', { members: { 'fra-1': { address: '192.0.2.1' } } })
  state.waiting.add('web/fra-1')
  const tokenFor = async (scope: string): Promise<string> =>
    (await call('POST', '/v1/tokens', { name: scope, scopes: [scope] })).body.secret
  const status = async (token: string | null) => (await call('POST', path, undefined, { token })).status
  t.equal(await status(null), 401)
  t.equal(await status(await tokenFor('read')), 403)
  t.equal(await status(await tokenFor('report')), 403)
  t.equal(await status(await tokenFor('write')), 204)
})
