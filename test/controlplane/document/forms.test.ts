/** Declared fields: what they read, what they say of what is wrong, and what they leave out when they write. */
import t from 'tap'
import { Whole, Words } from '../../../src/controlplane/document/fields.ts'
import {
  converted,
  either,
  fieldsOf,
  ignored,
  list,
  map,
  record,
  spread,
} from '../../../src/controlplane/document/forms.ts'
import { maxProblems } from '../../../src/controlplane/document/schema-check.ts'
import type { Problem } from '../../../src/controlplane/model/errors.ts'

interface Tank {
  readonly kind: 'round' | 'square'
  readonly litres: number
  readonly most: number
  readonly place: string | null
  readonly width: number
  readonly height: number
}

const tank = fieldsOf<Tank>()
const form = record(
  {
    kind: tank.required('kind', Words(['round', 'square'])),
    volume: tank.shown('litres', Whole(1, 100), 10),
    limit: tank.optional('most', Whole(1, 200), ({ litres = 10 }) => litres * 2),
    at: tank.optional('place', Words(['roof', 'cellar']), null),
    size: spread(
      record({ w: tank.optional('width', Whole(1, 9), 1), h: tank.optional('height', Whole(1, 9), 2) }),
      { width: 1, height: 2 },
    ),
    status: ignored,
  },
  {
    check({ litres, most }, report) {
      if (litres !== undefined && most !== undefined && litres > most) report('is below the volume', 'limit')
    },
  },
)

function read(input: unknown) {
  const problems: Problem[] = []
  return {
    value: form.parse(input, 'tank', problems),
    problems: problems.map((p) => `${p.path}: ${p.message}`),
  }
}

const plain: Tank = { kind: 'round', litres: 10, most: 20, place: null, width: 1, height: 2 }

t.test('a field that is left out is its default, which may follow from a field before it', async (t) => {
  t.same(read({ kind: 'round' }).value, plain)
  t.same(read({ kind: 'round', volume: 7 }).value, { ...plain, litres: 7, most: 14 })
})

t.test('a default is left out again, unless it is always shown', async (t) => {
  t.same(form.format(plain), { kind: 'round', volume: 10 })
  t.same(form.format({ ...plain, litres: 7 }), { kind: 'round', volume: 7, limit: 20 })
  const other = { kind: 'square', volume: 7, limit: 9, at: 'roof', size: { h: 9 } }
  t.same(form.format(read(other).value!), other)
})

t.test('everything that is wrong is told at once, and there is no value', async (t) => {
  const { value, problems } = read({ volume: 0, limit: 'x', size: { w: 10, d: 1 }, colour: 'red', status: 1 })
  t.equal(value, undefined)
  t.same(problems, [
    'tank.colour: unknown field "colour", known here: kind, volume, limit, at, size, status',
    'tank.kind: is required',
    'tank.volume: must be a whole number from 1 to 100, not 0',
    'tank.limit: must be a whole number from 1 to 200, not "x"',
    'tank.size.d: unknown field "d", known here: w, h',
    'tank.size.w: must be a whole number from 1 to 9, not 10',
  ])
})

t.test('fields are checked against each other as far as they can be read', async (t) => {
  t.same(read({ kind: 'flat', volume: 9, limit: 8 }).problems, [
    'tank.kind: must be one of round, square, not "flat"',
    'tank.limit: is below the volume',
  ])
  t.same(read({ kind: 'round', volume: 9, limit: 'x' }).problems.length, 1)
})

t.test('the schema follows from the fields', async (t) => {
  t.same(form.schema.required, ['kind'])
  t.same(Object.keys(form.schema.properties), ['kind', 'volume', 'limit', 'at', 'size', 'status'])
})

t.test('unknown fields are refused and bounded, however many there are', async (t) => {
  const fields = Object.fromEntries(Array.from({ length: 3 * maxProblems }, (_, index) => [`x${index}`, 1]))
  const { value, problems } = read({ kind: 'round', ...fields })
  t.equal(value, undefined)
  t.equal(problems.length, maxProblems)
  t.match(problems[0], /^tank\.x0: unknown field "x0", known here: kind/)
})

t.test('lists and maps stop at the bound of problems, and have no value then', async (t) => {
  const many = Array.from({ length: 3 * maxProblems }, () => 0)
  for (const [collection, input] of [
    [list(Whole(1, 2)), many],
    [map(Whole(1, 2)), { ...many }],
  ] as const) {
    const problems: Problem[] = []
    t.equal(collection.parse(input, '', problems), undefined)
    t.equal(problems.length, maxProblems)
  }
})

t.test('a short form is told from a long one by what is written', async (t) => {
  const long = record({ width: tank.required('width', Whole(1, 9)) })
  const short = converted(
    Whole(1, 9),
    (width) => ({ width }),
    ({ width }) => width,
  )
  const size = either(short, long, {
    description: 'a number or an object with width',
    isShort: ({ width }) => width < 5,
  })
  const problems: Problem[] = []
  t.same(size.parse(3, 'a', problems), { width: 3 })
  t.same(size.parse({ width: 7 }, 'a', problems), { width: 7 })
  t.same([size.format({ width: 3 }), size.format({ width: 7 })], [3, { width: 7 }])
  t.equal(size.parse('3', 'b', problems), undefined)
  t.equal(size.parse(0, 'c', problems), undefined)
  t.same(problems, [
    { path: 'b', message: 'must be a number or an object with width, not "3"' },
    { path: 'c', message: 'must be a whole number from 1 to 9, not 0' },
  ])
})

t.test(
  'of a list that is too long nothing but that is said: comparing its items would take for ever',
  async (t) => {
    const few = list(Words(['a', 'b']), { maxItems: 2, uniqueItems: true })
    const problems: Problem[] = []
    // As many as a body of a mebibyte has.
    t.equal(few.parse(Array(300_000).fill(''), 'words', problems), undefined)
    t.same(problems, [{ path: 'words', message: 'must have at most 2 items' }])
  },
)

t.test('nor of a map', async (t) => {
  const few = map(Words(['a', 'b']), { maxProperties: 2 })
  const problems: Problem[] = []
  const entries = Array.from({ length: 100_000 }, (_, nth) => [`n${nth}`, 0])
  t.equal(few.parse(Object.fromEntries(entries), 'words', problems), undefined)
  t.same(problems, [{ path: 'words', message: 'must have at most 2 entries' }])
})
