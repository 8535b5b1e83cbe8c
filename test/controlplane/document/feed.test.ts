/** Feeds in the document: what is read, what is written, and what is said of what is wrong. */
import t from 'tap'
import { formatFeed, parseFeed } from '../../../src/controlplane/document/feed.ts'
import type { Problem } from '../../../src/controlplane/model/errors.ts'

function read(body: unknown, name = 'air_quality') {
  const problems: Problem[] = []
  const feed = parseFeed(name, body, 'feeds.it', problems)
  return { feed, problems: problems.map(({ path, message }) => `${path}: ${message}`) }
}

const one = { columns: { value: {} } }

t.test('every field is read and written back, and columns keep their order', async (t) => {
  const body = {
    columns: {
      so2: {},
      load: { type: 'integer', unit: '%', description: 'how busy the hall is' },
      a: { type: 'integer' },
    },
    retention: { age: '30d', rows: 1_000_000 },
    cache: '10s',
    source: {
      prometheus: 'https://prometheus.example.test/base',
      query: 'avg by (instance) (node_load1)',
      every: '15s',
      timeout: '2s',
      entity: '{job}/{instance}',
      column: 'so2',
      headers: { authorization: 'Bearer x', 'x-scope-orgid': 'a' },
    },
  }
  const { feed, problems } = read(body)
  t.same(problems, [])
  t.same(feed, {
    name: 'air_quality',
    columns: [
      { name: 'so2', type: 'double', unit: '', description: '' },
      { name: 'load', type: 'integer', unit: '%', description: 'how busy the hall is' },
      { name: 'a', type: 'integer', unit: '', description: '' },
    ],
    retention: { ageMs: 30 * 86_400_000, rows: 1_000_000 },
    cacheMs: 10_000,
    source: {
      prometheus: 'https://prometheus.example.test/base',
      query: 'avg by (instance) (node_load1)',
      everyMs: 15_000,
      timeoutMs: 2_000,
      entity: '{job}/{instance}',
      column: 'so2',
      headers: [
        ['authorization', 'Bearer x'],
        ['x-scope-orgid', 'a'],
      ],
    },
  })
  t.same(formatFeed(feed!), body)
  t.same(Object.keys(formatFeed(feed!).columns as object), ['so2', 'load', 'a'])
})

t.test('what is left out', async (t) => {
  const { feed } = read({ ...one, source: { prometheus: 'HTTP://127.0.0.1:9090/', query: 'up' } })
  t.same(formatFeed(feed!), {
    columns: { value: {} },
    source: { prometheus: 'http://127.0.0.1:9090', query: 'up', every: '30s', entity: '{instance}' },
  })
  t.same(formatFeed(feed!, true), {
    columns: { value: { type: 'double', unit: '', description: '' } },
    retention: { rows: 10_000_000 },
    cache: '30s',
    source: {
      prometheus: 'http://127.0.0.1:9090',
      query: 'up',
      every: '30s',
      timeout: '10s',
      entity: '{instance}',
    },
  })
  t.equal(
    read({ ...one, source: { prometheus: 'http://[::1]', query: 'up', every: '2s' } }).feed?.source
      ?.timeoutMs,
    2000,
  )
  t.equal(read({ ...one, cache: 0 }).feed?.cacheMs, 0)
})

const source = { prometheus: 'http://p.test', query: 'up' }
const name =
  'a name of 1 to 63 lower-case letters, digits and "_" that begins with a letter, such as air_quality'

