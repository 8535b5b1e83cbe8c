import { sql } from '../../../../schema/drizzle.ts'
import { NodesBehind } from '../../../../src/controlplane/fleet/nodes-behind.ts'
import type { MemberReport } from '../../../../src/controlplane/model/observation.ts'
import { stampOf } from '../../../../src/controlplane/store/changes.ts'
import {
  beat,
  forgetNode,
  leave,
  listNodes,
  listSigningNodes,
  lookAround,
  pruneFleet,
  readReports,
  readVerdicts,
  saveReports,
} from '../../../../src/controlplane/store/fleet.ts'
import { putPool } from '../../../../src/controlplane/store/pools.ts'
import { member, pool, put, refused, type Suite } from './samples.ts'

const startedAt = new Date('2026-11-01T00:00:00Z')
const node = (id: string) => ({
  id,
  name: null,
  version: '1.0.0',
  startedAt,
  revision: 3,
  suspect: false,
  verdicts: null,
})

export const fleetSuite: Suite = async (t, database) => {
  await t.test('a revision counts that the database has in its history', async (t) => {
    const { revision } = await database.write('ann', (write) => putPool(write, pool('history', []), {}))
    const stamp = await database.read((tx) => stampOf(tx, revision))
    const rows = [
      { id: 'current', revision, stamp },
      { id: 'restored', revision, stamp: 'of another history' },
      { id: 'ahead', revision: revision + 100, stamp: 'that is gone' },
      { id: 'unstamped', revision: revision + 100 },
    ]
    for (const { id, ...served } of rows) await database.record((tx) => beat(tx, { ...node(id), ...served }))
    const over = AbortSignal.abort()
    const behind = new NodesBehind({ database, self: 'unstamped', liveForMs: 10_000, everyMs: 1 })
    t.same((await behind.behind(revision, over)).toSorted(), ['ahead', 'restored'])
    for (const { id } of rows) await database.record((tx) => leave(tx, id))
  })

  await t.test(
    'a node is listed from its first beat until it leaves, or has been silent for a day',
    async (t) => {
      await database.record((tx) =>
        beat(tx, { ...node('a'), verdicts: { version: 1, byPool: { web: { m1: 'up' } } } }),
      )
      await database.record((tx) => beat(tx, { ...node('b'), name: 'second', suspect: true }))
      await database.record((tx) => beat(tx, { ...node('c'), revision: 4 }))
      await database.record((tx) =>
        tx.execute(sql`update nodes set seen_at = seen_at - interval '1 minute' where id = 'c'`),
      )
      const found = await database.read((tx) => listNodes(tx, 10_000))
      t.same(
        found.map(({ id, name, version, revision, suspect, live }) => [
          id,
          name,
          version,
          revision,
          suspect,
          live,
        ]),
        [
          ['a', null, '1.0.0', 3, false, true],
          ['b', 'second', '1.0.0', 3, true, true],
          ['c', null, '1.0.0', 4, false, false],
        ],
      )
      t.same(found[0]!.startedAt, startedAt)
      t.ok(found[0]!.seenAt instanceof Date)
      const ids = async (self: string) =>
        (await database.read((tx) => lookAround(tx, self, 10_000))).peers.map(({ id }) => id)
      t.same(await ids('x'), ['a', 'b'], 'who is silent is no peer')
      t.same(await ids('a'), ['b'], 'nor is who asks')
      const around = await database.read((tx) => lookAround(tx, 'b', 10_000))
      t.same(around.peers, [{ id: 'a', suspect: false, version: 1, revision: 3 }])
      t.same(around.nodes, found, 'and every node, this one too')
      t.same(await database.read((tx) => readVerdicts(tx, ['a', 'gone'])), [
        { id: 'a', version: 1, byPool: { web: { m1: 'up' } } },
      ])
      t.same(await database.read((tx) => readVerdicts(tx, [])), [])

      await database.record((tx) => beat(tx, { ...node('a'), revision: 9 }))
      t.same(await database.read((tx) => readVerdicts(tx, ['a'])), [
        { id: 'a', version: 1, byPool: { web: { m1: 'up' } } },
      ])
      await database.record((tx) => leave(tx, 'a'))
      t.same(await ids('x'), ['b'])
      await database.record((tx) =>
        tx.execute(sql`update nodes set seen_at = seen_at - interval '2 days' where id = 'c'`),
      )
      await database.record((tx) => pruneFleet(tx))
      t.same(
        (await database.read((tx) => listNodes(tx, 1))).map(({ id }) => id),
        ['b'],
      )
    },
  )

  await t.test(
    'a node that is silent is waited for a week, or until somebody says that it is gone',
    async (t) => {
      const away = async (id: string, interval: string) => {
        await database.record((tx) => beat(tx, { ...node(id), leases: { 'example.test': 10_000 } }))
        await database.record((tx) =>
          tx.execute(
            sql`update nodes set seen_at = clock_timestamp() - ${interval}::interval where id = ${id}`,
          ),
        )
      }
      await away('d', '6 days')
      await away('e', '8 days')
      await database.record((tx) => pruneFleet(tx))
      const waited = async () =>
        (await database.read((tx) => listSigningNodes(tx))).filter(({ id }) => id === 'd' || id === 'e')
      const [found, ...others] = await waited()
      t.same(others, [])
      t.match(found, { id: 'd', leases: { 'example.test': 10_000 }, seenAt: Date })
      t.ok(found!.silentMs > 5 * 86_400_000)
      const forget = (id: string) => put(database, (write) => forgetNode(write, id, 60_000))
      await forget('d')
      t.same(await waited(), [])
      await refused(t, 'not-found', forget('d'))
      await refused(t, 'conflict', forget('b'))
    },
  )

  await t.test(
    'a node that was seen in times to come, as somebody says by SQL, is waited for by nobody',
    async (t) => {
      for (const id of ['f', 'g']) {
        await database.record((tx) => beat(tx, node(id)))
        await database.record((tx) =>
          tx.execute(
            sql`update nodes set seen_at = ${id === 'f' ? 'infinity' : '2999-01-01'} where id = ${id}`,
          ),
        )
      }
      const others = async () => [
        ...(await database.read((tx) => listSigningNodes(tx))),
        ...(await database.read((tx) => lookAround(tx, 'x', 10_000))).nodes,
      ]
      t.notOk((await others()).some(({ id }) => id === 'f' || id === 'g'))
      await put(database, (write) => forgetNode(write, 'f', 60_000))
      await database.record((tx) => pruneFleet(tx))
      await refused(
        t,
        'not-found',
        put(database, (write) => forgetNode(write, 'g', 60_000)),
      )
    },
  )

  await t.test('a report is read once it is stored, and an older one never replaces it', async (t) => {
    const report = (changes: Partial<MemberReport> = {}): MemberReport => ({
      pool: 'web',
      member: 'm1',
      state: 'up',
      reason: 'said so',
      weightPercent: null,
      at: new Date(1_000_000),
      until: new Date(Date.now() + 60_000),
      ...changes,
    })
    const members = [member('m1', '192.0.2.1'), member('m2', '192.0.2.2')]
    await put(database, (write) => putPool(write, pool('web', members), {}))
    const read = (since: Date | null) => database.read((tx) => readReports(tx, since))
    const { reports: none, since } = await read(null)
    t.same(none, [])
    t.ok(Math.abs(since.getTime() - Date.now()) < 60_000)
    await database.record((tx) => saveReports(tx, []))
    const first = report()
    const second = report({ member: 'm2', state: 'down', weightPercent: 40.25 })
    await database.record((tx) => saveReports(tx, [second, first]))
    const byMember = (found: MemberReport[]) => found.sort((a, b) => (a.member < b.member ? -1 : 1))
    t.same(byMember((await read(since)).reports), [first, second])
    t.same(
      byMember((await read(since)).reports),
      [first, second],
      'again: a transaction may have been under way',
    )
    await database.record((tx) =>
      tx.execute(sql`update reports set stored_at = stored_at - interval '1 hour'`),
    )
    t.same((await read(since)).reports, [], 'not for ever')
    t.equal((await read(null)).reports.length, 2)

    await database.record((tx) => saveReports(tx, [report({ state: 'down', at: new Date(999_999) })]))
    t.same((await read(since)).reports, [], 'an older report replaces none')
    const newer = report({ state: 'down', at: new Date(1_000_001) })
    await database.record((tx) => saveReports(tx, [newer]))
    t.same((await read(since)).reports, [newer])

    await database.record((tx) => saveReports(tx, [report({ member: 'gone' })]))
    await database.record((tx) =>
      tx.execute(sql`update reports set until = until - interval '3 days' where member = 'm2'`),
    )
    await database.record((tx) => pruneFleet(tx))
    t.same((await read(null)).reports, [newer])
  })
}
