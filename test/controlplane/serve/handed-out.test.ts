import fc from 'fast-check'
import t from 'tap'
import {
  type AnsweredMember,
  HandedOut,
  type Offer,
  octetsOf,
} from '../../../src/controlplane/serve/handed-out.ts'
import { handedOutBefore } from '../../../src/controlplane/snapshot/handed-out-before.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import { member, pool, service } from '../store/suite/samples.ts'

const start = Date.parse('2026-05-01T12:00:00Z')

/** A tracker with a clock in the hands of the test, in seconds after the start. */
function setUp() {
  const clock = { seconds: 0 }
  const now = () => new Date(start + clock.seconds * 1000)
  const handedOut = new HandedOut(now)
  const members = (text: string, ttlSeconds: number): AnsweredMember[] =>
    text.split(' ').flatMap((name) => (name === '' ? [] : [{ pool: 'web', member: name, ttlSeconds }]))
  const serve = (name: string, text: string, ttlSeconds = 30) => {
    const offer: Offer = new Map()
    handedOut.offer(offer, name, members(text, ttlSeconds))
    handedOut.acknowledge(offer)
  }
  /** `answered`, or the second at which it is safe, or null. */
  const state = (name: string) => {
    const { answered, safeAt } = handedOut.state('web', name)
    return answered ? 'answered' : safeAt === null ? null : (safeAt.getTime() - start) / 1000
  }
  return { clock, handedOut, members, serve, state }
}

t.test('a member that leaves is safe after the largest TTL that it was answered with', async (t) => {
  const { clock, serve, state } = setUp()
  t.equal(state('a'), null, 'never handed out')
  serve('www', 'a b', 30)
  t.equal(state('a'), 'answered')
  clock.seconds = 100
  serve('www', 'b', 30)
  t.equal(state('a'), 130)
  t.equal(state('b'), 'answered')
  clock.seconds = 120
  serve('www', 'a b', 30)
  t.equal(state('a'), 'answered', 'it came back')
  clock.seconds = 121
  serve('www', '')
  t.same([state('a'), state('b')], [151, 151])
  clock.seconds = 1000
  t.equal(state('a'), 151, 'and that has passed')
})

t.test('an answer with a longer TTL than the last is not forgotten', async (t) => {
  const { clock, serve, state } = setUp()
  serve('www', 'a', 300)
  clock.seconds = 10
  serve('www', 'a', 30)
  clock.seconds = 20
  serve('www', '', 30)
  t.equal(state('a'), 310)
  clock.seconds = 400
  serve('www', 'a', 30)
  clock.seconds = 401
  serve('www', 'a', 60)
  clock.seconds = 402
  serve('www', '', 60)
  t.equal(state('a'), 462)
})

t.test('an address that leaves while its member stays is told of until it is safe', async (t) => {
  const { clock, handedOut, state } = setUp()
  const serve = (...addresses: readonly string[]) => {
    const offer: Offer = new Map()
    const members = addresses.map((address) => {
      return { pool: 'web', member: 'a', octets: octetsOf(parseAddress(address)!), ttlSeconds: 30 }
    })
    handedOut.offer(offer, 'www', members)
    handedOut.acknowledge(offer)
  }
  const leaving = () =>
    handedOut.state('web', 'a').leaving?.map(({ address, safeAt }) => {
      return `${address} ${(safeAt.getTime() - start) / 1000}`
    })
  serve('192.0.2.1', '2001:db8::1')
  t.equal(leaving(), undefined)
  clock.seconds = 5
  serve('192.0.2.1', '192.0.2.2')
  t.same(leaving(), ['2001:db8::1 35'])
  clock.seconds = 6
  serve('192.0.2.2')
  t.same(leaving(), ['192.0.2.1 36', '2001:db8::1 35'])
  t.equal(state('a'), 'answered')
  const written = JSON.parse(JSON.stringify(handedOut.entries()))
  t.match(written, [
    { address: '192.0.2.1', ttlSeconds: null },
    { address: '2001:db8::1', ttlSeconds: null },
    { address: '192.0.2.2', ttlSeconds: 30 },
  ])
  const again = setUp()
  again.clock.seconds = 7
  const base = { pools: [], services: [], overrides: [], handedOut: handedOut.entries() }
  again.handedOut.restore(handedOutBefore(base, new Date(start + 7000)))
  t.equal(again.state('a'), 37, 'the last of them')
  clock.seconds = 35
  const web = new Map([['web', pool('web', [member('a', '192.0.2.2')])]])
  handedOut.retain(web)
  t.same(leaving(), ['192.0.2.1 36'])
  serve()
  t.equal(leaving(), undefined, 'the member is what is asked for now')
  t.equal(state('a'), 65)
  clock.seconds = 66
  handedOut.retain(web)
  t.equal(state('a'), null)
})

t.test('the last of several services decides', async (t) => {
  const { clock, serve, state } = setUp()
  serve('www', 'a', 30)
  serve('api', 'a', 300)
  clock.seconds = 10
  serve('api', '')
  t.equal(state('a'), 'answered')
  clock.seconds = 20
  serve('www', '')
  t.equal(state('a'), 310)
})

