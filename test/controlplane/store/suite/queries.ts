import type { LoggedQuery } from '../../../../src/controlplane/model/logged-query.ts'
import {
  appendQueries,
  listQueries,
  pruneQueries,
  type QueryFilter,
} from '../../../../src/controlplane/store/queries.ts'
import type { Suite } from './samples.ts'

const at = (minute: number) => new Date(Date.UTC(2026, 1, 1, 0, minute))

const logged = (minute: number, fields: Partial<LoggedQuery> = {}): LoggedQuery => ({
  at: at(minute),
  client: '198.51.100.0/24',
  transport: 'udp',
  name: 'www.example.test',
  type: 'A',
  rcode: 'NOERROR',
  octets: 50,
  answered: [],
  ...fields,
})
const answered = [
  { service: 'www.example.test', pool: 'web', member: 'a' },
  { service: 'other.test', pool: 'web', member: 'b' },
]

export const queriesSuite: Suite = async (t, database) => {
  const append = (node: string, added: readonly LoggedQuery[]) =>
    database.record((tx) => appendQueries(tx, node, added))
  const list = (filter: QueryFilter & { limit?: number; cursor?: string | null } = {}) =>
    database.read((tx) => listQueries(tx, { limit: 100, ...filter }))
  const minutes = async (filter?: QueryFilter) =>
    (await list(filter)).items.map((query) => (query.at.getTime() - at(0).getTime()) / 60_000)

  await t.test('queries are listed as they were stored, newest first', async (t) => {
    await append('n1', [logged(1, { answered }), logged(2, { client: '2001:db8::/56', transport: 'tcp' })])
    await append('n2', [
      logged(3, { name: null, type: null, rcode: 'FORMERR', client: '192.0.2.7' }),
      logged(4, { name: 'a\\000.test', rcode: 'NXDOMAIN' }),
    ])
    const { items } = await list()
    t.same(
      items.map(({ id: _, node: __, ...query }) => query),
      [
        logged(4, { name: 'a\\000.test', rcode: 'NXDOMAIN' }),
        logged(3, { name: null, type: null, rcode: 'FORMERR', client: '192.0.2.7' }),
        logged(2, { client: '2001:db8::/56', transport: 'tcp' }),
        logged(1, { answered }),
      ],
    )
    t.same(
      items.map(({ node }) => node),
      ['n2', 'n2', 'n1', 'n1'],
    )
    const first = await list({ limit: 3 })
    const second = await list({ limit: 3, cursor: first.nextCursor })
    t.same([...first.items, ...second.items], items)
    t.equal(second.nextCursor, null)
  })

  await t.test('filters', async (t) => {
    t.same(await minutes({ name: 'www.example.test' }), [2, 1])
    t.same(await minutes({ service: 'other.test' }), [1])
    t.same(await minutes({ rcode: 'FORMERR' }), [3])
    t.same(await minutes({ node: 'n1' }), [2, 1])
    t.same(await minutes({ since: at(2), until: at(4) }), [3, 2])
    t.same(await minutes({ client: '198.51.100.9' }), [4, 1], 'an address that may have been the one')
    t.same(await minutes({ client: '192.0.2.0/24' }), [3])
    t.same(await minutes({ client: '2001:db8::1' }), [2])
    t.same(await minutes({ client: '2001:db8:0:100::1' }), [])
  })

  await t.test('what is old goes, and what is too much', async (t) => {
    const prune = (ageMs: number, rows: number) => pruneQueries(database, { ageMs, rows }, at(5))
    t.equal(await prune(3_600_000, 4), 0)
    t.equal(await prune(3_600_000, 3), 1)
    t.same(await minutes(), [4, 3, 2])
    t.equal(await prune(120_000, 10), 1)
    t.same(await minutes(), [4, 3])
    await append(
      'n1',
      Array.from({ length: 25_000 }, () => logged(4)),
    )
    t.equal(await prune(3_600_000, 2), 25_000, 'in several transactions')
    t.same(await minutes(), [4, 4])
    t.equal(await prune(0, 10), 2)
  })
}
