import t from 'tap'
import type { Resolution } from '../../../src/controlplane/model/observation.ts'
import {
  absentGraceMs,
  advance,
  type FamilyAnswer,
  type HostState,
  initialState,
  maxAddressesPerFamily,
} from '../../../src/controlplane/resolving/host-state.ts'

const found = (ttlSeconds: number, ...addresses: string[]): FamilyAnswer => ({
  kind: 'found',
  addresses,
  ttlSeconds,
})
const absent: FamilyAnswer = { kind: 'absent', reason: 'no address' }
const gone: FamilyAnswer = { kind: 'absent', reason: 'NXDOMAIN' }
const failed: FamilyAnswer = { kind: 'failed', reason: 'SERVFAIL' }

/** A host whose rounds come when they are due. */
class Host {
  state: HostState
  nowMs = 1_000_000
  waitMs = 0

  constructor(last?: Resolution) {
    this.state = initialState('lb.example.', new Date(this.nowMs), last)
  }

  round(a: FamilyAnswer, aaaa: FamilyAnswer = absent): Resolution {
    this.nowMs += this.waitMs
    const next = advance(this.state, { a, aaaa }, new Date(this.nowMs))
    this.state = next.state
    this.waitMs = next.waitMs
    return next.state.resolution
  }
}

t.test('good answers give the addresses of both families, until the shorter TTL ends', async (t) => {
  const host = new Host()
  t.match(host.state.resolution, { host: 'lb.example.', state: 'pending', addresses: [], error: null })
  const first = host.round(found(60, '192.0.2.10', '192.0.2.9', '192.0.2.9'), found(90, '2001:db8::1'))
  t.match(first, { state: 'fresh', addresses: ['192.0.2.9', '192.0.2.10', '2001:db8::1'], error: null })
  t.equal(host.waitMs, 60_000, 'the shorter TTL')
  t.same(first.expiresAt, new Date(host.nowMs + 60_000))
  const second = host.round(found(60, '192.0.2.10', '192.0.2.9'), found(90, '2001:db8::1'))
  t.equal(second.since, first.since, 'another order is no change')
  t.equal(second.addresses, first.addresses)
  t.same(second.expiresAt, new Date(host.nowMs + 60_000))
  const third = host.round(found(60, '192.0.2.10'), absent)
  t.same(third.addresses, ['192.0.2.10', '2001:db8::1'], 'the family that went is kept for a while')
  t.equal(third.since.getTime(), host.nowMs)
})

t.test('a host of one family is as good as any', async (t) => {
  for (const [a, aaaa] of [
    [found(60, '192.0.2.1'), absent],
    [absent, found(60, '2001:db8::1')],
  ] as const) {
    const host = new Host()
    t.match(host.round(a, aaaa), { state: 'fresh', error: null })
    t.equal(host.waitMs, 60_000)
  }
})

t.test('TTLs are followed between 5 s and 1 h', async (t) => {
  const host = new Host()
  for (const [ttl, waitMs] of [
    [0, 5_000],
    [4, 5_000],
    [5, 5_000],
    [3_600, 3_600_000],
    [86_400, 3_600_000],
  ] as const) {
    const { expiresAt } = host.round(found(ttl, '192.0.2.1'))
    t.equal(host.waitMs, waitMs, `${ttl} s`)
    t.same(expiresAt, new Date(host.nowMs + waitMs))
  }
})

t.test('the last good answer stays while lookups fail, and retries slow down', async (t) => {
  const host = new Host()
  const { since } = host.round(found(60, '192.0.2.1'), found(60, '2001:db8::1'))
  const waits: number[] = []
  for (let i = 0; i < 8; i++) {
    const stale = host.round(failed, failed)
    t.match(stale, { state: 'stale', addresses: ['192.0.2.1', '2001:db8::1'], since, error: 'SERVFAIL' })
    t.equal(stale.expiresAt, null)
    waits.push(host.waitMs / 1000)
  }
  t.same(waits, [2, 4, 8, 16, 32, 60, 60, 60])
  t.match(host.round(found(60, '192.0.2.1'), found(60, '2001:db8::1')), {
    state: 'fresh',
    since,
    error: null,
  })
  host.round(failed, failed)
  t.equal(host.waitMs, 2_000, 'and begin anew')
})

