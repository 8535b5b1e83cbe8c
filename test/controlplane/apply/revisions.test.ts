/** Earlier revisions by the API: listed, shown, compared and returned to; on both kinds of database. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { sql } from '../../../schema/drizzle.ts'
import { formatConfiguration } from '../../../src/controlplane/document/configuration.ts'
import { startPostgres } from '../../support/postgres.ts'
import { holds } from '../../support/property.ts'
import { startHarness } from '../api/fixture.ts'
import { configurationArbitrary } from '../document/configuration-arbitrary.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
type Any = any

const soa = { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' }

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

for (const kind of ['postgres', 'embedded'] as const) {
  t.test(`on ${kind}`, async (t) => {
    const harness = await startHarness(kind === 'postgres' ? await postgres.createDatabase() : null)
    t.teardown(() => harness[Symbol.asyncDispose]())
    const { call } = harness
    const config = async () => (await call('GET', '/v1/config')).body
    const revisionOf = ({ headers }: { headers: Headers }) => Number(headers.get('etag')!.replaceAll('"', ''))
    const rollback = (revision: number, query = '') =>
      call('POST', `/v1/revisions/${revision}/rollback${query}`)

    t.test('whatever was done through the API can be told and taken back', async (t) => {
      const states = [await config()]
      const steps: readonly (readonly [method: string, path: string, body?: unknown])[] = [
        [
          'PUT',
          '/v1/zones/example.test',
          { soa, rrsets: [{ name: 'ns1', type: 'A', data: ['192.0.2.53'] }] },
        ],
        ['PUT', '/v1/monitors/web', { type: 'http', headers: { authorization: 'Bearer secret' } }],
        [
          'PUT',
          '/v1/pools/eu',
          {
            monitor: 'web',
            members: { a: { address: '192.0.2.1' }, b: { address: '192.0.2.2', weight: 100 } },
          },
        ],
        ['PUT', '/v1/services/www.example.test', { pools: ['eu'] }],
        ['PUT', '/v1/zones/example.test/rrsets/x/TXT', { ttl: 300, data: ['"a/b"'] }],
        ['PUT', '/v1/zones/example.test/rrsets/a%2Fb/TXT', { data: ['"slash"'] }],
        ['PUT', '/v1/pools/eu/members/c', { address: '192.0.2.3' }],
        ['PATCH', '/v1/pools/eu/members/a', { weight: 7 }],
        ['DELETE', '/v1/pools/eu/members/b'],
        ['PUT', '/v1/zones/example.test/rrsets/x/TXT', { data: ['"b"'] }],
        ['DELETE', '/v1/zones/example.test/rrsets/ns1/A'],
        ['PATCH', '/v1/services/www.example.test', { steer: 'weighted' }],
        ['DELETE', '/v1/services/www.example.test'],
        ['DELETE', '/v1/pools/eu'],
        ['DELETE', '/v1/monitors/web'],
        ['DELETE', '/v1/zones/example.test'],
        ['PUT', '/v1/feeds/load', { columns: { b: {}, a: {} } }],
        ['PATCH', '/v1/feeds/load', { columns: { c: { type: 'integer' } } }],
        ['DELETE', '/v1/feeds/load'],
      ]
      for (const [method, path, body] of steps) {
        const reply = await call(method, path, body)
        t.ok(reply.status < 300, `${method} ${path}: ${JSON.stringify(reply.body)}`)
        states.push(await config())
      }
      const { body } = await call('GET', '/v1/revisions?limit=2')
      t.match(body.items, [
        { revision: steps.length, actor: 'admin', source: 'api', message: null },
        { revision: steps.length - 1 },
      ])
      const shown = async (revision: number) => (await call('GET', `/v1/revisions/${revision}`)).body
      t.match(await shown(8), {
        changes: [
          { kind: 'pool', name: 'eu', action: 'change', fields: [{ path: 'members.a.weight', after: 7 }] },
        ],
      })
      t.match((await shown(11)).changes, [
        {
          kind: 'rrset',
          name: 'example.test/ns1/A',
          rrset: { zone: 'example.test', owner: 'ns1', type: 'A' },
          action: 'remove',
          fields: [{ path: 'data', before: ['192.0.2.53'] }],
        },
      ])
      t.notMatch(JSON.stringify(await shown(2)), /secret/)
      t.match(
        (await call('GET', '/v1/revisions/4/diff?to=8')).body.changes.map(
          ({ kind, name }: Any) => `${kind} ${name}`,
        ),
        ['pool eu', 'rrset example.test/a/b/TXT', 'rrset example.test/x/TXT'],
      )
      t.match((await call('GET', '/v1/revisions/8/diff?to=7')).body.changes[0].fields, [
        { path: 'members.a.weight', before: 7 },
      ])
      // Back and forth, each by a new revision, members in their order.
      for (const revision of [9, 3, 12, 0, 6, 15, 1, 8, 16]) {
        const planned = await rollback(revision, '?dryRun=true')
        t.equal(planned.status, 200, JSON.stringify(planned.body))
        const done = await rollback(revision)
        t.equal(done.status, 200, JSON.stringify(done.body))
        t.same(done.body.changes, planned.body.changes)
        t.same(await config(), states[revision], `as revision ${revision}`)
        t.match((await shown(revisionOf(done))).source, 'rollback')
      }
    })

    t.test('what documents and imports did is taken back too', async (t) => {
      const rrsets = Array.from({ length: 50 }, (_, nth) => ({
        name: `h${nth}`,
        type: 'A',
        data: [`192.0.2.${nth}`],
      }))
      const first = await call('PUT', '/v1/config?message=first', {
        pools: { p: { members: { a: { address: '192.0.2.1' } } } },
        zones: { 'example.test': { soa, rrsets } },
        services: { 'www.example.test': { pools: ['p'] } },
      })
      const was = await config()
      const file =
        '$ORIGIN example.test.\n$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.53\nh1 A 192.0.2.99\n'
      const imported = await harness.send('PUT', '/v1/zones/example.test/zonefile', file, {
        'content-type': 'text/dns',
        authorization: 'Bearer admin-token-of-the-tests',
      })
      t.equal(imported.status, 200)
      t.equal((await call('PUT', '/v1/config?prune=true', {})).status, 200)
      t.match((await call('GET', `/v1/revisions/${revisionOf(first)}`)).body, {
        source: 'apply',
        message: 'first',
      })
      const done = await rollback(revisionOf(first), '?message=oops')
      t.equal(done.status, 200, JSON.stringify(done.body))
      t.same(await config(), was)
    })

    t.test('what somebody owned is theirs again', async (t) => {
      const owned = { owner: 'shop', pools: { ours: { members: { a: { address: '192.0.2.77' } } } } }
      const made = await call('PUT', '/v1/config', owned)
      t.equal((await call('DELETE', '/v1/pools/ours')).status, 204)
      t.equal((await rollback(revisionOf(made))).status, 200)
      t.match((await call('GET', '/v1/config?owner=shop')).body, owned)
    })

    t.test('a random configuration comes back whole', async (t) => {
      await holds(fc.tuple(configurationArbitrary, configurationArbitrary), 10, async ([one, other]) => {
        const put = async (configuration: typeof one) => {
          const reply = await call('PUT', '/v1/config?prune=true', formatConfiguration(configuration))
          if (reply.status !== 200) throw new Error(JSON.stringify(reply.body))
          return reply
        }
        const revision = revisionOf(await put(one))
        const was = await config()
        await put(other)
        const done = await rollback(revision)
        if (done.status !== 200) throw new Error(JSON.stringify(done.body))
        assert.deepEqual(await config(), was)
      })
      t.pass()
    })

    t.test('what nobody knows any more is refused', async (t) => {
      const last = (await call('GET', '/v1/revisions?limit=1')).body.items[0].revision
      t.equal((await rollback(last + 1)).status, 404)
      t.equal((await call('GET', `/v1/revisions/${last + 1}`)).status, 404)
      for (const path of ['x', '-1', '1.5'])
        t.equal((await call('GET', `/v1/revisions/${path}`)).status, 400, path)
      await harness.database.record(async (tx) => {
        await tx.execute(sql`delete from history where revision <= ${last - 3}`)
        await tx.execute(sql`delete from revisions where revision <= ${last - 3}`)
      })
      const gone = await rollback(last - 5)
      t.match(gone.body, { status: 409, detail: /the history begins later/ })
      t.equal((await rollback(last - 3, '?dryRun=true')).status, 200, 'the oldest that is left')
    })
  })
}
