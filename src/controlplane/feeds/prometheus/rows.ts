/** From the answer to an instant query to rows of a feed: one for each series. */
import { isMap } from '../../document/schema-check.ts'
import { columnOfSource, type Feed, type PrometheusSource } from '../../model/feed.ts'
import { entityFault, type FeedRow } from '../../model/feed-row.ts'
import { cutReason, toReason } from '../../model/reason.ts'
import { isBeyondDouble } from '../row-reader.ts'
import { mostSeries, SourceFault } from './query.ts'

/** What an answer came to. */
export interface SourceRows {
  readonly rows: readonly FeedRow[]
  /** Series of which no row could be made. */
  readonly leftOut: number
  /** Why the first of them was left out; null when none was. */
  readonly reason: string | null
}

/** Further from our time than this nobody's clock is. */
const farMs = 86_400_000

/**
 * Rows of an answer. Series of which none can be made are left out, and so are those that come to an entity that another one
 * comes to, too: nobody could say which of them is meant.
 *
 * @throws SourceFault when it is no answer of a Prometheus, or of no use
 */
export function rowsOf(text: string, feed: Feed, source: PrometheusSource, now: Date): SourceRows {
  const series = seriesOf(parse(text))
  if (series.length === 0) throw new SourceFault('the query gives no series')
  if (series.length > mostSeries) {
    throw new SourceFault(
      `the query gives ${series.length > mostSeries + 1 ? series.length : `more than ${mostSeries}`} series, and ${mostSeries} are taken: have it give fewer`,
    )
  }
  const wanted = columnOfSource(feed, source)
  const place = feed.columns.findIndex(({ name }) => name === wanted)
  const isInteger = feed.columns[place]!.type === 'integer'
  const faults: string[] = []
  const byEntity = new Map<string, { readonly row: FeedRow; readonly labels: Labels; shared: boolean }>()
  for (const { labels, value } of series) {
    const read = readSeries(labels, value, { entity: source.entity, isInteger, now })
    if ('fault' in read) {
      faults.push(read.fault)
      continue
    }
    const other = byEntity.get(read.entity)
    if (other !== undefined) {
      faults.push(`series ${show(other.labels)} and ${show(labels)} both come to entity ${read.entity}`)
      other.shared = true
      continue
    }
    const values = feed.columns.map((_, nth) => (nth === place ? read.number : null))
    byEntity.set(read.entity, {
      row: { entity: read.entity, micros: read.micros, values },
      labels,
      shared: false,
    })
  }
  const rows = [...byEntity.values()].flatMap(({ row, shared }) => (shared ? [] : [row]))
  const [first = null] = faults
  if (rows.length === 0) throw new SourceFault(first!)
  return { rows, leftOut: series.length - rows.length, reason: first && toReason(first) }
}

type Labels = Readonly<Record<string, string>>

interface Series {
  readonly labels: Labels
  /** Seconds, and the value as text. */
  readonly value: unknown
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    const what = /^\s*</.test(text) ? 'HTML or XML' : 'no JSON'
    throw new SourceFault(`it answers with ${what}: is there a Prometheus?`)
  }
}

function seriesOf(answer: unknown): readonly Series[] {
  const data = isMap(answer) && answer.status === 'success' ? answer.data : undefined
  if (!isMap(data)) throw new SourceFault('its answer is none of the API of Prometheus, version 1')
  const { resultType, result } = data
  // A scalar has no labels: one entity is all that there can be.
  if (resultType === 'scalar') return [{ labels: {}, value: result }]
  if (resultType !== 'vector' || !Array.isArray(result)) {
    throw new SourceFault(`the query gives a ${worded(resultType)}, and an instant vector is needed`)
  }
  return result.map((series: unknown) =>
    isMap(series)
      ? { labels: labelsOf(series.metric), value: series.value }
      : { labels: {}, value: undefined },
  )
}

/** Those that are texts, as all labels of a Prometheus are. */
function labelsOf(metric: unknown): Labels {
  if (!isMap(metric)) return {}
  return Object.fromEntries(
    Object.entries(metric).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

/** A number or a text as it is; of anything else, which may be of any size and depth, what it is. */
const worded = (value: unknown): string =>
  typeof value === 'number' || typeof value === 'string' ? String(value) : `value of type ${typeof value}`

type ReadSeries =
  | { readonly entity: string; readonly micros: number; readonly number: number }
  | { readonly fault: string }

function readSeries(
  labels: Labels,
  value: unknown,
  {
    entity: template,
    isInteger,
    now,
  }: { readonly entity: string; readonly isInteger: boolean; readonly now: Date },
): ReadSeries {
  const of = `series ${show(labels)}`
  if (!Array.isArray(value)) return { fault: `${of} has no value (a histogram has none)` }
  const [seconds, text] = value as [unknown, unknown]
  if (typeof seconds !== 'number' || Math.abs(seconds * 1000 - now.getTime()) > farMs) {
    return { fault: `${of} is of ${worded(seconds)}, more than a day from now: one of the clocks is wrong` }
  }
  const number = typeof text === 'string' && text.trim() !== '' ? Number(text) : Number.NaN
  if (Number.isNaN(number)) return { fault: `${of} is ${worded(text)}, which is no number` }
  if (isBeyondDouble(number, text as string)) {
    return { fault: `${of} is ${String(text)}, which is beyond double precision` }
  }
  if (isInteger && !Number.isSafeInteger(number)) {
    return { fault: `${of} is ${String(text)}, and the column has whole numbers` }
  }
  const missing = Array.from(template.matchAll(/\{(\w+)\}/g), ([, label]) => label!).find(
    (label) => !Object.hasOwn(labels, label),
  )
  if (missing !== undefined) return { fault: `${of} has no label ${missing}` }
  const entity = template.replaceAll(/\{(\w+)\}/g, (_, label: string) => labels[label]!)
  const fault = entityFault(entity)
  if (fault !== null) return { fault: `the entity of ${of} ${fault}` }
  // No negative zero, which JSON does not have.
  return { entity, micros: Math.round(seconds * 1e6), number: number + 0 }
}

/** As PromQL writes it. */
function show({ __name__: name = '', ...labels }: Labels): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`)
  // What is wrong with it stands behind it.
  return cutReason(`${name}{${pairs.join(',')}}`, 80)
}
