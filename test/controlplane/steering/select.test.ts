import t from 'tap'
import { explainArea } from '../../../src/controlplane/steering/compose.ts'
import type { ServiceJudgement } from '../../../src/controlplane/steering/selection.ts'
import { answer, choicesOf, type World } from './world.ts'

/** What is said of each choice: its key, whether it is up and used, and why. */
function whys({ choices }: ServiceJudgement): string[] {
  return choices.map(({ key, up, used, why }) => `${key}${up ? ' up' : ''}${used ? ' used' : ''}: ${why}`)
}
const explain = (world: World) => whys(answer(world).selection.judgement)

const three = { eu: 'e up', us: 'u up', asia: 'a up' }
const down = { eu: 'e down', us: 'u down', asia: 'a down' }
const choices = choicesOf('eu', 'us', 'asia')

t.test('failover says which choice stands before', async (t) => {
  t.same(explain({ members: { ...three, eu: 'e down' }, services: { www: { choices } } }), [
    'pool eu: down: 0 of 1 member up, minUp 0',
    'pool us up used: second choice, the first that is up',
    'pool asia up: third choice, the second is up',
  ])
})

t.test('a pool that answers by its own policy says so', async (t) => {
  const world: World = {
    members: { ...three, eu: 'e down' },
    pools: { eu: { whenAllDown: 'servfail' } },
    services: { www: { choices } },
  }
  t.equal(
    explain(world)[0],
    'pool eu up used: first choice, the first that is up; ' +
      'down (0 of 1 member up, minUp 0), answers by its own servfail',
  )
  t.match(answer(world).selection, { by: 'up', tree: { by: 'servfail' } })
})

t.test('a policy that has nothing to answer with leaves the pool down', async (t) => {
  for (const eu of [
    { whenAllDown: 'serve-all' },
    { whenAllDown: 'last-known' },
    { whenAllDown: 'fallback', fallback: 'empty' },
  ] as const) {
    const members = { ...three, eu: '', empty: '' }
    const { text, selection } = answer({ members, pools: { eu }, services: { www: { choices } } })
    t.equal(text, 'us: u', eu.whenAllDown)
    t.match(selection.judgement.choices[0], { up: false, used: false })
  }
})

t.test('weights say the share of each choice, and which are a last resort', async (t) => {
  const world = (members: World['members'], ...texts: string[]): World => ({
    members,
    services: { www: { steer: 'weighted', choices: choicesOf(...texts) } },
  })
  t.same(explain(world(three, 'eu 70', 'us 30', 'asia 0')), [
    'pool eu up used: weight 70 of 100',
    'pool us up used: weight 30 of 100',
    'pool asia up: weight 0: a last resort, and others are up',
  ])
  t.same(explain(world({ ...down, us: 'u up' }, 'eu 70', 'us 30')), [
    'pool eu: down: 0 of 1 member up, minUp 0',
    'pool us up used: weight 30, and no other is up',
  ])
  t.equal(
    explain(world({ ...down, asia: 'a up' }, 'eu 70', 'asia 0'))[1],
    'pool asia up used: weight 0: a last resort, and nothing else is up',
  )
})

t.test('each area has its first choice that is up, else that of the default list, else any', async (t) => {
  const located = (members: World['members']): World => ({
    members,
    services: { www: { steer: 'geo', choices } },
    areas: { www: { mapSlot: 5, areas: [[1], [0, 1], [0]] } },
  })
  const inArea = (world: World, area: number) =>
    explainArea(answer(world).selection.judgement, area).map(
      ({ used, why }) => `${used ? 'used: ' : ''}${why}`,
    )
  const up = located(three)
  t.same(explain(up), [
    'pool eu up used: for 2 of 3 areas',
    'pool us up used: for 1 of 3 areas',
    'pool asia up: up, but the first that is up in no area',
  ])
  t.same(inArea(up, 1), [
    'used: first choice of this area, the first that is up',
    'second choice of this area, the first is up',
    "not in this area's list",
  ])
  t.match(inArea(up, 9)[1], /^used: first choice of this area/, 'an area without a list has the default')
  t.equal(answer(located({ ...three, eu: 'e down' })).text, 'area 0 [us: u], area 1 [us: u], area 2 [us: u]')
  t.match(inArea(located({ ...three, eu: 'e down' }), 1), [
    'first choice of this area, and down',
    /^used: second choice of this area/,
  ])
  t.match(inArea(located({ ...three, eu: 'e down' }), 2)[1], /^used: .*of the default list the first that is/)
  const far = located({ ...down, asia: 'a up' })
  t.equal(
    answer(far).text,
    'area 0 [asia: a], area 1 [asia: a], area 2 [asia: a]',
    'better than what is down',
  )
  t.match(inArea(far, 2)[2], /^used: .*or of the default list is up/)
  const { plan } = answer(far)
  t.ok(
    plan.kind === 'located' && plan.mapSlot === 5 && new Set(plan.areas).size === 1,
    'one node for all that are equal',
  )
})

