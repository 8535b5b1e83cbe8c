import t from 'tap'
import type { Resolution } from '../../../src/controlplane/model/observation.ts'
import { addressesOf, type Member, type Pool } from '../../../src/controlplane/model/pool.ts'
import { answerNode } from '../../../src/controlplane/steering/plan.ts'
import type { PoolAnswer } from '../../../src/controlplane/steering/selection.ts'
import type { AnswerNode } from '../../../src/dataplane/image/plan-tree.ts'
import { stableKey } from '../../../src/dataplane/image/stable-key.ts'
import { memberDefaults, poolDefaults } from '../model/defaults.ts'

const expiresAt = new Date(1_800_000_030_500)

/** A resolution by its addresses; without any, what `state` says. */
function resolved(
  host: string,
  addresses: readonly string[],
  state: Resolution['state'] = 'fresh',
): Resolution {
  return {
    host,
    state,
    addresses,
    since: new Date(0),
    expiresAt: state === 'fresh' ? expiresAt : null,
    error: state === 'fresh' ? null : 'SERVFAIL',
  }
}

/** The answer of members m0, m1 and on with their weights: hosts (a trailing dot) or addresses. */
function answerOf(targets: Record<string, number>, changes: Partial<Pool> = {}, steady = 1): PoolAnswer {
  const judged = Object.entries(targets).map(([target, weight], index) => {
    const common = {
      name: `m${index}`,
      ...memberDefaults,
      weight,
    }
    const member: Member = target.endsWith('.')
      ? { ...common, address: null, host: target }
      : { ...common, address: target, host: null }
    return {
      member,
      kept: true,
      reason: 'up',
      // Those of hosts are known once they are looked up.
      all: addressesOf(member),
      addresses: addressesOf(member),
      serves: true,
      weight,
      steadyWeight: weight * steady,
      near: false,
      fed: { weight: null, shed: null },
    } as const
  })
  const members = judged.map(({ member }) => member)
  const pool: Pool = { name: 'web', ...poolDefaults, members, ...changes }
  return { kind: 'answer', by: 'up', pool, members: judged, of: judged.length, unsettled: false }
}

function nodeOf(answer: PoolAnswer, resolutions: readonly Resolution[] = [], ttlSeconds = 30): AnswerNode {
  const byHost = new Map(resolutions.map((resolution) => [resolution.host, resolution]))
  const members = answer.members.map((one) => {
    const addresses =
      one.member.host === null ? one.addresses : (byHost.get(one.member.host)?.addresses ?? [])
    return { ...one, all: addresses, addresses }
  })
  return answerNode({ ...answer, members }, ttlSeconds, {
    counterOf: (_pool, member) => Number(member.name.slice(1)) + 10,
    resolutionOf: (host) => {
      const found = byHost.get(host)
      if (found === undefined) throw new Error(`nobody asked for ${host}`)
      return found
    },
  })
}

/** Candidates as `address=weight counter`. */
const describe = ({ candidates }: AnswerNode) =>
  candidates.map(({ address, weight, counter }) => `${address.join('.')}=${weight} ${counter}`)
const weighted = { select: 'weighted' } as const
const hash = { select: 'hash' } as const

t.test('all members take turns', async (t) => {
  for (const select of ['all', 'failover'] as const) {
    const node = nodeOf(answerOf({ '192.0.2.1': 5, '192.0.2.2': 0.5, '2001:db8::1': 0 }, { select }))
    t.match(node, { kind: 'answer', gives: 'addresses', select: 'rotate', ttlSeconds: 30 })
    t.ok(node.answers >= 3)
    t.match(describe(node), ['192.0.2.1=1 10', '192.0.2.2=1 11', /^32\.1\..*=1 12$/])
    t.equal(nodeOf(answerOf({ '192.0.2.1': 1 }, { select, answers: 3 })).answers, 3)
  }
})

t.test('members are drawn by weight, those of weight 0 only when no other is left', async (t) => {
  t.match(nodeOf(answerOf({ '192.0.2.1': 1 }, weighted)), { select: 'weighted', answers: 1 })
  t.equal(nodeOf(answerOf({ '192.0.2.1': 1 }, { ...weighted, answers: 4 })).answers, 4)
  t.same(describe(nodeOf(answerOf({ '192.0.2.1': 7, '192.0.2.2': 0, '192.0.2.3': 3 }, weighted))), [
    '192.0.2.1=7 10',
    '192.0.2.3=3 12',
  ])
  t.same(
    describe(nodeOf(answerOf({ '192.0.2.1': 0, '192.0.2.2': 0 }, weighted))),
    ['192.0.2.1=1 10', '192.0.2.2=1 11'],
    'a last resort',
  )
  const mixed = nodeOf(answerOf({ '192.0.2.1': 9, '2001:db8::1': 0 }, weighted)).candidates
  t.equal(mixed.length, 2, 'weight 0 is the last resort of its own family')
})

