/** What holds for every configuration and every state of health, on random ones. */
import fc from 'fast-check'
import t from 'tap'
import { overrideStates } from '../../../src/controlplane/model/override.ts'
import { allDownPolicies, type Pool, poolSelects } from '../../../src/controlplane/model/pool.ts'
import { type Service, serviceSteers } from '../../../src/controlplane/model/service.ts'
import { judgePool } from '../../../src/controlplane/steering/judge.ts'
import type { AnswerTree, Selection } from '../../../src/controlplane/steering/selection.ts'
import {
  type AnswerNode,
  childrenOf,
  leavesOf,
  type PlanNode,
} from '../../../src/dataplane/image/plan-tree.ts'
import { answer, choicesOf, type MemberWord, memberWords, situationOf, type World } from './world.ts'

const poolNames = ['p', 'q', 'r']
const memberNames = ['a', 'b', 'c', 'd']
const word = fc.constantFrom(...memberWords)
const members = fc
  .array(word, { maxLength: 4 })
  .map((words) => words.map((text, index) => [memberNames[index]!, text] as const))
const pictureOf = (list: readonly (readonly [string, MemberWord])[]) =>
  list.map(([name, text]) => `${name} ${text}`).join(', ')
const weight = fc.constantFrom(0, 1, 50, 100)

const poolChanges: fc.Arbitrary<Partial<Pool>> = fc
  .record({
    select: fc.constantFrom(...poolSelects),
    minUp: fc.constantFrom(0, 0.25, 0.5, 1),
    unknown: fc.constantFrom('up' as const, 'down' as const, 'last-known' as const),
    whenAllDown: fc.option(fc.constantFrom(...allDownPolicies), { nil: null }),
    tiers: fc.constantFrom([], [{ priority: 2, minUp: 1 }]),
    monitor: fc.constantFrom('web', null),
  })
  .map((pool) => ({ ...pool, fallback: pool.whenAllDown === 'fallback' ? 'r' : null }))

const serviceChanges = (choices: readonly string[]): fc.Arbitrary<Partial<Service>> =>
  fc
    .record({
      steer: fc.constantFrom(...serviceSteers),
      names: fc.shuffledSubarray([...choices], { minLength: 1 }),
      weights: fc.array(weight, { minLength: 4, maxLength: 4 }),
      whenAllDown: fc.constantFrom(...allDownPolicies),
      minTtlSeconds: fc.constantFrom(null, 5),
    })
    .map(({ names, weights, ...service }) => ({
      ...service,
      choices: choicesOf(...names.map((name, index) => `${name} ${weights[index]}`)),
      fallback: service.whenAllDown === 'fallback' ? 'r' : null,
    }))

const list = fc.array(fc.nat(3), { maxLength: 3 })
const areas = fc.option(
  fc.record({ mapSlot: fc.nat(5), areas: fc.array(list, { minLength: 1, maxLength: 4 }) }),
  { nil: undefined },
)
const three = <T>(arbitrary: fc.Arbitrary<T>) => fc.tuple(arbitrary, arbitrary, arbitrary)
const byPool = <T>(values: readonly T[]) =>
  Object.fromEntries(poolNames.map((name, index) => [name, values[index]!]))

const world: fc.Arbitrary<World> = fc
  .record({
    members: three(members),
    pools: three(poolChanges),
    priorities: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 4, maxLength: 4 }),
    weights: fc.array(weight, { minLength: 4, maxLength: 4 }),
    www: serviceChanges([...poolNames, 'service inner']),
    inner: serviceChanges(poolNames),
    areas,
    known: fc.record({
      members: fc.subarray(memberNames),
      choices: fc.subarray(poolNames.map((name) => `pool ${name}`)),
    }),
    forced: fc.constantFrom(null, null, ...overrideStates),
    latencies: three(fc.option(fc.integer({ min: 1, max: 50 }), { nil: null })),
  })
  .map(({ priorities, weights, known, latencies, forced, areas: wwwAreas, ...picked }) => ({
    members: byPool(picked.members.map(pictureOf)),
    pools: byPool(picked.pools),
    memberSettings: Object.fromEntries(
      memberNames.map((name, index) => [name, { priority: priorities[index]!, weight: weights[index]! }]),
    ),
    services: { www: picked.www, inner: picked.inner },
    known: {
      pools: poolNames.map((name) => [name, known.members] as const),
      services: [
        ['www', known.choices],
        ['inner', known.choices],
      ],
    },
    ...(wwwAreas === undefined ? {} : { areas: { www: wwwAreas } }),
    conditions: {
      latencyMs: (pool) => latencies[poolNames.indexOf(pool)]!,
      forcedService: (service) => (service === 'inner' ? forced : null),
    },
  }))

