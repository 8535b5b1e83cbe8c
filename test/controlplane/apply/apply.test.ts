/** Documents by the API: planned, applied, exported; on both kinds of database. */
import t from 'tap'
import { sql } from '../../../schema/drizzle.ts'
import { planMarkdown, planText } from '../../../src/commands/document/plan-text.ts'
import { startPostgres } from '../../support/postgres.ts'
import { adminToken, type Harness, startHarness } from '../api/fixture.ts'

const zone = {
  soa: { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' },
  rrsets: [
    { name: '@', type: 'NS', data: ['ns1.example.test.'] },
    { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
  ],
}

const document = {
  monitors: {
    web: { type: 'http', port: 8080, path: '/healthz', expect: { codes: ['200-299'] }, interval: '5s' },
  },
  pools: {
    eu: {
      monitor: 'web',
      members: { a: { address: '192.0.2.10', weight: 100 }, b: { address: '192.0.2.11' } },
    },
    us: { monitor: 'web', minUp: 0, members: { a: { address: '192.0.2.20' } } },
  },
  services: { 'www.example.test': { ttl: 30, pools: ['eu', 'us'] } },
  zones: { 'example.test': zone },
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
type Any = any

const put = (harness: Harness, body: unknown, query = '', headers: Record<string, string> = {}) =>
  harness.call('PUT', `/v1/config${query}`, body, { headers })

const changesOf = ({ body }: { body: Any }) =>
  body.changes.map(({ kind, name, action }: Any) => `${action} ${kind} ${name}`)

const postgres = await startPostgres()
t.teardown(() => postgres[Symbol.asyncDispose]())

for (const kind of ['postgres', 'embedded'] as const) {
  t.test(`on ${kind}`, async (t) => {
    const harness = await startHarness(kind === 'postgres' ? await postgres.createDatabase() : null)
    t.teardown(() => harness[Symbol.asyncDispose]())

    t.test('a plan changes nothing, applying does, and a second time there is nothing to do', async (t) => {
      const planned = await put(harness, document, '?dryRun=true')
      t.equal(planned.status, 200)
      t.match(planned.body, {
        revision: 0,
        changed: true,
        summary: { add: 5, change: 0, remove: 0, same: 0 },
      })
      t.equal((await harness.call('GET', '/v1/pools/eu')).status, 404)
      const applied = await put(harness, document, '?message=first', {
        'if-match': planned.headers.get('etag')!,
      })
      t.equal(applied.status, 200)
      t.equal(applied.headers.get('pooldns-published'), 'yes')
      t.equal(applied.headers.get('etag'), '"1"', 'one revision')
      t.same(changesOf(applied), changesOf(planned))
      t.match(await put(harness, document), { body: { changed: false, summary: { same: 5 } } })
      const exported = await harness.call('GET', '/v1/config')
      t.same(exported.body, {
        version: 1,
        ...document,
        zones: {
          'example.test': { ...zone, rrsets: [zone.rrsets[0], zone.rrsets[1]] },
        },
      })
      t.match(await put(harness, exported.body, '?prune=true'), { body: { changed: false } })
      t.same((await harness.call('GET', '/v1/services/www.example.test')).body.pools, ['eu', 'us'])
    })

    t.test('a change is told field by field, in the words that were written', async (t) => {
      const next = structuredClone(document) as Any
      next.pools.eu.members.b.weight = 50
      next.services['www.example.test'].steer = 'weighted'
      next.zones['example.test'].rrsets[1].data = ['192.0.2.54']
      const { body } = await put(harness, next, '?dryRun=true')
      t.same(body.changes, [
        {
          kind: 'pool',
          name: 'eu',
          action: 'change',
          fields: [{ path: 'members.b.weight', after: 50 }],
          moreFields: 0,
        },
        {
          kind: 'zone',
          name: 'example.test',
          action: 'change',
          fields: [{ path: 'ns1 A', before: { data: ['192.0.2.53'] }, after: { data: ['192.0.2.54'] } }],
          moreFields: 0,
        },
        {
          kind: 'service',
          name: 'www.example.test',
          action: 'change',
          fields: [{ path: 'steer', after: 'weighted' }],
          moreFields: 0,
        },
      ])
      t.equal((await put(harness, next)).status, 200)
      t.match((await harness.call('GET', '/v1/zones/example.test/rrsets/ns1/A')).body, {
        data: ['192.0.2.54'],
      })
      t.equal((await put(harness, document)).status, 200)
    })

    t.test('what nobody wrote is not told, nor what is only written in another way', async (t) => {
      const written = (parts: object) => ({
        ...document,
        ...parts,
        services: { 'www.example.test': { ttl: 60, pools: ['eu', { pool: 'us', weight: 100 }] } },
      })
      t.equal((await put(harness, written({}))).status, 200)
      const fieldsOf = async (next: object) => {
        const { body } = await put(harness, next, '?dryRun=true')
        return body.changes.flatMap(({ action, name, fields }: Any) =>
          fields.map((field: Any) => ({ what: `${action} ${name}`, ...field })),
        )
      }
      const service = (body: object) => ({ ...written({}), services: { 'www.example.test': body } })
      const what = 'change www.example.test'
      t.same(await fieldsOf(service({ ttl: '5m', pools: ['eu', { pool: 'us', weight: 100 }] })), [
        { what, path: 'ttl', before: 60, after: '5m' },
      ])
      t.same(await fieldsOf(service({ pools: ['eu', 'us'], steer: 'failover' })), [
        { what, path: 'ttl', before: 60 },
      ])
      t.same(await fieldsOf(service({ ttl: '1m', pools: [{ pool: 'eu', weight: 10 }, 'us'] })), [
        {
          what,
          path: 'pools',
          before: ['eu', { pool: 'us', weight: 100 }],
          after: [{ pool: 'eu', weight: 10 }, 'us'],
        },
      ])
      const restated = await put(harness, service({ ttl: '1m', pools: ['eu', 'us'] }), '?dryRun=true')
      t.match(restated.body.changes, [{ action: 'restate', fields: [] }])
      const seconds = { 'example.test': { ...zone, ttl: '300s' } }
      const ofZone = await put(harness, written({ zones: seconds }), '?dryRun=true')
      t.match(ofZone.body.changes, [{ kind: 'zone', action: 'restate', fields: [] }])
      t.match(ofZone.body.summary, { change: 0, restate: 1 })
      t.same(
        await fieldsOf(
          written({
            pools: { us: { monitor: 'web', minUp: 0, members: { b: { address: '192.0.2.21' } } } },
          }),
        ),
        [{ what: 'change us', path: 'members.b', after: { address: '192.0.2.21' } }],
        'a member that comes, without defaults',
      )
      t.same(await fieldsOf(written({ monitors: { web: { type: 'http', port: 8080 } } })), [
        { what: 'change web', path: 'path', before: '/healthz' },
        { what: 'change web', path: 'interval', before: '5s' },
      ])
      t.equal((await put(harness, document)).status, 200)
    })

    t.test('who would lose a zone by a prune says by which, beside what else is wrong', async (t) => {
      t.equal((await put(harness, {}, '?prune=true')).status, 200)
      const { services, ...rest } = document
      t.equal((await put(harness, { owner: 'net', ...rest })).status, 200)
      t.equal((await put(harness, { owner: 'shop', services })).status, 200)
      const theirs = { owner: 'net', monitors: document.monitors, pools: document.pools, services }
      const { status, body } = await put(harness, theirs, '?prune=true')
      t.equal(status, 409)
      t.same(body.errors, [
        {
          path: 'services["www.example.test"]',
          message: 'service www.example.test lies in no zone, for zone example.test is to go',
        },
      ])
      const both = {
        ...theirs,
        services: { 'www.example.test': { pools: ['none'] }, 'x.y.test': { pools: ['eu'] } },
      }
      const { body: several } = await put(harness, both)
      t.same(several.errors.map(({ path, message }: Any) => `${path} ${message.slice(0, 28)}`).sort(), [
        'services["www.example.test"] belongs to the files of owne',
        'services["x.y.test"] service x.y.test lies in no ',
      ])
      for (const owner of ['shop', 'net']) {
        t.equal((await put(harness, { owner }, '?prune=true')).status, 200)
      }
      t.equal((await put(harness, document)).status, 200)
    })

    t.test('all of a plan is told to who asks for it', async (t) => {
      const members = Object.fromEntries(
        Array.from({ length: 300 }, (_, nth) => [`m${nth}`, { address: `10.0.${nth >> 8}.${nth & 255}` }]),
      )
      const large = { pools: { large: { members } } }
      const { body: some } = await put(harness, large, '?dryRun=true')
      t.match(some.changes, [{ moreFields: 100 }])
      t.match(planText(some).join('\n'), /\n {4}and 294 more fields: --all shows them\n/)
      const { body: all } = await put(harness, large, '?dryRun=true&all=true')
      t.equal(all.changes[0].fields.length, 300)
      t.equal(all.changes[0].moreFields, 0)
      const text = planText(all, undefined, 'would', true)
      t.equal(text.filter((line) => line.startsWith('    members.')).length, 300)
      t.match(planMarkdown(all, true), /members\.m299: /)
      const long = { monitors: { m: { type: 'http', path: `/${'x'.repeat(500)}` } } }
      const { body: whole } = await put(harness, long, '?dryRun=true&all=true')
      t.notMatch(planText(whole, undefined, 'would', true).join('\n'), /x\.\.\./)
      t.match(planText(whole).join('\n'), /x\.\.\.\n/)
    })

    t.test('a zone that goes says what goes with it', async (t) => {
      const { body } = await put(harness, { ...document, zones: {}, services: {} }, '?prune=true&dryRun=true')
      const gone = body.changes.find(({ kind }: Any) => kind === 'zone')
      t.same(gone.rrsets, { count: 2, first: ['@ NS', 'ns1 A'] })
      t.match(planText(body).join('\n'), /remove zone example\.test\n(.*\n)+? {4}and 2 RRsets: @ NS, ns1 A\n/)
    })

    t.test('what nobody owned comes into files whole, and goes from them only afterwards', async (t) => {
      const theirs = {
        owner: 'team-b',
        pools: { eu: { monitor: 'web', members: { a: { address: '192.0.2.10', weight: 100 } } } },
        zones: { 'example.test': { ...zone, rrsets: [zone.rrsets[0]] } },
      }
      const first = await put(harness, theirs, '?prune=true&dryRun=true')
      t.equal(first.body.summary.removeInside, 0)
      const left = first.body.left.filter(({ kind }: Any) => kind === 'member' || kind === 'rrset')
      t.same(left, [
        { kind: 'member', name: 'eu/b' },
        { kind: 'rrset', name: 'example.test/ns1/A' },
      ])
      t.equal((await put(harness, theirs, '?prune=true')).status, 200)
      t.match((await harness.call('GET', '/v1/pools/eu')).body.members, { b: { address: '192.0.2.11' } })
      const second = await put(harness, theirs, '?prune=true&dryRun=true')
      t.match(second.body, { summary: { removeInside: 2 } }, 'now they are theirs')
      t.equal((await put(harness, { owner: 'team-b' }, '?prune=true')).status, 409, 'a service names them')
      t.equal((await put(harness, { monitors: document.monitors }, '?prune=true')).status, 200)
      t.equal((await put(harness, { owner: 'team-b' }, '?prune=true')).status, 200)
      t.equal((await put(harness, document)).status, 200)
    })

    t.test('what is not named stays, and goes with prune', async (t) => {
      const part = {
        pools: { eu: { monitor: 'web', members: { c: { address: '192.0.2.12' } } } },
        zones: { 'example.test': { ...zone, rrsets: [{ name: 'new', type: 'TXT', data: ['"x"'] }] } },
      }
      const planned = await put(harness, part, '?dryRun=true')
      t.same(
        planned.body.left.map(({ kind, name }: Any) => `${kind} ${name}`),
        [
          'monitor web',
          'member eu/a',
          'member eu/b',
          'pool us',
          'service www.example.test',
          'rrset example.test/@/NS',
          'rrset example.test/ns1/A',
        ],
      )
      t.equal((await put(harness, part)).status, 200)
      const { body } = await harness.call('GET', '/v1/config')
      t.same(Object.keys(body.pools.eu.members), ['c', 'a', 'b'])
      t.equal(body.zones['example.test'].rrsets.length, 3)
      const pruned = await put(harness, document, '?prune=true')
      t.same(changesOf(pruned), ['change pool eu', 'change zone example.test'])
      t.same((await harness.call('GET', '/v1/config')).body, { version: 1, ...document })
      const nothing = await put(harness, {}, '?prune=true')
      t.same(nothing.body.summary, {
        add: 0,
        change: 0,
        remove: 5,
        restate: 0,
        same: 0,
        left: 0,
        removeInside: 0,
      })
      t.same((await harness.call('GET', '/v1/config')).body, { version: 1 })
      t.equal((await put(harness, document)).status, 200)
    })

    t.test('who names each other goes together', async (t) => {
      const circle = {
        pools: {
          one: { whenAllDown: 'fallback', fallback: 'two', members: { a: { address: '192.0.2.1' } } },
          two: { whenAllDown: 'fallback', fallback: 'one', members: { a: { address: '192.0.2.2' } } },
        },
        monitors: {
          all: { type: 'composite', monitors: ['one', 'two'] },
          one: { type: 'tcp', port: 1 },
          two: { type: 'tcp', port: 2 },
        },
        services: {
          'outer.other.test': { pools: [{ service: 'inner.other.test' }] },
          'inner.other.test': { pools: ['one'] },
        },
        zones: { 'other.test': { soa: zone.soa } },
      }
      const made = await put(harness, circle)
      t.equal(made.status, 200, JSON.stringify(made.body))
      const gone = await put(harness, document, '?prune=true')
      t.equal(gone.status, 200, JSON.stringify(gone.body))
      t.equal(gone.body.summary.remove, 8)
    })

    t.test('services come to lie in the zone that is next to them', async (t) => {
      const inner = { 'www.example.test': { soa: zone.soa } }
      t.equal((await put(harness, { zones: inner })).status, 200)
      t.equal((await put(harness, document, '?prune=true')).status, 200)
      // The name is free for the zone's own data once no service stands there, in one go.
      const plain = {
        ...document,
        services: {},
        zones: {
          'example.test': {
            ...zone,
            rrsets: [...zone.rrsets, { name: 'www', type: 'A', data: ['192.0.2.1'] }],
          },
        },
      }
      t.match(await put(harness, plain), { status: 409 }, 'the service is not named, and stays')
      const turned = await put(harness, plain, '?prune=true')
      t.equal(turned.status, 200, JSON.stringify(turned.body))
      t.equal((await put(harness, document, '?prune=true')).status, 200, 'and back')
    })

    t.test('files of two owners leave each other alone', async (t) => {
      t.equal((await put(harness, {}, '?prune=true')).status, 200)
      const platform = { owner: 'platform', monitors: document.monitors, zones: document.zones }
      const shop = { owner: 'shop', pools: document.pools, services: document.services }
      t.equal((await put(harness, platform)).status, 200)
      t.equal((await put(harness, shop)).status, 200)
      t.equal((await put(harness, shop, '?prune=true')).body.changed, false)
      t.equal((await put(harness, { owner: 'shop' }, '?prune=true&dryRun=true')).body.summary.remove, 3)
      t.equal(
        (await put(harness, {}, '?prune=true')).body.changed,
        false,
        'nor do those of nobody touch them',
      )
      const theirs = await put(harness, { owner: 'shop', monitors: { web: { type: 'tcp', port: 1 } } })
      t.equal(theirs.status, 409)
      t.match(theirs.body.errors, [
        { path: 'monitors.web', message: /belongs to the files of owner platform/ },
      ])
      t.same((await harness.call('GET', '/v1/config?owner=platform')).body, {
        version: 1,
        owner: 'platform',
        monitors: document.monitors,
        zones: document.zones,
      })
      for (const owner of ['shop', 'platform'])
        t.equal((await put(harness, { owner }, '?prune=true')).status, 200)
      t.same((await harness.call('GET', '/v1/config')).body, { version: 1 })
    })

    t.test('a plan that is stale is refused, and says by whom', async (t) => {
      const planned = await put(harness, document, '?dryRun=true')
      await harness.call('PUT', '/v1/pools/other', { members: {} })
      const stale = await put(harness, document, '', { 'if-match': planned.headers.get('etag')! })
      t.equal(stale.status, 412)
      t.match(stale.body.detail, /has changed since revision \d+: revision \d+ by admin at .*; plan again/)
      const again = await put(harness, document, '?dryRun=true')
      t.equal((await put(harness, document, '', { 'if-match': again.headers.get('etag')! })).status, 200)
    })

    t.test('what is wrong is told whole, by path', async (t) => {
      const before = (await harness.call('GET', '/v1/config')).body
      const bad = await put(harness, {
        version: 2,
        owner: 'Not a name',
        pools: { eu: { monitr: 'web', minUp: 2 } },
        service: {},
      })
      t.equal(bad.status, 400)
      t.same(bad.body.errors.map(({ path }: Any) => path).sort(), [
        'owner',
        'pools.eu.minUp',
        'pools.eu.monitr',
        'service',
        'version',
      ])
      const missing = await put(harness, {
        pools: { eu: { monitor: 'none', members: {} } },
        services: {
          'a.nowhere.test': { pools: ['none'] },
          'loop.example.test': { pools: [{ service: 'loop.example.test' }] },
        },
      })
      t.equal(missing.status, 409)
      t.same(missing.body.errors.map(({ path }: Any) => path).sort(), [
        'pools.eu.monitor',
        'services["a.nowhere.test"]',
        'services["a.nowhere.test"].pools[0]',
        'services["loop.example.test"].pools',
      ])
      for (const body of [[], 'x', 7, { pools: [] }]) t.equal((await put(harness, body)).status, 400)
      t.same((await harness.call('GET', '/v1/config')).body, before, 'nothing is half-done')
    })

    t.test('the serial of a zone goes on from its last one', async (t) => {
      const file =
        '$ORIGIN ahead.test.\n$TTL 300\n@ SOA ns1 hostmaster 3000000000 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.53\n'
      const imported = await harness.send('PUT', '/v1/zones/ahead.test/zonefile', file, {
        'content-type': 'text/dns',
        authorization: `Bearer ${adminToken}`,
      })
      t.match(imported, { status: 201, body: { status: { serial: 3_000_000_000 } } })
      const zones = {
        'ahead.test': { soa: zone.soa, rrsets: [{ name: 'ns1', type: 'A', data: ['192.0.2.54'] }] },
      }
      t.equal((await put(harness, { zones })).status, 200)
      t.equal((await harness.call('GET', '/v1/zones/ahead.test')).body.status.serial, 3_000_000_001)
    })

    t.test('a document that says nothing of RRsets leaves them alone', async (t) => {
      const heads = (await harness.call('GET', '/v1/config?rrsets=false')).body
      t.notOk('rrsets' in heads.zones['ahead.test'])
      t.match(await put(harness, heads, '?prune=true'), { status: 200, body: { changed: false } })
      t.equal((await harness.call('GET', '/v1/zones/ahead.test')).body.status.rrsets, 2)
      const emptied = {
        ...heads,
        zones: { ...heads.zones, 'ahead.test': { ...heads.zones['ahead.test'], rrsets: [] } },
      }
      t.match(await put(harness, emptied, '?prune=true&dryRun=true'), {
        body: { summary: { removeInside: 2 } },
      })
    })

    t.test('what comes of members that are named and that stay is judged together', async (t) => {
      await harness.call('PUT', '/v1/pools/mixed', {
        members: { a: { addresses: ['192.0.2.1', '192.0.2.2'] } },
      })
      const taken = await put(harness, { pools: { mixed: { members: { b: { address: '192.0.2.2' } } } } })
      t.match(taken, { status: 409, body: { errors: [{ path: /^pools\.mixed\.members\./ }] } })
      const alias = await put(harness, {
        pools: { mixed: { hosts: 'cname', members: { b: { host: 'x.example.' } } } },
      })
      t.match(alias, { status: 409, body: { errors: [{ path: 'pools.mixed.members.a.addresses' }] } })
    })

    t.test('no service becomes an alias at an apex, by whatever way', async (t) => {
      const made = await put(harness, {
        pools: {
          plain: { members: { a: { address: '192.0.2.1' } } },
          cdn: { hosts: 'cname', members: { a: { host: 'x.example.' } } },
        },
        zones: { 'apex.test': { soa: zone.soa } },
        services: { 'apex.test': { pools: ['plain'] }, 'inner.apex.test': { pools: ['plain'] } },
      })
      t.equal(made.status, 200, JSON.stringify(made.body))
      const fallback = {
        plain: { whenAllDown: 'fallback', fallback: 'cdn', members: { a: { address: '192.0.2.1' } } },
      }
      t.match(await put(harness, { pools: fallback }), {
        status: 409,
        body: { detail: /at the apex of zone apex\.test/ },
      })
      t.equal(
        (await put(harness, { services: { 'apex.test': { pools: [{ service: 'inner.apex.test' }] } } }))
          .status,
        200,
      )
      const nested = await put(harness, { services: { 'inner.apex.test': { pools: ['cdn'] } } })
      t.match(nested, { status: 409, body: { detail: /at the apex of zone apex\.test/ } })
    })

    t.test('a revision that is none of this history is nothing to go by', async (t) => {
      for (const tag of ['"999999"', '"abc"']) {
        t.equal((await put(harness, {}, '', { 'if-match': tag })).status, 412, tag)
      }
    })

    t.test('a row that nobody can read holds up nothing else, and may be replaced', async (t) => {
      await harness.call('PUT', '/v1/monitors/old', { type: 'tcp', port: 1 })
      await harness.database.record((tx) =>
        tx.execute(sql`update monitors set settings = '{"port": 0}' where name = 'old'`),
      )
      t.equal((await put(harness, { pools: { unrelated: { members: {} } } })).status, 200)
      t.equal((await harness.call('GET', '/v1/config')).status, 400, 'an export would leave it out')
      t.equal((await put(harness, { monitors: { old: { type: 'tcp', port: 2 } } })).status, 200)
      t.match((await harness.call('GET', '/v1/config')).body.monitors.old, { port: 2 })
    })

    t.test('secrets of monitors are for those who may write', async (t) => {
      const secret = { monitors: { m: { type: 'http', headers: { authorization: 'Bearer secret' } } } }
      const applied = await put(harness, secret)
      t.equal(applied.status, 200)
      t.notMatch(JSON.stringify(applied.body), /secret/)
      const { body: token } = await harness.call('POST', '/v1/tokens', {
        name: `reader-${kind}`,
        scopes: ['read'],
      })
      const read = await harness.call('GET', '/v1/config', undefined, { token: token.secret })
      t.equal(read.status, 200)
      t.notMatch(JSON.stringify(read.body), /secret/)
      t.match((await harness.call('GET', '/v1/config')).body.monitors.m, secret.monitors.m)
      t.equal((await put(harness, read.body)).status, 400, 'a mark replaces nothing')
    })
  })
}
