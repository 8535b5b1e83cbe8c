import t from 'tap'
import type { HealthState, Member, OverrideState, Pool, Service } from '../../../src/controlplane/model.ts'
import { judgePool, type LastKnown, selectMembers } from '../../../src/controlplane/steering/select.ts'

const member = (name: string, host: number): Member => ({
  name,
  address: `192.0.2.${host}`,
  weight: 100,
  probeAddress: null,
  probePort: null,
})
const members = [member('a', 1), member('b', 2), member('c', 3), member('d', 4)]

const pool = (name: string, changes: Partial<Pool> = {}): Pool => ({
  name,
  monitor: 'web',
  select: 'all',
  answers: null,
  minUp: 0,
  members,
  ...changes,
})

const service = (changes: Partial<Service> = {}): Service => ({
  name: 'www.example.test',
  ttlSeconds: 30,
  steer: 'failover',
  pools: ['first', 'second'],
  whenAllDown: 'serve-all',
  fallback: null,
  ...changes,
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
    [{ whenAllDown: 'serve-all', pools: ['empty', 'second'] }, last, 'serve-all', 'second', 'abcd'],
    [{ whenAllDown: 'serve-all', pools: ['empty'] }, last, 'serve-all', 'empty', ''],
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
