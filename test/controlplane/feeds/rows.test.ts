/** Rows as they come from outside: what is read, and what is said of what can't be. */
import fc from 'fast-check'
import t from 'tap'
import { readCsvColumns, readCsvRows } from '../../../src/controlplane/feeds/csv-rows.ts'
import { readJsonRows } from '../../../src/controlplane/feeds/json-rows.ts'
import { RowProblems, type RowRules } from '../../../src/controlplane/feeds/row-reader.ts'
import type { FeedRow } from '../../../src/controlplane/model/feed-row.ts'
import { formatInstant, parseInstant } from '../../../src/controlplane/model/instant.ts'

const rules: RowRules = {
  feed: 'air_quality',
  columns: [
    { name: 'so2', type: 'double' },
    { name: 'no2', type: 'double' },
    { name: 'seen', type: 'integer' },
  ],
  now: new Date('2026-06-01T12:00:00Z'),
}

async function* octetsOf(text: string | Uint8Array, size = text.length > 10_000 ? 65_536 : 7) {
  const all = Buffer.from(text)
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size)
}

async function read(reader: typeof readCsvRows, text: string | Uint8Array, size?: number) {
  const problems = new RowProblems()
  const rows: FeedRow[] = []
  for await (const batch of reader(octetsOf(text, size), rules, problems)) rows.push(...batch)
  return { rows, told: problems.told.map(({ path, message }) => `${path}: ${message}`), bad: problems.rows }
}

const header = 'time_instant,id_entity,so2,no2,seen\n'
const good = '2020-01-01 00:00:00.00000, aq_salvia, 6.80117094260474, 48.398337879833704, 3\n'
const goodRow = {
  micros: Date.UTC(2020, 0, 1) * 1000,
  entity: 'aq_salvia',
  values: [6.80117094260474, 48.398337879833704, 3],
}

t.test(
  'CSV: blanks, quotes, either line end, a byte order mark, empty lines, in chunks of any size',
  async (t) => {
    const quoted = '"2020-01-01 00:00:00","a, ""b""","1e3","-.5",\r\n'
    const text = `\ufeff${header.replace('\n', '\r\n')}\r\n${good}\n${quoted}"2020-01-01","z",NULL,0,+1`
    for (const size of [1, 2, 3, 50, 10_000]) {
      const { rows, told } = await read(readCsvRows, text, size)
      t.same(told, [])
      t.same(rows, [
        goodRow,
        { ...goodRow, entity: 'a, "b"', values: [1000, -0.5, null] },
        { ...goodRow, entity: 'z', values: [null, 0, 1] },
      ])
    }
    t.same((await read(readCsvRows, `seen,id_entity,time_instant\n5,x,2020-01-01`)).rows, [
      { ...goodRow, entity: 'x', values: [null, null, 5] },
    ])
    t.same(await readCsvColumns(octetsOf('so2, time_instant ,b,id_entity\n1'), 'new'), ['so2', 'b'])
  },
)

t.test('CSV: a header that can not be', async (t) => {
  const refused = async (text: string | Uint8Array, ...messages: string[]) => {
    await t.rejects(read(readCsvRows, text), { code: 'invalid', message: new RegExp(messages.join('.*')) })
  }
  await refused('', 'line 1: there is no header')
  await refused('\n\n', 'line 1: there is no header')
  await refused(good, 'line 1: the header has no time_instant and no id_entity')
  await refused('time_instant,so2\n', 'line 1: the header has no id_entity')
  await refused('time_instant;id_entity;so2\n', 'parted by commas, not by \\\\?";"')
  await refused('\ntime_instant,id_entity,so2,so2\n', 'line 2, column 4: so2 stands there twice')
  await refused(
    'time_instant,id_entity,so3\n',
    'line 1, column 3: feed air_quality has no column "so3"; did you mean so2',
  )
  await refused('time_instant,id_entity,so2,\n', 'line 1, column 4: the header has no name there')
  await refused('time_instant,"id_entity\n', 'line 1: a field begins with a quote that does not end')
  await refused(Buffer.from([0xff, 0xfe, 0x74, 0x00]), 'octet 1 or behind it: is not UTF-8')
  await refused(Buffer.concat([Buffer.from(header), Buffer.from([0xe9, 0x2c])]), 'is not UTF-8')
  await refused(`${header}${'x'.repeat(1_100_000)}`, 'line 2: is longer than 1048576 characters')
})

