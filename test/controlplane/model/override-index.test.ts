import fc from 'fast-check'
import t from 'tap'
import { matchesPattern } from '../../../src/controlplane/model/glob.ts'
import type { Override } from '../../../src/controlplane/model/override.ts'
import { effectiveOverride, isExact, OverrideIndex } from '../../../src/controlplane/model/override-index.ts'

const now = new Date('2026-05-01T12:00:00Z')
const at = (seconds: number) => new Date(now.getTime() + seconds * 1000)

const override = (key: string, since: number, until: Date | null = null): Override => {
  const [pool, member] = key.split('/') as [string, string]
  return { pool, member, state: 'drain', until, reason: '', actor: 'ann', since: at(since) }
}

t.test('which of several holds a member', async (t) => {
  const ended = at(0)
  const rows: [string, [key: string, since: number, until?: Date][], string | null, string][] = [
    // member, overrides, the key of the one that holds it, why
    ['web-eu/fra-1', [], null, 'there is none'],
    ['web-eu/fra-1', [['web-eu/fra-1', 0]], 'web-eu/fra-1', 'by name'],
    ['web-eu/fra-1', [['web-eu/fra-2', 0]], null, 'of another member'],
    ['web-eu/fra-1', [['web-us/fra-1', 0]], null, 'of another pool'],
    ['web-eu/fra-1', [['web-*/fra-*', 0]], 'web-*/fra-*', 'by a pattern'],
    ['web-eu/lon-1', [['web-*/fra-*', 0]], null, 'a pattern of other members'],
    ['api/fra-1', [['web-*/fra-*', 0]], null, 'a pattern of other pools'],
    ['web-eu/fra-1', [['web-eu/*', 0]], 'web-eu/*', 'a whole pool'],
    [
      'web-eu/fra-1',
      [
        ['web-eu/fra-?', 9],
        ['web-eu/fra-1', 0],
      ],
      'web-eu/fra-1',
      'the exact one goes first, though it is older',
    ],
    [
      'web-eu/fra-1',
      [
        ['*/fra-1', 9],
        ['web-eu/*', 0],
      ],
      'web-eu/*',
      'six literal characters before five',
    ],
    [
      'web-eu/fra-1',
      [
        ['web-*/fra-*', 9],
        ['web-e?/fra-?', 0],
      ],
      'web-e?/fra-?',
      'nine before eight, whatever the age',
    ],
    [
      'web-eu/fra-1',
      [
        ['web-*/*', 0],
        ['*/fra-*', 1],
      ],
      '*/fra-*',
      'as many: the newest',
    ],
    [
      'web-eu/fra-1',
      [
        ['*/fra-*', 0],
        ['web-*/*', 1],
      ],
      'web-*/*',
      'as many: the newest, the other way round',
    ],
    [
      'web-eu/fra-1',
      [
        ['web-*/*', 0],
        ['*/fra-*', 0],
      ],
      '*/fra-*',
      'as many and as old: one, and always that',
    ],
    ['web-eu/fra-1', [['web-eu/fra-1', 0, ended]], null, 'ended'],
    ['web-eu/fra-1', [['web-eu/fra-1', 0, at(1)]], 'web-eu/fra-1', 'not ended yet'],
    [
      'web-eu/fra-1',
      [
        ['web-eu/fra-1', 0, ended],
        ['web-eu/fra-*', 0, ended],
        ['*/*', 0],
      ],
      '*/*',
      'those that ended leave the place to one that has not',
    ],
  ]
  for (const [name, given, held, why] of rows) {
    const [pool, member] = name.split('/') as [string, string]
    for (const order of [given, given.toReversed()]) {
      const index = new OverrideIndex(order.map(([key, since, until]) => override(key, since, until ?? null)))
      const found = effectiveOverride(index, pool, member, now)
      t.equal(found === null ? null : `${found.pool}/${found.member}`, held, `${name}: ${why}`)
      t.equal(effectiveOverride(index, pool, member, now), found, 'and again')
    }
  }
})

t.test('no other goes before the one that is found', async () => {
  const part = fc.constantFrom('a', 'b', 'ab', 'a*', '*', '?', '?b', '*b')
  const name = fc.constantFrom('a', 'b', 'ab')
  const rank = ({ pool, member, since }: Override) => [
    pool.replaceAll(/[*?]/g, '').length + member.replaceAll(/[*?]/g, '').length,
    since.getTime(),
  ]
  fc.assert(
    fc.property(
      fc.array(fc.tuple(part, part, fc.nat(3), fc.constantFrom(null, -1, 0, 1)), { maxLength: 12 }),
      name,
      name,
      (given, pool, member) => {
        const byKey = new Map(
          given.map(([p, m, since, until]) => [
            `${p}/${m}`,
            override(`${p}/${m}`, since, until === null ? null : at(until)),
          ]),
        )
        const found = effectiveOverride(new OverrideIndex(byKey.values()), pool, member, now)
        const able = [...byKey.values()].filter(
          (one) =>
            matchesPattern(one.pool, pool) &&
            matchesPattern(one.member, member) &&
            (one.until === null || one.until > now),
        )
        if (found === null) return able.length === 0
        const exact = able.find(isExact)
        if (exact !== undefined) return found === exact
        const [literals, since] = rank(found) as [number, number]
        return able.every((one) => {
          const [otherLiterals, otherSince] = rank(one) as [number, number]
          return otherLiterals < literals || (otherLiterals === literals && otherSince <= since)
        })
      },
    ),
    { numRuns: 2000 },
  )
})
