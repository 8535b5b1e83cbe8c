/** Leases on zones whose keys are rolled over: never longer than the others wait, by clocks that are set, and by heartbeats that are lost. */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { ZoneLeases } from '../../../src/controlplane/dnssec/zone-leases.ts'
import type { WrittenLease } from '../../../src/controlplane/model/lease.ts'
import type { Uptime } from '../../../src/controlplane/timing/uptime.ts'
import { HandClock } from '../timing/hand-clock.ts'

const apex = 'example.test'
const forMs = 24_000
const wanted = new Map([[apex, forMs]])

/** A wall clock that somebody may set. */
function clocks() {
  const steady = new HandClock()
  const set = { aheadMs: 1_800_000_000_000 }
  const wall = { nowMs: () => steady.nowMs() + set.aheadMs, after: steady.after.bind(steady) }
  // Of one start of the machine.
  const uptime = { boot: 'a', nowMs: () => steady.nowMs() + 1_000_000 }
  return { steady, wall, set, uptime }
}

interface Clocks extends Omit<ReturnType<typeof clocks>, 'uptime'> {
  readonly uptime: Uptime | null
}

function node(t: Test, { steady, wall, uptime }: Clocks = clocks()) {
  const expired: string[] = []
  const reached: string[] = []
  const changes: (readonly [string, Date | null])[] = []
  let news = 0
  const leases = new ZoneLeases({
    steady,
    wall,
    uptime,
    onExpired: (apexes) => expired.push(...apexes),
    onReached: (apexes) => reached.push(...apexes),
    onChange: (...change) => changes.push(change),
    onWanted: () => news++,
  })
  t.teardown(() => leases[Symbol.dispose]())
  return { leases, steady, wall, expired, reached, changes, news: () => news }
}

/** With a lease that the others know of. */
function leased(t: Test, given: Clocks = clocks()) {
  const found = node(t, given)
  found.leases.want(wanted)
  found.leases.persisted(found.leases.written)
  found.leases.renew().arrived()
  return found
}

t.test('nobody is told of a lease before it is on disk', async (t) => {
  const { leases, news } = node(t)
  leases.want(wanted)
  t.equal(news(), 1)
  leases.want(new Map(wanted))
  t.equal(news(), 1, 'the same again is no news')
  t.same(leases.renew().leases, {})
  t.equal(leases.persisted(leases.written), true)
  t.equal(leases.persisted(leases.written), false)
  t.same(leases.renew().leases, { [apex]: forMs })
  leases.want(new Map())
  t.equal(news(), 2)
  t.same(leases.renew().leases, {}, 'what is on disk and not wanted any more is given up')
})

t.test('a zone is withheld when no heartbeat has arrived for as long as its lease', async (t) => {
  const { leases, steady, expired, changes } = leased(t)
  await steady.advance(forMs - 2)
  t.ok(leases.admits(apex, null))
  leases.renew()
  await steady.advance(1_002)
  t.same(expired, [apex], 'one that was sent and did not arrive renews nothing')
  t.same(changes, [[apex, new Date(1_800_000_000_000)]])
  t.same([...leases.withheld.keys()], [apex])
  await steady.advance(60_000)
  t.same(expired, [apex], 'once')
  t.notOk(leases.admits(apex, null))
  t.ok(leases.admits('other.test', null))
})

t.test('heartbeats that arrive renew it, from when they were sent', async (t) => {
  const { leases, steady, expired } = leased(t)
  for (let i = 0; i < 10; i++) {
    const { arrived } = leases.renew()
    await steady.advance(4_000)
    arrived()
  }
  t.same(expired, [])
  await steady.advance(forMs - 4_000)
  await steady.advance(1_000)
  t.same(expired, [apex])
})

t.test('reached again, it is answered once what the database has now is served', async (t) => {
  const { leases, steady, reached, changes } = leased(t)
  await steady.advance(forMs + 1_000)
  const before = steady.nowMs()
  await steady.advance(1)
  leases.renew().arrived()
  t.same(reached, [apex])
  t.notOk(leases.admits(apex, null), 'not what it had')
  t.notOk(leases.admits(apex, before), 'nor what was read before')
  t.ok(leases.admits(apex, steady.nowMs()))
  t.same(changes.at(-1), [apex, null])
  t.equal(leases.withheld.size, 0)
  t.ok(leases.admits(apex, null))
  await steady.advance(forMs + 1_000)
  leases.forget(apex)
  t.equal(leases.withheld.size, 0, 'a zone that is no more')
})

t.test('what was read this moment is served without a heartbeat, and not for long', async (t) => {
  const { leases, steady, expired } = leased(t)
  await steady.advance(forMs + 1_000)
  t.ok(leases.admits(apex, steady.nowMs()))
  await steady.advance(2_000)
  t.same(expired, [apex])
  await steady.advance(3_000)
  t.same(expired, [apex, apex])
})

t.test(
  'a clock that is set back makes no lease longer, one that is set forward makes it shorter',
  async (t) => {
    const given = clocks()
    const { leases, steady, expired } = leased(t, given)
    given.set.aheadMs -= 3_600_000
    await steady.advance(forMs - 2)
    t.same(expired, [])
    await steady.advance(1_002)
    t.same(expired, [apex])
    const [{ since }] = leases.written as [WrittenLease]
    t.equal(
      since.getTime(),
      given.wall.nowMs() - steady.nowMs(),
      'as long ago as it was, by the clock as it is',
    )

    const other = clocks()
    const forward = leased(t, other)
    other.set.aheadMs += forMs
    await other.steady.advance(1_000)
    t.same(forward.expired, [apex], 'or the machine was suspended')
  },
)

