/** Random feeds as they may stand in the model. */
import fc from 'fast-check'
import { isBuiltIn } from '../../../src/controlplane/document/feed.ts'
import {
  columnTypes,
  type Feed,
  type FeedColumn,
  type PrometheusSource,
  type Retention,
  rowKeys,
} from '../../../src/controlplane/model/feed.ts'
import { orNull } from './monitor-arbitrary.ts'

const dayMs = 86_400_000
const feedName = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('constructor', 'null', 'true', 'no', 'y', 'columns', 'a'.repeat(63)),
  },
)
const words = (maxLength: number) =>
  fc
    .string({ unit: 'grapheme', maxLength })
    .filter((text) => text.length <= maxLength && !text.includes('\0'))

const column: fc.Arbitrary<FeedColumn> = fc.record({
  name: feedName.filter((name) => !rowKeys.some((key) => key === name)),
  type: fc.constantFrom(...columnTypes),
  unit: words(32),
  description: words(100),
})

const retention: fc.Arbitrary<Retention> = fc.record({
  ageMs: orNull(fc.integer({ min: 3_600_000, max: 400 * dayMs })),
  rows: fc.oneof(fc.constant(10_000_000), fc.integer({ min: 1000, max: 1_000_000_000 })),
})

/** @param columns of its feed */
function sourceArbitrary(columns: readonly FeedColumn[]): fc.Arbitrary<PrometheusSource> {
  const named = fc.constantFrom(...columns.map(({ name }) => name))
  return fc
    .record({
      prometheus: fc.constantFrom(
        'http://127.0.0.1:9090',
        'https://p.example.test/Base',
        'http://[2001:db8::1]:1',
      ),
      query: words(100).filter((text) => text.trim() !== ''),
      everyMs: fc.integer({ min: 1000, max: dayMs }),
      timeoutMs: fc.integer({ min: 100, max: 60_000 }),
      entity: fc.constantFrom('{instance}', '{job}/{instance}', 'all', '{__name__} ü'),
      column: columns.length === 1 ? orNull(named) : named,
      headers: fc.constantFrom<PrometheusSource['headers']>(
        [],
        [
          ['authorization', 'Bearer a b'],
          ['x-a', ''],
        ],
      ),
    })
    .map((source) => ({ ...source, timeoutMs: Math.min(source.timeoutMs, source.everyMs) }))
}

export const feedArbitrary: fc.Arbitrary<Feed> = fc
  .record({
    name: feedName.filter((name) => !isBuiltIn(name)),
    columns: fc.uniqueArray(column, { selector: ({ name }) => name, minLength: 1, maxLength: 5 }),
    retention,
    cacheMs: fc.oneof(fc.constant(30_000), fc.integer({ min: 0, max: dayMs })),
  })
  .chain((feed) => orNull(sourceArbitrary(feed.columns)).map((source) => ({ ...feed, source })))
