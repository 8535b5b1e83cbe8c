import t from 'tap'
import { type Holder, Lane, type LaneLimits } from '../../../../src/controlplane/api/admission/lane.ts'

const limits: LaneLimits = { places: 6, byHolder: 2, keptForWriters: 2, keptForAdmin: 1, patienceMs: 60_000 }
const reader = (name: string): Holder => ({ name, rank: 'reader' })
const writer = (name: string): Holder => ({ name, rank: 'writer' })
const admin: Holder = { name: 'admin', rank: 'admin' }

const busy = (message: RegExp) =>
  Object.assign(new Error(), { message, status: 503, kind: 'busy', headers: { 'retry-after': /./ } })

t.test('readers leave places to writers, and these to the admin', async (t) => {
  const lane = new Lane('transfers', { ...limits, patienceMs: 0 })
  const first = await lane.enter(reader('a'))
  await lane.enter(reader('a'))
  await t.rejects(lane.enter(reader('a')), busy(/2 transfers already, 2 of them yours/), 'its own share')
  await lane.enter(reader('b'))
  await lane.enter(reader('c'))
  await t.rejects(lane.enter(reader('d')), busy(/4 transfers already$/))
  await lane.enter(writer('w'))
  await t.rejects(lane.enter(writer('v')), busy(/5 transfers/))
  const last = await lane.enter(admin)
  await t.rejects(lane.enter(admin), busy(/6 transfers/))
  last[Symbol.dispose]()
  last[Symbol.dispose]()
  await lane.enter(admin)
  await t.rejects(lane.enter(admin), busy(/6 transfers/), 'a place is given back once')
  first[Symbol.dispose]()
  await t.rejects(lane.enter(reader('d')), busy(/5 transfers/), 'readers may not have this one')
  await lane.enter(admin)
})

t.test('who waits is let in by rank, and then as they came', async (t) => {
  const lane = new Lane('requests', { ...limits, places: 1, keptForWriters: 0, keptForAdmin: 0 })
  let place = await lane.enter(reader('a'))
  const order: string[] = []
  const wait = async (holder: Holder) => {
    const got = await lane.enter(holder)
    order.push(holder.name)
    return got
  }
  const [second, third, fourth, fifth] = [reader('b'), reader('c'), writer('w'), admin].map(wait)
  for (const next of [fifth, fourth, second, third]) {
    place[Symbol.dispose]()
    place = await next!
  }
  t.same(order, ['admin', 'w', 'b', 'c'])
})

t.test('who gives up waits no more', async (t) => {
  const lane = new Lane('requests', { ...limits, places: 1, keptForWriters: 0, keptForAdmin: 0 })
  const place = await lane.enter(admin)
  const gone = new AbortController()
  const waiting = lane.enter(reader('a'), gone.signal)
  gone.abort()
  await t.rejects(waiting, busy(/1 requests/))
  place[Symbol.dispose]()
  const next = await lane.enter(reader('b'))
  // Who gives up in the same instant in which a place comes free must not take it with him.
  const also = new AbortController()
  const leaving = lane.enter(reader('a'), also.signal)
  also.abort()
  next[Symbol.dispose]()
  await t.rejects(leaving, busy(/1 requests/))
  await lane.enter(reader('c'))
  const late = new Lane('requests', {
    ...limits,
    places: 0,
    keptForWriters: 0,
    keptForAdmin: 0,
    patienceMs: 1,
  })
  await t.rejects(late.enter(admin), busy(/0 requests/), 'and so does who has waited long enough')
})

t.test('places are counted by what they cost', async (t) => {
  const lane = new Lane('octets', {
    ...limits,
    places: 100,
    byHolder: 60,
    keptForWriters: 0,
    keptForAdmin: 0,
  })
  const most = await lane.enter(writer('a'), undefined, 60)
  const own = lane.enter(writer('a'), undefined, 1)
  const other = lane.enter(writer('b'), undefined, 50)
  await lane.enter(writer('c'), undefined, 30)
  most[Symbol.dispose]()
  await Promise.all([own, other])
  t.pass('what is given back lets in several')
})
