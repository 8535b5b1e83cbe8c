/** Feeds in the document: what columns their rows have, how long rows are kept, and where the server reads them, if it does. */
import { builtInColumns } from '../model/built-in-feeds.ts'
import {
  columnTypes,
  type Feed,
  type FeedColumn,
  feedNamePattern,
  mostColumns,
  type PrometheusSource,
  type Retention,
  rowKeys,
  takenNames,
} from '../model/feed.ts'
import { noSuchColumn } from '../rules/feeds.ts'
import { formatDuration } from './duration.ts'
import { Checked, Duration, Text, Unshown, Whole, Words } from './fields.ts'
import {
  type Body,
  converted,
  type Form,
  fieldsOf,
  ignored,
  map,
  type ParseNamed,
  type RecordForm,
  record,
} from './forms.ts'
import { headersWithout } from './monitor-fields.ts'
import { show } from './schema-check.ts'
import { isUrl } from './webhook.ts'

const dayMs = 86_400_000
const mostRows = 1_000_000_000
const longestQuery = 4096
const nameDescription =
  'a name of 1 to 63 lower-case letters, digits and "_" that begins with a letter, such as air_quality'

const FeedName = Checked({ description: nameDescription }, (name) => {
  if (!feedNamePattern.test(name)) return `must be ${nameDescription}, not ${show(name)}`
  if (isBuiltIn(name)) return 'is the name of a feed that the server keeps by itself: choose another one'
  return takenNames.has(name)
    ? `would be read at /${name}, where the server has something else: choose another name`
    : null
})

/** Whether a feed is the server's own, so that nobody declares it. */
export function isBuiltIn(name: string): boolean {
  return builtInColumns(name) !== null
}

const ColumnName = Checked({ description: nameDescription }, (name) => {
  if (!feedNamePattern.test(name)) return `must be ${nameDescription}, not ${show(name)}`
  return rowKeys.some((key) => key === name) ? 'is a column that every feed has: leave it out' : null
})

const shortText = (most: number) =>
  Text(`a text of at most ${most} characters`, (text) => text.length <= most)

const column = fieldsOf<FeedColumn>()
const Column: Form<Omit<FeedColumn, 'name'>> = record(
  {
    type: column.optional('type', Words(columnTypes), 'double'),
    unit: column.optional('unit', shortText(32), ''),
    description: column.optional('description', shortText(200), ''),
  },
  {
    title: 'FeedColumn',
    description: 'an object with type, unit and description, all of which may be left out',
  },
)

const Columns: Form<readonly FeedColumn[]> = converted(
  map(
    Column,
    {
      minProperties: 1,
      maxProperties: mostColumns,
      description: `a map of 1 to ${mostColumns} columns by name, in the order that rows have them`,
    },
    { key: ColumnName },
  ),
  (entries) => entries.map(([name, settings]) => ({ name, ...settings })),
  (columns) => columns.map(({ name, ...settings }) => [name, settings] as const),
)

const defaultRetention: Retention = { ageMs: null, rows: 10_000_000 }
const retention = fieldsOf<Retention>()
const RetentionForm: Form<Retention> = record(
  {
    age: retention.optional('ageMs', Duration(3_600_000, 36_500 * dayMs), defaultRetention.ageMs),
    rows: retention.optional('rows', Whole(1000, mostRows), defaultRetention.rows),
  },
  { title: 'FeedRetention', description: 'an object with age and rows' },
)

/** What the server sets itself, or does not do. */
const SourceHeaders = headersWithout(
  new Map([
    ['host', 'is the host of the URL'],
    ['accept', 'is always application/json'],
    ['content-type', 'follows from how the query is sent'],
    ['content-length', 'follows from how the query is sent'],
    ['transfer-encoding', 'follows from how the query is sent'],
    ['accept-encoding', 'follows from what the server can read'],
    ['connection', 'is always close, since every query has a connection of its own'],
    ['keep-alive', 'is for connections that are kept, and every query has one of its own'],
    ['upgrade', 'asks for another protocol'],
    ['te', 'offers to take transfer codings, and nothing but chunks is read'],
    ['expect', 'asks for leave to send the body, which is sent at once'],
  ]),
)

