import type { Override } from '../../../../src/controlplane/model/override.ts'
import type { MemberWord, PendingWord } from '../../../../src/controlplane/model/pending-word.ts'
import { listAudit } from '../../../../src/controlplane/store/audit.ts'
import { noBirths, readBirths } from '../../../../src/controlplane/store/births.ts'
import { changesSince } from '../../../../src/controlplane/store/changes.ts'
import { deleteMember, putMember } from '../../../../src/controlplane/store/members.ts'
import { deleteOverride, getOverride, putOverride } from '../../../../src/controlplane/store/overrides.ts'
import { putPool } from '../../../../src/controlplane/store/pools.ts'
import { currentRevision } from '../../../../src/controlplane/store/revision.ts'
import {
  getServiceOverride,
  putServiceOverride,
} from '../../../../src/controlplane/store/service-overrides.ts'
import { putService } from '../../../../src/controlplane/store/services.ts'
import { tellWord } from '../../../../src/controlplane/store/told-words.ts'
import { putZone } from '../../../../src/controlplane/store/zones.ts'
import { member, pool, put, type Suite, service, zone } from './samples.ts'

const time = (minute: number) => new Date(Date.UTC(2026, 4, 1, 12, minute))

export const toldWordsSuite: Suite = async (t, database) => {
  const fra = member('fra-1', '192.0.2.1')
  await put(database, async (write) => {
    await putPool(write, pool('told', [fra, member('lon-1', '192.0.2.2')]), {})
    await putZone(write, zone('told.test'), {})
    await putService(write, service('www.told.test', ['told']), {})
  })
  const bornOf = async (name: string) => {
    const scope = { ...noBirths, pools: new Set(['told']) }
    return (await database.read((tx) => readBirths(tx, scope))).get(`member told/${name}`)!
  }
  const overrideAt = (minute: number, reason: string): Override => {
    return {
      pool: 'told',
      member: 'fra-1',
      state: 'drain',
      until: null,
      reason,
      actor: 'ann',
      since: time(minute),
    }
  }
  const word = (minute: number, override: Override | null, born: number | null = null): MemberWord => {
    return { pool: 'told', member: 'fra-1', override, at: time(minute), actor: 'ann', born }
  }
  const tell = async (said: PendingWord) =>
    (await database.write(said.actor, (write) => tellWord(write, said))).result
  const stored = async () => (await database.read((tx) => getOverride(tx, 'told', 'fra-1')))?.reason

  await t.test('a word is written down once, however often it is told', async (t) => {
    const before = await database.read(currentRevision)
    t.equal(await tell(word(5, overrideAt(5, 'five'), await bornOf('fra-1'))), null)
    t.equal(await stored(), 'five')
    t.match((await database.read((tx) => listAudit(tx, { limit: 1 }))).items, [
      { action: 'override.put', actor: 'ann', key: 'told/fra-1' },
    ])
    t.equal(await tell(word(5, overrideAt(5, 'five'))), null)
    t.match((await database.read((tx) => changesSince(tx, before, 10)))?.changes, [
      { kind: 'override', key: 'told/fra-1' },
      { kind: 'override', key: 'told/fra-1' },
    ])
    t.not((await database.read((tx) => listAudit(tx, { limit: 2 }))).items[1]?.key, 'told/fra-1')
  })

  await t.test('of two words the later holds, whichever is told first', async (t) => {
    t.match(await tell(word(4, overrideAt(4, 'four'))), /ann has set another one at 2026-05-01T12:05/)
    t.match(await tell(word(4, null)), /ann has set another one/)
    t.equal(await stored(), 'five')
    t.equal(await tell(word(6, overrideAt(6, 'six'))), null)
    t.equal(await stored(), 'six')
    t.equal(await tell(word(8, null)), null)
    t.equal(await stored(), undefined)
    t.match(await tell(word(7, overrideAt(7, 'seven'))), /ann has ended it at 2026-05-01T12:08/)
    t.equal(await stored(), undefined)
    t.equal(await tell(word(8, null)), null, 'there is none any more')
    t.equal(await tell(word(9, overrideAt(9, 'nine'))), null)
    t.equal(await stored(), 'nine')
    await database.write('bob', (write) => deleteOverride(write, 'told', 'fra-1'))
    t.match(
      await tell(word(10, overrideAt(10, 'ten'))),
      /bob has ended it at/,
      'by the clock of the database',
    )
    const now = new Date(Date.now() + 60_000)
    t.equal(await tell({ ...word(0, { ...overrideAt(0, 'now'), since: now }), at: now }), null)
    t.equal(await stored(), 'now')
  })

  await t.test('what it was said of may be gone, or another one', async (t) => {
    const born = await bornOf('fra-1')
    await put(database, (write) => deleteMember(write, 'told', 'fra-1', {}))
    t.match(await tell(word(20, overrideAt(20, 'late'), born)), /member fra-1 of pool told has been deleted/)
    const at = new Date(Date.now() + 120_000)
    t.match(await tell({ ...word(0, { ...overrideAt(0, 'late'), since: at }), at }), /does not exist/)
    await put(database, (write) => putMember(write, 'told', fra, {}))
    t.match(await tell(word(20, overrideAt(20, 'late'), born)), /is another one by now/)
    t.equal(await stored(), undefined)
    const gone = { service: 'gone.told.test', at: time(1), actor: 'ann', born: null, override: null }
    t.match(await tell(gone), /gone\.told\.test does not exist/)
    t.match(await tell({ ...gone, born: 3 }), /service gone\.told\.test has been deleted meanwhile/)
    const before = await database.read(currentRevision)
    const other = { ...gone, service: 'www.told.test', born: -1 }
    t.match(await tell(other), /service www\.told\.test is another one by now/)
    const read = await database.read((tx) => changesSince(tx, before, 10))
    t.match(read?.changes, [{ kind: 'service', key: 'www.told.test' }], 'nodes read it without the word')
  })

  await t.test('of services', async (t) => {
    const name = 'www.told.test'
    const said = (minute: number, reason: string) => {
      return { service: name, state: 'down', until: null, reason, actor: 'ann', since: time(minute) } as const
    }
    const ofService = (minute: number, reason: string | null): PendingWord => {
      const override = reason === null ? null : said(minute, reason)
      return { service: name, override, at: time(minute), actor: 'ann', born: null }
    }
    const reasonNow = async () => (await database.read((tx) => getServiceOverride(tx, name)))?.reason
    await put(database, (write) => putServiceOverride(write, said(2, 'two')))
    t.match(await tell(ofService(1, 'one')), /has set another one/)
    t.equal(await tell(ofService(3, 'three')), null)
    t.equal(await tell(ofService(3, 'three')), null)
    t.equal(await reasonNow(), 'three')
    t.equal(await tell(ofService(5, null)), null)
    t.match(await tell(ofService(4, 'four')), /has ended it at 2026-05-01T12:05/)
    t.equal(await reasonNow(), undefined)
  })

  await t.test('patterns', async (t) => {
    const pattern = { ...overrideAt(1, 'all'), member: '*' }
    t.equal(await tell({ ...word(1, pattern), member: '*' }), null)
    t.match(await database.read((tx) => getOverride(tx, 'told', '*')), { reason: 'all' })
    await put(database, (write) => putOverride(write, { ...pattern, since: time(2), reason: 'later' }))
    t.match(await tell({ ...word(1, null), member: '*' }), /has set another one/)
  })
}
