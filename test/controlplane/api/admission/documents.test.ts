/** What holds all of the configuration in memory is done one after the other for a token, over real sockets. */
import pg from 'pg'
import t from 'tap'
import { defaultHttpLimits } from '../../../../src/controlplane/api/admission/limits.ts'
import { createToken } from '../../../../src/controlplane/store/tokens.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('a second document of a token waits, a list of revisions and somebody else do not', async (t) => {
  const documents = { ...defaultHttpLimits.documents, patienceMs: 0 }
  await using harness = await startHarness(await postgres.createDatabase(), { httpLimits: { documents } })
  const reader = await harness.database.record((tx) => createToken(tx, 'reader', ['read']))
  const get = (path: string, token = reader) => harness.call('GET', path, undefined, { token })
  // Held up where it reads, until the lock is given back.
  const other = new pg.Client({ connectionString: harness.url! })
  await other.connect()
  t.teardown(() => other.end())
  await other.query('begin; lock table services in access exclusive mode')
  const both = [get('/v1/config'), get('/v1/config')]
  const refused = await Promise.race(both)
  t.match(refused, { status: 503, body: { detail: /documents and revisions in work/ } })
  t.equal(refused.headers.get('retry-after'), '5')
  t.match(await get('/v1/revisions'), { status: 200 })
  await other.query('rollback')
  t.same((await Promise.all(both)).map(({ status }) => status).sort(), [200, 503])
  t.match(await get('/v1/config'), { status: 200 }, 'its place is free again')
})

t.test('what a revision changed comes as far as a reply goes, and says how much is left', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), {})
  const data = Array.from({ length: 60 }, (_, nth) => `"${String(nth).padEnd(250, 'x')}"`)
  const rrsets = Array.from({ length: 400 }, (_, nth) => ({ name: `t${nth}`, type: 'TXT', data }))
  const soa = { mname: 'ns1.example.test.', rname: 'h.example.test.' }
  const ns = { name: '@', type: 'NS', data: ['ns.example.net.'] }
  const put = await harness.call('PUT', '/v1/config', {
    zones: { 'example.test': { soa, rrsets: [ns, ...rrsets] } },
  })
  t.match(put, { status: 200 })
  const shown = await harness.call('GET', `/v1/revisions/1`)
  t.match(shown, { status: 200 })
  const { changes, more } = shown.body
  t.ok(more > 0 && changes.length > 10, `${changes.length} and ${more} more`)
  t.ok(changes.length + more > 400)
  t.ok(JSON.stringify(shown.body).length < 5 * 1024 * 1024)
})
