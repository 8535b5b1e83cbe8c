/** A and AAAA of random configurations, against a model that says it in the plainest way: one family at a time, addresses alone. */
import fc from 'fast-check'
import t from 'tap'
import type { MinUp, Pool, Threshold } from '../../../src/controlplane/model/pool.ts'
import { wholeCondition } from '../../../src/controlplane/steering/judge.ts'
import { toPlan } from '../../../src/controlplane/steering/plan.ts'
import { Round } from '../../../src/controlplane/steering/select.ts'
import type { AnswerNode } from '../../../src/dataplane/image/plan-tree.ts'
import { formatIpv4, formatIpv6 } from '../../../src/dataplane/wire/address.ts'
import { memberDefaults, poolDefaults } from '../model/defaults.ts'
import { buildService, choicesOf, resolutionOf } from './world.ts'

/** An address, of which `up` says what its probes do. */
interface Place {
  readonly family: 4 | 6
  readonly up: boolean
}
interface Machine {
  readonly places: readonly Place[]
  readonly priority: 1 | 2
  readonly word: 'drain' | 'down' | 'up' | null
}
interface Group {
  readonly machines: readonly Machine[]
  readonly select: 'all' | 'failover'
  readonly minUp: MinUp
}

const place: fc.Arbitrary<Place> = fc.record({
  family: fc.constantFrom(4 as const, 6 as const),
  up: fc.boolean(),
})
const machine: fc.Arbitrary<Machine> = fc.record({
  places: fc.array(place, { minLength: 1, maxLength: 3 }),
  priority: fc.constantFrom(1 as const, 2 as const),
  word: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, fc.constantFrom('drain', 'down', 'up')),
}) as fc.Arbitrary<Machine>
const threshold: fc.Arbitrary<Threshold> = fc.constantFrom(0, 0.5, 1, { members: 1 }, { members: 2 })
const group: fc.Arbitrary<Group> = fc.record({
  machines: fc.array(machine, { maxLength: 4 }),
  select: fc.constantFrom('all' as const, 'failover' as const),
  minUp: fc.oneof(threshold, fc.record({ ipv4: threshold, ipv6: threshold })),
})

const addressOf = (family: 4 | 6, pool: number, member: number, at: number) =>
  family === 4 ? `192.0.${pool}.${10 * member + at}` : `2001:db8:${pool + 1}::${10 * member + at + 1}`
const textOf = (octets: Uint8Array) => (octets.length === 4 ? formatIpv4(octets) : formatIpv6(octets))
const names = ['p', 'q', 'r']

/** What the model answers: addresses, sorted. */
function expected(groups: readonly Group[], family: 4 | 6): string[] {
  const seen = groups.map(({ machines, select, minUp }, pool) => {
    const cast = machines.map(({ places, word, priority }, member) => {
      const own = places.flatMap((one, at) =>
        one.family === family ? [{ up: one.up, text: addressOf(family, pool, member, at) }] : [],
      )
      const out = word === 'drain' || word === 'down'
      const live = out ? [] : own.filter(({ up }) => word === 'up' || up).map(({ text }) => text)
      return { all: own.map(({ text }) => text), live, word, priority, out }
    })
    const here = cast.filter(({ all }) => all.length > 0)
    const wanted =
      typeof minUp === 'object' && 'ipv4' in minUp ? (family === 4 ? minUp.ipv4 : minUp.ipv6) : minUp
    const steps =
      select === 'all' ? [here] : [1, 2].map((tier) => here.filter((one) => one.priority === tier))
    const serving = steps.find((step) => {
      const alive = step.filter(({ live }) => live.length > 0).length
      const counted = step.filter(({ word }) => word !== 'drain').length
      if (alive === 0) return false
      return typeof wanted === 'number' ? alive / counted >= wanted : alive >= wanted.members
    })
    return { here, serving }
  })
  const up = seen.find(({ serving }) => serving !== undefined)
  if (up !== undefined) return up.serving!.flatMap(({ live }) => live).sort()
  // Everything, of the first that has something, best what the operator did not take out.
  const left = seen.map(({ here }) => here.filter(({ out }) => !out)).find((step) => step.length > 0)
  return (left ?? seen.find(({ here }) => here.length > 0)?.here ?? []).flatMap(({ all }) => all).sort()
}

