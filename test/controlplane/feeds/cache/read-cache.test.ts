import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import {
  type Found,
  ReadCache,
  type ReadCacheOptions,
  type Reading,
  type SharedTier,
} from '../../../../src/controlplane/feeds/cache/read-cache.ts'
import { ControlError } from '../../../../src/controlplane/model/errors.ts'

const away = () => new ControlError('unavailable', 'the database is away')

/** A cache on a clock that is turned by hand, in front of a source that counts how often it is asked. */
function setUp(options: Partial<ReadCacheOptions> = {}) {
  let nowMs = 1000
  const state = { up: true, asked: 0, text: 'one', database: 'db' as string | null }
  const gate = { open: Promise.resolve() }
  const clock = { nowMs: () => nowMs, after: () => () => undefined }
  const cache = new ReadCache({
    database: () => state.database,
    databaseUp: () => state.up,
    clock,
    ...options,
  })
  const read = (reading: Partial<Reading> = {}): Promise<Found> =>
    cache.read({
      key: 'k',
      durationMs: 30_000,
      load: async () => {
        state.asked++
        const { text, up } = state
        await gate.open
        if (!up) throw away()
        return { headers: { 'content-type': 'text/plain' }, body: Buffer.from(text) }
      },
      ...reading,
    })
  const seen = async (reading?: Partial<Reading>) => {
    const { outcome, ageMs, content } = await read(reading)
    return [outcome, ageMs, content.body.toString()]
  }
  return { cache, state, gate, clock, read, seen, pass: (ms: number) => (nowMs += ms) }
}

t.test('what was read is given until it is too old', async (t) => {
  const { cache, state, seen, pass } = setUp()
  t.same(await seen(), ['MISS', 0, 'one'])
  state.text = 'two'
  pass(29_999)
  t.same(await seen(), ['HIT', 29_999, 'one'])
  pass(1)
  t.same(await seen(), ['MISS', 0, 'two'])
  t.equal(state.asked, 2)
  t.match(cache.counts, { hits: 1, misses: 2, stale: 0, evictions: 0, entries: 1 })
})

t.test('keys are apart, and so are databases', async (t) => {
  const { state, seen } = setUp()
  await seen()
  t.same(await seen({ key: 'other' }), ['MISS', 0, 'one'])
  state.database = 'another'
  t.same(await seen(), ['MISS', 0, 'one'])
})

t.test('what is not to be kept is not', async (t) => {
  const { cache, state, read } = setUp()
  const load = async () => {
    state.asked++
    return { headers: {}, body: Buffer.from('nothing'), keep: false as const }
  }
  const both = await Promise.all([read({ load }), read({ load })])
  t.same(
    both.map(({ outcome }) => outcome),
    ['MISS', 'HIT'],
    'those who ask at once share it',
  )
  t.equal((await read({ load })).outcome, 'MISS')
  t.equal(state.asked, 2)
  t.equal(cache.counts.entries, 0)
})

t.test('a duration of nothing keeps nothing', async (t) => {
  const { state, seen, cache } = setUp()
  t.same(await seen({ durationMs: 0 }), ['MISS', 0, 'one'])
  t.same(await seen({ durationMs: 0 }), ['MISS', 0, 'one'])
  t.equal(state.asked, 2)
  t.equal(cache.counts.entries, 0)
})

t.test('a hundred at once cost one query', async (t) => {
  const { state, gate, seen, cache } = setUp()
  const opening = Promise.withResolvers<void>()
  gate.open = opening.promise
  const all = Promise.all(Array.from({ length: 100 }, () => seen()))
  opening.resolve()
  const found = await all
  t.equal(state.asked, 1)
  t.equal(found.filter(([outcome]) => outcome === 'MISS').length, 1)
  t.match(cache.counts, { hits: 99, misses: 1 })
})

