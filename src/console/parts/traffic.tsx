/** Queries a second and how long they take, as long as the page is open: from differences of what the node has counted. */
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { TrafficReply } from '../../controlplane/api/operations/traffic.ts'
import { get, session } from '../api.ts'
import { ms, rate } from '../format.ts'
import { Chart } from './chart.tsx'

const everyMs = 2_000
/** Ten minutes. */
const mostPoints = 300

interface Point {
  /** Seconds since 1970. */
  readonly at: number
  readonly perSecond: number
  /** Null while nothing is answered. */
  readonly p99Ms: number | null
  readonly dropsPerSecond: number
}

/** Kept while one is on other pages. Bound: `mostPoints`. */
const points = signal<readonly Point[]>([])
let before: TrafficReply | null = null

/** Of the responses between two counts: the bound that 99 % were within; in milliseconds. */
export function p99Between(older: TrafficReply, newer: TrafficReply): number | null {
  const counts = newer.durations.map(({ count }, nth) => count - (older.durations[nth]?.count ?? 0))
  const all = counts.reduce((sum, each) => sum + each, 0)
  if (all <= 0) return null
  let seen = 0
  for (const [nth, each] of counts.entries()) {
    seen += each
    if (seen >= all * 0.99) {
      const bound = newer.durations[nth]!.upToSeconds ?? newer.durations[nth - 1]?.upToSeconds ?? 0
      return bound * 1_000
    }
  }
  return null
}

const sum = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((all, each) => all + each, 0)

async function look(signal: AbortSignal): Promise<void> {
  const now = await get<TrafficReply>('/v1/traffic', { signal })
  const seconds = before === null ? 0 : (Date.parse(now.at) - Date.parse(before.at)) / 1_000
  // A process that was started again counts from nothing.
  if (before !== null && seconds > 0 && now.queries >= before.queries) {
    const point = {
      at: Date.parse(now.at) / 1_000,
      perSecond: (now.queries - before.queries) / seconds,
      p99Ms: p99Between(before, now),
      dropsPerSecond: Math.max(0, sum(now.dropped) - sum(before.dropped)) / seconds,
    }
    points.value = [...points.value, point].slice(-mostPoints)
  }
  before = now
}

export function Traffic() {
  const isWhole = session.value?.limits === null
  useEffect(() => {
    if (!isWhole) return
    const gone = new AbortController()
    const turn = () => void look(gone.signal).catch(() => undefined)
    turn()
    const timer = setInterval(turn, everyMs)
    return () => {
      clearInterval(timer)
      gone.abort()
    }
  }, [isWhole])
  if (!isWhole) return null
  const last = points.value.at(-1)
  const perSecond = last === undefined ? '–' : rate(last.perSecond)
  const p99 = last?.p99Ms === null || last === undefined ? '–' : `≤ ${ms(last.p99Ms)}`
  const drops = last === undefined ? '–' : rate(last.dropsPerSecond)
  return (
    <section aria-labelledby="traffic">
      <h2 id="traffic">Traffic of this node</h2>
      <dl class="figures">
        <div>
          <dt>Queries a second</dt>
          <dd>{perSecond}</dd>
        </div>
        <div>
          <dt>99 % answered within</dt>
          <dd>{p99}</dd>
        </div>
        <div>
          <dt>Dropped a second</dt>
          <dd>{drops}</dd>
        </div>
      </dl>
      <Chart
        label="Queries a second over the last minutes"
        times={points.value.map(({ at }) => at)}
        lines={[{ name: 'queries a second', values: points.value.map(({ perSecond }) => perSecond) }]}
      />
    </section>
  )
}
