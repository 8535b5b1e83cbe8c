import t from 'tap'
import { compileDirectory } from '../../../src/dataplane/image/directory.ts'
import { compileLocationMap } from '../../../src/dataplane/image/location-map.ts'
import { compilePlan } from '../../../src/dataplane/image/plan-compiler.ts'
import type { AnswerNode } from '../../../src/dataplane/image/plan-tree.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'
import { NameScan } from '../../../src/dataplane/wire/name-scan.ts'
import { ranges } from '../trees.ts'
import { servingUpdate, zoneImage } from '../zone-text.ts'

const scan = new NameScan()
const name = hostnameToWire('www.example.test')
scan.load(name, 0, name.length)

const plan = (answers: number): AnswerNode => ({
  kind: 'answer',
  gives: 'addresses',
  select: 'rotate',
  answers,
  ttlSeconds: 30,
  candidates: [],
})

t.test('serves nothing at first', async (t) => {
  const state = new ServingState()
  t.equal(state.generation, 0)
  t.equal(state.findZone(scan, 0), -1)
})

t.test('takes updates one after another', async (t) => {
  const state = new ServingState()
  state.apply(servingUpdate([{ apex: 'example.test', lines: [] }], [plan(1), plan(2)]))
  t.equal(state.generation, 1)
  t.equal(state.findZone(scan, 0), 1)
  t.equal(state.zone!.rrsetCount(0), 1)
  t.equal(state.plan(1)!.only?.answers, 2)

  const changed = zoneImage({ apex: 'example.test', lines: ['@ 1 NS a.'] })
  state.apply({ generation: 2, zones: [[0, changed]], plans: [[1, compilePlan(plan(3))]] })
  t.equal(state.generation, 2)
  t.equal(state.findZone(scan, 0), 1, 'the directory stays when no zone came or went')
  t.equal(state.zone!.rrsetCount(0), 2)
  t.equal(state.plan(0)!.only?.answers, 1)
  t.equal(state.plan(1)!.only?.answers, 3)

  state.apply({
    generation: 3,
    directory: only(compileDirectory(new Map())),
    zones: [[0, null]],
    plans: [[1, null]],
  })
  t.equal(state.findZone(scan, 0), -1)
  t.equal(state.plan(1), undefined)
})

t.test('location maps come and go by slot', async (t) => {
  const state = new ServingState()
  t.equal(state.map(1), undefined)
  const image = compileLocationMap(ranges({ '0.0.0.0': 3 }))
  state.apply({ generation: 1, maps: [[1, image]] })
  state.apply({ generation: 2 })
  t.equal(state.map(1)?.length, image.byteLength, 'an update without maps changes none')
  state.apply({ generation: 3, maps: [[1, null]] })
  t.equal(state.map(1), undefined)
})
