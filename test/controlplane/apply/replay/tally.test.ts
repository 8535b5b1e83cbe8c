/** What is added up of a replay, and what is said of it. */
import fc from 'fast-check'
import t from 'tap'
import { replayLines } from '../../../../src/commands/document/replay-text.ts'
import {
  answeringOf,
  type ExpectedAnswer,
  moved,
  movesOf,
  type Outcome,
} from '../../../../src/controlplane/apply/replay/answers.ts'
import { isEnough, viewReplay } from '../../../../src/controlplane/apply/replay/replay-view.ts'
import { type TalliedQuestion, Tally } from '../../../../src/controlplane/apply/replay/tally.ts'

const question = (fields: Partial<TalliedQuestion> = {}): TalliedQuestion => ({
  name: 'www.example.test',
  type: 'A',
  zone: 'example.test',
  sampled: 1,
  weight: 1,
  country: null,
  ...fields,
})
const by = (pools: Record<string, number>, service = 'www.example.test'): ExpectedAnswer[] =>
  Object.entries(pools).map(([key, share]) => {
    const [pool, member = 'a'] = key.split('/') as [string, string?]
    const members = pool === '' ? [] : [{ pool, member, share: 1 }]
    return { share, outcome: pool === '' ? 'servfail' : 'answer', services: [{ service, members }], data: '' }
  })
const plain = (outcome: Outcome, data = ''): ExpectedAnswer[] => [{ share: 1, outcome, services: [], data }]

function seen(tally: Tally, { located = false, held = tally.all.sampled } = {}) {
  const questions = tally.all.sampled
  const sample = {
    questions,
    held,
    standsFor: tally.all.weight,
    overSeconds: 90,
    enough: isEnough(questions),
    overTcp: 0,
  }
  return viewReplay(tally, sample, located)
}

t.test('nobody moves who need not, and whoever does goes to those that gain', async (t) => {
  const part = fc.integer({ min: 0, max: 20 })
  const shares = fc.array(part, { minLength: 4, maxLength: 4 }).map((parts) => {
    const total = parts.reduce((sum, each) => sum + each, 0)
    return new Map(parts.map((each, i) => [`p${i}`, total === 0 ? 1 / 4 : each / total]))
  })
  const near = (a: number, b: number) => Math.abs(a - b) < 1e-9
  const holds = () =>
    fc.assert(
      fc.property(shares, shares, (before, after) => {
        const moves = movesOf(before, after)
        const sum = moves.reduce((all, { share }) => all + share, 0)
        return (
          near(sum, moved(before, after)) &&
          [...before].every(([key, share]) => {
            const out = moves.reduce((all, move) => all + (move.from === key ? move.share : 0), 0)
            const into = moves.reduce((all, move) => all + (move.to === key ? move.share : 0), 0)
            return near(share - out + into, after.get(key)!) && (out === 0 || into === 0)
          })
        )
      }),
    )
  t.doesNotThrow(holds)
})

t.test('a service that only some answers meet is told of those', async (t) => {
  const before = [...by({ eu: 0.25 }), { ...plain('answer')[0]!, share: 0.75 }]
  const {
    part,
    before: was,
    after: is,
  } = answeringOf(before, [...by({ us: 0.5 }), { ...plain('answer')[0]!, share: 0.5 }], 'www.example.test')
  t.equal(part, 0.5)
  t.same(Object.fromEntries(was.pools), { eu: 0.5, '': 0.5 })
  t.same(Object.fromEntries(is.pools), { us: 1 })
})

