import t from 'tap'
import { addressPolicy } from '../../../src/controlplane/health/probes/address-policy.ts'
import type { Resolution } from '../../../src/controlplane/model/observation.ts'
import { HostResolver, type HostResolverOptions } from '../../../src/controlplane/resolving/host-resolver.ts'
import type { HostAnswer } from '../../../src/controlplane/resolving/host-state.ts'
import { lookupBy } from '../../../src/controlplane/resolving/lookup.ts'
import { parsePrefix } from '../../../src/dataplane/wire/prefix.ts'
import { startUpstream } from '../../support/upstream.ts'
import { HandClock, isPending, turn } from '../timing/hand-clock.ts'

const answer = (ttlSeconds: number, ...addresses: string[]): HostAnswer => ({
  a: { kind: 'found', addresses, ttlSeconds },
  aaaa: { kind: 'absent', reason: 'no address' },
})
const failure: HostAnswer = {
  a: { kind: 'failed', reason: 'SERVFAIL' },
  aaaa: { kind: 'failed', reason: 'SERVFAIL' },
}

/** A resolver whose clock and lookups are in the hands of the test. */
function setUp(t: { teardown(fn: () => unknown): void }, options: Partial<HostResolverOptions> = {}) {
  const clock = new HandClock()
  const open = new Map<string, { settle: (answer: HostAnswer) => void; signal: AbortSignal }>()
  const started: string[] = []
  const said: string[] = []
  const resolver = new HostResolver({
    clock,
    random: () => 0.5,
    lookup: (host, signal) => {
      const { promise, resolve } = Promise.withResolvers<HostAnswer>()
      const settle = (given: HostAnswer) => {
        open.delete(host)
        resolve(given)
      }
      signal.addEventListener('abort', () => settle(failure))
      open.set(host, { settle, signal })
      started.push(host)
      return promise
    },
    onChanges: (changes) => {
      said.push(changes.map(({ before, after }) => `${after.host} ${before.state}>${after.state}`).join(', '))
    },
    ...options,
  })
  t.teardown(() => resolver[Symbol.asyncDispose]())
  const settle = async (host: string, given: HostAnswer) => {
    open.get(host)!.settle(given)
    await turn()
  }
  return { resolver, clock, open, started, settle, said: () => said.splice(0) }
}

t.test('hosts are looked up at once, and again when their TTL ends', async (t) => {
  const { resolver, clock, open, started, settle, said } = setUp(t)
  t.ok(await isPending(resolver.firstRound))
  resolver.setHosts(['a.', 'b.', 'a.'])
  t.same(started, ['a.', 'b.'])
  t.match(resolver.resolution('a.'), { state: 'pending', addresses: [] })
  t.match(resolver.resolution('nobody.'), { state: 'pending' })
  open.get('a.')!.settle(answer(60, '192.0.2.1'))
  open.get('b.')!.settle(answer(10, '192.0.2.2'))
  await turn()
  t.same(said(), ['a. pending>fresh, b. pending>fresh'], 'what ends in one turn is told at once')
  t.match(resolver.resolution('a.'), { state: 'fresh', addresses: ['192.0.2.1'] })
  await resolver.firstRound

  await clock.advance(10_499)
  t.equal(started.length, 2)
  await clock.advance(1)
  t.same(started, ['a.', 'b.', 'b.'], '10 s and half of the 1 s of jitter')
  await settle('b.', answer(10, '192.0.2.3'))
  t.same(resolver.resolution('b.').addresses, ['192.0.2.3'])
  await clock.advance(60_500 - 10_500)
  t.ok(started.filter((host) => host === 'a.').length === 2)
})

t.test('jitter is a tenth of the wait, 1 s at most', async (t) => {
  for (const [ttl, ms] of [
    [5, 5_250],
    [3600, 3_600_500],
  ] as const) {
    const { resolver, clock, started, settle } = setUp(t)
    resolver.setHosts(['a.'])
    await settle('a.', answer(ttl, '192.0.2.1'))
    await clock.advance(ms - 1)
    t.equal(started.length, 1)
    await clock.advance(1)
    t.equal(started.length, 2, `${ttl} s`)
  }
})

t.test('failures are counted, and the last good answer stays', async (t) => {
  const { resolver, clock, settle, said } = setUp(t)
  resolver.setHosts(['a.'])
  await settle('a.', answer(5, '192.0.2.1'))
  await clock.advance(6_000)
  await settle('a.', failure)
  await clock.advance(3_000)
  await settle('a.', failure)
  t.equal(resolver.failures('a.'), 2)
  t.equal(resolver.failures('b.'), 0)
  t.match(resolver.resolution('a.'), { state: 'stale', addresses: ['192.0.2.1'], error: 'SERVFAIL' })
  t.same(said(), ['a. pending>fresh', 'a. fresh>stale', 'a. stale>stale'])
  t.match(resolver.lastGood(), [{ host: 'a.', addresses: ['192.0.2.1'] }])
})

