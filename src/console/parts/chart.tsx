/** Lines over time, told apart by their strokes as well as their colours; the legend names each, with what it is now. */
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Line } from '../answer-series.ts'
import { rate } from '../format.ts'

interface Props {
  readonly label: string
  /** Seconds since 1970. */
  readonly times: readonly number[]
  /** At most as many as there are strokes (`mostLines`). */
  readonly lines: readonly Line[]
}

const height = 150
const strokes = [
  { colour: '--accent', dash: [] },
  { colour: '--held', dash: [6, 3] },
  { colour: '--good', dash: [2, 3] },
  { colour: '--doubt', dash: [9, 3, 2, 3] },
  { colour: '--bad', dash: [12, 4] },
  { colour: '--quiet', dash: [1, 2] },
] as const

const timeOfDay = (seconds: number) => new Date(seconds * 1_000).toLocaleTimeString('en-GB')

export function Chart({ label, times, lines }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const names = lines.map(({ name }) => name).join('\n')
  useEffect(() => {
    const element = box.current!
    const style = getComputedStyle(element)
    // Read anew with each drawing: the system may turn dark while the page is open.
    const colour = (name: string) => () => style.getPropertyValue(name).trim()
    const grid = { stroke: colour('--line'), width: 1 }
    const axis = { stroke: colour('--quiet'), grid, ticks: grid }
    plot.current = new uPlot(
      {
        width: element.clientWidth,
        height,
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { range: (_plot, low, high) => [Math.min(low, high - 60), high] },
          y: { range: (_plot, _low, high) => [0, Math.max(1, (high ?? 0) * 1.1)] },
        },
        axes: [
          { ...axis, values: (_plot, marks) => marks.map(timeOfDay) },
          { ...axis, size: 56 },
        ],
        series: [
          {},
          ...names.split('\n').map((name, nth) => {
            const { colour: stroke, dash } = strokes[nth % strokes.length]!
            return { label: name, stroke: colour(stroke), dash: [...dash], width: 2, points: { show: false } }
          }),
        ],
      },
      [[], ...names.split('\n').map(() => [])],
      element,
    )
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    const redraw = () => plot.current?.redraw()
    dark.addEventListener('change', redraw)
    return () => {
      observer.disconnect()
      dark.removeEventListener('change', redraw)
      plot.current?.destroy()
    }
  }, [names])
  useEffect(() => {
    plot.current?.setData([[...times], ...lines.map(({ values }) => [...values])])
  }, [times, lines])
  return (
    <>
      <div ref={box} class="chart" role="img" aria-label={label} hidden={times.length < 2} />
      {lines.length < 2 ? null : (
        <ul class="legend">
          {lines.map(({ name, values }, nth) => (
            <li key={name}>
              <svg viewBox="0 0 30 6" aria-hidden="true">
                <path
                  class={`stroke${strokes[nth % strokes.length]!.colour}`}
                  d="M0 3h30"
                  stroke-dasharray={strokes[nth % strokes.length]!.dash.join(' ')}
                />
              </svg>{' '}
              {name} <b>{values.at(-1) == null ? '–' : rate(values.at(-1)!)}</b>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}
