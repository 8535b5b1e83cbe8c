import t from 'tap'
import { refreshCookieKeys } from '../../../src/controlplane/store/cookie-keys.ts'
import { Database } from '../../../src/controlplane/store/database.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'

const hex = (keys: readonly Uint8Array[]) => keys.map((key) => Buffer.from(key).toString('hex'))
const minute = 60_000
const hour = 60 * minute

t.test('a new key is accepted before it signs, an old one as long as its cookies are good', async (t) => {
  await using postgres = await startPostgres()
  await using database = await Database.open({ url: await postgres.createDatabase(), dataDir: t.testdir() })
  await database.ready(patience())
  const start = Date.parse('2026-01-01T00:00:00Z')
  const at = (ms: number) => database.record((tx) => refreshCookieKeys(tx, new Date(start + ms)))

  const first = hex(await at(0))
  t.equal(first.length, 1)
  t.match(first[0], /^[0-9a-f]{32}$/)
  t.same(hex(await at(0)), first, 'another node gets the same')
  t.same(hex(await at(24 * hour)), first)

  const both = hex(await at(24 * hour + 1))
  t.equal(both.length, 2)
  t.equal(both[0], first[0], 'the old one still signs')
  t.same(hex(await at(24 * hour + 5 * minute)), both)
  t.same(
    hex(await at(24 * hour + 5 * minute + 1)),
    both.toReversed(),
    'the new one signs, the old one is accepted',
  )
  t.equal((await at(26 * hour)).length, 2)
  t.same(hex(await at(27 * hour)), [both[1]], 'the old one is forgotten')
})
