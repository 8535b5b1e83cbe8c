import fc from 'fast-check'
import { type SQL, sql } from '../../../../schema/drizzle.ts'
import { type Limits, Reach } from '../../../../src/controlplane/model/reach.ts'
import type { Database } from '../../../../src/controlplane/store/database.ts'
import { auditReached, reached } from '../../../../src/controlplane/store/reached.ts'
import { prune } from '../../../../src/controlplane/store/retention.ts'
import { createToken, findToken, listTokens } from '../../../../src/controlplane/store/tokens.ts'
import type { Suite } from './samples.ts'

export const reachedSuite: Suite = async (t, database) => {
  const holds = async (condition: SQL) =>
    (await database.read((tx) => tx.execute<{ holds: boolean }>(sql`select ${condition} as holds`))).rows[0]!
      .holds

  await t.test('a pattern means the same to the database', async () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'B', '.', '\\', '[', '^', '%', '_', '-', '*', '?'),
      maxLength: 8,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 3 }), text, async (pools, name) => {
        const column = sql`${name}::text`
        const reach = new Reach({ pools })
        return (await holds(reached(reach, 'pool', column)!)) === reach.includes({ kind: 'pool', name })
      }),
      {
        numRuns: 300,
        examples: [
          [['*.'], '\\\\\\.'],
          [['*.'], '\\\\.'],
        ],
      },
    )
  })

  await t.test('of a kind without patterns there is nothing, and without limits everything', async (t) => {
    t.equal(await holds(reached(new Reach({ pools: ['*'] }), 'zone', sql`'a'`)!), false)
    t.equal(reached(null, 'zone', sql`'a'`), undefined)
  })

  await t.test('entries of the audit log', async (t) => {
    const limits: Limits = { pools: ['web-*'], zones: ['*.test', '0/25.*'], services: ['www.*'] }
    const rows: [action: string, key: string, isReached: boolean][] = [
      ['pool.put', 'web-eu', true],
      ['pool.put', 'api', false],
      ['monitor.put', 'web-eu', false],
      ['webhook.put', 'web-eu', false],
      ['token.create', 'web-eu', false],
      ['database.accept-empty', '', false],
      ['member.put', 'web-eu/a', true],
      ['member.fail-back', 'api/web-eu', false],
      ['override.put', 'web-*/*', true],
      ['override.expire', '*/*', false],
      ['service.delete', 'www.example.test', true],
      ['service-override.put', 'api.example.test', false],
      ['zone.put', 'example.test', true],
      ['rrset.put', 'example.test/www/A', true],
      ['rrset.put', 'example.org/www.test/A', false],
      // Of zone `0/25.b.arpa`, or of a name in zone `0`: nobody can tell, so nobody sees it.
      ['rrset.put', '0/25.b.arpa/w/A', false],
      ['zone.put', '0/25.b.arpa', true],
    ]
    for (const [action, key, isReached] of rows) {
      const said = await holds(auditReached(new Reach(limits), sql`${action}::text`, sql`${key}::text`))
      t.equal(said, isReached, `${action} ${key}`)
    }
  })

  await t.test('what versions of old must not honour stands where they do not look', async (t) => {
    const limits = { zones: ['a.test'] }
    const expiresAt = new Date('2999-06-01T00:00:00Z')
    const make = (name: string, more: object) =>
      database.record((tx) => createToken(tx, name, ['write', 'override'], more))
    const secret = await make('limited', { limits, description: 'for a.test' })
    await make('ending', { expiresAt })
    await make('plain', {})
    const scopes = await database.read((tx) =>
      tx.execute<{ name: string; scopes: string[] }>(sql`select name, scopes from tokens order by name`),
    )
    t.same(scopes.rows, [
      { name: 'ending', scopes: ['limited'] },
      { name: 'limited', scopes: ['limited'] },
      { name: 'plain', scopes: ['override', 'write'] },
    ])
    t.match(await database.read((tx) => findToken(tx, secret)), {
      scopes: ['write', 'override'],
      limits,
      expiresAt: null,
      description: 'for a.test',
    })
    await t.rejects(
      database.record((tx) => tx.execute(sql`update tokens set scopes = '{write}' where name = 'limited'`)),
    )
    for (const [written, read] of [
      ['7', {}],
      ['[]', {}],
      ['{"zones": "a"}', {}],
      ['{"zones": [1, "b.test"], "pools": [], "else": ["x"]}', { zones: ['b.test'] }],
    ] as const) {
      await database.record((tx) =>
        tx.execute(sql`update tokens set limits = ${written}::json where name = 'limited'`),
      )
      t.same(await findLimits(database, secret), read, 'what can not be read gives nothing')
    }
    await database.record((tx) => prune(tx))
    t.same(
      (await database.read(listTokens)).map(({ name }) => name),
      ['ending', 'limited', 'plain'],
    )
    await database.record(async (tx) => {
      await tx.execute(sql`update tokens set expires_at = now() - interval '31 days' where name = 'ending'`)
      await prune(tx)
    })
    t.same(
      (await database.read(listTokens)).map(({ name }) => name),
      ['limited', 'plain'],
    )
  })
}

async function findLimits(database: Database, secret: string): Promise<Limits | null | undefined> {
  return (await database.read((tx) => findToken(tx, secret)))?.limits
}
