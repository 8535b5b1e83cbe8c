import fc from 'fast-check'
import t from 'tap'
import { saidWeight, valueIn, weightAt } from '../../../../src/controlplane/health/probes/member-weight.ts'

t.test('a weight is a number from 0 to 100; what is none is told, and nothing is nothing', async (t) => {
  for (const [value, percent] of [
    [0, 0],
    [-0, 0],
    [100, 100],
    [33.5, 33.5],
    [12.3456, 12.35],
    [0.0001, 0.01],
    ['0', 0],
    ['0.000', 0],
    ['007', 7],
    [' 50 % ', 50],
    ['100%', 100],
    ['1.5', 1.5],
    ['12.5%', 12.5],
    ['.5', 0.5],
    ['5.', 5],
    ['100.0', 100],
    ['0.001', 0.01],
  ] as const) {
    t.same(saidWeight(value), { percent }, JSON.stringify(value))
  }
  for (const [value, told] of [
    [-1, '-1'],
    [100.1, '100.1'],
    ['101', '101'],
    ['100.001', '100.001'],
    ['-5', '-5'],
    ['abc', 'abc'],
    ['5e1', '5e1'],
    ['12,5', '12,5'],
    ['1.2.3', '1.2.3'],
    ['.', '.'],
    ['', ''],
    ['%', '%'],
    [true, 'true'],
    [['50', '60'], '["50","60"]'],
    [{ share: 5 }, '{"share":5}'],
    ['9'.repeat(70_000), 'a text of 70000 characters'],
    // What a member was sent, and sends back.
    ['Bearer 0123456789abcdef', 'a text of 23 characters'],
    [{ key: '0123456789' }, 'a text of 20 characters'],
  ] as const) {
    t.same(saidWeight(value), { problem: `weight not understood: ${told}` }, told)
  }
  t.equal(saidWeight(undefined), null)
  t.equal(saidWeight(null), null)
  t.same(weightAt('/w', '{"w":2.5}'), { percent: 2.5 })
  t.equal(weightAt('/w', '{}'), null)
  t.match(weightAt('/w', '{"w":'), { problem: /the body is no JSON/ })
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
    t.same(valueIn(pointer, JSON.parse(text)), value, pointer)
  }
})

t.test('whatever stands there, it is a percentage, a short complaint or nothing', async () => {
  fc.assert(
    fc.property(fc.json(), fc.array(fc.string()), (text, tokens) => {
      const said = weightAt(tokens.map((token) => `/${token}`).join(''), text)
      if (said === null) return true
      return 'percent' in said ? said.percent >= 0 && said.percent <= 100 : said.problem.length < 80
    }),
  )
})
