import t from 'tap'
import Type from 'typebox'
import { readQueryValues } from '../../../src/controlplane/api/query-values.ts'

const schema = Type.Object({
  limit: Type.Optional(Type.Integer()),
  dryRun: Type.Optional(Type.Boolean()),
  name: Type.Optional(Type.String()),
})

t.test('texts become what the schema wants, or stay texts', async (t) => {
  const table: [Record<string, unknown>, Record<string, unknown>][] = [
    [{ limit: '7' }, { limit: 7 }],
    [{ limit: '-7' }, { limit: -7 }],
    [{ limit: '007' }, { limit: 7 }],
    ...['', ' 7', '1.7', '1e3', '0x7', 'true', '7n', 'Infinity'].map(
      (limit): [Record<string, unknown>, Record<string, unknown>] => [{ limit }, { limit }],
    ),
    [{ limit: ['1', '2'] }, { limit: ['1', '2'] }],
    [{ dryRun: 'true' }, { dryRun: true }],
    [{ dryRun: 'False' }, { dryRun: false }],
    [{ dryRun: '1' }, { dryRun: true }],
    [{ dryRun: '0' }, { dryRun: false }],
    [{ dryRun: 'yes' }, { dryRun: 'yes' }],
    [{ dryRun: '' }, { dryRun: '' }],
    [{ name: '7' }, { name: '7' }],
    [{ name: 'true' }, { name: 'true' }],
    [{ other: '7' }, { other: '7' }],
  ]
  for (const [input, value] of table) t.strictSame(readQueryValues(schema, input), value)
})

t.test('names that every object has are names like others', async (t) => {
  const input = JSON.parse('{ "__proto__": "7", "constructor": "1", "toString": "true" }')
  const read = readQueryValues(schema, input)
  t.same(Object.entries(read), Object.entries(input))
  t.equal(Object.getPrototypeOf(read), Object.prototype)
})
