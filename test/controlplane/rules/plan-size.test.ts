/** What plans can hold, by the configuration alone. */
import t from 'tap'
import type { Pool } from '../../../src/controlplane/model/pool.ts'
import type { Service } from '../../../src/controlplane/model/service.ts'
import { planSizeBreaches, poolSizeBreaches, sizeOf } from '../../../src/controlplane/rules/plan-size.ts'
import { viewOf } from '../../../src/controlplane/rules/view.ts'
import { poolChoice, serviceChoice } from '../model/defaults.ts'
import { hostMember, member, pool, service } from '../store/suite/samples.ts'

const size = (ipv4: number, ipv6 = 0, hosts = 0) => ({ ipv4, ipv6, hosts })

function breaches(
  pools: readonly Pool[],
  services: readonly Service[],
  sizes: Record<string, object>,
): string[] {
  const view = viewOf({ feeds: [], monitors: [], pools, services, zones: [] }, [])
  const all = new Map(Object.entries(sizes)) as Parameters<typeof planSizeBreaches>[2]
  return planSizeBreaches(view, view.services.keys(), all).map(({ message }) => message)
}

t.test('what a pool has', async (t) => {
  const several = { ...member('a', '192.0.2.1'), moreAddresses: ['2001:db8::1', '192.0.2.2'] }
  t.same(sizeOf(pool('p', [several, hostMember('h', 'x.test.')])), size(2, 1, 1))
  t.same(poolSizeBreaches('p', size(4096, 4096, 4096)), [])
  t.match(poolSizeBreaches('p', size(1, 4097)), [
    {
      code: 'conflict',
      kind: 'pools',
      name: 'p',
      at: ['members'],
      message: /^pool p has 4097 IPv6 addresses, .* 4096 /,
    },
  ])
})

t.test('a service that may be answered from too much at once', async (t) => {
  const names = Array.from({ length: 17 }, (_, index) => `p${index}`)
  const pools = names.map((name) => pool(name, []))
  const wide = Object.fromEntries(names.map((name) => [name, size(4096, 4096)]))
  const steered = (steer: Service['steer'], change: Partial<Service> = {}) =>
    service('s.test', names, { steer, ...change })
  t.match(breaches(pools, [steered('weighted')], wide), [
    /^service s\.test .* 139264 addresses at once, those of pools p0, p1, p2, p3, p4 and 12 others, .* 131072: name fewer/,
  ])
  t.equal(breaches(pools, [steered('hash')], wide).length, 1)
  t.equal(breaches(pools, [steered('nearest')], wide).length, 1)
  t.same(breaches(pools, [steered('failover')], wide), [], 'one pool is answered at a time')
  t.same(breaches(pools, [steered('latency')], wide), [])
  t.same(breaches(pools, [steered('weighted')], { ...wide, p16: size(0) }), [], '131072 of them fit')
  t.equal(
    breaches(pools, [steered('weighted')], { ...wide, p16: size(0, 0, 1) }).length,
    1,
    'a host is one at least',
  )
})

t.test('fallbacks, nested services, and circles', async (t) => {
  const big = pool('big', [])
  const small = Array.from({ length: 40 }, (_, index) =>
    pool(`p${index}`, [], { whenAllDown: 'fallback', fallback: 'big' }),
  )
  const names = small.map(({ name }) => name)
  const sizes = { big: size(4096) }
  t.equal(breaches([...small, big], [service('s.test', names, { steer: 'weighted' })], sizes).length, 1)
  t.same(breaches([...small, big], [service('s.test', names)], sizes), [])
  const halves = (name: string, from: number, to: number) =>
    service(name, names.slice(from, to), { steer: 'weighted' })
  const both = (steer: Service['steer']) =>
    service('both.test', [], { steer, choices: [serviceChoice('one.test'), serviceChoice('two.test')] })
  const nested = [halves('one.test', 0, 20), halves('two.test', 20, 40)]
  t.match(breaches([...small, big], [...nested, both('weighted')], sizes), [/^service both\.test/])
  t.match(
    breaches([...small, big], [...nested, both('failover')], sizes),
    [/^service both\.test/],
    'one may have holes',
  )
  const same = [halves('one.test', 0, 20), halves('two.test', 0, 20)]
  t.same(breaches([...small, big], [...same, both('weighted')], sizes), [], 'what both name is there once')
  const last = service('s.test', names.slice(0, 32), {
    steer: 'geo',
    whenAllDown: 'fallback',
    fallback: 'big',
  })
  t.equal(breaches([...small, big], [last], sizes).length, 1, 'and the fallback of the service')
  const circle = service('c.test', [], {
    choices: [serviceChoice('c.test'), poolChoice('big'), serviceChoice('none')],
  })
  t.same(breaches([big], [circle], sizes), [])
})

t.test('pools that may be full are answered together with those that take what they spill', async (t) => {
  const capacity = {
    limit: 100,
    back: 10,
    use: { feed: 'load', column: 'used', entity: '{pool}', maxAgeMs: 1000 },
  }
  const pools = Array.from({ length: 48 }, (_, index) => pool(`p${index}`, []))
  const full = pools.map((each) => ({ ...each, capacity }) as unknown as Pool)
  const names = pools.map(({ name }) => name)
  const wide = Object.fromEntries(names.map((name) => [name, size(4096, 4096)]))
  const chains = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      service(`n${index}.test`, names.slice(index * 12, index * 12 + 12)),
    )
  const all = (nested: readonly Service[]) => [
    ...nested,
    service('s.test', [], {
      steer: 'weighted',
      choices: nested.map(({ name }) => serviceChoice(name)),
    }),
  ]
  t.same(breaches(pools, all(chains(4)), wide), [], 'of each that can not be full one pool is answered')
  t.match(breaches(full, all(chains(4)), wide), [
    /^service s\.test may have to be answered from 229376 addresses/,
  ])
  t.same(breaches(full, all(chains(2)), wide), [], 'no more than seven of a chain spill')
  const two = full.map((each, index) => (index % 12 < 2 ? each : pools[index]!))
  t.same(breaches(two, all(chains(4)), wide), [], 'two that spill, and one of the others')
  const four = full.map((each, index) => (index % 12 < 4 ? each : pools[index]!))
  t.match(breaches(four, all(chains(4)), wide), [/^service s\.test .* 163840 addresses/])
})

t.test('both families are chosen for at once where a CNAME may be the answer', async (t) => {
  const pools = [pool('a', []), pool('c', [], { hosts: 'cname' })]
  const services = [service('s.test', ['a', 'c']), service('t.test', ['a'])]
  t.match(breaches(pools, services, { a: size(2049, 2048) }), [
    /^service s\.test may be answered by pool c with a CNAME .* pool a has 4097 addresses, where 4096 can be: split pool a/,
  ])
  t.same(breaches(pools, services, { a: size(2048, 2048) }), [])
})
