import t from 'tap'
import type { Member, Pool } from '../../../src/controlplane/model/pool.ts'
import { judgePool, memberReasons, poolCondition } from '../../../src/controlplane/steering/judge.ts'
import { buildPool, conditionsOf, type MemberPicture, resolutionOf } from './world.ts'

function judge(picture: MemberPicture, changes: Partial<Pool> = {}, settings = {}, conditions = {}) {
  const pool = buildPool('web', picture, changes, settings)
  return judgePool(pool, 'ipv4', { ...conditionsOf({ web: picture }), ...conditions })
}

const verdicts = (...given: Parameters<typeof judge>) =>
  judge(...given).members.map(({ reason, kept }) => `${reason}${kept ? ' kept' : ''}`)

t.test('every judgement says why', async (t) => {
  const picture =
    'a up, b down, c unknown, d forced-up, e forced-down, f drained, g lost, h was-up, i was-down'
  const plain = [
    'up kept',
    'down',
    'unknown, counts as up kept',
    'forced up kept',
    'forced down',
    'draining',
    'not resolved',
  ]
  t.same(verdicts(picture).slice(0, 7), plain)
  const down = verdicts(picture, { unknown: 'down' })
  t.same([down[2], down[7]], ['unknown, counts as down', 'unknown, counts as down'])
  const known = verdicts(picture, { unknown: 'last-known' })
  t.same(
    [known[2], known[7], known[8]],
    ['unknown, counts as up kept', 'unknown, was up kept', 'unknown, was down'],
  )
  const free = verdicts(picture, { monitor: null })
  t.same(free.slice(0, 2), ['not monitored kept', 'not monitored kept'], 'nobody asks what the probes say')
  const seen = [verdicts(picture), down, known, free].flat().map((text) => text.replace(' kept', ''))
  const absent = ['no IPv4 address', 'no IPv6 address']
  t.same(new Set([...seen, ...absent]), new Set(memberReasons), 'there is no other reason')
})

t.test('a pool without a monitor asks for nothing that a monitor measures', async (t) => {
  const asked = () => {
    throw new Error('was asked')
  }
  const never = {
    measured: asked,
    lastKnown: asked,
    near: asked,
    share: asked,
    weightPercent: asked,
    latencyMs: asked,
  }
  const { members } = judge('a up', { monitor: null }, { a: { weight: 7 } }, never)
  t.match(members, [{ kept: true, weight: 7, steadyWeight: 7, near: false }])
})

t.test('a host without an address is not kept, whatever else is said', async (t) => {
  const members = ['a', 'b', 'c', 'd'].map((name): Member => {
    const [host] = buildPool('web', `${name} lost`).members
    return host!
  })
  const picture = 'a up, b forced-up, c forced-down, d drained'
  const known = (host: string) => ({
    ...resolutionOf(host),
    addresses: /^[ab]/.test(host) ? ['192.0.2.7'] : [],
  })
  t.same(verdicts(picture, { members }), ['not resolved', 'not resolved', 'forced down', 'draining'])
  t.same(verdicts(picture, { members, monitor: null })[0], 'not resolved')
  t.same(verdicts(picture, { members }, {}, { resolution: known }).slice(0, 2), ['up kept', 'forced up kept'])
  t.same(
    verdicts(picture, { members, hosts: 'cname' }).slice(0, 2),
    ['up kept', 'forced up kept'],
    'a CNAME needs no address, if the monitor needs none either',
  )
  t.equal(verdicts('a down', { members: members.slice(0, 1), hosts: 'cname' })[0], 'not resolved')
  t.same(verdicts('a up', { members: members.slice(0, 1), hosts: 'cname', monitor: null }), [
    'not monitored kept',
  ])
})

t.test('the share of members that must be up', async (t) => {
  const hundred = (up: number) =>
    Array.from({ length: 100 }, (_, index) => `m${index} ${index < up ? 'up' : 'down'}`).join(', ')
  for (const percent of [1, 7, 29, 57, 58, 100]) {
    const minUp = percent / 100
    t.ok(judge(hundred(percent), { minUp }).serving, `${percent} of 100 reach ${minUp}`)
    t.notOk(judge(hundred(percent - 1), { minUp }).serving, `${percent - 1} do not`)
  }
})