t.test('CSV: lines that are left out, each named by line and column', async (t) => {
  const lines: [line: string, told: string][] = [
    ['2020-01-01,a,NaN,1,1', 'column 3 (so2): "NaN" is not a number'],
    ['2020-01-01,a,"1,5",1,1', 'column 3 (so2): "1,5" is not a number; the decimal point is a dot'],
    ['2020-01-01,a,1,5,1,1', 'has 6 fields, not 5 as the header'],
    ['2020-01-01,a,1', 'has 3 fields, not 5 as the header'],
    ['2020-01-01,a,Infinity,1,1', 'column 3 (so2): "Infinity" is not a number'],
    ['2020-01-01,a,0x10,1,1', 'column 3 (so2): "0x10" is not a number'],
    ['2020-01-01,a,1e999,1,1', 'column 3 (so2): "1e999" is beyond double precision'],
    ['2020-01-01,a,1e-999,1,1', 'column 3 (so2): "1e-999" is beyond double precision'],
    ['2020-01-01,a,-1E-400,1,1', 'column 3 (so2): "-1E-400" is beyond double precision'],
    ['2020-01-01,a,1,1,1e-400', 'column 5 (seen): "1e-400" is beyond double precision'],
    ['2020-01-01,a,1,1,1.5', 'column 5 (seen): "1.5" is not whole'],
    [
      '2020-01-01,a,1,1,9007199254740993',
      'column 5 (seen): "9007199254740993" is beyond what an integer holds exactly (2^53)',
    ],
    ['2020-02-30,a,1,1,1', 'column 1 (time_instant): "2020-02-30" is not a time such as'],
    ['soon,a,1,1,1', 'column 1 (time_instant): "soon" is not a time such as'],
    ['1577836800,a,1,1,1', 'column 1 (time_instant): "1577836800" is not a time'],
    [',a,1,1,1', 'column 1 (time_instant): is empty'],
    [
      '2026-06-02T12:00:01Z,a,1,1,1',
      'column 1 (time_instant): 2026-06-02T12:00:01Z lies more than a day in the future',
    ],
    ['20202-01-01,a,1,1,1', 'is not a time'],
    [
      '3020-01-01 10:00:00.5,a,1,1,1',
      'column 1 (time_instant): 3020-01-01T10:00:00.5Z lies more than a day in the future',
    ],
    ['0020-01-01,a,1,1,1', 'column 1 (time_instant): "0020-01-01" lies before 1700, where times begin here'],
    ['2020-01-01,,1,1,1', 'column 2 (id_entity): is empty'],
    ['2020-01-01, "a",1,1,1', 'column 2 (id_entity): has a blank before its quotes'],
    ['2020-01-01,a\u0007,1,1,1', 'column 2 (id_entity): has a control character'],
    [`2020-01-01,${'a'.repeat(256)},1,1,1`, 'column 2 (id_entity): is longer than 255 octets'],
    ['2020-01-01,"a"b,1,1,1', 'a field goes on behind the quote that ends it'],
    ['2020-01-01,"a,1,1,1', 'a field begins with a quote that does not end'],
  ]
  for (const [line, told] of lines) {
    const { rows, ...said } = await read(readCsvRows, `${header}${good}${line}\n${good}`)
    t.equal(said.bad, 1, line.slice(0, 40))
    t.ok(said.told[0]!.startsWith('line 3') && said.told[0]!.includes(told), said.told[0]!)
    t.same(rows, [goodRow, goodRow])
  }
  const all = await read(
    readCsvRows,
    header +
      lines
        .slice(0, 20)
        .map(([line]) => `${line}\n${good}`)
        .join(''),
  )
  t.equal(all.bad, 20)
  t.equal(all.rows.length, 20)
})

t.test('what is as long as a row may be takes no longer for what is wrong with it', async (t) => {
  const names = Array.from({ length: 130_000 }, (_, nth) => `c${nth}`).join(',')
  const wide = `time_instant,id_entity,${names}\n`
  t.equal((await readCsvColumns(octetsOf(wide), 'new')).length, 130_000)
  await t.rejects(read(readCsvRows, wide), {
    message: /line 1, column 3: feed air_quality has no column "c0"/,
  })
  const digits = '1'.repeat(1_000_000)
  const { told } = await read(readCsvRows, `${header}2020-01-01,a,${digits}x,1,1\n`)
  t.match(told, [/^line 2, column 3 \(so2\): "1{60}…" is not a number$/])
  const row = `{"time_instant":"2020-01-01","id_entity":"a",${names.replaceAll(/c\d+/g, '"$&":1').slice(0, 1_000_000)}":1}`
  const json = await read(readJsonRows, `${row}${row}`, 65_536)
  t.equal(json.bad, 2)
  t.equal(json.told.length, 100)
  const long = await read(
    readJsonRows,
    `{"time_instant":"2020-01-01","id_entity":"a","${'q'.repeat(900_000)}":1}`,
  )
  t.match(long.told, [/^line 1, column q{60}…: feed air_quality has no column "q{60}…"/])
})

