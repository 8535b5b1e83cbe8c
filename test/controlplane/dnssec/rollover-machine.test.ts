/**
 * The machine of rollovers: its steps as its table has them, and a model of all that resolvers may have in their caches, which is to find
 * an answer bogus in no order of events. A cache may hold the DS set of any server of the parent, the DNSKEY set, and data with its
 * signatures, each as it was served at any moment of its last TTL, by any node, which may be behind by `propagation`. The validator is the
 * strictest that there is: it asks for a signature by every algorithm of the DS set over the keys, and of the DNSKEY set over data.
 */
import fc from 'fast-check'
import t from 'tap'
import {
  beginRollover,
  dueAt,
  endsAt,
  moveRollover,
  type RolloverEvent,
  type RolloverMove,
  type RolloverTimes,
  stepsOf,
  waitOf,
  waitsOf,
} from '../../../src/controlplane/dnssec/rollover-machine.ts'
import type { KeyDuties, KeyRole, KeyState } from '../../../src/controlplane/model/dnssec.ts'
import {
  dutiesOf,
  kindOf,
  type Rollover,
  type RolloverScope,
} from '../../../src/controlplane/model/rollover.ts'

const times: RolloverTimes = { maxTtlSeconds: 40, propagationSeconds: 5, cachedUntil: 0 }
const dsTtlS = 30

const csk: RolloverScope = { goal: 'keys', entry: true, data: true, algorithm: false }
const scopes: Readonly<Record<string, RolloverScope>> = {
  csk,
  ksk: { ...csk, data: false },
  zsk: { ...csk, entry: false },
  algorithm: { ...csk, algorithm: true },
  unsigned: { ...csk, data: false, goal: 'unsigned' },
}

t.test('the steps of each kind', async (t) => {
  const steps = Object.fromEntries(
    Object.entries(scopes).map(([kind, scope]) => [kind, stepsOf(scope).join(' ')]),
  )
  t.same(steps, {
    csk: 'publish parent ds-out switch',
    ksk: 'publish parent ds-out',
    zsk: 'publish switch',
    algorithm: 'presign publish parent ds-out unpublish',
    unsigned: 'parent ds-out',
  })
})

t.test('what it waits for, how long, and when it ends at the earliest', async (t) => {
  t.same(Object.values(scopes).map(kindOf), ['all', 'ksk', 'zsk', 'algorithm', 'unsigned'])
  const begun = beginRollover(csk, 1_000)
  t.equal(waitOf(begun), 'servers')
  t.same(waitsOf(begun, times), [
    { step: 'publish', seconds: 45 },
    { step: 'parent', seconds: null },
    { step: 'ds-out', seconds: 86_405 },
    { step: 'switch', seconds: 45 },
  ])
  const ds = { ...begun, parentTtlSeconds: 30 }
  t.equal(endsAt(ds, times, 2_000), 2_000 + 45_000 + 35_000 + 45_000)
  const served = step(moveRollover(ds, { kind: 'served' }, times, 3_000))
  t.equal(waitOf(served), 'caches')
  t.equal(endsAt(served, times, 20_000), 3_000 + 45_000 + 35_000 + 45_000)
  t.equal(endsAt(served, times, 50_000), 50_000 + 80_000, 'what is due and not done yet is done now')
  t.equal(endsAt(served, { ...times, cachedUntil: 90_000 }, 20_000), 90_000 + 80_000)
  const parent = step(moveRollover(served, { kind: 'due' }, times, 50_000))
  t.equal(waitOf(parent), 'parent')
  t.equal(endsAt(parent, times, 60_000), 60_000 + 80_000)
  const back = step(moveRollover({ ...parent, algorithm: true }, { kind: 'cancel' }, times, 60_000))
  t.same(
    waitsOf(back, times).map(({ step }) => step),
    ['parent', 'ds-out', 'unpublish'],
    'the steps of the way back',
  )
})

const step = (move: RolloverMove): Rollover => {
  if (move.to !== 'step') throw new Error(move.to)
  return move.rollover
}