t.test('a failure is told to all who wait for it, and kept for nobody', async (t) => {
  const { state, gate, seen, read } = setUp()
  const opening = Promise.withResolvers<void>()
  gate.open = opening.promise
  const all = Promise.allSettled(
    Array.from({ length: 3 }, () =>
      read({
        load: async () => {
          state.asked++
          await gate.open
          throw new Error('no such column')
        },
      }),
    ),
  )
  opening.resolve()
  t.match(
    await all,
    [1, 2, 3].map(() => ({ status: 'rejected', reason: { message: 'no such column' } })),
  )
  t.equal(state.asked, 1)
  t.same(await seen(), ['MISS', 0, 'one'])
})

t.test('stale while the database is away', async (t) => {
  await t.test('without asking it, when it is known to be', async (t) => {
    const { state, seen, pass, cache } = setUp()
    await seen()
    state.up = false
    t.same(await seen(), ['HIT', 0, 'one'], 'what is fresh needs no database')
    pass(30_000)
    t.same(await seen(), ['STALE', 30_000, 'one'])
    t.equal(state.asked, 1)
    t.equal(cache.counts.stale, 1)
    state.up = true
    state.text = 'two'
    t.same(await seen(), ['MISS', 0, 'two'])
  })
  await t.test('also when it goes while it is asked', async (t) => {
    const { seen, pass } = setUp()
    await seen()
    pass(40_000)
    const load = () => Promise.reject(away())
    t.same(await seen({ load }), ['STALE', 40_000, 'one'])
    await t.rejects(
      seen({ load: () => Promise.reject(new Error('a bug')) }),
      /a bug/,
      'and for no other reason',
    )
  })
  await t.test('up to a bound', async (t) => {
    const { state, seen, pass } = setUp()
    await seen({ staleMs: 5000 })
    state.up = false
    pass(34_999)
    t.same(await seen({ staleMs: 5000 }), ['STALE', 34_999, 'one'])
    pass(1)
    await t.rejects(seen({ staleMs: 5000 }), /away/)
  })
  await t.test('as long as it should by default', async (t) => {
    const { state, seen, pass } = setUp()
    await seen()
    state.up = false
    pass(629_999)
    t.same(await seen(), ['STALE', 629_999, 'one'])
    pass(1)
    await t.rejects(seen(), /away/)
  })
})

t.test('who must see what was written does', async (t) => {
  await t.test('after a write of this process', async (t) => {
    const { cache, state, seen, pass } = setUp()
    await seen({ subject: 'events' })
    pass(1)
    state.text = 'two'
    cache.wrote('lookups')
    t.same(await seen({ subject: 'events' }), ['HIT', 1, 'one'])
    cache.wrote('events')
    pass(1)
    t.same(await seen({ subject: 'events' }), ['MISS', 0, 'two'])
    t.same(await seen({ subject: 'events' }), ['HIT', 0, 'two'])
  })
  await t.test('by a read that began before, too', async (t) => {
    const { cache, state, gate, seen, pass } = setUp()
    const opening = Promise.withResolvers<void>()
    gate.open = opening.promise
    const before = seen({ subject: 'events' })
    await setImmediate()
    t.equal(state.asked, 1)
    pass(1)
    state.text = 'two'
    cache.wrote('events')
    pass(1)
    const after = [seen({ subject: 'events' }), seen({ subject: 'events' })]
    opening.resolve()
    t.same(await before, ['MISS', 2, 'one'])
    t.same(await Promise.all(after), [
      ['MISS', 0, 'two'],
      ['HIT', 0, 'two'],
    ])
    t.equal(state.asked, 2, 'those who came after share one')
  })
  await t.test('a client that will have nothing that is older', async (t) => {
    const { cache, state, seen, pass } = setUp()
    await seen()
    pass(10)
    state.text = 'two'
    t.same(await seen({ notBeforeMs: cache.nowMs() - 11 }), ['HIT', 10, 'one'])
    t.same(await seen({ notBeforeMs: cache.nowMs() - 10 }), ['MISS', 0, 'two'])
  })
})

