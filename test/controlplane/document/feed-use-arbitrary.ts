/** Random uses of feeds as they may stand in the model. */
import fc from 'fast-check'
import type { Feed } from '../../../src/controlplane/model/feed.ts'
import type { Capacity, FedWeight, FeedUse, Scale, Shed } from '../../../src/controlplane/model/feed-use.ts'

// The probability of nil is 1 / freq: with 1 there would be nothing else, and filters would look for ever.
export const rarely = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null, freq: 2 })

/** Any number that the document takes; no negative zero, which JSON does not have. */
export const value = fc
  .oneof(
    fc.double({ min: -1e300, max: 1e300, noNaN: true }),
    fc.integer({ min: -1000, max: 1000 }),
    fc.constantFrom(0.1, -0.3, 1e21, 5e-324, 1e300),
  )
  .map((number) => number + 0)
export const positive = value.map((number) => Math.abs(number))

const entity = fc.oneof(
  fc.constantFrom('{member}', '{pool}', '{pool}/{member}', 'aq_salvia', 'null', ' ', '{}'),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
)

export const feedUse: fc.Arbitrary<FeedUse> = fc.record({
  feed: fc.constantFrom('air_quality', 'load', 'x'),
  entity: entity.filter((text) => text.length <= 255 && !/\p{Cc}/u.test(text) && text.isWellFormed()),
  column: fc.constantFrom('so2', 'pm2_5', 'used'),
  maxAgeMs: fc.constantFrom(1000, 1001, 120_000, 365 * 86_400_000),
})

/** The feeds that are named. */
export const steeringFeeds: readonly Feed[] = ['air_quality', 'load', 'x'].map((name) => ({
  name,
  columns: ['so2', 'pm2_5', 'used'].map((column) => ({
    name: column,
    type: 'double',
    unit: '',
    description: '',
  })),
  retention: { ageMs: null, rows: 10_000_000 },
  cacheMs: 30_000,
  source: null,
}))

const pairOf = (item: fc.Arbitrary<number>) => fc.tuple(item, item)

const scale: fc.Arbitrary<Scale> = fc.oneof(
  fc.constant(1),
  positive.filter((factor) => factor > 0),
  fc.record({
    from: pairOf(value).filter(([a, b]) => a !== b),
    to: pairOf(fc.double({ min: 0, max: 65_535, noNaN: true }).map((number) => number + 0)),
  }),
)

export const fedWeight: fc.Arbitrary<FedWeight> = fc
  .tuple(feedUse, scale)
  .map(([use, found]) => ({ ...use, scale: found }))

export const shed: fc.Arbitrary<Shed> = fc
  .tuple(
    feedUse,
    pairOf(value).filter(([a, b]) => a < b),
    rarely(positive),
  )
  .map(([use, [above, to], back]) => ({ ...use, above, to, back: back ?? (to - above) / 10 }))

export const capacity: fc.Arbitrary<Capacity> = fc
  .tuple(feedUse, positive, rarely(positive))
  .map(([use, limit, back]) => ({ ...use, limit, back: back ?? limit / 10 }))
