/** Checks of flat objects, such as the queries of the API: what is refused is always said, and bounded. */
import t from 'tap'
import Type from 'typebox'
import { compileCheck, maxProblems, show } from '../../../src/controlplane/document/schema-check.ts'

t.test('a schema never passes what it refuses, however many fields are unknown', async (t) => {
  const check = compileCheck(Type.Object({ a: Type.Integer() }, { additionalProperties: false }))
  for (const count of [1, maxProblems - 1, maxProblems, 3 * maxProblems]) {
    const fields = Object.fromEntries(Array.from({ length: count }, (_, index) => [`x${index}`, 1]))
    const problems = check({ a: 1, ...fields }, '')
    t.equal(problems.length, Math.min(count, maxProblems))
    t.same(problems[0], { path: 'x0', message: 'unknown field "x0", known here: a' })
  }
  t.same(check({ 'd/e': 1 }, 'at'), [
    { path: 'at.a', message: 'is required' },
    { path: 'at["d/e"]', message: 'unknown field "d/e", known here: a' },
  ])
})

t.test('what is not there is shown in words of ours', async (t) => {
  t.equal(show(undefined), 'nothing')
  t.equal(show(null), 'null')
  t.equal(show(-0), '0')
})

t.test('what a schema refuses without a word is not acceptable', async (t) => {
  const check = compileCheck(Type.Object({}, { additionalProperties: { additionalProperties: false } }))
  t.equal(check({ a: { b: 1 } }, 'at').length, 1)
})
