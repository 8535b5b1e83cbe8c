/**
 * Answers over time: how often this node has answered a service with each member, from differences of what it has counted, for as long as
 * the page is open and goes on when one comes back to a service. The server keeps no such series; Prometheus does.
 */
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { SharesReply } from '../../controlplane/api/operations/traffic.ts'
import { linesOf, noted, type Series } from '../answer-series.ts'
import { Chart } from './chart.tsx'

/** Services of which something is kept: those that were looked at last. */
const mostServices = 10
/** Bound: `mostServices`. */
const kept = new Map<string, Series>()

export function Answers({ name, shares }: { readonly name: string; readonly shares: SharesReply | null }) {
  const [series, setSeries] = useState(kept.get(name))
  useEffect(() => {
    if (shares === null) return
    const next = noted(kept.get(name), shares)
    kept.delete(name)
    kept.set(name, next)
    if (kept.size > mostServices) kept.delete(kept.keys().next().value!)
    setSeries(next)
  }, [name, shares])
  const points = series?.points ?? []
  const lines = useMemo(() => linesOf(points), [points])
  const times = useMemo(() => points.map(({ at }) => at), [points])
  return (
    <section aria-labelledby="over-time">
      <h2 id="over-time">Answers over time</h2>
      {points.length < 2 || lines.length === 0 ? (
        <p>
          {points.length < 2 ? 'Counting…' : 'This node has not been asked for it since the page was opened.'}
        </p>
      ) : (
        <p>
          How many a second this node has answered with each
          {lines.some(({ name }) => name.includes('/')) ? ' member' : ' pool'}; an answer with several counts
          for each of them.
        </p>
      )}
      {lines.length === 0 ? null : (
        <Chart label={`Answers a second for ${name} over the last minutes`} times={times} lines={lines} />
      )}
    </section>
  )
}