t.test('a family that fails keeps its addresses, and leaves the other as it is', async (t) => {
  const host = new Host()
  t.match(host.round(found(60, '192.0.2.1'), failed), {
    state: 'fresh',
    addresses: ['192.0.2.1'],
    error: 'AAAA: SERVFAIL',
  })
  t.equal(host.waitMs, 2_000)
  host.round(found(60, '192.0.2.1'), found(60, '2001:db8::1'))
  t.match(
    host.round(found(60, '192.0.2.1'), failed),
    { state: 'stale', addresses: ['192.0.2.1', '2001:db8::1'], error: 'AAAA: SERVFAIL' },
    'an old address is among the answers',
  )
  host.round(found(60, '192.0.2.1'), found(60, '2001:db8::1'))
  for (let i = 0; i < 8; i++) host.round(found(5, '192.0.2.1'), failed)
  t.equal(host.waitMs, 5_000, 'no retry is later than the TTL of the other')
})

t.test('a name that is gone keeps its addresses for the grace', async (t) => {
  for (const answer of [gone, absent]) {
    const host = new Host()
    host.round(found(60, '192.0.2.1'))
    host.round(answer, answer)
    const goneAtMs = host.nowMs
    for (;;) {
      const { addresses, state, error } = host.round(answer, answer)
      const over = host.nowMs - goneAtMs >= absentGraceMs
      t.match(
        { addresses, state },
        over ? { addresses: [], state: 'absent' } : { addresses: ['192.0.2.1'], state: 'stale' },
      )
      t.match(error, answer.kind === 'absent' ? answer.reason : '')
      if (over) break
    }
    t.ok(host.nowMs - goneAtMs <= absentGraceMs + 60_000)
    t.match(
      host.round(found(60, '192.0.2.2')),
      { state: 'fresh', addresses: ['192.0.2.2'] },
      'it may come back',
    )
  }
})

t.test('a failure in the grace neither ends it nor begins it anew', async (t) => {
  const host = new Host()
  host.round(found(60, '192.0.2.1'))
  host.round(gone, gone)
  host.nowMs += absentGraceMs
  t.match(host.round(failed, failed), { state: 'stale', addresses: ['192.0.2.1'] })
  t.match(host.round(gone, gone), { state: 'absent', addresses: [] })
  const back = new Host()
  back.round(found(60, '192.0.2.1'))
  back.round(gone, gone)
  back.nowMs += absentGraceMs / 2
  back.round(found(60, '192.0.2.1'))
  back.nowMs += absentGraceMs / 2
  t.match(back.round(gone, gone), { state: 'stale' }, 'but an answer does')
})

t.test('a host of which nothing was ever found is failed or absent', async (t) => {
  t.match(new Host().round(gone, gone), { state: 'absent', addresses: [], error: 'NXDOMAIN' })
  t.match(new Host().round(absent, failed), { state: 'failed', error: 'A: no address; AAAA: SERVFAIL' })
  const host = new Host()
  t.match(host.round(failed, failed), { state: 'failed', addresses: [], expiresAt: null })
  t.equal(host.waitMs, 2_000)
  t.match(host.round(found(60, '192.0.2.1')), { state: 'fresh' })
})

t.test('what was good before the start', async (t) => {
  const last: Resolution = {
    host: 'lb.example.',
    state: 'fresh',
    addresses: ['192.0.2.1', '2001:db8::1'],
    since: new Date(5),
    expiresAt: new Date(6),
    error: null,
  }
  const host = new Host(last)
  t.match(host.state.resolution, {
    state: 'stale',
    addresses: last.addresses,
    since: last.since,
    expiresAt: null,
  })
  t.match(host.round(failed, failed), { state: 'stale', addresses: last.addresses, since: last.since })
  t.match(host.round(found(60, '192.0.2.1'), found(60, '2001:db8::1')), { state: 'fresh', since: last.since })
})

t.test('the addresses of a host are bounded', async (t) => {
  const many = Array.from({ length: 200 }, (_, i) => `192.0.2.${i}`).reverse()
  const { addresses } = new Host().round(found(60, ...many))
  t.equal(addresses.length, maxAddressesPerFamily)
  t.same(addresses.slice(0, 3), ['192.0.2.0', '192.0.2.1', '192.0.2.2'])
})