function situationOf(groups: readonly Group[]) {
  const places = new Map<string, boolean>()
  const words = new Map<string, Machine['word']>()
  const pools = groups.map(({ machines, ...settings }, pool): Pool => {
    const members = machines.map(({ places: all, word, priority }, member) => {
      const addresses = all.map((one, at) => {
        const text = addressOf(one.family, pool, member, at)
        places.set(text, one.up)
        return text
      })
      words.set(`${names[pool]}/m${member}`, word)
      const [address, ...moreAddresses] = addresses
      const rest = { ...memberDefaults, host: null }
      return { name: `m${member}`, ...rest, address: address!, moreAddresses, priority }
    })
    return { name: names[pool]!, ...poolDefaults, monitor: 'web', members, ...settings }
  })
  const nothing = {
    pools: new Map<string, string[]>(),
    services: new Map<string, string[]>(),
    used: new Map<string, string[]>(),
  }
  return {
    pools: new Map(pools.map((pool) => [pool.name, pool])),
    services: new Map([
      ['www', buildService('www', { choices: choicesOf(...groups.map((_, index) => names[index]!)) })],
    ]),
    conditions: {
      measured: (_pool: string, _member: string, address: string | null) =>
        places.get(address!) ? ('up' as const) : ('down' as const),
      forced: (pool: string, member: string) => words.get(`${pool}/${member}`) ?? null,
      lastKnown: () => null,
      near: () => false,
      share: () => 1,
      weightPercent: () => null,
      latencyMs: () => null,
      resolution: resolutionOf,
    },
    lastKnown: nothing,
    areas: () => null,
  }
}

t.test('A and AAAA are what the model says, whatever is down', async () => {
  fc.assert(
    fc.property(fc.array(group, { minLength: 1, maxLength: 3 }), (groups) => {
      const situation = situationOf(groups)
      return (['ipv4', 'ipv6'] as const).every((asked) => {
        const selection = new Round({ ...situation, asked }).select('www')
        const plan = toPlan(selection, { counterOf: () => 1, resolutionOf }) as AnswerNode
        const given = plan.candidates.map(({ address }) => textOf(address)).sort()
        const wanted = expected(groups, asked === 'ipv4' ? 4 : 6)
        return given.join() === wanted.join()
      })
    }),
    { numRuns: 3000 },
  )
})

t.test('the state of a pool over its families', async (t) => {
  const both = (groups: readonly Group[]) => {
    const situation = situationOf(groups)
    const judge = (asked: 'ipv4' | 'ipv6') => new Round({ ...situation, asked }).judgePool('p')
    return wholeCondition([judge('ipv4'), judge('ipv6')])
  }
  const one = (...places: Place[]): Group => ({
    machines: [{ places, priority: 1, word: null }],
    select: 'all',
    minUp: { ipv4: 0.5, ipv6: { members: 2 } },
  })
  const [four, six, dead] = [
    { family: 4, up: true },
    { family: 6, up: true },
    { family: 4, up: false },
  ] as const
  t.same(both([one(four)]), { condition: 'healthy', reason: '1 of 1 member up, minUp 0.5' })
  t.same(both([one(six)]), { condition: 'down', reason: '1 of 1 member up, minUp 2 members' })
  t.same(both([one(four, six)]), {
    condition: 'degraded',
    reason: 'IPv4: 1 of 1 member up, minUp 0.5; IPv6: 1 of 1 member up, minUp 2 members',
  })
  t.equal(both([one(dead, six)]).condition, 'down')
  t.same(both([{ ...one(), machines: [] }]), { condition: 'down', reason: '0 of 0 members up, minUp 0.5' })
})