t.test('a wait begins when all nodes serve the step, and ends not a moment early', async (t) => {
  const begun = beginRollover(csk, 1_000)
  t.equal(dueAt(begun, times), null)
  t.equal(
    step(moveRollover(begun, { kind: 'due' }, times, 10 ** 12)),
    begun,
    'nobody knows that all serve it',
  )
  const served = step(moveRollover(begun, { kind: 'served' }, times, 7_000))
  t.equal(step(moveRollover(served, { kind: 'served' }, times, 9_000)), served)
  t.equal(dueAt(served, times), 7_000 + 45_000)
  t.equal(step(moveRollover(served, { kind: 'due' }, times, 51_999)), served)
  t.match(moveRollover(served, { kind: 'due' }, times, 52_000), { to: 'step', rollover: { step: 'parent' } })
  const longer = { ...times, cachedUntil: 90_000 }
  t.equal(dueAt(served, longer), 90_000, 'what was served under longer TTLs is waited for too')
  t.equal(
    step(moveRollover(served, { kind: 'due' }, times, 500)),
    served,
    'a clock that goes back makes it longer',
  )
})

t.test('the parent is waited for, and its greatest TTL', async (t) => {
  const begun = { ...beginRollover(csk, 0), step: 'parent' as const }
  const seen = step(moveRollover(begun, { kind: 'parent', isDone: false, ttlSeconds: 900 }, times, 1_000))
  t.match(seen, { step: 'parent', parentTtlSeconds: 900 })
  const out = step(moveRollover(seen, { kind: 'parent', isDone: true, ttlSeconds: 30 }, times, 2_000))
  t.match(out, { step: 'ds-out', parentTtlSeconds: 900, countedFrom: 2_000 })
  t.equal(dueAt(out, times), 2_000 + 905_000)
  const again = step(moveRollover(out, { kind: 'parent', isDone: false, ttlSeconds: null }, times, 3_000))
  t.match(
    again,
    { step: 'parent', parentTtlSeconds: 900 },
    'a server that shows the old one has it waited for again',
  )
  const said = step(moveRollover(begun, { kind: 'ds-seen' }, times, 4_000))
  t.equal(dueAt(said, times), 4_000 + 86_405_000, 'of a parent that nobody has seen a day is waited')
  const still = step(moveRollover(said, { kind: 'parent', isDone: false, ttlSeconds: null }, times, 5_000))
  t.equal(still.step, 'ds-out', "an operator's word holds")
  t.match(moveRollover(said, { kind: 'ds-seen' }, times, 5_000), { to: 'refused' })
})

t.test('what a cancel does in each step', async (t) => {
  const cancel = (scope: RolloverScope, step: Rollover['step'], reverting = false) =>
    moveRollover({ ...beginRollover(scope, 0), step, reverting }, { kind: 'cancel' }, times, 1)
  t.same(cancel(csk, 'publish'), { to: 'cancelled' })
  t.same(cancel(scopes.algorithm!, 'presign'), { to: 'cancelled' })
  t.match(cancel(scopes.algorithm!, 'publish'), {
    to: 'step',
    rollover: { step: 'unpublish', reverting: true },
  })
  for (const at of ['parent', 'ds-out'] as const) {
    t.match(cancel(csk, at), { to: 'step', rollover: { step: 'parent', reverting: true } })
    t.same(cancel(scopes.unsigned!, at), { to: 'cancelled' })
  }
  for (const at of ['switch', 'unpublish'] as const)
    t.match(cancel(csk, at), { to: 'refused', reason: /roll over again/ })
  t.match(cancel(csk, 'parent', true), { to: 'refused', reason: /goes back already/ })
})

/** A key of the model: a number, its algorithm, and what it is. */
interface Key {
  readonly id: number
  readonly algorithm: number
  readonly role: KeyRole
  state: KeyState
}

/** What is served at a moment: ids of keys, with the algorithm of each. */
interface View {
  readonly dnskey: readonly number[]
  readonly keysBy: readonly number[]
  readonly dataBy: readonly number[]
  readonly wantedDs: readonly number[]
  readonly isSigned: boolean
}

const algorithmOf = (id: number) => (id >= 100 ? 15 : 13)
const covers = (ids: readonly number[], by: readonly number[], among: readonly number[]) =>
  [...new Set(ids.map(algorithmOf))].every((algorithm) =>
    ids.some((id) => algorithmOf(id) === algorithm && by.includes(id) && among.includes(id)),
  )