t.test('JSON: what nests deeper than anything is left out as any other row', async (t) => {
  const key = '"time_instant":"2020-01-01","id_entity":"a"'
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  for (const row of [
    `{${key},"so2":${deep}}`,
    `{${key},"so2":0,"no2":1e-5,"x":${deep}}`,
    `{"id_entity":"a","time_instant":${deep}}`,
  ]) {
    const { rows, told } = await read(readJsonRows, `{${key}}\n${row}\n{${key}}`)
    t.same(told, ['line 2: nests 100001 deep: a row has numbers and texts'])
    t.equal(rows.length, 2)
  }
})

t.test('CSV: no more than so many problems are held, and all are counted', async (t) => {
  const { told, bad } = await read(readCsvRows, header + '2020-01-01,a,x,1,1\n'.repeat(250), 10_000)
  t.equal(told.length, 100)
  t.equal(bad, 250)
})

t.test('CSV: a quote that does not end in a long file costs its line alone', async (t) => {
  const { rows, told } = await read(
    readCsvRows,
    `${header}${good}2020-01-01,"a,1,1,1\n${good.repeat(30_000)}`,
    65_536,
  )
  t.same(told, ['line 3: a field begins with a quote that does not end'])
  t.equal(rows.length, 30_001)
})

t.test('JSON: one, an array, one behind the other, in chunks of any size', async (t) => {
  const one = '{"time_instant": "2020-01-01T01:00:00+01:00", "id_entity": "a }\\"{", "so2": 1e3, "no2": null}'
  const two = '{"id_entity":"b","time_instant":"2020-01-01","seen":-0}'
  const expected = [
    { ...goodRow, entity: 'a }"{', values: [1000, null, null] },
    { ...goodRow, entity: 'b', values: [null, null, -0] },
  ]
  for (const size of [1, 2, 5, 10_000]) {
    for (const text of [`[${one},\n ${two}]\n`, `${one}\n${two}`, `\ufeff${one}${two}`]) {
      t.same(await read(readJsonRows, text, size), { rows: expected, told: [], bad: 0 })
    }
  }
  t.same((await read(readJsonRows, ` ${two} `)).rows.length, 1)
  t.same((await read(readJsonRows, '[]')).rows, [])
})

t.test('JSON: rows that are left out, each named by its line', async (t) => {
  const key = '"time_instant":"2020-01-01","id_entity":"a"'
  const lines: [row: string, told: string][] = [
    [`{${key},"so3":1}`, 'line 2, column so3: feed air_quality has no column "so3"; did you mean so2?'],
    [`{${key},"so2":"1.5"}`, 'line 2, column so2: must be a number or null, not "1.5"'],
    [`{${key},"so2":true}`, 'line 2, column so2: must be a number or null'],
    [`{${key},"so2":{"a":1}}`, 'line 2, column so2: must be a number or null'],
    [`{${key},"so2":1e999}`, 'line 2, column so2: "1e999" is beyond double precision'],
    [`{${key},"no2":0,"so2":-1e400}`, 'line 2, column so2: "-1e400" is beyond double precision'],
    [`{${key},"no2":0,"so2":1e-400}`, 'line 2, column so2: "1e-400" is beyond double precision'],
    [`{${key},"so2":-1.5E-400}`, 'line 2, column so2: "-1.5E-400" is beyond double precision'],
    [`{${key},"so2":0.${'0'.repeat(330)}1}`, 'line 2, column so2: "0.0000'],
    [`{${key},"seen":1e-400}`, 'line 2, column seen: "1e-400" is beyond double precision'],
    [`{${key},"seen":1.5}`, 'line 2, column seen: "1.5" is not whole'],
    [`{${key},"so2":1,"so2":2}`, 'line 2: a name stands there twice'],
    ['{"id_entity":"a"}', 'line 2, column time_instant: is required'],
    ['{"time_instant":"2020-01-01"}', 'line 2, column id_entity: is required'],
    [
      '{"time_instant":1577836800,"id_entity":"a"}',
      'line 2, column time_instant: must be a text, not 1577836800',
    ],
    [
      '{"time_instant":"2020-01-01","id_entity":"\\u0000"}',
      'line 2, column id_entity: has a control character',
    ],
    ['{"time_instant":"2020-01-01","id_entity":"\\ud800"}', 'line 2, column id_entity: is not well-formed'],
    [
      '{"time_instant":"9999-01-01","id_entity":"a"}',
      'line 2, column time_instant: 9999-01-01T00:00:00Z lies more than a day in the future',
    ],
  ]
  for (const [row, told] of lines) {
    const said = await read(readJsonRows, `[{${key}},\n${row},\n{${key}}]`)
    t.equal(said.bad, 1)
    t.ok(said.told[0]!.startsWith(told), `${said.told[0]} is ${told}`)
    t.equal(said.rows.length, 2)
  }
})

