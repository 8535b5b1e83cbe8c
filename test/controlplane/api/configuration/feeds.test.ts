/** Feeds by the API and in documents: declared, changed, taken back, kept from who may not see them. */
import t from 'tap'
import { planText } from '../../../../src/commands/document/plan-text.ts'
import { FeedWriter } from '../../../../src/controlplane/feeds/feed-writer.ts'
import { getFeed } from '../../../../src/controlplane/store/feeds.ts'
import { createToken } from '../../../../src/controlplane/store/tokens.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { type Reply, startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const air = {
  columns: { so2: { unit: 'µg/m³' }, no2: {}, visitors: { type: 'integer' } },
  retention: { age: '90d' },
}
const load = {
  columns: { value: {} },
  source: { prometheus: 'http://127.0.0.1:9090', query: 'node_load1', every: '30s', entity: '{instance}' },
}

for (const kind of ['postgres', 'embedded'] as const) {
  t.test(`on ${kind}`, async (t) => {
    const harness = await startHarness(kind === 'postgres' ? await postgres.createDatabase() : null)
    t.teardown(() => harness[Symbol.asyncDispose]())
    const { call } = harness
    const config = async () => (await call('GET', '/v1/config')).body
    const revisionOf = ({ headers }: { headers: Headers }) => Number(headers.get('etag')!.slice(1, -1))

    t.test('a declaration', async (t) => {
      const made = await call('PUT', '/v1/feeds/air_quality', air)
      t.match(made, { status: 201, body: air })
      t.equal(made.headers.get('location'), '/v1/feeds/air_quality')
      const path = '/v1/feeds/air_quality/declaration'
      const read = await call('GET', path)
      t.match(read, { status: 200, body: { ...air, status: { effective: { cache: '30s' } } } })
      t.same(Object.keys(read.body.columns), Object.keys(air.columns))
      t.equal(read.headers.get('etag'), made.headers.get('etag'))
      const same = await call('PUT', '/v1/feeds/air_quality', read.body)
      t.equal(same.headers.get('etag'), read.headers.get('etag'), 'what was read and put back is no change')
      const wider = await call('PATCH', '/v1/feeds/air_quality', { columns: { co: {} }, cache: '1m' })
      t.same(Object.keys(wider.body.columns), ['so2', 'no2', 'visitors', 'co'])
      const stale = await call('PUT', '/v1/feeds/air_quality', air, {
        headers: { 'if-match': read.headers.get('etag')! },
      })
      t.equal(stale.status, 412)
      t.equal((await call('PUT', '/v1/feeds/load', load)).status, 201)
      const { body } = await call('GET', '/v1/feeds?limit=1')
      t.match(body, { items: [{ name: 'air_quality', cache: '1m' }], nextCursor: String })
      const next = await call('GET', `/v1/feeds?cursor=${body.nextCursor}`)
      t.match(next.body, { items: [{ name: 'load', ...load }], nextCursor: null })
      t.equal((await call('DELETE', '/v1/feeds/load')).status, 204)
      t.equal((await call('DELETE', '/v1/feeds/load')).status, 404)
      t.equal((await call('GET', '/v1/feeds/load/declaration')).status, 404)
    })

    t.test('what is wrong is told by its path', async (t) => {
      const wrong = await call('PUT', '/v1/feeds/Air', { columns: { id_entity: {}, a: { typ: 'integer' } } })
      t.equal(wrong.status, 400)
      t.match(
        wrong.body.errors.map(
          ({ path, message }: { path: string; message: string }) => `${path}: ${message}`,
        ),
        [
          /^: must be a name of 1 to 63/,
          'columns.id_entity: is a column that every feed has: leave it out',
          /^columns.a.typ: unknown field "typ".*did you mean type\?$/,
        ],
      )
      t.match(await call('PUT', '/v1/feeds/probes', air), {
        status: 400,
        body: {
          detail:
            'feed probes is not valid: is the name of a feed that the server keeps by itself: choose another one',
        },
      })
      t.match(await call('PUT', '/v1/feeds/metrics', air), {
        status: 400,
        body: { detail: /choose another name$/ },
      })
      const misspelt = await call('PUT', '/v1/config', { feds: {} })
      t.match(misspelt.body.errors, [{ path: 'feds', message: /did you mean feeds\?$/ }])
      const many = Object.fromEntries(Array.from({ length: 1001 }, (_, nth) => [`f${nth}`, load]))
      t.match(await call('PUT', '/v1/config?dryRun=true', { feeds: many }), {
        status: 409,
        body: { detail: /feeds\.f\d+ would be one feed too many: there would be 1002, and 1000 may be$/ },
      })
    })

    t.test('a feed that has rows keeps its columns, and may have more', async (t) => {
      const writer = new FeedWriter(harness.database)
      const put = (columns: object) => call('PUT', '/v1/feeds/hall', { columns })
      t.equal((await put({ celsius: {}, people: { type: 'integer' } })).status, 201)
      t.equal(
        (await put({ celsius: {}, guests: { type: 'integer' } })).status,
        200,
        'without rows nothing is lost',
      )
      const feed = await harness.database.read((tx) => getFeed(tx, 'hall'))
      await writer.write(feed!, [{ entity: 'north', micros: Date.now() * 1000, values: [21.5, null] }])
      const wider = await put({ lux: {}, celsius: {}, guests: { type: 'integer' } })
      t.equal(wider.status, 200)
      const narrower = revisionOf(wider) - 1
      t.match(await call('POST', `/v1/revisions/${narrower}/rollback`), {
        status: 409,
        body: {
          errors: [
            {
              path: 'feeds.hall.columns',
              message: /^column lux of feed hall, which has rows, can't be taken away/,
            },
          ],
        },
      })
      const lost = { celsius: { type: 'integer' }, lux: {} }
      const problems = [
        [
          'columns.celsius.type',
          "column celsius of feed hall, which has rows, can't become integer where it was double: declare another column, or delete the feed, which drops its rows, and declare it anew",
        ],
        [
          'columns',
          "column guests of feed hall, which has rows, can't be taken away: keep it, or delete the feed, which drops its rows, and declare it anew",
        ],
      ]
      const toldBy = ({ body }: Reply) =>
        body.errors.map(({ path, message }: { path: string; message: string }) => [path, message])
      const refused = await put(lost)
      t.equal(refused.status, 409)
      t.same(toldBy(refused), problems)
      for (const query of ['', '?dryRun=true', '?prune=true']) {
        const document = await call('PUT', `/v1/config${query}`, { feeds: { hall: { columns: lost } } })
        t.equal(document.status, 409)
        t.same(
          toldBy(document),
          problems.map(([path, message]) => [`feeds.hall.${path}`, message]),
        )
      }
      const patched = await call('PATCH', '/v1/feeds/hall', { columns: { guests: null } })
      t.equal(patched.status, 409)
      t.equal((await call('DELETE', '/v1/feeds/hall')).status, 204)
      t.equal((await put(lost)).status, 201)
    })

    t.test('a document plans, applies, prunes and is taken back', async (t) => {
      await call('PUT', '/v1/config?prune=true', {})
      const before = await config()
      const owned = { owner: 'team', feeds: { air_quality: air, load } }
      const planned = await call('PUT', '/v1/config?dryRun=true', owned)
      t.match(planned.body, {
        summary: { add: 2 },
        changes: [
          { kind: 'feed', name: 'air_quality', action: 'add', owner: { after: 'team' } },
          { kind: 'feed', name: 'load', action: 'add' },
        ],
      })
      t.same((await config()).feeds, undefined, 'a plan changes nothing')
      const applied = revisionOf(await call('PUT', '/v1/config', owned))
      t.same((await call('GET', '/v1/config?owner=team')).body, { version: 1, ...owned })
      t.match(await call('PUT', '/v1/config', owned), { body: { changed: false, summary: { same: 2 } } })
      t.match(await call('PUT', '/v1/config', { feeds: { load: { columns: { other: {} } } } }), {
        status: 409,
        body: { errors: [{ path: 'feeds.load', message: /belongs to the files of owner team/ }] },
      })
      t.match(await call('PUT', '/v1/config', { feeds: {} }), { body: { summary: { left: 2 } } })

      const pushed = await harness.database.read((tx) => getFeed(tx, 'load'))
      const row = { entity: 'a', values: [1] }
      const rows = [1, 2].map((seconds) => ({ ...row, micros: Date.now() * 1000 - seconds * 1_000_000 }))
      await new FeedWriter(harness.database).write(pushed!, rows)

      const { so2: _, ...fewer } = air.columns
      const changed = { ...owned, feeds: { air_quality: { ...air, columns: { ...fewer, o3: {} } } } }
      const toGo = await call('PUT', '/v1/config?prune=true&dryRun=true', changed)
      t.match(planText(toGo.body).join('\n'), /- remove feed load\n(.*\n)+? {4}and about 2 rows\n/)
      const pruned = await call('PUT', '/v1/config?prune=true', changed)
      t.match(pruned.body.changes, [
        {
          kind: 'feed',
          name: 'air_quality',
          action: 'change',
          fields: [
            { path: 'columns.so2', before: { unit: 'µg/m³' } },
            { path: 'columns.o3', after: {} },
          ],
        },
        { kind: 'feed', name: 'load', action: 'remove', rows: 2 },
      ])
      t.same(Object.keys((await config()).feeds), ['air_quality'])
      const shown = await call('GET', `/v1/revisions/${revisionOf(pruned)}`)
      t.match(shown.body.changes, [
        { kind: 'feed', name: 'air_quality', action: 'change' },
        { kind: 'feed', name: 'load', action: 'remove' },
      ])
      t.equal((await call('POST', `/v1/revisions/${applied}/rollback`)).status, 200)
      t.same(
        (await call('GET', '/v1/config?owner=team')).body,
        { version: 1, ...owned },
        'owners come back, too',
      )
      t.same(Object.keys((await config()).feeds.air_quality.columns), Object.keys(air.columns))
      const emptied = await call('POST', `/v1/revisions/${applied - 1}/rollback`)
      t.match(emptied, { status: 200, body: { changes: { 1: { name: 'load', action: 'remove', rows: 0 } } } })
      t.same(await config(), before)
      t.match(await call('PUT', '/v1/config?gradual=10m', { feeds: { load } }), {
        status: 409,
        body: { errors: [{ path: 'feeds.load', message: /^changes in more than weights/ }] },
      })
    })
  })
}