t.test('without a map every client is in area 0', async (t) => {
  const lists = { cidr: [], asn: [], subdivision: [], country: [], continent: [] }
  const geo = { ...lists, default: [1, 0], beyond: 'none' as const }
  const world: World = { members: three, services: { www: { steer: 'geo', choices, geo } } }
  t.equal(answer(world).text, 'us: u')
  t.same(explain(world)[1], 'pool us up used: the first that is up')
  t.equal(answer({ ...world, services: { www: { steer: 'nearest', choices } } }).text, 'eu: e')
  const one = { www: { mapSlot: 1, areas: [[2]] } }
  t.equal(answer({ ...world, areas: one }).text, 'asia: a', 'one area needs no branch')
  const stale = { www: { mapSlot: 1, areas: [[7, 2]] } }
  t.equal(answer({ ...world, areas: stale }).text, 'asia: a', 'a list of a configuration before this one')
})

t.test('the fastest choice is used, the one before until another is faster by the hysteresis', async (t) => {
  const timed = (times: Record<string, number>, before?: string, changes: Partial<World> = {}): World => ({
    members: three,
    services: { www: { steer: 'latency', choices, hysteresis: 0.2 } },
    known: { pools: [], services: before === undefined ? [] : [['www', [before]]] },
    conditions: { latencyMs: (_, member) => times[member] ?? null },
    ...changes,
  })
  t.same(explain(timed({ e: 23.4, u: 11.2 })), [
    'pool eu up: latency 23 ms, 12 ms more than pool us',
    'pool us up used: latency 11 ms, the lowest',
    'pool asia up: no latency measured',
  ])
  t.same(explain(timed({ e: 10, u: 8.5 }, 'pool eu')), [
    'pool eu up used: latency 10 ms, chosen before, and none is faster by 20 %',
    'pool us up: latency 8.5 ms, 1.5 ms less than pool eu, which stays until another is faster by 20 %',
    'pool asia up: no latency measured',
  ])
  t.equal(answer(timed({ e: 10, u: 7.9 }, 'pool eu')).text, 'us: u')
  t.equal(answer(timed({ e: 10, u: 10 }, 'pool us')).text, 'us: u')
  const eager = { services: { www: { steer: 'latency', choices, hysteresis: 0 } } } as const
  t.equal(answer(timed({ e: 10, u: 10 }, 'pool us', eager)).text, 'us: u', 'as fast is not faster')
  t.equal(answer(timed({ e: 9.9, u: 10 }, 'pool us', eager)).text, 'eu: e')
  t.equal(answer(timed({ u: 10 }, 'pool eu')).text, 'us: u', 'the one before is timed no more')
  t.equal(answer(timed({ e: 1, u: 10 }, 'pool eu', { members: { ...three, eu: 'e down' } })).text, 'us: u')
  t.same(explain(timed({}, 'pool us')).slice(0, 2), [
    'pool eu up used: no latency measured; first choice, the first that is up',
    'pool us up: no latency measured; second choice, the first is up',
  ])
  const members = { ...three, eu: 'e up, f up, g down, h up' }
  const mean = explain(timed({ e: 10, f: 30, g: 1, u: 50 }, undefined, { members }))[0]
  t.equal(mean, 'pool eu up used: latency 20 ms, the lowest', 'of members that serve and were timed')
  const free = timed({ e: 10, u: 20 }, undefined, { pools: { eu: { monitor: null } } })
  t.equal(answer(free).text, 'us: u', 'a pool without a monitor has no latency')
})

t.test('a nested service is judged by itself, and is up or down to the one that names it', async (t) => {
  const nested = (members: World['members'], changes = {}): World => ({
    members,
    services: {
      www: { choices: choicesOf('service inner', 'asia'), ...changes },
      inner: { choices: choicesOf('eu', 'us'), steer: 'weighted', whenAllDown: 'servfail' },
    },
    known: {
      pools: [['us', ['u']]],
      services: [
        ['www', ['service inner']],
        ['inner', ['pool us']],
      ],
    },
  })
  const up = answer(nested(three))
  t.equal(up.text, '100 x [eu: e], 100 x [us: u]', 'steers by itself')
  const [inner] = up.selection.judgement.choices
  t.ok(inner?.kind === 'service')
  t.same(inner?.kind === 'service' && whys(inner.judgement), [
    'pool eu up used: weight 100 of 200',
    'pool us up used: weight 100 of 200',
  ])
  const past = nested({ ...down, asia: 'a up' })
  t.equal(answer(past).text, 'asia: a', 'its own policy does not stop the failover')
  t.equal(explain(past)[0], 'service inner: down: none of its choices is up')
  t.equal(answer(past, 'inner').text, 'SERVFAIL', 'but is that of those who ask for it')
  t.equal(answer(nested(down)).text, 'eu: e', 'serve-all goes through it')
  const known = answer(nested(down, { whenAllDown: 'last-known' }))
  t.equal(known.text, 'us: u', 'and so does last-known')
  t.same(whys(known.selection.judgement), [
    'service inner used: down: none of its choices is up; answers by last-known',
    'pool asia: down: 0 of 1 member up, minUp 0',
  ])
  const [served] = known.selection.judgement.choices
  t.equal(
    served?.kind === 'service' && whys(served.judgement)[1],
    'pool us used: down: 0 of 1 member up, minUp 0; answers by last-known',
  )
})

