import t from 'tap'
import type {
  HealthState,
  Member,
  OverrideState,
  Pool,
  Resolution,
  Service,
} from '../../../src/controlplane/model.ts'
import {
  judgePool,
  type LastKnown,
  needsAddresses,
  selectMembers,
} from '../../../src/controlplane/steering/select.ts'
import { memberDefaults, poolChoice, poolDefaults, serviceDefaults } from '../model-defaults.ts'

const member = (name: string, host: number): Member => ({
  name,
  address: `192.0.2.${host}`,
  host: null,
  ...memberDefaults,
})
const members = [member('a', 1), member('b', 2), member('c', 3), member('d', 4)]

const pool = (name: string, changes: Partial<Pool> = {}): Pool => ({
  name,
  ...poolDefaults,
  monitor: 'web',
  members,
  ...changes,
})

const service = (changes: Partial<Service> = {}): Service => ({
  name: 'www.example.test',
  ...serviceDefaults,
  choices: [poolChoice('first'), poolChoice('second')],
  ...changes,
})

const resolution = (host: string, addresses: readonly string[]): Resolution => ({
  host,
  state: addresses.length > 0 ? 'fresh' : 'failed',
  addresses,
  since: new Date(0),
  expiresAt: null,
  error: null,
})

/** Conditions out of a picture such as `{ first: 'up down unknown forced-up' }`, one word a member. */
function conditions(picture: Record<string, string>) {
  const word = (poolName: string, name: string) =>
    picture[poolName]?.split(' ')[members.findIndex((candidate) => candidate.name === name)] ?? 'up'
  return {
    measured: (poolName: string, name: string): HealthState => {
      const text = word(poolName, name)
      return text === 'up' || text === 'unknown' ? text : 'down'
    },
    forced: (poolName: string, name: string): OverrideState | null => {
      const text = word(poolName, name)
      return text.startsWith('forced-') ? (text.slice(7) as OverrideState) : null
    },
    resolution: (host: string) => resolution(host, []),
  }
}

const all = 'down down down down'
const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name).join('')

t.test('a pool is judged by its members', async (t) => {
  const rows: [string, number, boolean, string, string][] = [
    // state of a b c d, minUp, pool is up, kept, why
    ['up up up up', 0, true, 'abcd', 'all are up'],
    ['up down down down', 0, true, 'a', 'one is enough for minUp 0'],
    [all, 0, false, '', 'none is left'],
    ['up up down down', 0.5, true, 'ab', 'exactly half'],
    ['up down down down', 0.5, false, 'a', 'below half'],
    ['up up up down', 1, false, 'abc', 'minUp 1 wants every one'],
    ['unknown unknown down down', 0.5, true, 'ab', 'unknown counts as up'],
    ['forced-up down down down', 0, true, 'a', 'forced up though it is down'],
    ['forced-down up up up', 1, false, 'bcd', 'forced down counts as not healthy'],
    ['forced-drain up up up', 1, true, 'bcd', 'a drained member leaves the count'],
    ['forced-drain forced-drain forced-drain forced-drain', 0, false, '', 'all drained'],
  ]
  for (const [states, minUp, up, kept, why] of rows) {
    const judgement = judgePool(pool('first', { minUp }), conditions({ first: states }))
    t.equal(judgement.up, up, `${states}, minUp ${minUp}: ${why}`)
    t.equal(names(judgement.members.filter((one) => one.kept).map((one) => one.member)), kept, why)
  }
})

t.test('every judgement says why', async (t) => {
  const states = 'up unknown down forced-up'
  const { members: judged } = judgePool(pool('first'), conditions({ first: states }))
  t.same(
    judged.map(({ reason }) => reason),
    ['up', 'unknown, counts as up', 'down', 'forced up'],
  )
  const forced = judgePool(pool('first'), conditions({ first: 'forced-down forced-drain up up' }))
  t.same(
    forced.members.slice(0, 2).map(({ reason }) => reason),
    ['forced down', 'draining'],
  )
  const free = judgePool(pool('first', { monitor: null }), conditions({ first: all }))
  t.ok(free.up)
  t.same(new Set(free.members.map(({ reason }) => reason)), new Set(['not monitored']))
})

const pools = new Map(
  [pool('first'), pool('second'), pool('spare'), pool('empty', { members: [] })].map((p) => [p.name, p]),
)

t.test('failover takes the first pool that is up', async (t) => {
  const up = selectMembers(service(), pools, conditions({}), undefined)
  t.match(up, { outcome: 'pool-up', pool: { name: 'first' } })
  const over = selectMembers(
    service(),
    pools,
    conditions({ first: all, second: 'down up down down' }),
    undefined,
  )
  t.match(over, { outcome: 'pool-up', pool: { name: 'second' } })
  t.equal(names(over.members), 'b')
  t.same(
    over.judgements.map((one) => [one.pool.name, one.up]),
    [
      ['first', false],
      ['second', true],
    ],
  )
})