t.test('by service, country and zone', async (t) => {
  const tally = new Tally()
  tally.add(question({ weight: 60, sampled: 60, country: 'DE' }), by({ eu: 1 }), by({ eu: 0.5, us: 0.5 }))
  tally.add(question({ weight: 40, sampled: 40, country: 'US' }), by({ us: 1 }), by({ us: 1 }))
  tally.add(
    question({ name: 'old.example.test', weight: 100, sampled: 50 }),
    plain('answer', 'x'),
    plain('nxdomain'),
  )
  tally.add(
    question({ name: 'x.other.test', zone: null, type: 'TXT', weight: 50 }),
    plain('answer', 'x'),
    plain('answer', 'y'),
  )
  tally.add(
    question({ name: 'mail.example.test', type: 'MX', weight: 750 }),
    plain('answer', 'x'),
    plain('answer', 'x'),
  )
  const view = seen(tally, { located: true })
  t.same(view.changes, { otherRcode: 0.1, otherData: 0.05, otherPool: 0.03 })
  t.match(view.services, [
    {
      service: 'www.example.test',
      questions: 100,
      enough: true,
      share: 0.1,
      pools: [
        { pool: 'eu', before: 0.6, after: 0.3 },
        { pool: 'us', before: 0.4, after: 0.7 },
      ],
      moves: [{ from: 'eu', to: 'us', share: 0.3 }],
      otherMember: 0.3,
      countries: [{ country: 'DE', share: 0.6, moves: [{ from: 'eu', to: 'us', share: 0.5 }] }],
    },
  ])
  t.match(view.zones, [
    { zone: 'example.test', share: 0.95 },
    { zone: null, otherData: 1 },
  ])
  t.same(view.names, [
    { name: 'old.example.test', type: 'A', share: 0.1, before: 'NOERROR', after: 'NXDOMAIN' },
    { name: 'x.other.test', type: 'TXT', share: 0.05, before: 'NOERROR', after: 'NOERROR' },
  ])
  t.match(view.countries, [
    { country: null, otherRcode: 0.1111 },
    { country: 'DE', share: 0.06, otherPool: 0.5 },
  ])
  t.equal(seen(tally).countries, null)
  const lines = replayLines(view).join('\n')
  for (const line of [
    '  30 % of the questions for www.example.test move from eu to us',
    '    DE: 50 % from eu to us',
    '    x.other.test TXT: other data (5 % of all questions)',
    '  names in no zone: 0 % get another rcode, 100 % other data',
  ])
    t.ok(lines.includes(line), `${line} in ${lines}`)
})

t.test('members of one pool, pools that come to nothing, and names with control characters', async (t) => {
  const tally = new Tally()
  tally.add(
    question({ sampled: 200, weight: 200 }),
    by({ 'eu/a': 0.5, 'eu/b': 0.5 }),
    by({ 'eu/a': 0.9, 'eu/b': 0.1 }),
  )
  tally.add(
    question({ sampled: 20, weight: 20, name: 'x' }),
    by({ eu: 1 }, 'down.example.test'),
    by({ '': 1 }, 'down.example.test'),
  )
  tally.add(question({ name: '\u001b[31m', weight: 5 }), plain('nodata'), plain('refused'))
  const lines = replayLines(seen(tally)).join('\n')
  t.match(lines, /40 % of the questions for www\.example\.test get another member of the same pool\n/)
  t.match(
    lines,
    /100 % of the questions for down\.example\.test move from eu to nobody \(of 20 questions, which says little\)\n/,
  )
  t.match(lines, /NODATA -> REFUSED/)
  t.notMatch(lines, '\u001b')
})

t.test('too few say nothing, and none less', async (t) => {
  const tally = new Tally()
  t.same(replayLines(seen(tally)), ['replay: the sample holds no question, so nothing can be said'])
  tally.add(question({ sampled: 99, weight: 99 }), by({ eu: 1 }), by({ us: 1 }))
  t.same(replayLines(seen(tally)), [
    'replay: the sample holds 99 questions of the last 1 min 30 s: too few to say anything',
  ])
  tally.add(question({ sampled: 1, weight: 1201 }), plain('answer'), plain('answer'))
  t.equal(
    replayLines(seen(tally, { held: 120 }))[0],
    'replayed 100 questions of the last 1 min 30 s, of 1,300 (of 120 in the sample; time was up)',
  )
  const same = new Tally()
  same.add(question({ sampled: 100, weight: 100 }), by({ eu: 1 }), by({ eu: 1 }))
  t.same(replayLines(seen(same)).slice(1), [
    '  all of them are answered by the same pools and with the same data',
  ])
  const turned = new Tally()
  turned.add(question({ sampled: 100, weight: 100 }), by({ 'eu/a': 1 }), by({ 'eu/b': 1 }))
  t.same(replayLines(seen(turned)).slice(1, 3), [
    '  all of them are answered by the same pools, some by other members of them',
    '  100 % of the questions for www.example.test get another member of the same pool',
  ])
})