const refusals: readonly (readonly [what: string, body: unknown, problem: string, name?: string])[] = [
  ['a name in capitals', one, `: must be ${name}, not "Air"`, 'Air'],
  ['a name that begins with a digit', one, `: must be ${name}, not "2a"`, '2a'],
  ['a name with a dash', one, `: must be ${name}, not "a-b"`, 'a-b'],
  ['a name of 64 octets', one, `: must be ${name}, not "${'a'.repeat(64)}"`, 'a'.repeat(64)],
  [
    'the name of a feed that is built in',
    one,
    ': is the name of a feed that the server keeps by itself: choose another one',
    'probes',
  ],
  [
    'the name of a page of the server',
    one,
    ': would be read at /health, where the server has something else: choose another name',
    'health',
  ],
  ['no object', [], ': must be an object with columns, retention, cache and source, not a list'],
  ['no columns', {}, '.columns: is required'],
  ['an empty map of columns', { columns: {} }, '.columns: must have at least 1 entry'],
  [
    'too many columns',
    { columns: Object.fromEntries(Array.from({ length: 101 }, (_, nth) => [`c${nth}`, {}])) },
    '.columns: must have at most 100 entries',
  ],
  [
    'a column that every feed has',
    { columns: { id_entity: {} } },
    '.columns.id_entity: is a column that every feed has: leave it out',
  ],
  [
    'the other one',
    { columns: { time_instant: {} } },
    '.columns.time_instant: is a column that every feed has: leave it out',
  ],
  ['the name of a column', { columns: { 'pm2.5': {} } }, `.columns["pm2.5"]: must be ${name}, not "pm2.5"`],
  [
    'a type that there is not',
    { columns: { a: { type: 'float' } } },
    '.columns.a.type: must be one of double, integer, not "float"',
  ],
  [
    'a field that nobody knows',
    { columns: { a: { typ: 'double' } } },
    '.columns.a.typ: unknown field "typ", known here: type, unit, description; did you mean type?',
  ],
  [
    'a short age',
    { ...one, retention: { age: '1m' } },
    '.retention.age: must be a duration such as 500ms, 10s, 5m, 1h or 14d, or whole seconds, from 1h to 36500d, not "1m"',
  ],
  [
    'few rows',
    { ...one, retention: { rows: 10 } },
    '.retention.rows: must be a whole number from 1000 to 1000000000, not 10',
  ],
  [
    'a long cache',
    { ...one, cache: '2d' },
    '.cache: must be a duration such as 500ms, 10s, 5m, 1h or 14d, or whole seconds, from 0s to 1d, not "2d"',
  ],
  [
    'a source without a query',
    { ...one, source: { prometheus: 'http://p.test' } },
    '.source.query: is required',
  ],
  [
    'a query of blanks',
    { ...one, source: { ...source, query: ' ' } },
    '.source.query: must be an instant query in PromQL of 1 to 4096 characters, not " "',
  ],
  [
    'a column that there is not',
    { columns: { value: {}, other: {} }, source: { ...source, column: 'vale' } },
    '.source.column: there is no column vale, known here: value, other; did you mean value?',
  ],
  [
    'no column where there are several',
    { columns: { a: {}, b: {} }, source },
    '.source.column: is required, since the feed has 2 columns',
  ],
  [
    'a timeout longer than the interval',
    { ...one, source: { ...source, every: '5s', timeout: '6s' } },
    '.source.timeout: must not be longer than every (6s > 5s)',
  ],
  [
    'a header that is ours',
    { ...one, source: { ...source, headers: { Host: 'a' } } },
    `.source.headers.Host: can't be set: it is the host of the URL`,
  ],
  ...['{', '{a', 'a}', '{}', '{a b}', '{{a}}', '', 'a\nb', '{a-b}'].map(
    (entity) =>
      [
        `the template ${JSON.stringify(entity)}`,
        { ...one, source: { ...source, entity } },
        `.source.entity: must be a text of 1 to 255 characters with names of labels in braces, such as {instance} or {job}/{instance}, not ${JSON.stringify(entity)}`,
      ] as const,
  ),
  ...[
    'p.test:9090',
    'ftp://p.test',
    'http://u:p@p.test',
    'http://p.test?x=1',
    'http://p.test/#a',
    'http://p .test',
    'http://',
  ].map(
    (prometheus) =>
      [
        `the URL ${prometheus}`,
        { ...one, source: { ...source, prometheus } },
        '.source.prometheus: must be an http or https URL of at most 2048 characters, without user, password, query and fragment, such as http://prometheus.example.test:9090',
      ] as const,
  ),
]

t.test('what is wrong is told by its path', async (t) => {
  for (const [what, body, problem, name] of refusals) {
    const { feed, problems } = read(body, name)
    t.same(problems, [`feeds.it${problem}`], what)
    t.equal(feed, null, what)
  }
})