t.test('it holds no more than it may', async (t) => {
  const { cache, seen, read } = setUp({ octets: 80_000 })
  const body = Buffer.alloc(5000)
  const load = async () => ({ headers: { 'content-type': 'x/y' }, body })
  for (let n = 0; n < 100; n++) await read({ key: String(n), load })
  const { octets, entries, evictions } = cache.counts
  t.ok(octets <= 80_000, `${octets} octets`)
  t.ok(entries > 10 && entries < 16, `${entries} entries`)
  t.equal(evictions, 100 - entries)
  t.same((await seen({ key: '99' }))[0], 'HIT', 'what came last is kept')
  t.same((await seen({ key: '0' }))[0], 'MISS')
  const large = { key: 'large', load: async () => ({ headers: {}, body: Buffer.alloc(20_000) }) }
  t.equal((await read(large)).outcome, 'MISS')
  t.equal((await read(large)).outcome, 'MISS', 'what would push out all others is not kept')
})

/** A server that is a map. */
function mapTier(clock: {
  nowMs(): number
}): SharedTier & { readonly kept: Map<string, [Buffer, number]>; up: boolean } {
  const kept = new Map<string, [octets: Buffer, untilMs: number]>()
  return {
    up: true,
    kept,
    get: async (key) => {
      const [octets, untilMs] = kept.get(key) ?? []
      return octets === undefined ? null : { octets, leftMs: untilMs! - clock.nowMs() }
    },
    set: (key, octets, lifeMs) => void kept.set(key, [octets, clock.nowMs() + lifeMs]),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

t.test('two nodes share a server', async (t) => {
  let nowMs = 0
  const clock = { nowMs: () => nowMs, after: () => () => undefined }
  const shared = mapTier(clock)
  const [one, two] = [setUp({ shared, clock }), setUp({ shared, clock })]
  t.same(await one.seen({ shared: true }), ['MISS', 0, 'one'])
  nowMs += 1000
  t.same(await two.seen({ shared: true }), ['HIT', 1000, 'one'])
  shared.kept.clear()
  nowMs += 28_999
  t.same(await two.seen({ shared: true }), ['HIT', 29_999, 'one'], 'by its own memory from then on')
  nowMs += 1
  two.state.text = 'two'
  t.same(await two.seen({ shared: true }), ['MISS', 0, 'two'], 'no longer than the one who read it')
  t.same(await one.seen({ shared: true }), ['HIT', 0, 'two'])

  nowMs += 31_000
  one.state.up = false
  t.same(await one.seen({ shared: true }), ['STALE', 31_000, 'two'])
  const three = setUp({ shared, clock })
  three.state.up = false
  t.same(await three.seen({ shared: true }), ['STALE', 31_000, 'two'], 'also what another has read')

  t.same(await three.seen({ key: 'private' }).catch(String), 'ControlError: the database is away')
  three.state.up = true
  await three.seen({ key: 'private' })
  t.equal(shared.kept.size, 1, 'what is not for others is not there')
  three.state.database = null
  await three.seen({ key: 'k', shared: true })
  t.equal(shared.kept.size, 1, 'nor what is of a database that is not known')
})

t.test('what a server gives that is of no use is none', async (t) => {
  let nowMs = 0
  const clock = { nowMs: () => nowMs, after: () => () => undefined }
  const shared = mapTier(clock)
  const { seen } = setUp({ shared, clock })
  await seen({ shared: true })
  const [[key, [octets, untilMs]]] = [...shared.kept] as [[string, [Buffer, number]]]
  nowMs += 1
  const other = () => setUp({ shared, clock }).seen({ shared: true })
  t.same((await other())[0], 'HIT')
  const useless: Record<string, [Buffer, number]> = {
    garbage: [Buffer.from('garbage'), untilMs],
    cut: [octets.subarray(0, -1), untilMs],
    'kept for longer than it should be': [octets, untilMs + 1_000_000],
  }
  for (const [what, entry] of Object.entries(useless)) {
    shared.kept.set(key, entry)
    t.same((await other())[0], 'MISS', what)
  }
  await seen({ shared: true })
  t.same(
    (await setUp({ shared, clock }).seen({ shared: true, durationMs: 20_000 }))[0],
    'MISS',
    'kept for another time',
  )
  shared.up = false
  shared.get = () => Promise.reject(new Error('asked while it is away'))
  t.same((await other())[0], 'MISS')
})