t.test('a host that is gone leaves after 120 s, whether or not anybody answers then', async (t) => {
  const gone: HostAnswer = {
    a: { kind: 'absent', reason: 'NXDOMAIN' },
    aaaa: { kind: 'absent', reason: 'NXDOMAIN' },
  }
  for (const later of [gone, failure, null]) {
    const { resolver, clock, open, settle, said } = setUp(t)
    resolver.setHosts(['a.'])
    await settle('a.', answer(5, '192.0.2.1'))
    await clock.advance(5_500)
    await settle('a.', gone)
    said()
    for (let elapsedMs = 0; elapsedMs < 119_000; elapsedMs += 1000) {
      // Null: the resolver is silent.
      if (later !== null && open.has('a.')) await settle('a.', later)
      await clock.advance(1000)
    }
    await clock.advance(999)
    t.match(resolver.resolution('a.'), { state: 'stale', addresses: ['192.0.2.1'] })
    await clock.advance(1)
    await turn()
    t.match(resolver.resolution('a.'), { state: 'absent', addresses: [] })
    t.equal(said().at(-1), 'a. stale>absent', 'and it is told')
  }
})

t.test('a restart does not begin the time of a host that is gone anew', async (t) => {
  const gone: HostAnswer = {
    a: { kind: 'absent', reason: 'NXDOMAIN' },
    aaaa: { kind: 'absent', reason: 'NXDOMAIN' },
  }
  const begin = setUp(t)
  begin.resolver.setHosts(['a.'])
  await begin.settle('a.', answer(5, '192.0.2.1'))
  t.notOk('absentSinceMs' in begin.resolver.lastGood()[0]!)
  await begin.clock.advance(5_500)
  await begin.settle('a.', gone)
  const kept = JSON.parse(JSON.stringify(begin.resolver.lastGood()))
  t.same(kept[0].absentSinceMs, { ipv4: begin.clock.nowMs() })
  for (const [downMs, leavesMs] of [
    [100_000, 20_000],
    [3_600_000, 5_000],
  ] as const) {
    // It comes back while nobody looked, or is gone, or nobody answers.
    for (const [first, state] of [
      [answer(5, '192.0.2.1'), 'fresh'],
      [gone, 'absent'],
      [null, 'failed'],
    ] as const) {
      const { resolver, clock, settle } = setUp(t)
      await clock.advance(begin.clock.nowMs() + downMs)
      resolver.restore(kept)
      resolver.setHosts(['a.'])
      if (first !== null) await settle('a.', first)
      const isOver = first === gone && leavesMs === 5_000
      t.equal(
        resolver.resolution('a.').state,
        first?.a.kind === 'found' ? 'fresh' : isOver ? 'absent' : 'stale',
      )
      await clock.advance(leavesMs - 1)
      const before = resolver.resolution('a.').addresses.length
      t.equal(before, isOver ? 0 : 1, 'until then it is kept')
      await clock.advance(1)
      await turn()
      t.equal(resolver.resolution('a.').state, state)
    }
  }
})

t.test('no more lookups at a time than allowed', async (t) => {
  const { resolver, open, started, settle } = setUp(t, { concurrency: 2 })
  resolver.setHosts(['a.', 'b.', 'c.', 'd.'])
  t.same([...open.keys()], ['a.', 'b.'])
  await settle('a.', answer(60, '192.0.2.1'))
  t.same([...open.keys()], ['b.', 'c.'])
  resolver.setHosts(['b.', 'c.'])
  await settle('b.', answer(60, '192.0.2.1'))
  await settle('c.', answer(60, '192.0.2.1'))
  t.same(started, ['a.', 'b.', 'c.'], 'one that went while it waited is not looked up')
  await resolver.firstRound
})

t.test('hosts that go are forgotten', async (t) => {
  const { resolver, clock, open, settle, said, started } = setUp(t)
  resolver.setHosts(['a.', 'b.'])
  await settle('a.', answer(5, '192.0.2.1'))
  const { signal } = open.get('b.')!
  said()
  resolver.setHosts(['c.'])
  t.ok(signal.aborted)
  await clock.advance(10_000)
  t.same(said(), [])
  t.same(started, ['a.', 'b.', 'c.'])
  t.match(resolver.resolution('a.'), { state: 'pending', addresses: [] })
  t.notOk(await isPending(resolver.firstRound), 'c. came later and is not waited for')
})

