/** From answers of a Prometheus to rows; and what is said of answers that are of no use. */
import t from 'tap'
import { mostSeries, SourceFault } from '../../../../src/controlplane/feeds/prometheus/query.ts'
import { rowsOf } from '../../../../src/controlplane/feeds/prometheus/rows.ts'
import type { ColumnType, Feed, PrometheusSource } from '../../../../src/controlplane/model/feed.ts'

const now = new Date('2026-11-29T12:00:00Z')
const seconds = now.getTime() / 1000 - 1.5

const source = (entity: string, column: string | null = null): PrometheusSource => ({
  prometheus: 'http://127.0.0.1:9090',
  query: 'up',
  everyMs: 30_000,
  timeoutMs: 10_000,
  entity,
  column,
  headers: [],
})

function feed(from: PrometheusSource, ...columns: readonly (readonly [string, ColumnType])[]): Feed {
  return {
    name: 'load',
    columns: columns.map(([name, type]) => ({ name, type, unit: '', description: '' })),
    retention: { ageMs: null, rows: 1000 },
    cacheMs: 0,
    source: from,
  }
}

const vector = (...series: readonly (readonly [labels: object, value: string])[]) =>
  JSON.stringify({
    status: 'success',
    data: {
      resultType: 'vector',
      result: series.map(([metric, value]) => ({ metric, value: [seconds, value] })),
    },
  })

function read(text: string, entity = '{instance}', type: ColumnType = 'double') {
  const from = source(entity)
  return rowsOf(text, feed(from, ['value', type]), from, now)
}

t.test('a row for each series, in the column that is meant', async (t) => {
  const from = source('{job}/{instance}', 'b')
  const text = vector(
    [{ __name__: 'node_load1', job: 'node', instance: 'a:9100' }, '0.25'],
    [{ job: 'node', instance: 'b:9100' }, '1e-3'],
    [{ job: 'node', instance: 'c:9100' }, '-0'],
  )
  const micros = seconds * 1e6
  t.same(rowsOf(text, feed(from, ['a', 'double'], ['b', 'double']), from, now), {
    rows: [
      { entity: 'node/a:9100', micros, values: [null, 0.25] },
      { entity: 'node/b:9100', micros, values: [null, 0.001] },
      { entity: 'node/c:9100', micros, values: [null, 0] },
    ],
    leftOut: 0,
    reason: null,
  })
  const scalar = JSON.stringify({
    status: 'success',
    data: { resultType: 'scalar', result: [seconds, '42'] },
  })
  t.match(read(scalar, 'all', 'integer').rows, [{ entity: 'all', values: [42] }])
})

t.test('series of which there is no row are left out, and the first of them is told', async (t) => {
  const good = [{ instance: 'good' }, '1'] as const
  const cases: readonly (readonly [labels: object, value: string, reason: string, entity?: string])[] = [
    [{ instance: 'a' }, 'NaN', 'series {instance="a"} is NaN, which is no number'],
    [{ instance: 'a' }, '+Inf', 'series {instance="a"} is +Inf, which is no number'],
    [{ instance: 'a' }, '', 'series {instance="a"} is , which is no number'],
    [{ instance: 'a' }, '1e400', 'series {instance="a"} is 1e400, which is beyond double precision'],
    [{ instance: 'a' }, '-1e-400', 'series {instance="a"} is -1e-400, which is beyond double precision'],
    [{ __name__: 'up', job: 'x' }, '1', 'series up{job="x"} has no label instance'],
    [{ instance: '' }, '1', 'the entity of series {instance=""} is empty'],
    [{ instance: 'a\nb' }, '1', 'the entity of series {instance="a\\nb"} has a control character'],
    [
      { instance: 'ü'.repeat(128) },
      '1',
      `the entity of series {instance="${'ü'.repeat(68)}… is longer than 255 octets`,
    ],
  ]
  for (const [labels, value, reason, entity] of cases) {
    const found = read(vector(good, [labels, value]), entity)
    t.same(
      found.rows.map((row) => row.entity),
      ['good'],
      reason,
    )
    t.equal(found.leftOut, 1)
    t.equal(found.reason, reason)
  }
  t.match(read(vector(good, [{ instance: 'a' }, '1.5']), '{instance}', 'integer'), {
    leftOut: 1,
    reason: 'series {instance="a"} is 1.5, and the column has whole numbers',
  })
  t.match(read(vector(good, [{ instance: 'a' }, '9007199254740993']), '{instance}', 'integer'), {
    leftOut: 1,
  })
  const two = vector(good, [{ instance: 'a', cpu: '0' }, '1'], [{ instance: 'a', cpu: '1' }, '2'])
  const shared = read(two)
  t.same(
    shared.rows.map(({ entity }) => entity),
    ['good'],
    'neither of two that come to one entity',
  )
  t.match(shared, {
    leftOut: 2,
    reason: 'series {instance="a",cpu="0"} and {instance="a",cpu="1"} both come to entity a',
  })
})

