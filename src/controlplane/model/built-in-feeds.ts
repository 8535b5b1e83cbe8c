/** The feeds that the server keeps by itself, so that nobody can declare them, and whoever steers can name them. */
import type { FeedColumn } from './feed.ts'

const column = (name: string, type: FeedColumn['type'], unit: string, description: string): FeedColumn => ({
  name,
  type,
  unit,
  description,
})

/** What nodes have found by their probes. */
const probes: readonly FeedColumn[] = [
  column('up', 'double', '', '1 for a probe that succeeded, 0 for one that failed; of several their average'),
  column('latency', 'double', 'ms', 'how long those that succeeded took, on average; none when none did'),
  column('latency_max', 'double', 'ms', 'the longest of them'),
  column('probes', 'integer', '', 'how many the row is of'),
]

/** The columns of each, in their order. */
export const builtInFeeds = { probes } as const satisfies Readonly<Record<string, readonly FeedColumn[]>>

/** The columns of a feed that is built in; null for any other one. */
export function builtInColumns(feed: string): readonly FeedColumn[] | null {
  return Object.hasOwn(builtInFeeds, feed) ? builtInFeeds[feed as keyof typeof builtInFeeds] : null
}
