import fc from 'fast-check'
import t from 'tap'
import { valueAt, weightPercent } from '../../../../src/controlplane/health/probes/member-weight.ts'

t.test('a weight is a number from 0 to 100, and anything else says nothing', async (t) => {
  for (const [value, percent] of [
    [0, 0],
    [100, 100],
    [33.5, 33.5],
    ['0', 0],
    ['007', 7],
    [' 50 % ', 50],
    ['100%', 100],
    [-1, null],
    [100.1, null],
    ['101', null],
    ['-1', null],
    ['1.5', null],
    ['5e1', null],
    ['', null],
    ['%', null],
    [null, null],
    [undefined, null],
    [true, null],
    [['50'], null],
  ] as const) {
    t.equal(weightPercent(value), percent, JSON.stringify(value))
  }
})

t.test('pointers, by the examples of RFC 6901 section 5', async (t) => {
  const text = JSON.stringify({
    foo: ['bar', 'baz'],
    '': 0,
    'a/b': 1,
    'c%d': 2,
    'm~n': 8,
    ' ': 7,
    'k"l': 6,
  })
  for (const [pointer, value] of [
    ['', JSON.parse(text)],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/m~0n', 8],
    ['/ ', 7],
    ['/k"l', 6],
    ['/foo/2', undefined],
    ['/foo/-', undefined],
    ['/foo/00', undefined],
    ['/foo/length', undefined],
    ['/foo/0/0', undefined],
    ['/nothing/at/all', undefined],
    ['/__proto__', undefined],
    ['/toString', undefined],
  ] as const) {
    t.same(valueAt(pointer, text), value, pointer)
  }
  t.equal(valueAt('', '{"a": '), undefined)
  t.equal(valueAt('/a', ''), undefined)
})

t.test('whatever stands there, it is a percentage or nothing', async () => {
  fc.assert(
    fc.property(fc.json(), fc.array(fc.string()), (text, tokens) => {
      const percent = weightPercent(valueAt(tokens.map((token) => `/${token}`).join(''), text))
      return percent === null || (percent >= 0 && percent <= 100)
    }),
  )
})