t.test('what no Prometheus says, where it would say something', async (t) => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const no = '{"toString":1,"valueOf":1}'
  const answer = (type: string, result: string) =>
    `{"status":"success","data":{"resultType":${type},"result":${result}}}`
  const series = (metric: string, at: string | number, value: string) =>
    answer('"vector"', `[{"metric":${metric},"value":[${at},${value}]}]`)
  const cases: readonly (readonly [text: string, reason: string])[] = [
    [answer(no, '[]'), 'the query gives a value of type object, and an instant vector is needed'],
    [series(`{"instance":${deep}}`, seconds, '"1"'), 'series {} has no label instance'],
    [series(`{"instance":${no}}`, seconds, '"1"'), 'series {} has no label instance'],
    [
      series(`{"__name__":${no},"instance":"a"}`, seconds, '1'),
      'series {instance="a"} is 1, which is no number',
    ],
    [series('{}', deep, '"1"'), 'series {} is of value of type object, more than a day from now'],
    [series('{}', no, '"1"'), 'series {} is of value of type object, more than a day from now'],
    [series('{}', seconds, deep), 'series {} is value of type object, which is no number'],
    [series('{}', seconds, no), 'series {} is value of type object, which is no number'],
  ]
  for (const [text, reason] of cases) {
    try {
      read(text)
      t.fail(reason)
    } catch (error) {
      t.ok(error instanceof SourceFault, reason)
      t.ok((error as Error).message.startsWith(reason), reason)
    }
  }
})

t.test('answers that are of no use', async (t) => {
  const success = (data: object) => JSON.stringify({ status: 'success', data })
  const cases: readonly (readonly [text: string, reason: string | RegExp])[] = [
    ['<!doctype html><title>Grafana</title>', 'it answers with HTML or XML: is there a Prometheus?'],
    ['', 'it answers with no JSON: is there a Prometheus?'],
    ['{"status":"success"', 'it answers with no JSON: is there a Prometheus?'],
    ['[]', 'its answer is none of the API of Prometheus, version 1'],
    ['{"status":"ok","data":{}}', 'its answer is none of the API of Prometheus, version 1'],
    [
      success({ resultType: 'matrix', result: [] }),
      'the query gives a matrix, and an instant vector is needed',
    ],
    [
      success({ resultType: 'string', result: [1, 'a'] }),
      'the query gives a string, and an instant vector is needed',
    ],
    [vector(), 'the query gives no series'],
    [vector([{ instance: 'a' }, 'NaN']), 'series {instance="a"} is NaN, which is no number'],
    [
      success({ resultType: 'vector', result: [{ metric: { instance: 'a' }, histogram: [1, {}] }] }),
      'series {instance="a"} has no value (a histogram has none)',
    ],
    [success({ resultType: 'vector', result: [null] }), 'series {} has no value (a histogram has none)'],
    [
      success({ resultType: 'vector', result: [{ metric: { instance: 'a' }, value: [1, '2'] }] }),
      'series {instance="a"} is of 1, more than a day from now: one of the clocks is wrong',
    ],
    [
      vector(...Array.from({ length: mostSeries + 1 }, (_, nth) => [{ instance: `i${nth}` }, '1'] as const)),
      'the query gives more than 10000 series, and 10000 are taken: have it give fewer',
    ],
  ]
  for (const [text, reason] of cases) {
    try {
      read(text)
      t.fail(text.slice(0, 100))
    } catch (error) {
      if (!(error instanceof SourceFault)) throw error
      t.equal(error.message, reason)
    }
  }
  const full = vector(
    ...Array.from({ length: mostSeries }, (_, nth) => [{ instance: `i${nth}` }, '1'] as const),
  )
  t.equal(read(full).rows.length, mostSeries)
})
