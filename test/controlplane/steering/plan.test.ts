import t from 'tap'
import type { Member, Pool, Resolution, Service } from '../../../src/controlplane/model.ts'
import { toPlan } from '../../../src/controlplane/steering/plan.ts'
import type { Selection } from '../../../src/controlplane/steering/select.ts'
import { memberDefaults, poolChoice, poolDefaults, serviceDefaults } from '../model-defaults.ts'

const service: Service = {
  name: 'www.example.test',
  ...serviceDefaults,
  choices: [poolChoice('web')],
}

function selection(weights: Record<string, number>, changes: Partial<Pool> = {}): Selection {
  const members: Member[] = Object.entries(weights).map(([address, weight], index) => ({
    name: `m${index}`,
    address,
    host: null,
    ...memberDefaults,
    weight,
  }))
  const pool: Pool = {
    name: 'web',
    ...poolDefaults,
    members,
    ...changes,
  }
  return { outcome: 'pool-up', pool, members, judgements: [] }
}

const nowhere = (host: string): Resolution => {
  throw new Error(`nobody asked for ${host}`)
}
const counterOf = (_pool: Pool, member: Member) => Number(member.name.slice(1)) + 10
const weightsOf = (chosen: Selection) =>
  toPlan(service, chosen, counterOf, nowhere).candidates.map(
    ({ address, weight }) => `${address.join('.')}=${weight}`,
  )

t.test('all members, rotating', async (t) => {
  const plan = toPlan(service, selection({ '192.0.2.1': 5, '2001:db8::1': 0 }), counterOf, nowhere)
  t.match(plan, { outcome: 'select', select: 'rotate', ttlSeconds: 30 })
  t.ok(plan.answers >= 2)
  t.same(
    plan.candidates.map(({ address, counter }) => [address.length, counter]),
    [
      [4, 10],
      [16, 11],
    ],
  )
  t.equal(toPlan(service, selection({ '192.0.2.1': 1 }, { answers: 3 }), counterOf, nowhere).answers, 3)
})

const weighted = { select: 'weighted' } as const

t.test('weighted members', async (t) => {
  t.match(toPlan(service, selection({ '192.0.2.1': 1 }, weighted), counterOf, nowhere), {
    select: 'weighted',
    answers: 1,
  })
  t.same(weightsOf(selection({ '192.0.2.1': 7, '192.0.2.2': 0, '192.0.2.3': 3 }, weighted)), [
    '192.0.2.1=7',
    '192.0.2.3=3',
  ])
  t.same(
    weightsOf(selection({ '192.0.2.1': 0, '192.0.2.2': 0 }, weighted)),
    ['192.0.2.1=1', '192.0.2.2=1'],
    'a last resort',
  )
  const mixed = weightsOf(selection({ '192.0.2.1': 9, '2001:db8::1': 0 }, weighted))
  t.equal(mixed.length, 2, 'weight 0 is the last resort of its own family')
})

t.test('nothing to answer with', async (t) => {
  const nothing = (outcome: 'nodata' | 'servfail'): Selection => ({
    outcome,
    pool: null,
    members: [],
    judgements: [],
  })
  t.match(toPlan(service, nothing('nodata'), counterOf, nowhere), { outcome: 'select', candidates: [] })
  t.match(toPlan(service, nothing('servfail'), counterOf, nowhere), { outcome: 'servfail', candidates: [] })
})

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

/** A selection of members that are hosts (a trailing dot) or addresses, with the resolutions of the hosts. */
function planOf(
  targets: Record<string, number>,
  resolutions: readonly Resolution[],
  changes: Partial<Pool> = {},
  of: Service = service,
) {
  const chosen = selection({}, changes)
  const members = Object.entries(targets).map(([target, weight], index): Member => {
    const settings = { ...memberDefaults, name: `m${index}`, weight }
    return target.endsWith('.')
      ? { ...settings, address: null, host: target }
      : { ...settings, address: target, host: null }
  })
  const byHost = new Map(resolutions.map((resolution) => [resolution.host, resolution]))
  return toPlan(of, { ...chosen, members }, counterOf, (host) => byHost.get(host)!)
}
const describe = ({ candidates }: ReturnType<typeof planOf>) =>
  candidates.map(({ address, weight, counter }) => `${address.join('.')}=${weight} ${counter}`)

t.test('a host stands for its addresses', async (t) => {
  const lb = resolved('lb.', ['192.0.2.1', '192.0.2.2', '2001:db8::1'])
  const all = planOf({ 'lb.': 100, '192.0.2.9': 100 }, [lb])
  t.equal(all.candidates.length, 4)
  t.match(describe(all), ['192.0.2.1=1 10', '192.0.2.2=1 10', /^32\.1.*=1 10$/, '192.0.2.9=1 11'])
  const even = planOf({ 'lb.': 100, '192.0.2.9': 100 }, [lb], weighted)
  t.match(
    describe(even),
    ['192.0.2.1=50 10', '192.0.2.2=50 10', '192.0.2.9=100 11', /=100 10$/],
    'its weight is shared among the addresses of one family',
  )
})

