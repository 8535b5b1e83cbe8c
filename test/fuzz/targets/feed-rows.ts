/**
 * Rows of feeds, as CSV and as JSON: each text ends in rows or in problems with their places, the same in whatever parts it comes, and what we write of
 * rows that were read is read as the same.
 */
import fc from 'fast-check'
import { readCsvRows } from '../../../src/controlplane/feeds/csv-rows.ts'
import { readJsonRows } from '../../../src/controlplane/feeds/json-rows.ts'
import { RowProblems, type RowRules } from '../../../src/controlplane/feeds/row-reader.ts'
import { ControlError } from '../../../src/controlplane/model/errors.ts'
import type { FeedRow } from '../../../src/controlplane/model/feed-row.ts'
import { formatInstant } from '../../../src/controlplane/model/instant.ts'
import { mutatedText } from '../mutations.ts'
import { type Target, targetOf } from '../target.ts'

const rules: RowRules = {
  feed: 'load',
  columns: [
    { name: 'free', type: 'double' },
    { name: 'seen', type: 'integer' },
  ],
  now: new Date('2026-06-01T12:00:00Z'),
}
const readers = { csv: readCsvRows, json: readJsonRows }
type Format = keyof typeof readers

const texts: Readonly<Record<Format, readonly string[]>> = {
  csv: [
    'time_instant,id_entity,free,seen\n2020-01-01 00:00:00.5,a,1.5,3\n2020-01-02T01:00:00+01:00,"b, ""c""",,-4\r\n',
    '\ufeffseen,id_entity,time_instant\n\n5,x,2020-01-01\nNULL,y,2020-01-01 10:00:00',
  ],
  json: [
    '[{"time_instant":"2020-01-01 00:00:00.5","id_entity":"a","free":1.5,"seen":3},{"time_instant":"2020-01-02","id_entity":"b","free":null}]',
    '{"time_instant":"2020-01-01","id_entity":"a","free":1e3}\n{"time_instant":"2020-01-01","id_entity":"b","seen":-1}\n',
  ],
}
const words = [
  ...[
    '\n',
    '\r\n',
    '\r',
    ',',
    '"',
    '""',
    ' ',
    '\t',
    '\u0000',
    '\ufeff',
    '\ud800',
    'é',
    '\\',
    '\\u0000',
    '\\ud800',
    '\\"',
  ],
  ...[
    '{',
    '}',
    '[',
    ']',
    ':',
    '[[',
    '{{',
    '}]',
    '//',
    'null',
    'true',
    'NULL',
    'NaN',
    'Infinity',
    '-0',
    '1e999',
    '1e-999',
  ],
  ...[
    '9007199254740993',
    '-.5',
    '0x10',
    '1_0',
    '"__proto__"',
    'free',
    'seen',
    'time_instant',
    'id_entity',
    '2020-02-30',
  ],
  ...[
    '9999-01-01',
    '0001-01-01',
    '2020-01-01T24:00:00Z',
    '2020-01-01 00:00:00+99:99',
    'a'.repeat(300),
    '1'.repeat(400),
  ],
]
const input = fc.constantFrom<Format>('csv', 'json').chain((format) =>
  fc.record({
    format: fc.constant(format),
    text: mutatedText(fc.constantFrom(...texts[format]), words),
    size: fc.integer({ min: 1, max: 40 }),
  }),
)

interface Read {
  readonly rows: readonly FeedRow[]
  readonly problems: readonly string[]
  /** Nothing of it is taken: which of several mistakes is told depends on how it comes. */
  readonly isRefused: boolean
}

async function* octetsOf(text: string, size: number) {
  const all = Buffer.from(text)
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size)
}

async function read(format: Format, text: string, size: number): Promise<Read> {
  const problems = new RowProblems()
  const rows: FeedRow[] = []
  try {
    for await (const batch of readers[format](octetsOf(text, size), rules, problems)) rows.push(...batch)
  } catch (error) {
    if (!(error instanceof ControlError) || error.code !== 'invalid') throw error
    return { rows: [], problems: [error.message], isRefused: true }
  }
  const told = problems.told.map(({ path, message }) => `${path}: ${message}`)
  return { rows, problems: told, isRefused: false }
}

function written(format: Format, rows: readonly FeedRow[]): string {
  if (format === 'csv') {
    const lines = rows.map(({ micros, entity, values: [free, seen] }) =>
      [formatInstant(micros), `"${entity.replaceAll('"', '""')}"`, free ?? '', seen ?? ''].join(),
    )
    return ['time_instant,id_entity,free,seen', ...lines].join('\n')
  }
  return JSON.stringify(
    rows.map(({ micros, entity, values: [free, seen] }) => ({
      time_instant: formatInstant(micros),
      id_entity: entity,
      free,
      seen,
    })),
  )
}

export function feedRows(): Target {
  return targetOf(1500, input, async ({ format, text, size }) => {
    const whole = await read(format, text, text.length + 1)
    const inParts = await read(format, text, size)
    const isAlike = whole.isRefused ? inParts.isRefused : JSON.stringify(whole) === JSON.stringify(inParts)
    if (!isAlike)
      return `in parts of ${size}: ${JSON.stringify(inParts)}, and whole: ${JSON.stringify(whole)}`
    for (const problem of whole.problems)
      if (!/(line|octet|item|row|column|\[)\D*\d/.test(problem))
        return `a problem without a place: ${problem}`
    for (const { micros, values } of whole.rows)
      if (!Number.isSafeInteger(micros) || values.some((value) => value !== null && !Number.isFinite(value)))
        return `no row that can be kept: ${micros} ${values.join()}`
    const again = await read(format, written(format, whole.rows), 7)
    if (whole.isRefused) return null
    const isSame = JSON.stringify(again.rows) === JSON.stringify(whole.rows)
    return isSame ? null : `read ${JSON.stringify(whole.rows)} and then ${JSON.stringify(again)}`
  })
}
