import t from 'tap'
import type { Member, Pool, Service } from '../../../src/controlplane/model.ts'
import { toPlan } from '../../../src/controlplane/steering/plan.ts'
import type { Selection } from '../../../src/controlplane/steering/select.ts'

const service: Service = {
  name: 'www.example.test',
  ttlSeconds: 30,
  steer: 'failover',
  pools: ['web'],
  whenAllDown: 'serve-all',
  fallback: null,
}

function selection(weights: Record<string, number>, changes: Partial<Pool> = {}): Selection {
  const members: Member[] = Object.entries(weights).map(([address, weight], index) => ({
    name: `m${index}`,
    address,
    weight,
    probeAddress: null,
    probePort: null,
  }))
  const pool: Pool = {
    name: 'web',
    monitor: null,
    select: 'all',
    answers: null,
    minUp: 0,
    members,
    ...changes,
  }
  return { outcome: 'pool-up', pool, members, judgements: [] }
}

const counterOf = (_pool: Pool, member: Member) => Number(member.name.slice(1)) + 10
const weightsOf = (chosen: Selection) =>
  toPlan(service, chosen, counterOf).candidates.map(({ address, weight }) => `${address.join('.')}=${weight}`)

t.test('all members, rotating', async (t) => {
  const plan = toPlan(service, selection({ '192.0.2.1': 5, '2001:db8::1': 0 }), counterOf)
  t.match(plan, { outcome: 'select', select: 'rotate', ttlSeconds: 30 })
  t.ok(plan.answers >= 2)
  t.same(
    plan.candidates.map(({ address, counter }) => [address.length, counter]),
    [
      [4, 10],
      [16, 11],
    ],
  )
  t.equal(toPlan(service, selection({ '192.0.2.1': 1 }, { answers: 3 }), counterOf).answers, 3)
})

t.test('weighted members', async (t) => {
  const weighted = { select: 'weighted' } as const
  t.match(toPlan(service, selection({ '192.0.2.1': 1 }, weighted), counterOf), {
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
  t.match(toPlan(service, nothing('nodata'), counterOf), { outcome: 'select', candidates: [] })
  t.match(toPlan(service, nothing('servfail'), counterOf), { outcome: 'servfail', candidates: [] })
})