/** Why a validator that has these takes data for bogus; null when it does not. */
function bogus(ds: readonly number[], keys: View, data: View): string | null {
  if (ds.length === 0) return null
  if (!keys.isSigned || !data.isSigned) return 'it is not signed, and has a DS'
  if (!covers(ds, keys.keysBy, keys.dnskey))
    return `keys ${keys.dnskey} signed by ${keys.keysBy} do not fit DS ${ds}`
  const owners = [...new Set(keys.dnskey.map(algorithmOf))]
  const good = owners.every((algorithm) =>
    data.dataBy.some((id) => algorithmOf(id) === algorithm && keys.dnskey.includes(id)),
  )
  if (!good) return `data signed by ${data.dataBy} does not fit keys ${keys.dnskey}`
  // CDS and CDNSKEY are data that the entry keys sign.
  const entry = owners.every((algorithm) =>
    data.keysBy.some((id) => algorithmOf(id) === algorithm && keys.dnskey.includes(id)),
  )
  return entry ? null : `CDS signed by ${data.keysBy} does not fit keys ${keys.dnskey}`
}

interface Kind {
  readonly scope: RolloverScope
  readonly before: readonly Omit<Key, 'state'>[]
  readonly after: readonly Omit<Key, 'state'>[]
}

const one = (id: number, role: KeyRole) => ({ id, role, algorithm: algorithmOf(id) })
const kinds: Readonly<Record<string, Kind>> = {
  csk: { scope: csk, before: [one(1, 'csk')], after: [one(2, 'csk')] },
  ksk: { scope: scopes.ksk!, before: [one(1, 'ksk'), one(3, 'zsk')], after: [one(2, 'ksk')] },
  zsk: { scope: scopes.zsk!, before: [one(1, 'ksk'), one(3, 'zsk')], after: [one(4, 'zsk')] },
  algorithm: { scope: scopes.algorithm!, before: [one(1, 'csk')], after: [one(101, 'csk')] },
  'algorithm, split': {
    scope: scopes.algorithm!,
    before: [one(1, 'ksk'), one(3, 'zsk')],
    after: [one(101, 'ksk'), one(103, 'zsk')],
  },
  split: { scope: csk, before: [one(1, 'csk')], after: [one(2, 'ksk'), one(3, 'zsk')] },
  joined: { scope: csk, before: [one(1, 'ksk'), one(3, 'zsk')], after: [one(2, 'csk')] },
  unsigned: { scope: scopes.unsigned!, before: [one(1, 'csk')], after: [] },
}

/** A zone, its nodes, its parent's servers, and all caches. Time goes by seconds. */
class World {
  nowS = 0
  rollover: Rollover | null
  end: string | null = null
  signed = true
  readonly #kind: Kind
  readonly keys: Key[]
  /** What each second's state was; nodes and caches look back into it. */
  readonly #views: View[] = []
  readonly #ds: (readonly number[])[][] = []
  readonly #servers: (readonly number[])[]
  #stepAtS = 0

  constructor(kind: Kind) {
    this.#kind = kind
    const goes = (role: KeyRole) =>
      kind.scope.goal === 'keys' && (role === 'csk' || (role === 'ksk' ? kind.scope.entry : kind.scope.data))
    this.keys = [
      ...kind.before.map((key): Key => ({ ...key, state: goes(key.role) ? 'outgoing' : 'active' })),
      ...kind.after.map((key): Key => ({ ...key, state: 'incoming' })),
    ]
    const entries = kind.before.filter(({ role }) => role !== 'zsk').map(({ id }) => id)
    this.#servers = [entries, entries]
    // What was there long before.
    this.rollover = null
    const { scope } = kind
    const before = this.keys
      .filter(({ state }) => state !== 'incoming')
      .map((key): Key => ({ ...key, state: 'active' }))
    for (let s = 0; s < 200; s++) {
      this.#views.push(this.#viewOf(before))
      this.#ds.push([...this.#servers])
    }
    this.nowS = 200
    this.rollover = beginRollover(scope, this.nowS * 1000)
    this.#stepAtS = this.nowS
  }