t.test('a hash goes by the weights without slow start', async (t) => {
  const prefix = { ipv4: 20, ipv6: 48 }
  const node = nodeOf(answerOf({ '192.0.2.1': 7, '192.0.2.2': 0 }, { ...hash, hashPrefix: prefix }, 10))
  t.match(node, { select: 'hash', answers: 1, prefix })
  t.same(describe(node), ['192.0.2.1=70 10'], 'by the weight without slow start')
  t.notOk('prefix' in nodeOf(answerOf({ '192.0.2.1': 1 }, weighted)))
})

t.test('keys stay with members', async (t) => {
  const lb = resolved('lb.', ['192.0.2.1', '192.0.2.2', '2001:db8::1'])
  const keys = nodeOf(answerOf({ '192.0.2.9': 1, 'lb.': 1 }, hash), [lb]).candidates.map(({ key }) => key)
  t.same(
    keys,
    ['web/m0', 'web/m1 192.0.2.1', 'web/m1 192.0.2.2', 'web/m1'].map(stableKey),
    'of one address of a family the name is enough',
  )
  const moved = nodeOf(answerOf({ '192.0.2.77': 1 }, hash)).candidates
  t.equal(moved[0]!.key, keys[0], 'the address does not matter')
})

t.test('a stable key is 32 bits of a text', async (t) => {
  const keys = Array.from({ length: 10_000 }, (_, index) => stableKey(`web/m${index}`))
  t.ok(keys.every((key) => Number.isInteger(key) && key >= 0 && key < 2 ** 32))
  t.ok(new Set(keys).size > 9990)
  t.same([stableKey(''), stableKey('web/m0')], [stableKey(''), stableKey('web/m0')])
})

t.test('nothing to answer with is NODATA or SERVFAIL', async (t) => {
  const nothing = (by: 'nodata' | 'servfail'): PoolAnswer => {
    return { kind: 'answer', by, pool: null, members: [], of: 0, unsettled: true }
  }
  t.match(nodeOf(nothing('nodata')), { gives: 'addresses', candidates: [] })
  t.match(nodeOf(nothing('servfail')), { gives: 'servfail', candidates: [] })
})

t.test('a host stands for its addresses', async (t) => {
  const lb = resolved('lb.', ['192.0.2.1', '192.0.2.2', '2001:db8::1'])
  const all = nodeOf(answerOf({ 'lb.': 100, '192.0.2.9': 100 }), [lb])
  t.match(describe(all), ['192.0.2.1=1 10', '192.0.2.2=1 10', /^32\.1.*=1 10$/, '192.0.2.9=1 11'])
  const even = nodeOf(answerOf({ 'lb.': 100, '192.0.2.9': 100 }, weighted), [lb])
  t.match(
    describe(even),
    ['192.0.2.1=50 10', '192.0.2.2=50 10', '192.0.2.9=100 11', /=100 10$/],
    'its weight is shared among the addresses of one family',
  )
})