t.test('shares that are no whole numbers are scaled, and keep their proportions', async (t) => {
  const lb = resolved('lb.', ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
  const { candidates } = planOf({ 'lb.': 100, '192.0.2.9': 200, '192.0.2.10': 1 }, [lb], weighted)
  const total = candidates.reduce((sum, { weight }) => sum + weight, 0)
  t.ok(total < 2 ** 31, String(total))
  t.ok(candidates.every(({ weight }) => Number.isInteger(weight) && weight >= 1))
  const shares = candidates.map(({ weight }) => Math.round((weight / total) * 903) / 3)
  t.same(shares.map(Math.round), [33, 33, 33, 200, 1])
})

t.test('a host of weight 0 is a last resort, even by member', async (t) => {
  const lb = resolved('lb.', ['192.0.2.1', '192.0.2.2'])
  t.same(describe(planOf({ 'lb.': 0, '192.0.2.9': 1 }, [lb], weighted)), ['192.0.2.9=1 11'])
  const { candidates } = planOf({ 'lb.': 0, '192.0.2.9': 0 }, [lb], weighted)
  const [one, two, other] = candidates.map(({ weight }) => weight)
  t.equal(one, two)
  t.equal(one! + two!, other)
})

t.test('an address that several members have is one candidate', async (t) => {
  const hosts = [resolved('a.', ['192.0.2.1', '192.0.2.2']), resolved('b.', ['192.0.2.2'])]
  t.same(
    describe(planOf({ 'a.': 100, 'b.': 30, '192.0.2.1': 7 }, hosts, weighted)),
    ['192.0.2.1=57 10', '192.0.2.2=80 10'],
    'of both their weights, counted for the first',
  )
})

t.test('more addresses than a plan takes', async (t) => {
  const many = Array.from({ length: 1500 }, (_, i) =>
    resolved(`h${i}.`, [`10.0.${i >> 8}.${i & 255}`, `10.1.${i >> 8}.${i & 255}`, `2001:db8::${i}`]),
  )
  const { candidates } = planOf(Object.fromEntries(many.map(({ host }) => [host, 1])), many)
  t.equal(candidates.length, 3000, 'each host keeps one of each family')
})

t.test('the TTL of resolved addresses', async (t) => {
  const later = { ...resolved('b.', ['192.0.2.2']), expiresAt: new Date(1_900_000_000_000) }
  const fresh = planOf({ 'a.': 1, 'b.': 1 }, [resolved('a.', ['192.0.2.1']), later])
  t.match(fresh, { ttlSeconds: 30, expiresAtSeconds: 1_800_000_030 }, 'the first that ends, rounded down')
  t.notOk('expiresAtSeconds' in planOf({ '192.0.2.1': 1 }, []), 'addresses of the configuration never end')
  const slow = { ...service, ttlSeconds: 3600 }
  const stale = planOf({ 'a.': 1 }, [resolved('a.', ['192.0.2.1'], 'stale')], {}, slow)
  t.equal(stale.ttlSeconds, 30, 'stale ones are asked for again soon')
  t.notOk('expiresAtSeconds' in stale)
  t.equal(
    planOf({ 'a.': 1 }, [resolved('a.', ['192.0.2.1'], 'stale')], {}, { ...slow, ttlSeconds: 5 }).ttlSeconds,
    5,
  )
})

t.test('a host without addresses', async (t) => {
  t.match(planOf({ 'a.': 1 }, [resolved('a.', [], 'absent')]), { outcome: 'select', candidates: [] })
  for (const state of ['pending', 'failed'] as const) {
    t.match(planOf({ 'a.': 1 }, [resolved('a.', [], state)]), { outcome: 'servfail', candidates: [] }, state)
    const some = planOf({ 'a.': 1, '192.0.2.9': 1 }, [resolved('a.', [], state)])
    t.match(some, { outcome: 'select', candidates: [{ counter: 11 }] }, 'others answer in its place')
  }
})

t.test('a pool that is answered with a CNAME', async (t) => {
  const cname = (targets: Record<string, number>, changes: Partial<Pool> = {}) =>
    planOf(targets, [], { hosts: 'cname', ...changes })
  const names = ({ cnames = [] }: ReturnType<typeof planOf>) =>
    cnames.map(
      ({ cname, weight, counter }) => `${Buffer.from(cname).toString('latin1')} ${weight} ${counter}`,
    )
  const even = cname({ 'a.': 7, 'b.': 0 })
  t.match(even, { outcome: 'cname', ttlSeconds: 30, candidates: [] })
  t.same(names(even), ['\x01a\0 1 10', '\x01b\0 1 11'])
  t.same(names(cname({ 'a.': 7, 'b.': 0, 'c.': 3 }, weighted)), ['\x01a\0 7 10', '\x01c\0 3 12'])
  t.same(names(cname({ 'a.': 0, 'b.': 0 }, weighted)), ['\x01a\0 1 10', '\x01b\0 1 11'], 'a last resort')
  t.match(cname({}), { outcome: 'select', candidates: [] })
})
