/** The last probes of a member by the node that is asked, as a strip: a bar each, as high as it took long, or a cross. */
import { signal } from '@preact/signals'
import { useEffect, useState } from 'preact/hooks'
import { ApiError, get } from '../api.ts'
import { ms } from '../format.ts'
import { overview } from '../live.ts'

interface Row {
  readonly time_instant: string
  readonly up: number | null
  readonly latency: number | null
}

const most = 30
const sinceMs = 10 * 60_000
/** Rows that are scrolled past are not asked for. */
const settleMs = 300
const everyMs = 5_000

/** Whether this server keeps what probes find. */
const isKept = signal(true)

export function ProbeStrip({ pool, member }: { readonly pool: string; readonly member: string }) {
  const [rows, setRows] = useState<readonly Row[]>([])
  const node = overview.value?.node.id
  useEffect(() => {
    if (node === undefined) return
    const gone = new AbortController()
    let timer = setTimeout(look, settleMs)
    async function look() {
      if (!isKept.peek()) return
      const query = new URLSearchParams({
        entity: `${pool}/${member}@${node}`,
        from: new Date(Date.now() - sinceMs).toISOString(),
        limit: '1000',
      })
      try {
        const found = await get<{ readonly items: readonly Row[] }>(`/v1/feeds/probes?${query}`, {
          signal: gone.signal,
        })
        setRows(found.items.slice(-most))
      } catch (error) {
        if (error instanceof ApiError && (error.status === 403 || error.status === 404)) isKept.value = false
      }
      if (!gone.signal.aborted) timer = setTimeout(look, everyMs)
    }
    return () => {
      gone.abort()
      clearTimeout(timer)
    }
  }, [pool, member, node])
  if (!isKept.value || rows.length === 0) return <span class="strip" />
  const highest = Math.max(1, ...rows.map(({ latency }) => latency ?? 0))
  const good = rows.filter(({ up }) => (up ?? 0) >= 0.5)
  const last = good.at(-1)?.latency ?? null
  const label = `${good.length} of the last ${rows.length} probes succeeded${last === null ? '' : `, the last in ${ms(last)}`}`
  return (
    <span class="strip" role="img" aria-label={label} title={label}>
      <svg viewBox={`0 0 ${most * 4} 20`} aria-hidden="true">
        {rows.map(({ up, latency }, nth) => {
          const x = (most - rows.length + nth) * 4
          if ((up ?? 0) < 0.5) return <path key={nth} class="failed" d={`M${x} 14l3 5m0-5l-3 5`} />
          const height = 3 + (15 * (latency ?? 0)) / highest
          return <rect key={nth} class="passed" x={x} y={20 - height} width="3" height={height} />
        })}
      </svg>
    </span>
  )
}