t.test('the least that a double holds, and every 0, are numbers', async (t) => {
  const zeros = ['0', '-0', '0.0', '0e-400', '-0.0E-999', `0.${'0'.repeat(400)}`]
  for (const [text, number] of [...zeros.map((zero) => [zero, 0] as const), ['5e-324', 5e-324] as const]) {
    const key = '"time_instant":"2020-01-01","id_entity":"a"'
    const json = await read(readJsonRows, `{${key},"so2":${text}}`)
    const csv = await read(readCsvRows, `time_instant,id_entity,so2\n2020-01-01,a,${text}\n`)
    for (const { rows, told } of [json, csv]) {
      t.same(told, [])
      t.ok(rows[0]!.values[0] === number, text)
    }
  }
})

t.test('JSON: of rows in one line it is said which', async (t) => {
  const key = '"time_instant":"2020-01-01","id_entity":"a"'
  const bad = `{${key},"so2":"x"}`
  const { told } = await read(readJsonRows, `[{${key}},${bad},\n${bad},${bad}, {${key},"so2":1,"so2":2}]`)
  t.same(
    told.map((line) => line.split(/, column|: a name/)[0]),
    ['line 1, row 2', 'line 2', 'line 2, row 2', 'line 2, row 3'],
  )
  await t.rejects(read(readJsonRows, `{${key}}{"a" 1}`), { message: /line 1, row 2: is not JSON/ })
})

t.test('JSON: what can not be read at all', async (t) => {
  const refused = (text: string, message: RegExp) =>
    t.rejects(read(readJsonRows, text), { code: 'invalid', message })
  await refused('', /line 1: there are no rows/)
  await refused('time_instant,id_entity', /line 1: "t" stands where a row/)
  await refused('[{}', /line 1: the array does not end/)
  await refused('[{},]', /line 1: "]" stands where a row/)
  await refused('[{} {}]', /line 1: "{" stands where a row/)
  await refused('[{}]\n{}', /line 2: "{" stands where nothing more/)
  await refused('[1]', /line 1: "1" stands where/)
  await refused('\n{"a":', /line 2: the row that begins there does not end/)
  await refused('{"a" 1}', /line 1: is not JSON/)
  await refused(`{"a":"${'x'.repeat(1_100_000)}`, /is longer than 1048576 characters/)
})

t.test('instants: as they are written, to the microsecond', async (t) => {
  const read = (text: string) => {
    const micros = parseInstant(text)
    return micros === null ? null : formatInstant(micros)
  }
  t.equal(read('2020-01-01 00:00:00.00000'), '2020-01-01T00:00:00Z')
  t.equal(read('2020-01-01'), '2020-01-01T00:00:00Z')
  t.equal(read('2020-01-01 12:30'), '2020-01-01T12:30:00Z')
  t.equal(read('2020-01-01T00:00:00.123456789Z'), '2020-01-01T00:00:00.123457Z')
  t.equal(read('1969-12-31 23:59:59.999999+00'), '1969-12-31T23:59:59.999999Z')
  t.equal(read('2024-02-29 23:30:00 -0130'), '2024-03-01T01:00:00Z')
  t.equal(read('1700-01-01T00:00:00Z'), '1700-01-01T00:00:00Z')
  for (const text of [
    '',
    '2023-02-29',
    '2020-13-01',
    '2020-00-01',
    '2020-01-01T24:00:00',
    '2020-01-01T00:60:00',
    '2020-01-01T00:00:60Z',
    '1699-12-31',
    '0000-01-01',
    '0020-01-01',
    '0099-12-31',
    '2300-01-01',
    '2020-01-01T00:00:00+25:00',
    '2020-1-1',
    'now',
    '01/02/2020',
  ]) {
    t.equal(read(text), null, text)
  }
  fc.assert(
    fc.property(
      fc.integer({ min: Date.UTC(1700, 0, 1) * 1000, max: Date.UTC(2254, 0, 1) * 1000 }),
      (micros) => {
        return parseInstant(formatInstant(micros)) === micros
      },
    ),
  )
})
