/** What the audit log says of a part before it was changed gives that part back, and takes nothing with it. */
import t from 'tap'
import { startPostgres } from '../../../support/postgres.ts'
import { monitor, soa, startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())
const harness = await startHarness(await postgres.createDatabase())
t.teardown(() => harness[Symbol.asyncDispose]())
const { call } = harness

interface Entry {
  readonly action: string
  readonly key: string
  readonly before: object | null
  readonly after: object | null
}
const last = async (action: string): Promise<Entry> => {
  const { items } = (await call('GET', '/v1/audit')).body as { items: Entry[] }
  const found = items.find((entry) => entry.action === action)
  if (found === undefined) throw new Error(`no ${action} in the audit log`)
  return found
}
const bodyOf = async (path: string) => {
  const { status: _, ...body } = (await call('GET', path)).body
  return body
}

const rrsets = [
  { name: '@', type: 'NS', data: ['ns1'] },
  { name: 'w', type: 'A', data: ['192.0.2.1'] },
]
const parts: readonly (readonly [action: string, path: string, first: object, second: object])[] = [
  ['monitor.put', '/v1/monitors/web', monitor, { ...monitor, interval: '7s' }],
  [
    'pool.put',
    '/v1/pools/eu',
    { monitor: 'web', members: { a: { address: '192.0.2.1' } } },
    { members: { b: { address: '192.0.2.2', weight: 3 } } },
  ],
  ['member.put', '/v1/pools/eu/members/b', { address: '192.0.2.3' }, { address: '192.0.2.4', weight: 7 }],
  ['zone.put', '/v1/zones/au.test', { soa, rrsets }, { soa, ttl: '1m' }],
  ['rrset.put', '/v1/zones/au.test/rrsets/x/A', { data: ['192.0.2.5'] }, { ttl: '9s', data: ['192.0.2.6'] }],
  ['service.put', '/v1/services/www.au.test', { pools: ['eu'] }, { pools: ['eu'], ttl: '4s' }],
  ['override.put', '/v1/pools/eu/members/b/override', { state: 'drain', reason: 'disks' }, { state: 'down' }],
  ['override.put', '/v1/overrides/e*/b', { state: 'drain' }, { state: 'up', reason: 'back' }],
  ['service-override.put', '/v1/services/www.au.test/override', { state: 'down' }, { state: 'up' }],
]

for (const [action, path, first, second] of parts) {
  t.test(`${action} ${path}`, async (t) => {
    const put = async (body: object) => {
      const { status, body: reply } = await call('PUT', path, body)
      t.ok(status === 200 || status === 201, `${status} ${JSON.stringify(reply)}`)
    }
    await put(first)
    const were = await bodyOf(path)
    await put(second)
    const { before, after } = await last(action)
    const are = await bodyOf(path)
    t.notSame(are, were)
    t.ok(before)
    await put(before!)
    t.same(await bodyOf(path), were)
    await put(after!)
    t.same(await bodyOf(path), are)
  })
}

t.test(
  'RRsets that a zone was put with have entries of their own, and a body without any leaves them',
  async (t) => {
    const path = '/v1/zones/own.test'
    await call('PUT', path, { soa, rrsets: [...rrsets, { name: 'gone', type: 'A', data: ['192.0.2.9'] }] })
    t.match(await last('zone.put'), {
      key: 'own.test',
      before: null,
      after: { status: { rrsets: { changed: 3 } } },
    })
    const next = [
      rrsets[0]!,
      { ...rrsets[1]!, data: ['192.0.2.2'] },
      { name: 'new', type: 'A', data: ['192.0.2.3'] },
    ]
    await call('PUT', path, { soa, rrsets: next })
    const { items } = (await call('GET', '/v1/audit?limit=4')).body as { items: Entry[] }
    const told = items.map(({ action, key, before, after }) => [action, key, before, after])
    t.strictSame(
      told
        .filter(([action]) => action !== 'zone.put')
        .sort((one, other) => (String(one[1]) < String(other[1]) ? -1 : 1)),
      [
        ['rrset.delete', 'own.test/gone/A', { data: ['192.0.2.9'] }, null],
        ['rrset.put', 'own.test/new/A', null, { data: ['192.0.2.3'] }],
        ['rrset.put', 'own.test/w/A', { data: ['192.0.2.1'] }, { data: ['192.0.2.2'] }],
      ],
    )
    t.equal((await call('PUT', path, { soa, ttl: '2m' })).status, 200)
    t.match(await bodyOf(path), { ttl: '2m', rrsets: { length: 3 } })
    t.equal((await call('PUT', path, { soa, rrsets: [] })).status, 200)
    t.same((await bodyOf(path)).rrsets, [], 'an empty list is said on purpose')
  },
)

t.test('what is read of a large zone can be written back', async (t) => {
  const many = Array.from({ length: 10_000 }, (_, index) => ({
    name: `n${index}`,
    type: 'A',
    data: ['192.0.2.1'],
  }))
  const path = '/v1/zones/large.test'
  t.equal((await call('PUT', path, { soa, rrsets: [rrsets[0]!, ...many] })).status, 201)
  const read = (await call('GET', path)).body
  t.equal(read.rrsets, undefined, 'too many to be shown')
  t.match((await call('PUT', path, { ...read, ttl: '3m' })).body, { ttl: '3m', status: { rrsets: 10_001 } })
})