t.test('when no pool is up, the policy decides', async (t) => {
  const dark = { first: all, second: all, spare: all }
  const last: LastKnown = { pool: 'second', members: ['b', 'd', 'gone'] }
  const rows: [Partial<Service>, LastKnown | undefined, string, string | null, string][] = [
    [{ whenAllDown: 'serve-all' }, last, 'serve-all', 'first', 'abcd'],
    [{ whenAllDown: 'last-known' }, last, 'last-known', 'second', 'bd'],
    [{ whenAllDown: 'last-known' }, undefined, 'serve-all', 'first', 'abcd'],
    [{ whenAllDown: 'last-known' }, { pool: 'gone', members: ['a'] }, 'serve-all', 'first', 'abcd'],
    [{ whenAllDown: 'last-known' }, { pool: 'second', members: ['gone'] }, 'serve-all', 'first', 'abcd'],
    [{ whenAllDown: 'fallback', fallback: 'spare' }, last, 'fallback', 'spare', 'abcd'],
    [{ whenAllDown: 'nodata' }, last, 'nodata', null, ''],
    [{ whenAllDown: 'servfail' }, last, 'servfail', null, ''],
    [
      { whenAllDown: 'serve-all', choices: [poolChoice('empty'), poolChoice('second')] },
      last,
      'serve-all',
      'second',
      'abcd',
    ],
    [{ whenAllDown: 'serve-all', choices: [poolChoice('empty')] }, last, 'serve-all', 'empty', ''],
  ]
  for (const [changes, known, outcome, from, served] of rows) {
    const selection = selectMembers(service(changes), pools, conditions(dark), known)
    const what = `${changes.whenAllDown}, known ${JSON.stringify(known)}`
    t.equal(selection.outcome, outcome, what)
    t.equal(selection.pool?.name ?? null, from, what)
    t.equal(names(selection.members), served, what)
  }
})

t.test('serve-all keeps out what the operator took out, while anything is left', async (t) => {
  const some = selectMembers(
    service(),
    pools,
    conditions({ first: 'forced-down forced-drain down down', second: all }),
    undefined,
  )
  t.equal(names(some.members), 'cd')
  const none = 'forced-down forced-down forced-drain forced-drain'
  const every = selectMembers(service(), pools, conditions({ first: none, second: all }), undefined)
  t.equal(names(every.members), 'abcd')
})

const hosted = (name: string, changes: Partial<Member> = {}): Member =>
  ({ ...member(name, 0), address: null, host: `${name}.example.`, ...changes }) as Member

/** All members measured as up; the hosts in `known` have an address. */
const hosts = (picture: Record<string, string>, known: readonly string[]) => ({
  ...conditions(picture),
  resolution: (host: string) => resolution(host, known.includes(host[0]!) ? ['192.0.2.7'] : []),
})

t.test('a host without an address is not kept, whatever else is said', async (t) => {
  const members = ['a', 'b', 'c', 'd'].map((name) => hosted(name))
  const reasons = (changes: Partial<Pool>, states: string, known: string[] = []) =>
    judgePool(pool('first', { members, ...changes }), hosts({ first: states }, known)).members.map(
      ({ reason, kept }) => `${reason}${kept ? ' kept' : ''}`,
    )
  const states = 'up forced-up forced-down forced-drain'
  t.same(reasons({}, states), ['not resolved', 'not resolved', 'forced down', 'draining'])
  t.same(reasons({ monitor: null }, states), ['not resolved', 'not resolved', 'forced down', 'draining'])
  t.same(reasons({}, states, ['a', 'b']), ['up kept', 'forced up kept', 'forced down', 'draining'])
  t.same(
    reasons({ hosts: 'cname' }, states),
    ['not resolved', 'forced up kept', 'forced down', 'draining'],
    'a CNAME needs no address, but a probe does',
  )
  t.same(reasons({ hosts: 'cname', monitor: null }, 'up up up up'), Array(4).fill('not monitored kept'))
})

t.test('whose addresses are needed', async (t) => {
  const host = hosted('a')
  const elsewhere = hosted('a', { probeAddress: '192.0.2.1' })
  t.notOk(needsAddresses(pool('p'), member('a', 1)))
  t.ok(needsAddresses(pool('p', { monitor: null }), host), 'to answer')
  t.ok(needsAddresses(pool('p', { hosts: 'cname' }), host), 'to probe')
  t.notOk(needsAddresses(pool('p', { hosts: 'cname', monitor: null }), host))
  t.notOk(needsAddresses(pool('p', { hosts: 'cname' }), elsewhere))
  t.ok(needsAddresses(pool('p'), elsewhere))
})

t.test('when all is down, what has something to serve is served', async (t) => {
  const first = pool('first', { members: [hosted('a'), hosted('b')] })
  const second = pool('second')
  const both = new Map([
    ['first', first],
    ['second', second],
  ])
  const down = { first: all, second: all }
  const select = (known: string[], changes: Partial<Service> = {}, last?: LastKnown) => {
    const { pool: chosen, members: served } = selectMembers(service(changes), both, hosts(down, known), last)
    return `${chosen?.name} ${names(served)}`
  }
  t.equal(select([]), 'second abcd', 'not a pool of hosts without addresses')
  t.equal(select(['b']), 'first b')
  t.equal(select([], { choices: [poolChoice('first')] }), 'first ab', 'which the plan makes a SERVFAIL')
  const last = { pool: 'first', members: ['a', 'b'] }
  t.equal(select(['a'], { whenAllDown: 'last-known' }, last), 'first a')
  t.equal(select([], { whenAllDown: 'last-known' }, last), 'second abcd')
})
