/** Who gets what, over 100,000 queries of each policy, through the code that answers the network. */
import t from 'tap'
import type { PlanNode } from '../../../src/dataplane/image/plan-tree.ts'
import { query } from '../../support/dns-client.ts'
import { chiSquared } from '../chi-squared.ts'
import { alias, hashed, leaf, type Member, prefix, weighted } from '../trees.ts'
import { subnetQuery } from './client-subnet.ts'
import { Served } from './served.ts'

const queries = 100_000
const zone = { apex: 'example.test', lines: ['@ 300 NS ns1'], services: { www: 0 } }
const serve = (plan: PlanNode, seed = 20_260_301) => new Served([zone], [plan], { seed })
const members = (weights: readonly number[], network = '192.0.2'): Member[] =>
  weights.map((weight, i) => [`${network}.${i + 1}`, weight])
const counts = (served: Served, slots: number, first = 1) =>
  Array.from({ length: slots }, (_, i) => served.answers(first + i))
const plain = query('www.example.test', 'A')

function askOften(served: Served): void {
  for (let i = 0; i < queries; i++) served.respond(plain)
}

/** A query with the client subnet that `set` writes: client `index` of 10.0.0.0/8 by its /24. */
function clients() {
  const request = subnetQuery('www.example.test', 'A', '10.0.0.0', 24)
  const at = request.length - 3
  return {
    request,
    set: (index: number) => {
      request[at] = 10 + (index >>> 16)
      request[at + 1] = index >>> 8
      request[at + 2] = index
    },
  }
}

/** The last octet of the address of the first RR that a client is answered with, by client. */
function firsts(served: Served, count = queries): number[] {
  const { request, set } = clients()
  return Array.from({ length: count }, (_, index) => {
    set(index)
    const response = served.respond(request)!
    // Header, question, RR up to its address.
    return response[12 + 22 + 15]!
  })
}

t.test('candidates of a leaf that rotates take turns, each as often as the others', async (t) => {
  const served = serve(leaf(members([1, 1, 1, 1, 1, 1, 1])))
  askOften(served)
  const found = counts(served, 7)
  t.ok(Math.max(...found) - Math.min(...found) <= 1, String(found))
})

t.test('by weight, one of several', async (t) => {
  const weights = [1, 2, 3, 10, 100]
  const served = serve(leaf(members(weights), { select: 'weighted' }))
  askOften(served)
  const found = chiSquared(counts(served, 5), weights)
  t.ok(found < 1, `${found}`)
})

t.test('by weight, two of several', async (t) => {
  const weights = [1, 3, 6]
  const served = serve(leaf(members(weights), { select: 'weighted', answers: 2 }))
  const pairs = new Map<string, number>()
  for (let i = 0; i < queries; i++) {
    const response = served.respond(plain)!
    const pair = `${response[34 + 15]} ${response[34 + 31]}`
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1)
  }
  const shares = [1, 2, 3].flatMap((first) =>
    [1, 2, 3].flatMap((second) => {
      const [a, b] = [weights[first - 1]!, weights[second - 1]!]
      return first === second ? [] : [{ pair: `${first} ${second}`, share: (a * b) / (10 - a) }]
    }),
  )
  const found = chiSquared(
    shares.map(({ pair }) => pairs.get(pair) ?? 0),
    shares.map(({ share }) => share),
  )
  t.equal(pairs.size, 6)
  t.ok(found < 1, `${found}`)
})

t.test('a tree of weights', async (t) => {
  const inner = weighted(
    [3, leaf(members([1, 4]), { select: 'weighted' }, 3)],
    [1, alias(['lb.example'], {}, 5)],
  )
  const served = serve(
    weighted([1, leaf(members([1, 1]), {}, 1)], [2, inner], [5, leaf(members([1]), {}, 6)]),
  )
  askOften(served)
  const found = chiSquared(counts(served, 6), [
    1 / 16,
    1 / 16,
    (2 / 8) * (3 / 4) * (1 / 5),
    (2 / 8) * (3 / 4) * (4 / 5),
    (2 / 8) * (1 / 4),
    5 / 8,
  ])
  t.ok(found < 1, `${found}`)
})