const PrometheusUrl = converted(
  Unshown(
    'an http or https URL of at most 2048 characters, without user, password, query and fragment, such as http://prometheus.example.test:9090',
    (text) => text.length <= 2048 && isUrl(text) && !text.includes('?'),
  ),
  (text) => text.replace(/^https?/i, (scheme) => scheme.toLowerCase()).replace(/\/+$/, ''),
  (url) => url,
)

const labelPattern = /\{[^{}]*\}/g
const entityDescription =
  'a text of 1 to 255 characters with names of labels in braces, such as {instance} or {job}/{instance}'

/** Braces stand around names of labels, and for nothing else. */
function isEntityTemplate(text: string): boolean {
  if (text.length < 1 || text.length > 255 || /\p{Cc}/u.test(text)) return false
  const labels = text.match(labelPattern) ?? []
  return (
    labels.every((label) => /^\{[A-Za-z_][A-Za-z0-9_]*\}$/.test(label)) &&
    !/[{}]/.test(text.replaceAll(labelPattern, ''))
  )
}

const defaultEveryMs = 30_000
const source = fieldsOf<PrometheusSource>()
const Source: Form<PrometheusSource> = record(
  {
    prometheus: source.required('prometheus', PrometheusUrl),
    query: source.required(
      'query',
      Text(
        `an instant query in PromQL of 1 to ${longestQuery} characters`,
        (text) => text.trim() !== '' && text.length <= longestQuery,
      ),
    ),
    every: source.shown('everyMs', Duration(1000, dayMs), defaultEveryMs),
    timeout: source.optional('timeoutMs', Duration(100, 60_000), ({ everyMs = defaultEveryMs }) =>
      Math.min(10_000, everyMs),
    ),
    entity: source.shown('entity', Text(entityDescription, isEntityTemplate), '{instance}'),
    column: source.optional(
      'column',
      Text('the name of a column', (name) => feedNamePattern.test(name)),
      null,
    ),
    headers: source.optional('headers', SourceHeaders, []),
  },
  {
    title: 'PrometheusSource',
    description: 'an object with prometheus, query, every, timeout, entity, column and headers',
    check({ everyMs, timeoutMs }, report) {
      if (everyMs === undefined || timeoutMs === undefined || timeoutMs <= everyMs) return
      report(
        `must not be longer than every (${formatDuration(timeoutMs)} > ${formatDuration(everyMs)})`,
        'timeout',
      )
    },
  },
)

const feed = fieldsOf<Feed>()
const form: RecordForm<Omit<Feed, 'name'>> = record(
  {
    columns: feed.required('columns', Columns),
    retention: feed.optional('retention', RetentionForm, defaultRetention),
    cache: feed.optional('cacheMs', Duration(0, dayMs), 30_000),
    source: feed.optional('source', Source, null),
    status: ignored,
  },
  {
    title: 'Feed',
    description: 'an object with columns, retention, cache and source',
    check({ columns, source: read }, report) {
      if (columns === undefined || read === undefined || read === null) return
      const problem = sourceColumnProblem(
        columns.map(({ name }) => name),
        read.column,
      )
      if (problem !== null) report(problem, 'source', 'column')
    },
  },
)

function sourceColumnProblem(columns: readonly string[], wanted: string | null): string | null {
  if (wanted === null) {
    return columns.length === 1 ? null : `is required, since the feed has ${columns.length} columns`
  }
  return columns.includes(wanted) ? null : noSuchColumn(wanted, columns)
}

/** A feed, for the OpenAPI document. */
export const FeedSchema = form.schema

export const parseFeed: ParseNamed<Feed> = (name, input, path, problems) => {
  const isName = FeedName.parse(name, path, problems) !== undefined
  const body = form.parse(input, path, problems)
  return body === undefined || !isName ? null : { name, ...body }
}

/**
 * The shortest body of a feed.
 *
 * @param whole all of it in the place of the shortest
 */
export function formatFeed(feed: Feed, whole = false): Body {
  return form.format(feed, whole)
}