t.test('the latency of a nested service is the best of the choices that it uses', async (t) => {
  const world = (steer: 'failover' | 'weighted'): World => ({
    members: three,
    services: {
      www: { choices: choicesOf('asia', 'service inner'), steer: 'latency' },
      inner: { choices: choicesOf('eu', 'us'), steer },
    },
    conditions: { latencyMs: (pool) => ({ eu: 30, us: 5, asia: 20 })[pool]! },
  })
  t.equal(answer(world('failover')).text, 'asia: a', 'nobody is answered from us')
  t.equal(answer(world('weighted')).text, '100 x [eu: e], 100 x [us: u]')
})

t.test('last-known makes the whole answer that there was', async (t) => {
  const steered = (changes: object, used: string[]): World => ({
    members: { eu: 'e down, f down', us: 'u down', asia: 'a down' },
    services: { www: { choices, whenAllDown: 'last-known', ...changes } },
    known: {
      pools: [
        ['eu', ['f', 'gone']],
        ['us', ['u']],
        ['asia', ['gone']],
      ],
      services: [['www', used]],
    },
    areas: { www: { mapSlot: 0, areas: [[0, 1], [1, 0], [2]] } },
  })
  const eu = 'pool eu'
  const us = 'pool us'
  const asia = 'pool asia'
  t.equal(answer(steered({ steer: 'weighted' }, [eu, us])).text, '100 x [eu: f], 100 x [us: u]')
  t.equal(answer(steered({ steer: 'weighted' }, [eu, asia])).text, 'eu: f', 'as far as it can be given')
  t.equal(answer(steered({ steer: 'geo' }, [eu, us])).text, 'area 0 [eu: f], area 1 [us: u], area 2 [eu: f]')
  t.equal(answer(steered({ steer: 'latency' }, [us])).text, 'us: u')
  const nothing = answer(steered({}, [asia]))
  t.equal(nothing.text, 'eu: e f', 'nothing of it is left: serve-all')
  t.equal(nothing.selection.by, 'serve-all')
  t.same(
    whys(nothing.selection.judgement)[0],
    'pool eu used: down: 0 of 2 members up, minUp 0; answers by serve-all',
  )
})

t.test('when all is down, what has something to serve is served', async (t) => {
  const world = (eu: string, us: string): World => ({
    members: { eu, us },
    services: { www: { choices: choicesOf('eu', 'us') } },
  })
  t.equal(answer(world('', 'u down')).text, 'us: u')
  t.equal(answer(world('e lost', 'u down')).text, 'us: u', 'a host without addresses is nothing')
  t.equal(answer(world('', '')).text, 'NODATA')
  t.equal(
    answer(world('e drained', 'u down')).text,
    'us: u',
    'what was taken out stays out while anything is left',
  )
  t.equal(answer(world('e drained', 'u forced-down')).text, 'eu: e', 'and not longer')
  t.equal(answer(world('e drained, f forced-down, g down', 'u down')).text, 'eu: g')
})

t.test('every choice has a word for its place', async (t) => {
  const names = Array.from({ length: 12 }, (_, index) => `p${index}`)
  const members = Object.fromEntries(names.map((name) => [name, 'm up']))
  const last = explain({ members, services: { www: { choices: choicesOf(...names) } } }).slice(-2)
  t.same(last, ['pool p10 up: 11th choice, the first is up', 'pool p11 up: 12th choice, the first is up'])
})

t.test('services that are not there, and circles, are borne as down', async (t) => {
  for (const whenAllDown of ['serve-all', 'last-known', 'servfail'] as const) {
    const missing = { www: { choices: choicesOf('service gone', 'eu'), whenAllDown } }
    t.equal(answer({ members: three, services: missing }).text, 'eu: e')
    const alone = { www: { choices: choicesOf('service gone'), whenAllDown } }
    t.equal(answer({ members: three, services: alone }).text, 'SERVFAIL')
    const circle = {
      www: { choices: choicesOf('service other', 'eu'), whenAllDown },
      other: { choices: choicesOf('service www') },
    }
    t.equal(answer({ members: three, services: circle }).text, 'eu: e')
    t.ok(answer({ members: down, services: circle }).text)
  }
})