t.test('weights that are no whole numbers are scaled, and keep their proportions', async (t) => {
  const lb = resolved('lb.', ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
  const thirds = nodeOf(answerOf({ 'lb.': 100, '192.0.2.9': 200, '192.0.2.10': 1 }, weighted), [lb])
  const ramp = nodeOf(answerOf({ '192.0.2.1': 0.1, '192.0.2.2': 1 }, weighted))
  const totals = [thirds, ramp].map(({ candidates }) => {
    t.ok(candidates.every(({ weight }) => Number.isInteger(weight) && weight >= 1))
    return candidates.reduce((sum, { weight }) => sum + weight, 0)
  })
  t.ok(totals.every((total) => total < 2 ** 31))
  const share = ({ candidates }: AnswerNode, index: number) =>
    candidates[index]!.weight / totals[candidates === thirds.candidates ? 0 : 1]!
  t.ok(Math.abs(share(thirds, 0) - 100 / 903) < 1e-6)
  t.ok(Math.abs(share(thirds, 3) - 200 / 301) < 1e-6)
  t.ok(Math.abs(share(ramp, 0) - 1 / 11) < 1e-6)
})

t.test('a host of weight 0 is a last resort, even by member', async (t) => {
  const lb = resolved('lb.', ['192.0.2.1', '192.0.2.2'])
  t.same(describe(nodeOf(answerOf({ 'lb.': 0, '192.0.2.9': 1 }, weighted), [lb])), ['192.0.2.9=1 11'])
  const { candidates } = nodeOf(answerOf({ 'lb.': 0, '192.0.2.9': 0 }, weighted), [lb])
  const [one, two, other] = candidates.map(({ weight }) => weight)
  t.equal(one, two)
  t.equal(one! + two!, other)
})

t.test('an address that several members have is one candidate', async (t) => {
  const hosts = [resolved('a.', ['192.0.2.1', '192.0.2.2']), resolved('b.', ['192.0.2.2'])]
  t.same(
    describe(nodeOf(answerOf({ 'a.': 100, 'b.': 30, '192.0.2.1': 7 }, weighted), hosts)),
    ['192.0.2.1=57 10', '192.0.2.2=80 10'],
    'of both their weights, counted for the first',
  )
})

t.test('of more addresses than a plan takes every member keeps some', async (t) => {
  const many = Array.from({ length: 1500 }, (_, i) =>
    resolved(`h${i}.`, [`10.0.${i >> 8}.${i & 255}`, `10.1.${i >> 8}.${i & 255}`, `2001:db8::${i}`]),
  )
  const { candidates } = nodeOf(answerOf(Object.fromEntries(many.map(({ host }) => [host, 1]))), many)
  t.equal(candidates.length, 3000, 'each host keeps one of each family')
})

t.test('resolved addresses are good no longer than their resolution', async (t) => {
  const later = { ...resolved('b.', ['192.0.2.2']), expiresAt: new Date(1_900_000_000_000) }
  const fresh = nodeOf(answerOf({ 'a.': 1, 'b.': 1 }), [resolved('a.', ['192.0.2.1']), later])
  t.match(fresh, { ttlSeconds: 30, expiresAtSeconds: 1_800_000_030 }, 'the first that ends, rounded down')
  t.notOk(
    'expiresAtSeconds' in nodeOf(answerOf({ '192.0.2.1': 1 })),
    'addresses of the configuration never end',
  )
  const old = [resolved('a.', ['192.0.2.1'], 'stale')]
  const stale = nodeOf(answerOf({ 'a.': 1 }), old, 3600)
  t.equal(stale.ttlSeconds, 30, 'stale ones are asked for again soon')
  t.notOk('expiresAtSeconds' in stale)
  t.equal(nodeOf(answerOf({ 'a.': 1 }), old, 5).ttlSeconds, 5)
})

t.test('a host without addresses is NODATA when it has none, SERVFAIL when that is not known', async (t) => {
  t.match(nodeOf(answerOf({ 'a.': 1 }), [resolved('a.', [], 'absent')]), {
    gives: 'addresses',
    candidates: [],
  })
  for (const state of ['pending', 'failed'] as const) {
    const lost = [resolved('a.', [], state)]
    t.match(nodeOf(answerOf({ 'a.': 1 }), lost), { gives: 'servfail', candidates: [] }, state)
    const some = nodeOf(answerOf({ 'a.': 1, '192.0.2.9': 1 }), lost)
    t.match(some, { gives: 'addresses', candidates: [{ counter: 11 }] }, 'others answer in its place')
  }
})

t.test('a pool that is answered with a CNAME gives one of its hosts', async (t) => {
  const cname = (targets: Record<string, number>, changes: Partial<Pool> = {}) =>
    nodeOf(answerOf(targets, { hosts: 'cname', ...changes }))
  const names = ({ cnames = [] }: AnswerNode) =>
    cnames.map(({ cname, weight, counter, key }) => {
      const name = Buffer.from(cname).toString('latin1')
      return `${name} ${weight} ${counter}${key === stableKey(`web/m${counter - 10}`) ? '' : ' of another key'}`
    })
  for (const select of ['all', 'failover'] as const) {
    const even = cname({ 'a.': 7, 'b.': 0 }, { select })
    t.match(even, { gives: 'cname', select: 'weighted', answers: 1, ttlSeconds: 30, candidates: [] })
    t.same(names(even), ['\x01a\0 1 10', '\x01b\0 1 11'])
  }
  t.same(names(cname({ 'a.': 7, 'b.': 0, 'c.': 3 }, weighted)), ['\x01a\0 7 10', '\x01c\0 3 12'])
  t.same(names(cname({ 'a.': 0, 'b.': 0 }, weighted)), ['\x01a\0 1 10', '\x01b\0 1 11'], 'a last resort')
  const [half, whole] = cname({ 'a.': 0.5, 'b.': 1 }, weighted).cnames!
  t.ok(half!.weight > 1 && Math.abs(whole!.weight - 2 * half!.weight) <= 2, 'in whole numbers')
  t.match(cname({ 'a.': 7, 'b.': 0 }, hash), { gives: 'cname', select: 'hash', prefix: { ipv4: 24 } })
  t.same(names(cname({ 'a.': 7, 'b.': 0 }, hash)), ['\x01a\0 7 10'])
  t.match(cname({}), { gives: 'addresses', candidates: [] })
})

t.test('every address is answered as long as they fit, then some of each member', async (t) => {
  const addresses = (net: number, count: number) =>
    Array.from({ length: count }, (_, index) => `10.${net}.${index >> 8}.${index & 255}`)
  const counts = (first: number, second: number) => {
    const node = nodeOf(answerOf({ 'a.test.': 1, 'b.test.': 1 }), [
      resolved('a.test.', addresses(1, first)),
      resolved('b.test.', addresses(2, second)),
    ])
    return [10, 11].map((of) => node.candidates.filter(({ counter }) => counter === of).length)
  }
  t.same(counts(4000, 96), [4000, 96])
  t.same(counts(4000, 97), [1024, 97])
  t.same(counts(1, 4096), [1, 1024])
})
