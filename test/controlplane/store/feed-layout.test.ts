/** How long parts are. */
import t from 'tap'
import { type LaidPart, missingParts, mostParts } from '../../../src/controlplane/store/feed-layout.ts'

const hour = 3_600_000_000
const day = 24 * hour
const now = Date.UTC(2026, 5, 1) * 1000
const wanted = (instants: number[], change: object = {}) => ({
  instants,
  rate: 0,
  now,
  retention: { ageMs: null, rows: 10_000_000 },
  ...change,
})
const widths = (stretches: readonly { since: number; until: number }[]) =>
  stretches.map(({ since, until }) => (until - since) / hour)

t.test('a feed that begins has an hour, then up to four times as long each', (t) => {
  const parts: LaidPart[] = []
  const found: number[] = []
  for (let at = now; found.length < 6; at = parts.at(-1)!.until) {
    const made = missingParts(parts, wanted([at], { now: at }))
    found.push(...widths(made))
    parts.push(...made.map((part) => ({ ...part, rows: 1 })))
  }
  t.equal(found[0], 1)
  t.ok(found.every((width, nth) => nth === 0 || width <= 4 * found[nth - 1]!))
  t.ok(
    parts.every(({ since }, nth) => nth === 0 || since === parts[nth - 1]!.until),
    'without gaps',
  )
  t.end()
})

t.test('as long as a sixteenth of the rows takes to come', (t) => {
  const busy = { since: now - hour, until: now, rows: 3_600_000 }
  const [part] = missingParts([busy], wanted([now]))
  t.ok(
    part!.until - part!.since <= 625 * 1_000_000,
    'a thousand rows a second, and ten million that are kept',
  )
  t.same(widths(missingParts([], wanted([now - 90 * day], { rate: 10 }))), [625_000 / 10 / 3600])
  t.end()
})

t.test('by age', (t) => {
  const width = (ageMs: number) =>
    widths(missingParts([], wanted([now - 2 * day], { retention: { ageMs, rows: 1e9 } })))[0]
  t.equal(width(3_600_000 * 24 * 16), 24)
  t.equal(width(60_000), 1)
  t.equal(width(3_600_000 * 24 * 36_500), 720)
  t.end()
})

t.test('a long age has no more parts than none: each is a lock of who reads all', (t) => {
  const instants: number[] = []
  for (let at = Date.UTC(1930, 0, 2) * 1000; at < now; at += 10 * day) instants.push(at)
  const count = (ageMs: number | null) =>
    missingParts([], wanted(instants, { retention: { ageMs, rows: 1e9 } })).length
  t.equal(count((36_500 * day) / 1000), count(null))
  const threeYears = (3 * 365 * day) / 1000
  const [old] = missingParts([], wanted([now - 700 * day], { retention: { ageMs: threeYears, rows: 1e9 } }))
  t.ok(old!.until - old!.since <= (threeYears * 1000) / 16, 'never more than a sixteenth of it')
  t.end()
})

t.test('three hundred years take no more than some hundreds', (t) => {
  const instants: number[] = []
  for (let at = Date.UTC(1700, 0, 2) * 1000; at < now; at += 10 * day) instants.push(at)
  const made = missingParts([], wanted(instants))
  t.ok(made.length < mostParts / 2, String(made.length))
  t.ok(made.every(({ since, until }, nth) => since < until && (nth === 0 || since >= made[nth - 1]!.until)))
  t.ok(instants.every((at) => made.some(({ since, until }) => at >= since && at < until)))
  t.same(
    missingParts(
      made.map((part) => ({ ...part, rows: 0 })),
      wanted(instants),
    ),
    [],
  )
  t.end()
})

t.test('one between others takes no time of theirs', (t) => {
  const parts = [
    { since: now - 400 * day, until: now - 395 * day, rows: 1 },
    { since: now - 394 * day, until: now - 390 * day, rows: 1 },
  ]
  const [part] = missingParts(parts, wanted([now - 394.5 * day]))
  t.same(part, { since: now - 395 * day, until: now - 394 * day })
  t.end()
})