t.test('after a start of the machine it runs on by the time of day', async (t) => {
  const given = { ...clocks(), uptime: null }
  const { leases, steady } = leased(t, given)
  await steady.advance(10_000)
  const written = leases.written
  t.same(written, [{ apex, forMs, since: new Date(1_800_000_000_000) }])
  const again = node(t, given)
  again.leases.restore(written)
  t.ok(again.leases.admits(apex, null))
  await steady.advance(forMs - 10_000)
  t.notOk(again.leases.admits(apex, null))

  const late = node(t, given)
  late.leases.restore(written)
  t.notOk(late.leases.admits(apex, null), 'it had run out before')
  t.same([...late.leases.withheld.keys()], [apex])
  given.set.aheadMs -= 3_600_000
  const back = node(t, given)
  back.leases.restore(written)
  t.notOk(back.leases.admits(apex, null), 'by a clock that was set back nobody knows')
  t.ok(back.leases.written[0]!.since.getTime() < 1_000_000_000_000, 'and it stays so')
})

t.test('after a start of the process no clock that was set back makes it longer', async (t) => {
  const given = clocks()
  const { leases, steady } = leased(t, given)
  await steady.advance(10_000)
  const { written } = leases
  given.set.aheadMs -= 3_600_000
  const again = node(t, given)
  again.leases.restore(written)
  t.ok(again.leases.admits(apex, null))
  await steady.advance(forMs - 10_000)
  t.notOk(again.leases.admits(apex, null))
  const other = node(t, { ...given, uptime: { ...given.uptime, boot: 'b' } })
  other.leases.restore(written)
  t.notOk(other.leases.admits(apex, null), 'of another start of the machine that time says nothing')
})

t.test('one that was written and not told runs from then', async (t) => {
  const { leases, steady, wall } = node(t)
  await steady.advance(5_000)
  leases.want(wanted)
  t.match(leases.written, [
    { apex, forMs, since: new Date(wall.nowMs()), uptime: { boot: 'a', ms: 1_005_000 } },
  ])
})

t.test('another length counts once it has arrived; until then the shorter of both', async (t) => {
  const { leases, steady, expired } = leased(t)
  leases.want(new Map([[apex, 12_000]]))
  t.match(leases.written, [{ forMs: 12_000 }])
  leases.persisted(leases.written)
  t.same(leases.renew().leases, { [apex]: 12_000 })
  await steady.advance(12_000)
  t.same(expired, [apex], 'it may have arrived, and the answer been lost')
})

t.test('there are so many at the most', async (t) => {
  const { leases } = node(t)
  leases.want(new Map(Array.from({ length: 1_500 }, (_, i) => [`z${i}.test`, forMs])))
  t.equal(leases.written.length, 1_000)
})

/**
 * Whatever is lost, whenever it is started again, and however its clock is set: a node answers no zone as before when the others, by the database's
 * clock, have seen its lease run out. What it answers is what it admitted last, or had before it looked for leases that have run out.
 */
t.test('in no order of events a zone is answered after the others have given the node up', async (t) => {
  const event = fc.oneof(
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 40_000 }) }),
    fc.record({
      kind: fc.constantFrom('beat', 'lost', 'late', 'write', 'restart', 'want', 'drop', 'shorten'),
    }),
    fc.record({ kind: fc.constant('set' as const), ms: fc.integer({ min: -100_000, max: 100_000 }) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
      const given = clocks()
      let { leases } = node(t, given)
      leases.want(wanted)
      let disk: readonly WrittenLease[] = []
      /** What the database has of the node. */
      let row: { leases: Readonly<Record<string, number>>; seenMs: number } = { leases: {}, seenMs: 0 }
      for (const each of events) {
        if (each.kind === 'wait') await given.steady.advance(each.ms)
        else if (each.kind === 'set') given.set.aheadMs += each.ms
        else if (each.kind === 'want') leases.want(wanted)
        else if (each.kind === 'shorten') leases.want(new Map([[apex, 11_000]]))
        else if (each.kind === 'drop') leases.want(new Map())
        else if (each.kind === 'write') {
          disk = leases.written
          leases.persisted(disk)
        } else if (each.kind === 'restart') {
          leases[Symbol.dispose]()
          leases = node(t, given).leases
          leases.restore(disk)
          leases.persisted(disk)
          leases.want(wanted)
        } else {
          const { leases: told, arrived } = leases.renew()
          row = { leases: told, seenMs: given.steady.nowMs() }
          if (each.kind === 'late') await given.steady.advance(500)
          if (each.kind !== 'lost') arrived()
        }
        const forMs = row.leases[apex]
        if (forMs === undefined) continue
        const isGivenUp = given.steady.nowMs() - row.seenMs > forMs + 10_000
        if (isGivenUp && leases.admits(apex, null)) throw new Error(`answered, ${JSON.stringify(row)}`)
      }
      leases[Symbol.dispose]()
    }),
    { numRuns: 500 },
  )
})
