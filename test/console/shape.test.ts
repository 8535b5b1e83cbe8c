/** What forms are made of, by the schemas of the document itself. */
import t from 'tap'
import {
  alternativeOf,
  carriedTo,
  differInWeights,
  emptyOf,
  isWithin,
  joinPath,
  resolved,
  type Schema,
  shapeOf,
  typedValue,
} from '../../src/console/schema/shape.ts'
import { MonitorSchema } from '../../src/controlplane/document/monitor.ts'
import { joinPath as pathOfProblem } from '../../src/controlplane/document/path.ts'
import { PoolSchema } from '../../src/controlplane/document/pool.ts'
import { ServiceSchema } from '../../src/controlplane/document/service.ts'

const monitor = MonitorSchema as Schema
const pool = PoolSchema as Schema
const service = ServiceSchema as Schema

const shape = <K extends ReturnType<typeof shapeOf>['kind']>(schema: Schema, kind: K) => {
  const found = shapeOf(schema, {})
  t.equal(found.kind, kind)
  return found as Extract<ReturnType<typeof shapeOf>, { kind: K }>
}
const fieldOf = (schema: Schema, name: string) =>
  shape(schema, 'object').fields.find(([each]) => each === name)![1]

t.test('every place of the document has a shape, down to its leaves', async (t) => {
  let leaves = 0
  const walk = (schema: Schema, path: string, depth = 0) => {
    const found = shapeOf(schema, {})
    if (depth > 12) return
    if (found.kind === 'object')
      for (const [name, each] of found.fields) walk(each, `${path}.${name}`, depth + 1)
    else if (found.kind === 'map' || found.kind === 'list') walk(found.of, `${path}[]`, depth + 1)
    else if (found.kind === 'either') for (const each of found.of) walk(each.schema, path, depth + 1)
    else if (found.kind === 'text') t.ok(resolved(schema, {}).type !== undefined, `${path} is of a type`)
    else t.ok(found.words.length > 0, `${path} has words`)
    leaves++
  }
  for (const [name, schema] of Object.entries({ monitor, pool, service })) walk(schema, name)
  t.ok(leaves > 200, `${leaves}`)
})

t.test('what the server tells beside is no field', async (t) => {
  for (const schema of [pool, service]) {
    t.notOk(shape(schema, 'object').fields.some(([name]) => name === 'status'))
  }
})

t.test('a monitor is one of its types, and keeps what another one has too', async (t) => {
  const { of } = shape(monitor, 'either')
  const at = (value: unknown) => of[alternativeOf(of, value, {})]!.name
  t.equal(at({}), 'http', 'what is meant without a type')
  for (const type of ['http', 'https', 'tcp', 'dns', 'grpc', 'push', 'static', 'feed', 'composite']) {
    t.equal(at({ type }), type)
  }
  const tcp = of.find(({ name }) => name === 'tcp')!.schema
  const carried = carriedTo(tcp, { type: 'http', port: 80, path: '/', interval: '5s' }, {})
  t.same(carried, { type: 'tcp', port: '', interval: '5s' })
})

t.test('what may be a text or an object is known by its value', async (t) => {
  const { of } = shape(fieldOf(service, 'ttl'), 'either')
  t.equal(alternativeOf(of, 30, {}), 0)
  t.equal(alternativeOf(of, '30s', {}), 0)
  t.equal(alternativeOf(of, { min: 5, max: 60 }, {}), 1)
  t.same(emptyOf(of[1]!.schema, {}), { min: '', max: '' })
  const choice = shape(fieldOf(service, 'pools'), 'list').of
  t.equal(emptyOf(choice, {}), '')
  t.same(emptyOf(service, {}), { pools: [] })
})

t.test('numbers are typed as texts', async (t) => {
  const number = { isNumber: true }
  t.equal(typedValue('12', number), 12)
  t.equal(typedValue('0.50', number), 0.5)
  t.equal(typedValue('-1', number), -1)
  t.equal(typedValue('10s', number), '10s')
  t.equal(typedValue('1.', number), '1.', 'not finished')
  t.equal(typedValue('12', { isNumber: false }), '12')
})

t.test('references are followed, and what is said beside them counts', async (t) => {
  const schemas = { Word: { type: 'string', description: 'of itself' } }
  const ref = { $ref: '#/components/schemas/Word' }
  t.match(resolved(ref, schemas), { type: 'string', description: 'of itself' })
  t.match(resolved({ ...ref, description: 'of this place' }, schemas), { description: 'of this place' })
  t.match(resolved({ $ref: '#/components/schemas/None' }, schemas), { $ref: /None/ }, 'what is not there')
})

t.test('paths are those of problems', async (t) => {
  for (const step of ['fra-1', 'a.b', '', 'a"b', 0, 17]) {
    for (const path of ['', 'members']) t.equal(joinPath(path, step), pathOfProblem(path, step))
  }
})

t.test('changes of weights alone', async (t) => {
  const before = {
    steer: 'weighted',
    pools: [
      { pool: 'a', weight: 80 },
      { pool: 'b', weight: 20 },
    ],
  }
  const weights = {
    ...before,
    pools: [
      { pool: 'a', weight: 50 },
      { pool: 'b', weight: 50 },
    ],
  }
  t.equal(differInWeights(before, weights), true)
  t.equal(differInWeights(before, before), false)
  t.equal(differInWeights(before, { ...weights, ttl: 5 }), false)
  t.equal(differInWeights(before, { ...before, pools: before.pools.slice(1) }), false)
})

t.test('a problem is shown at the part that it is in, and at none whose name begins alike', async (t) => {
  for (const inside of ['members.a', 'members.a.weight', 'members.a[0]', 'members.a["x.y"].port'])
    t.ok(isWithin(inside, 'members.a'), inside)
  for (const outside of ['members.a2', 'members.a-b.weight', 'members', 'a.members.a'])
    t.notOk(isWithin(outside, 'members.a'), outside)
  t.ok(isWithin('anything', ''))
})