t.test('while the workers are being told, both plans count', async (t) => {
  const { clock, handedOut, members, serve, state } = setUp()
  serve('www', 'a', 30)
  const first: Offer = new Map()
  handedOut.offer(first, 'www', members('b', 30))
  t.same([state('a'), state('b')], ['answered', 'answered'])
  const next: Offer = new Map()
  handedOut.offer(next, 'www', members('a c', 30))
  handedOut.offer(next, 'www', members('d', 30))
  t.equal(state('c'), null, 'the workers never had it')
  clock.seconds = 5
  handedOut.acknowledge(first)
  t.same([state('a'), state('b'), state('d')], [35, 'answered', 'answered'])
  clock.seconds = 6
  handedOut.acknowledge(next)
  t.same([state('a'), state('b'), state('d')], [35, 36, 'answered'])
})

t.test('what is not there any more is forgotten, and so is who is safe', async (t) => {
  const { clock, handedOut, serve, state } = setUp()
  serve('www', 'a b c', 30)
  serve('www', 'c', 30)
  clock.seconds = 10
  handedOut.retain(new Map([['web', pool('web', [member('a', '192.0.2.1')])]]))
  t.same([state('a'), state('b'), state('c')], [30, null, 'answered'])
  clock.seconds = 30
  handedOut.retain(new Map([['web', pool('web', [member('a', '192.0.2.1')])]]))
  t.equal(state('a'), null)
})

t.test('what was known before a restart is known after it', async (t) => {
  const { clock, handedOut, serve } = setUp()
  serve('www', 'a b safe', 30)
  serve('api', 'b', 60)
  serve('www', 'a b', 30)
  clock.seconds = 40
  serve('www', 'b', 30)
  const written = JSON.parse(JSON.stringify(handedOut.entries()))
  t.same(written, [
    { pool: 'web', member: 'a', ttlSeconds: null, safeAt: new Date(start + 70_000).toISOString() },
    { pool: 'web', member: 'b', ttlSeconds: 60, safeAt: null },
  ])

  const again = setUp()
  again.clock.seconds = 50
  const base = { pools: [], services: [], overrides: [], handedOut: handedOut.entries() }
  again.handedOut.restore(handedOutBefore(base, new Date(start + 50_000)))
  t.same([again.state('a'), again.state('b'), again.state('safe')], [70, 110, null])
  again.serve('www', 'b', 10)
  t.equal(again.state('b'), 'answered')
  again.clock.seconds = 60
  again.serve('www', '', 10)
  t.equal(again.state('b'), 110, 'the answers before the restart were good for longer')
})

t.test('who may have come back between the last snapshot and a crash', async (t) => {
  const members = ['a', 'drained', 'down', 'up', 'ended'].map((name, i) => member(name, `192.0.2.${i}`))
  const word = { pool: 'web', until: null, reason: '', actor: 'ann', since: new Date(start) }
  const base = {
    pools: [
      pool('web', members),
      pool('spare', [member('s', '192.0.2.99')]),
      pool('unused', [member('u', '192.0.2.98')]),
    ],
    services: [
      service('a.test', ['web'], { ttlSeconds: 30, whenAllDown: 'fallback', fallback: 'spare' }),
      service('b.test', ['web'], { ttlSeconds: 10 }),
    ],
    overrides: [
      { ...word, member: 'drained', state: 'drain' as const },
      { ...word, member: 'd?wn', state: 'down' as const },
      { ...word, member: 'up', state: 'up' as const },
      { ...word, member: 'ended', state: 'down' as const, until: new Date(start - 1) },
    ],
    handedOut: [],
  }
  const safeAt = new Date(start + 30_000)
  const web = ['a', 'up', 'ended'].map((name) => ({ pool: 'web', member: name, safeAt }))
  t.same(handedOutBefore(base, new Date(start)), [...web, { pool: 'spare', member: 's', safeAt }])
})

t.test('never before a cache can have run out, whatever plans come', async () => {
  const plan = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 9 })), {
    maxLength: 3,
  })
  const step = fc.record({
    service: fc.constantFrom('www', 'api'),
    plan,
    restOf: fc.integer({ min: 0, max: 5 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const { clock, handedOut, state } = setUp()
      const served = new Map<string, [string, number][]>()
      /** The second at which the last cache forgets each member. */
      const cached = new Map<string, number>()
      for (const { service, plan, restOf } of steps) {
        // Answered until the moment of the acknowledgement.
        clock.seconds += restOf
        for (const [name, ttl] of [...served.values()].flat()) {
          cached.set(name, Math.max(cached.get(name) ?? 0, clock.seconds + ttl))
        }
        const offer: Offer = new Map()
        handedOut.offer(
          offer,
          service,
          plan.map(([name, ttlSeconds]) => ({ pool: 'web', member: name, ttlSeconds })),
        )
        handedOut.acknowledge(offer)
        served.set(service, plan)
        const answered = new Set([...served.values()].flat().map(([name]) => name))
        for (const name of ['a', 'b', 'c']) {
          const expected = answered.has(name) ? 'answered' : (cached.get(name) ?? null)
          if (state(name) !== expected) return false
        }
      }
      return true
    }),
    { numRuns: 1000 },
  )
})