t.test('what was known before the start', async (t) => {
  const last = (host: string): Resolution => ({
    host,
    state: 'fresh',
    addresses: ['192.0.2.7'],
    since: new Date(5),
    expiresAt: new Date(6),
    error: null,
  })
  const { resolver, settle, started, open } = setUp(t)
  resolver.restore([last('a.'), last('later.')])
  resolver.setHosts(['a.', 'b.'])
  t.match(resolver.resolution('a.'), { state: 'stale', addresses: ['192.0.2.7'], since: new Date(5) })
  t.same(started, ['a.', 'b.'], 'it is looked up all the same')
  t.ok(await isPending(resolver.firstRound))
  await settle('b.', failure)
  await resolver.firstRound
  t.ok(open.has('a.'), 'but nobody waits for it')
  resolver.restore([last('later.')])
  resolver.setHosts(['later.'])
  t.match(resolver.resolution('later.'), { state: 'pending' }, 'only a start restores')
})

t.test('addresses that no member may have are none', async (t) => {
  const allowed = [parsePrefix('127.0.0.9/32')!]
  const refuses = addressPolicy(allowed, { denied: [parsePrefix('10.9.0.0/16')!], ownAddresses: () => [] })
  const { resolver, settle } = setUp(t, { refuses })
  const never = [
    '127.0.0.1',
    '169.254.169.254',
    '255.255.255.255',
    '0.0.0.0',
    '0.1.2.3',
    '224.0.0.1',
    '10.9.0.1',
  ]
  resolver.restore([
    {
      host: 'a.',
      state: 'fresh',
      addresses: ['127.0.0.1', '192.0.2.7'],
      since: new Date(5),
      expiresAt: null,
      error: null,
    },
    {
      host: 'b.',
      state: 'fresh',
      addresses: ['127.0.0.1'],
      since: new Date(5),
      expiresAt: null,
      error: null,
    },
  ])
  resolver.setHosts(['a.', 'b.', 'c.'])
  t.match(resolver.resolution('a.'), { addresses: ['192.0.2.7'] }, 'nor do those of before the start')
  t.match(resolver.resolution('b.'), { state: 'pending', addresses: [] })
  await settle('a.', answer(60, ...never, '192.0.2.1', '127.0.0.9'))
  t.same(resolver.resolution('a.').addresses, ['127.0.0.9', '192.0.2.1'])
  await settle('b.', answer(60, ...never))
  t.match(resolver.resolution('b.'), {
    state: 'absent',
    addresses: [],
    error: /no usable address: 127.0.0.1 is loopback/,
  })
  const six = ['::1', 'fe80::1', 'ff02::1', '64:ff9b::127.0.0.1', 'fd00:ec2::254', '::', '2001:db8::1']
  await settle('c.', { ...failure, aaaa: { kind: 'found', addresses: six, ttlSeconds: 60 } })
  t.same(resolver.resolution('c.').addresses, ['2001:db8::1'])
})

t.test('a stop ends what runs, keeps what is known, and is done once', async (t) => {
  const { resolver, clock, open, settle, started } = setUp(t)
  resolver.setHosts(['a.', 'b.'])
  await settle('a.', answer(5, '192.0.2.1'))
  const { signal } = open.get('b.')!
  await resolver[Symbol.asyncDispose]()
  await resolver[Symbol.asyncDispose]()
  t.ok(signal.aborted)
  await resolver.firstRound
  t.match(resolver.lastGood(), [{ host: 'a.' }])
  await clock.advance(60_000)
  resolver.setHosts(['c.'])
  t.same(started, ['a.', 'b.'])
})

t.test('a host is resolved by a resolver on the network', async (t) => {
  await using upstream = await startUpstream()
  upstream.says.set('lb.example A', { ttl: 5, data: ['192.0.2.1'] })
  const changes: Resolution[] = []
  let changed = Promise.withResolvers<void>()
  await using resolver = new HostResolver({
    lookup: lookupBy([upstream.address]),
    onChanges: (all) => {
      changes.push(...all.map(({ after }) => after))
      changed.resolve()
      changed = Promise.withResolvers()
    },
  })
  const startMs = performance.now()
  resolver.setHosts(['lb.example.'])
  await resolver.firstRound
  t.match(changes, [{ state: 'fresh', addresses: ['192.0.2.1'] }])
  upstream.says.set('lb.example A', { ttl: 5, data: ['192.0.2.2'] })
  await changed.promise
  const tookMs = performance.now() - startMs
  t.ok(tookMs > 4_800, `the TTL is followed: ${tookMs} ms`)
  t.match(changes[1], { state: 'fresh', addresses: ['192.0.2.2'] })
})
