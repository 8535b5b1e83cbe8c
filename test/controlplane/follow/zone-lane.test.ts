/** Which zones are compiled next, and together. */
import t from 'tap'
import { Catalog } from '../../../src/controlplane/catalog/catalog.ts'
import { type Turn, ZoneLane } from '../../../src/controlplane/follow/zone-lane.ts'
import { zone } from '../store/suite/samples.ts'

function catalogOf(...apexes: string[]): Catalog {
  const zones = new Map(apexes.map((apex) => [apex, { ...zone(apex), serial: 1 }]))
  const none = new Map<string, never>()
  return new Catalog({ revision: 1, zones, monitors: none, pools: none, services: none, overrides: none })
}

const catalog = catalogOf('a.test', 'b.test', 'c.test')
const whole = (...apexes: string[]) => new Map(apexes.map((apex) => [apex, null]))
const edit = (apex: string, ...owners: string[]) => new Map([[apex, owners]])
const none = new Map<string, null>()
const asText = (turn: Turn | null) =>
  turn === null
    ? null
    : `${turn.heavy ? 'heavy' : 'light'} ${Array.from(turn.touched, ([apex, owners]) => `${apex}:${owners}`).join(' ')}`

t.test('edits go beside a zone that is read whole', async (t) => {
  const lane = new ZoneLane()
  t.equal(lane.take(catalog), null)
  lane.touch(whole('a.test'), catalog)
  t.equal(asText(lane.take(catalog)), 'heavy a.test:null')
  t.equal(lane.take(catalog), null)
  lane.touch(edit('b.test', 'x'), catalog)
  lane.touch(edit('b.test', 'x', 'y'), catalog)
  t.ok(lane.hasNext)
  t.equal(asText(lane.take(catalog)), 'light b.test:x,y')
  lane.touch(edit('c.test', 'x'), catalog)
  t.notOk(lane.hasNext, 'of each kind one runs')
})

t.test('a zone that is touched while it is compiled is compiled next, once', async (t) => {
  const lane = new ZoneLane()
  lane.touch(whole('a.test'), catalog)
  const first = lane.take(catalog)!
  for (const owner of ['1', '2', '3']) lane.touch(edit('a.test', owner), catalog)
  t.equal(lane.take(catalog), null)
  lane.end(first, none)
  const second = lane.take(catalog)!
  t.equal(asText(second), 'heavy a.test:1,2,3')
  lane.end(second, none)
  t.notOk(lane.hasNext)
})

t.test('zones that change together stay together', async (t) => {
  const lane = new ZoneLane()
  lane.touch(new Map([...whole('a.test'), ...edit('b.test', 'x')]), catalog)
  const first = lane.take(catalog)!
  t.equal(asText(first), 'heavy a.test:null b.test:x')
  lane.touch(new Map([...edit('b.test', 'y'), ...edit('c.test', 'y')]), catalog)
  t.equal(lane.take(catalog), null, 'one of them is being compiled')
  lane.end(first, none)
  t.equal(asText(lane.take(catalog)), 'heavy b.test:y c.test:y')
})

t.test('a zone that is read whole waits for its edit, and takes later ones along', async (t) => {
  const lane = new ZoneLane()
  lane.touch(edit('a.test', 'x'), catalog)
  const first = lane.take(catalog)!
  lane.touch(whole('a.test', 'b.test'), catalog)
  t.equal(lane.take(catalog), null)
  lane.touch(edit('a.test', 'y'), catalog)
  lane.end(first, none)
  t.equal(asText(lane.take(catalog)), 'heavy a.test:null b.test:null')
})

t.test('a zone that goes while it is compiled goes at once', async (t) => {
  const lane = new ZoneLane()
  lane.touch(whole('a.test', 'b.test'), catalog)
  const compiled = lane.take(catalog)!
  const without = catalogOf('b.test', 'c.test')
  lane.touch(whole('a.test'), without)
  const gone = lane.take(without)!
  t.equal(asText(gone), 'light a.test:null')
  t.same([...compiled.dropped], ['a.test'])
  lane.end(gone, none)
  lane.end(compiled, compiled.touched)
  t.equal(asText(lane.take(without)), 'light a.test:null', 'once more, behind the other turn')
  t.equal(asText(lane.take(without)), 'heavy b.test:null', 'what failed of it is not tried again')
})

t.test('a zone that went while it was compiled, and came again, goes no more', async (t) => {
  const lane = new ZoneLane()
  lane.touch(whole('a.test'), catalog)
  const compiled = lane.take(catalog)!
  const without = catalogOf('b.test', 'c.test')
  lane.touch(whole('a.test'), without)
  lane.end(lane.take(without)!, none)
  lane.touch(whole('a.test'), catalog)
  lane.end(compiled, none)
  const again = lane.take(catalog)!
  t.equal(asText(again), 'heavy a.test:null')
  lane.end(again, none)
  t.notOk(lane.hasNext)
})

t.test('a zone that waits to be read whole goes without waiting', async (t) => {
  const lane = new ZoneLane()
  lane.touch(whole('b.test'), catalog)
  t.equal(asText(lane.take(catalog)), 'heavy b.test:null')
  lane.touch(whole('a.test'), catalog)
  const without = catalogOf('b.test', 'c.test')
  lane.touch(whole('a.test'), without)
  const gone = lane.take(without)!
  t.equal(asText(gone), 'light a.test:null')
  lane.end(gone, gone.touched)
  t.equal(asText(lane.take(without)), 'light a.test:null', 'again, when that failed')
})

t.test('what failed goes back, joined with what came meanwhile', async (t) => {
  const lane = new ZoneLane()
  lane.touch(edit('a.test', 'x'), catalog)
  const first = lane.take(catalog)!
  lane.touch(edit('a.test', 'y'), catalog)
  lane.end(first, first.touched)
  const second = lane.take(catalog)!
  t.equal(asText(second), 'light a.test:y,x')
  lane.end(second, whole('a.test'))
  t.equal(asText(lane.take(catalog)), 'heavy a.test:null', 'without an image it is compiled whole')
})
