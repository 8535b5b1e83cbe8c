import fc from 'fast-check'
import t from 'tap'
import { parseJson } from '../../../src/controlplane/api/json-body.ts'
import { mergePatch } from '../../../src/controlplane/api/writes.ts'
import { ControlError } from '../../../src/controlplane/model/errors.ts'

function problemsOf(text: string): readonly { path: string; message: string }[] {
  try {
    parseJson(text)
    return []
  } catch (error) {
    if (error instanceof ControlError) return error.problems
    throw error
  }
}

t.test('property: JSON without repetition comes through as JSON.parse reads it', async (t) => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(undefined, 1, '\t'), (text, indent) => {
      const value = JSON.parse(text)
      t.same(parseJson(JSON.stringify(value, null, indent as number)), value)
    }),
  )
})

t.test('names that stand there twice are found, wherever they are', async (t) => {
  t.same(problemsOf('{"a":1,"b":{"a":2},"c":[{"a":1},{"a":1}]}'), [])
  t.match(problemsOf('{"a":1,"a":2}'), [{ path: 'a' }])
  t.match(problemsOf('{"x":[{},{"b":[],"b":{}}]}'), [{ path: 'x[1].b' }])
  t.match(problemsOf('{"a":1,"\\u0061":2}'), [{ path: 'a' }], 'written differently')
  t.match(problemsOf('{"a\\"":1,"a\\"":2}'), [{ path: '["a\\""]' }])
  t.same(problemsOf('{"a":"a","b":["a","a"],"c":"{\\"a\\":1,\\"a\\":2}"}'), [], 'values are no names')
  const many = `{${Array(1000).fill('"a":1').join(',')}}`
  t.equal(problemsOf(many).length, 100)
})

t.test('a body that nests too deeply is refused', async (t) => {
  t.same(problemsOf(`${'['.repeat(64)}${']'.repeat(64)}`), [])
  t.match(problemsOf(`${'['.repeat(65)}${']'.repeat(65)}`), [{ message: /64 levels/ }])
})

t.test('the examples of RFC 7396, appendix A', async (t) => {
  const examples: [target: unknown, patch: unknown, result: unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]
  for (const [target, patch, result] of examples) t.same(mergePatch(target, patch), result)
  const hostile = mergePatch({}, JSON.parse('{"__proto__": {"polluted": true}}'))
  t.notOk(({} as { polluted?: boolean }).polluted)
  t.same(Object.keys(hostile as object), ['__proto__'])
})
