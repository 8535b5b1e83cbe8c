import t from 'tap'
import { compileLocationMap } from '../../../src/dataplane/image/location-map.ts'
import { isEmpty, kindNames, only, readableOf, ServingSet } from '../../../src/dataplane/image/serving-set.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { leaf, located, ranges } from '../trees.ts'
import { servingUpdate } from '../zone-text.ts'

const image = () => new SharedArrayBuffer(8)

t.test(
  'of the changes of a slot the last one counts, and an emptied slot stays known as empty',
  async (t) => {
    const set = new ServingSet()
    t.same(set.changes(), {})
    const [a, b] = [image(), image()]
    set.add({
      zones: [
        [0, a],
        [1, a],
      ],
      plans: [],
    })
    set.add({ zones: [[1, b]], maps: [[7, a]] })
    set.add({ zones: [[0, null]], directory: only(b) })
    t.same(set.changes(), {
      zones: [
        [0, null],
        [1, b],
      ],
      maps: [[7, a]],
      directory: [[0, b]],
    })
    set.clear()
    t.same(set.changes(), {})
  },
)

t.test('what cannot be opened is left out, and nothing else', async (t) => {
  const before = servingUpdate([{ apex: 'example.test', lines: [] }], [leaf([], { ttlSeconds: 7 })], 3)
  const told: unknown[] = []
  const same = readableOf({ ...before, maps: [[0, null]] }, (what) => told.push(what))
  t.same(same, { ...before, maps: [[0, null]] })
  t.same(told, [])
  const state = new ServingState()
  state.apply(same)
  const poisoned = readableOf(
    {
      generation: 4,
      zones: [[0, image()]],
      plans: [[0, image()]],
      maps: [[0, image()]],
      settings: [[0, null]],
    },
    (what) => told.push(what),
  )
  t.same(poisoned, { generation: 4, zones: [], plans: [], maps: [], settings: [[0, null]] })
  t.match(told, [
    { kind: 'zones', slot: 0, error: /^Error: not a zone image/ },
    { kind: 'plans', slot: 0, error: /^Error: not a plan image/ },
    { kind: 'maps', slot: 0, error: /^Error: not a location map image/ },
  ])
  state.apply(poisoned)
  t.equal(state.generation, 4)
  t.equal(state.plan(0)!.only?.ttlSeconds, 7)
})

t.test('changes are empty when no kind has any', async (t) => {
  t.ok(isEmpty({}))
  t.ok(isEmpty({ zones: [], plans: [] }))
  for (const kind of kindNames) t.notOk(isEmpty({ [kind]: [[0, null]] }), kind)
})

t.test(
  'an update is a plain message: what has been cloned on its way serves as the original does',
  async (t) => {
    const plan = located(0, leaf(['192.0.2.1']), leaf(['192.0.2.2']))
    const update = servingUpdate([{ apex: 'example.test', lines: [] }], [plan], 5, [ranges({ '0.0.0.0': 3 })])
    const state = new ServingState()
    state.apply(structuredClone(update))
    t.equal(state.generation, 5)
    t.equal(state.map(0)?.length, compileLocationMap(ranges({ '0.0.0.0': 3 })).byteLength)
    t.equal(state.plan(0)!.leaves.length, 2)
  },
)

t.test('a set that another one takes the place of: what is not in that is emptied', (t) => {
  const [one, two, three] = [1, 2, 3].map(() => new SharedArrayBuffer(8))
  const set = new ServingSet()
  set.add({
    zones: [
      [0, one!],
      [1, two!],
      [2, null],
    ],
    maps: [[4, one!]],
  })
  const changes = set.replacedBy({ zones: [[1, three!]], plans: [[0, two!]] })
  t.same(changes.zones, [
    [1, three],
    [0, null],
  ])
  t.same(changes.plans, [[0, two]])
  t.same(changes.maps, [[4, null]])
  t.same(changes.directory, [])
  t.end()
})