/** Both trees side by side: each answer with what it became. */
function pairs({ tree }: Selection, plan: PlanNode): [AnswerTree, PlanNode][] {
  const walk = (at: AnswerTree, node: PlanNode): [AnswerTree, PlanNode][] => [
    [at, node],
    ...childrenOf(at).flatMap((child, index) => walk(child, childrenOf(node)[index]!)),
  ]
  return walk(tree, plan)
}

const check = (name: string, property: (world: World) => boolean) =>
  t.test(name, async () => fc.assert(fc.property(world, property), { numRuns: 2000 }))

check('no answer holds a dropped member while another of its pool is kept and the pool is up', (given) => {
  return leavesOf(answer(given).selection.tree).every(
    ({ by, members }) => by !== 'up' || (members.length > 0 && members.every(({ kept }) => kept)),
  )
})

check('no answer holds what the operator took out, where something else is left', (given) => {
  const taken = (reason: string) => reason === 'draining' || reason === 'forced down'
  return leavesOf(answer(given).selection.tree).every(({ members }) => {
    return members.every(({ reason }) => taken(reason)) || members.every(({ reason }) => !taken(reason))
  })
})

check(
  'a service with a choice that is up is answered from what is up, or from a policy of a pool',
  (given) => {
    const { selection } = answer(given)
    const { up, choices } = selection.judgement
    if (up !== choices.some((choice) => choice.up) || up !== (selection.by === 'up')) return false
    return !up || choices.every((choice) => choice.up || !choice.used)
  },
)

check('the same goes in, the same comes out', (given) => {
  const { conditions, ...plain } = given
  const again = answer({ ...structuredClone(plain), conditions: conditions! })
  return JSON.stringify(answer(given).plan) === JSON.stringify(again.plan)
})

check('the candidates of a plan are the members of its selection', (given) => {
  const { selection, plan } = answer(given)
  return pairs(selection, plan).every(([at, node]) => {
    if (at.kind !== 'answer') return at.kind === node.kind
    const addresses = at.members.flatMap(({ member }) => member.address ?? [])
    const answered = (node as AnswerNode).candidates.map(({ address }) => address.join('.'))
    const weighty = at.members
      .filter(({ weight }) => weight > 0)
      .flatMap(({ member }) => member.address ?? [])
    const select = at.pool?.select
    const byWeight = (select === 'weighted' || select === 'hash') && weighty.length > 0
    return (byWeight ? weighty : addresses).join() === answered.join()
  })
})

check('a plan keeps what its nodes promise', (given) => {
  const { selection, plan } = answer(given)
  const keeps = (node: PlanNode): boolean => {
    switch (node.kind) {
      case 'answer':
        return node.candidates.every(({ weight, key }) => {
          return Number.isInteger(weight) && weight >= 1 && key >= 0 && key < 2 ** 32
        })
      case 'weighted':
      case 'hash':
        return node.children.length > 1 && node.children.every(({ weight }) => weight >= 1)
      case 'located':
        return node.areas.length > 1
    }
  }
  return pairs(selection, plan).every(([, node]) => keeps(node))
})

check('every choice that answers says so, and only that', (given) => {
  const { selection } = answer(given)
  const leaves = new Set(leavesOf(selection.tree).flatMap(({ pool }) => pool?.name ?? []))
  const named = selection.judgement.choices
    .filter((choice) => choice.used)
    .flatMap((choice) =>
      choice.kind === 'pool'
        ? [choice.judgement.pool]
        : choice.judgement.choices.flatMap((inner) =>
            inner.kind === 'pool' && inner.used ? [inner.judgement.pool] : [],
          ),
    )
  // By its own fallback a pool answers with another.
  return [...leaves].every((name) => name === 'r' || named.some((pool) => pool.name === name))
})

t.test('a member that comes up never empties an answer', async () => {
  const empty = ({ candidates }: AnswerNode) => candidates.length === 0
  const answers = ({ selection, plan }: ReturnType<typeof answer>) =>
    pairs(selection, plan).flatMap(([, node]) => (node.kind === 'answer' ? [node] : []))
  fc.assert(
    fc.property(world, fc.constantFrom(...poolNames), fc.nat(3), (given, pool, index) => {
      const before = given.members[pool]!.split(', ').filter((text) => text !== '')
      const name = memberNames[index]!
      const after = [...before.filter((text) => !text.startsWith(`${name} `)), `${name} up`].join(', ')
      const next = { ...given, members: { ...given.members, [pool]: after } }
      const isUp = (of: World) => {
        const { pools, conditions } = situationOf(of)
        return judgePool(pools.get(pool)!, 'ipv4', conditions).serving !== null
      }
      // A new member raises the count, too: with `minUp` the pool is up after it only if enough of the others are.
      if (isUp(given) && !isUp(next)) return true
      return answers(answer(given)).every(empty) || !answers(answer(next)).every(empty)
    }),
    { numRuns: 2000 },
  )
})