for (const [what, weights] of [
  ['equal', new Array<number>(10).fill(1)],
  ['unequal', [1, 2, 3, 4, 5, 6, 7, 8, 9, 5]],
] as const) {
  const all = members(weights)
  const plan = (some: readonly Member[]) => leaf(some, { select: 'hash', prefix })

  t.test(`by client, ${what} weights`, async (t) => {
    const served = serve(plan(all))
    const before = firsts(served)
    const found = chiSquared(counts(served, 10), weights)
    t.ok(found < 1, `${found}`)
    t.same(firsts(served), before, 'the same for each client')

    const without = firsts(serve(plan(all.slice(0, 9)), 4711))
    const moved = before.filter((member, client) => member !== without[client])
    t.ok(
      moved.every((member) => member === 10),
      'only the clients of the one that is gone',
    )
    t.equal(moved.length, before.filter((member) => member === 10).length)
    t.ok(moved.length <= 0.11 * queries, `${moved.length}`)
    t.same(firsts(serve(plan(all), 7)), before, 'and all of them come back')
  })

  t.test(`by client, pools of ${what} weights`, async (t) => {
    const pools = (count: number) =>
      hashed(
        {},
        {
          children: weights.slice(0, count).map((weight, i) => ({
            weight,
            key: i,
            node: leaf([`192.0.2.${i + 1}`], {}, i + 1),
          })),
        },
      )
    const served = serve(pools(10))
    const before = firsts(served)
    const found = chiSquared(counts(served, 10), weights)
    t.ok(found < 1, `${found}`)
    const without = firsts(serve(pools(9)))
    const moved = before.filter((member, client) => member !== without[client])
    t.ok(moved.length <= 0.11 * queries && moved.every((member) => member === 10), `${moved.length}`)
  })
}

t.test('by client, hashes below hashes with the same names', async (t) => {
  const names = ['a', 'b', 'c', 'd']
  const pool = (first: number): PlanNode => {
    const { candidates } = leaf(members([1, 1, 1, 1]), {}, first)
    const named = hashed(Object.fromEntries(names.map((name) => [name, leaf([])]))).children
    return leaf([], {
      select: 'hash',
      prefix,
      candidates: candidates.map((candidate, i) => ({ ...candidate, key: named[i]!.key })),
    })
  }
  const served = serve(hashed(Object.fromEntries(names.map((name, i) => [name, pool(1 + 4 * i)]))))
  firsts(served)
  const found = chiSquared(counts(served, 16), new Array(16).fill(1))
  t.ok(found < 1, `members of a pool have even shares of its clients: ${found}`)
})

t.test('by client, several answers: the best first, and the next when it is gone', async (t) => {
  const all = members(new Array<number>(10).fill(1))
  const plan = (some: readonly Member[], answers: number) => leaf(some, { select: 'hash', prefix, answers })
  const served = serve(plan(all, 3))
  const { request, set } = clients()
  const without = serve(plan(all.slice(0, 9), 3))
  const order = (from: Served) => {
    const response = from.respond(request)!
    return [response[34 + 15]!, response[34 + 31]!, response[34 + 47]!]
  }
  let touched = 0
  for (let client = 0; client < 20_000; client++) {
    set(client)
    const [before, after] = [order(served), order(without)]
    if (new Set(before).size !== 3) t.fail('an address twice')
    const kept = before.filter((member) => member !== 10)
    if (kept.length < 3) touched++
    if (after.slice(0, kept.length).join() !== kept.join()) t.fail(`${before} became ${after}`)
  }
  t.ok(touched > 5500 && touched < 6500, `${touched}`)
  const found = chiSquared(counts(served, 10), new Array(10).fill(1))
  t.ok(found < 1, `${found}`)
  t.same(order(serve(plan(all.slice(0, 3), 9))).sort(), [1, 2, 3], 'as many answers as members')
})

t.test('by client, names to be an alias of', async (t) => {
  const weights = [1, 2, 5]
  const hosts = weights.map((weight, i): Member => [`lb${i}.example`, weight])
  const served = serve(alias(hosts, { select: 'hash', prefix }))
  const { request, set } = clients()
  const chosen = (from: Served) =>
    Array.from({ length: 20_000 }, (_, client) => {
      set(client)
      // The length, then l, b and the digit.
      return from.respond(request)![34 + 12 + 3]! - 0x30
    })
  const before = chosen(served)
  const found = chiSquared(counts(served, 3), weights)
  t.ok(found < 1, `${found}`)
  const without = chosen(serve(alias(hosts.slice(0, 2), { select: 'hash', prefix })))
  t.ok(before.every((host, client) => host === 2 || host === without[client]))
})

t.test('names to be an alias of, in turn', async (t) => {
  const served = serve(alias(['a.example', 'b.example', 'c.example'], { select: 'rotate' }))
  for (let i = 0; i < 7; i++) served.respond(plain)
  const found = counts(served, 3)
  t.ok(
    found.every((count) => count >= 2),
    String(found),
  )
})

t.test('A and AAAA of one client are of one member', async (t) => {
  const both = [1, 2, 3, 4, 5].flatMap((n): string[] => [`192.0.2.${n}`, `2001:db8::${n}`])
  const plan = leaf(both, { select: 'hash', prefix })
  const candidates = plan.candidates.map((candidate, i) => ({ ...candidate, key: i >> 1 }))
  const served = serve({ ...plan, candidates })
  for (let client = 0; client < 200; client++) {
    const ask = (type: 'A' | 'AAAA') =>
      served.respond(subnetQuery('www.example.test', type, `10.0.${client}.0`, 24))!
    if (ask('A')[34 + 15] !== ask('AAAA')[34 + 27]) t.fail(`client ${client}`)
  }
})