t.test('the weight that a member has now', async (t) => {
  const weigh = (weight: number, share: number, percent: number | null) => {
    const told = { share: () => share, weightPercent: () => percent }
    const [member] = judge('a up', {}, { a: { weight } }, told).members
    return [member!.weight, member!.steadyWeight]
  }
  t.same(weigh(100, 1, null), [100, 100])
  t.same(weigh(100, 0.1, null), [10, 100], 'slow start is not for hash')
  t.same(weigh(100, 1, 29), [29, 29])
  t.same(weigh(50, 0.5, 50), [12.5, 25])
  t.same(weigh(1, 0.1, null), [0.1, 1], 'a ramp of weight 1 is a ramp')
  t.same(weigh(1, 0, 1), [0.001, 0.01], 'the least that is not 0')
  t.same(weigh(0, 0.5, 50), [0, 0], 'the operator says: a last resort')
  t.same(weigh(100, 0.5, 0), [0, 0], 'the member says so')
})

t.test('the condition of a pool, and its reason', async (t) => {
  const rows: [MemberPicture, Partial<Pool>, string, string][] = [
    ['a up, b up', {}, 'healthy', '2 of 2 members up, minUp 0'],
    ['a up, b unknown', {}, 'healthy', '2 of 2 members up, minUp 0'],
    ['a up, b drained', {}, 'healthy', '1 of 1 member up, 1 draining, minUp 0'],
    ['a up, b down, c down, d down, e up', { minUp: 0.4 }, 'degraded', '2 of 5 members up, minUp 0.4'],
    ['a up, b down, c down, d down, e up', { minUp: 0.5 }, 'down', '2 of 5 members up, minUp 0.5'],
    ['a down', { whenAllDown: 'serve-all' }, 'down', '0 of 1 member up, minUp 0'],
    ['a drained', {}, 'down', '0 of 0 members up, 1 draining, minUp 0'],
    ['', { select: 'failover' }, 'down', '0 of 0 members up, minUp 0'],
    ['a down, b up', { select: 'failover' }, 'degraded', '1 of 2 members up, minUp 0'],
  ]
  for (const [picture, changes, condition, reason] of rows) {
    t.same(poolCondition(judge(picture, changes)), { condition, reason }, picture)
  }
})

t.test('the first tier that is up serves, each judged by its own minUp', async (t) => {
  const settings = { a: { priority: 10 }, b: { priority: 10 }, c: { priority: 2 } }
  const tiers = { select: 'failover', minUp: 0.5, tiers: [{ priority: 10, minUp: 1 }] } as const
  const rows: [MemberPicture, string, string, string][] = [
    ['a up, b up, c up', 'c', 'healthy', 'tier 2 serves'],
    ['a up, b down, c up', 'c', 'degraded', 'tier 2 serves'],
    ['a up, b up, c down', 'a b', 'degraded', 'tier 10 serves'],
    ['a up, b up, c drained', 'a b', 'degraded', 'tier 10 serves'],
    ['a up, b down, c down', '', 'down', 'no tier is up'],
  ]
  for (const [picture, served, condition, start] of rows) {
    const judgement = judge(picture, tiers, settings)
    const names = judgement.members.filter(({ serves }) => serves).map(({ member }) => member.name)
    t.equal(names.join(' '), served, picture)
    const report = poolCondition(judgement)
    t.equal(report.condition, condition, picture)
    t.ok(report.reason.startsWith(`${start}; tier 2: `), report.reason)
  }
  const { reason } = poolCondition(judge('a up, b down, c drained', tiers, settings))
  t.equal(
    reason,
    'no tier is up; tier 2: 0 of 0 members up, 1 draining, minUp 0.5; tier 10: 1 of 2 members up, minUp 1',
  )
})