  #viewOf(keys: readonly Key[]): View {
    const having = (duty: keyof KeyDuties) =>
      keys.filter(({ role, state }) => dutiesOf(role, state, this.rollover)[duty]).map(({ id }) => id)
    return {
      dnskey: having('published'),
      keysBy: having('signsKeys'),
      dataBy: having('signsZone'),
      wantedDs: having('atParent'),
      isSigned: this.signed,
    }
  }

  /** A second goes by; every cache is asked. Returns what was found bogus. */
  tick(): string | null {
    this.nowS++
    this.#views.push(this.#viewOf(this.keys))
    this.#ds.push([...this.#servers])
    const last = (seconds: number) =>
      this.#views.slice(Math.max(0, this.nowS - seconds - times.propagationSeconds))
    const distinct = <T>(all: readonly T[]) => [
      ...new Map(all.map((each) => [JSON.stringify(each), each])).values(),
    ]
    const dsSets = distinct(this.#ds.slice(Math.max(0, this.nowS - dsTtlS)).flat())
    const keySets = distinct(last(times.maxTtlSeconds))
    for (const ds of dsSets)
      for (const keys of keySets)
        for (const data of keySets) {
          const why = bogus(ds, keys, data)
          if (why !== null) return `${this.rollover?.step ?? this.end}: ${why}`
        }
    return null
  }

  /** A server of the parent does what CDS asks for. */
  parentFollows(server: number): void {
    this.#servers[server] = this.#views.at(-1)!.wantedDs
  }

  send(event: RolloverEvent, jumpMs = 0): void {
    if (this.rollover === null) return
    const before = this.rollover
    const move = moveRollover(before, event, times, this.nowS * 1000 + jumpMs)
    if (move.to === 'refused') return
    if (move.to === 'step') {
      this.rollover = move.rollover
      if (move.rollover.step !== before.step || move.rollover.reverting !== before.reverting)
        this.#stepAtS = this.nowS
      return
    }
    this.end = move.to
    if (move.to === 'done' && this.#kind.scope.goal === 'unsigned') this.signed = false
    const stays = move.to === 'done' ? 'incoming' : 'outgoing'
    for (const key of this.keys) {
      if (key.state === 'active') continue
      key.state = key.state === stays ? 'active' : 'retired'
    }
    this.rollover = null
  }

  /** What a driver that has been started again, or not, does. */
  drive(): void {
    if (this.rollover === null) return
    if (this.nowS > this.#stepAtS) this.send({ kind: 'served' })
    const wanted = this.keys
      .filter(({ role, state }) => dutiesOf(role, state, this.rollover).atParent)
      .map(({ id }) => id)
    const isDone = this.#servers.every((ids) => JSON.stringify(ids) === JSON.stringify(wanted))
    if (this.#kind.scope.entry) this.send({ kind: 'parent', isDone, ttlSeconds: dsTtlS })
    this.send({ kind: 'due' })
  }
}

const action = fc.oneof(
  { weight: 12, arbitrary: fc.constant('drive' as const) },
  { weight: 6, arbitrary: fc.constantFrom('parent-0' as const, 'parent-1' as const) },
  { weight: 1, arbitrary: fc.constant('cancel' as const) },
  { weight: 1, arbitrary: fc.constant('clock-back' as const) },
  { weight: 4, arbitrary: fc.constantFrom('wait-3' as const, 'wait-30' as const) },
)

for (const [name, kind] of Object.entries(kinds)) {
  t.test(`${name}: no cache, however old, finds anything bogus`, async (t) => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), fc.boolean(), (actions, follows) => {
        const world = new World(kind)
        const wait = (seconds: number) => {
          for (let s = 0; s < seconds; s++) {
            const found = world.tick()
            if (found !== null) throw new Error(`after ${world.nowS} s, ${found}`)
          }
        }
        for (const each of actions) {
          if (each === 'drive') world.drive()
          else if (each === 'cancel') world.send({ kind: 'cancel' })
          else if (each === 'clock-back') world.send({ kind: 'due' }, -100_000)
          else if (each === 'wait-3') wait(3)
          else if (each === 'wait-30') wait(30)
          else world.parentFollows(each === 'parent-0' ? 0 : 1)
          wait(1)
        }
        for (let s = 0; world.end === null && s < 1_000; s++) {
          world.drive()
          if (follows || s % 7 === 0) for (const server of [0, 1]) world.parentFollows(server)
          wait(1)
        }
        if (world.end === null) throw new Error('it comes to no end')
        wait(60)
      }),
      { numRuns: 60 },
    )
    t.pass()
  })
}

t.test('the model finds what goes too fast', async (t) => {
  const hasty = (kind: Kind, drive: (world: World) => void) => {
    const world = new World(kind)
    for (let s = 0; s < 200; s++) {
      drive(world)
      const found = world.tick()
      if (found !== null) return found
    }
    return null
  }
  t.match(
    hasty(kinds.zsk!, (world) => {
      world.send({ kind: 'served' })
      world.send({ kind: 'due' }, 46_000)
    }),
    /data signed by/,
  )
  t.match(
    hasty(kinds.csk!, (world) => {
      world.send({ kind: 'served' })
      world.send({ kind: 'due' }, 100_000)
      world.send({ kind: 'parent', isDone: true, ttlSeconds: 0 })
    }),
    /do not fit DS|does not fit keys/,
  )
})