t.test('a token that is limited to some feeds', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, database } = harness
  for (const name of ['shop_load', 'shop_sales', 'other']) await call('PUT', `/v1/feeds/${name}`, load)
  const limits = { feeds: ['shop_*'] }
  const token = await database.record((tx) => createToken(tx, 'shop', ['read', 'write'], { limits }))
  const as = (method: string, path: string, body?: unknown) => call(method, path, body, { token })
  const names = (await as('GET', '/v1/feeds')).body.items.map(({ name }: { name: string }) => name)
  t.same(names, ['shop_load', 'shop_sales'])
  t.equal((await as('GET', '/v1/feeds/shop_load/declaration')).status, 200)
  t.equal((await as('PUT', '/v1/feeds/shop_more', load)).status, 201)
  for (const [method, path] of [
    ['GET', '/v1/feeds/other/declaration'],
    ['PUT', '/v1/feeds/other'],
    ['DELETE', '/v1/feeds/other'],
    ['DELETE', '/v1/feeds/absent'],
  ] as const) {
    const body = method === 'PUT' ? load : undefined
    t.equal((await as(method, path, body)).status, 403, `${method} ${path}`)
  }
  t.match(await as('PUT', '/v1/config?prune=true', {}), { body: { summary: { remove: 3 } } })
  t.same(Object.keys((await call('GET', '/v1/config')).body.feeds), ['other'], 'what is not reached stays')
})
