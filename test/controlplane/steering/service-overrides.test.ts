/** What an operator's word on a nested service does to the answers of those that name it. */
import t from 'tap'
import type { OverrideState } from '../../../src/controlplane/model/override.ts'
import type { Service } from '../../../src/controlplane/model/service.ts'
import { LastKnownAnswers } from '../../../src/controlplane/steering/last-known.ts'
import { answer, choicesOf, type World } from './world.ts'

const geo = {
  cidr: [],
  asn: [],
  subdivision: [],
  country: [],
  continent: [],
  default: [0],
  beyond: 'none',
} as const
const areas = (...lists: number[][]) => ({ mapSlot: 0, areas: lists })

function world(
  forced: OverrideState | null,
  members: World['members'] = {},
  www: Partial<Service> = {},
  more: Partial<World> = {},
): World {
  return {
    members: { eu: 'e1 up, e2 up', us: 'u1 up', ...members },
    services: {
      www: { choices: choicesOf('service inner', 'us'), whenAllDown: 'serve-all', ...www },
      inner: { choices: choicesOf('eu'), whenAllDown: 'serve-all' },
    },
    ...more,
    conditions: { forcedService: (service) => (service === 'inner' ? forced : null) },
  }
}

const whyOf = (given: World) => answer(given).selection.judgement.choices.map(({ why }) => why)

t.test('down and drained it is no choice, and up whatever its members are', async (t) => {
  t.equal(answer(world(null)).text, 'eu: e1 e2')
  t.equal(answer(world('down')).text, 'us: u1')
  t.equal(answer(world('drain')).text, 'us: u1')
  const down = { eu: 'e1 down, e2 down' }
  t.equal(answer(world(null, down)).text, 'us: u1')
  t.equal(answer(world('up', down)).text, 'eu: e1 e2')
  t.equal(answer(world('up', { eu: 'e1 down, e2 up' })).text, 'eu: e2', 'of what is up, when anything is')
  t.equal(answer(world('up', { eu: 'e1 down, e2 drained' })).text, 'eu: e1')
  t.equal(answer(world('up', { eu: '' })).text, 'us: u1', 'not with nothing')
  t.equal(answer(world('up', { eu: 'e1 lost' })).text, 'us: u1')
  t.same(whyOf(world('down')), ['forced down', 'second choice, the first that is up'])
  t.same(whyOf(world('drain'))[0], 'draining')
  t.same(whyOf(world('up', down)), [
    'first choice, the first that is up; forced up',
    'second choice, the first is up',
  ])
})

t.test('who asks for it by its name is answered as ever', async (t) => {
  for (const forced of ['up', 'down', 'drain'] as const) {
    t.equal(answer(world(forced), 'inner').text, 'eu: e1 e2', forced)
    t.equal(answer(world(forced, { eu: 'e1 down, e2 up' }), 'inner').text, 'eu: e2', forced)
  }
})

t.test('when nothing else is up it stays out as long as anything else can be served', async (t) => {
  for (const whenAllDown of ['serve-all', 'last-known'] as const) {
    const known = {
      pools: [
        ['eu', ['e1']],
        ['us', ['u1']],
      ],
      services: [
        ['www', ['service inner', 'pool us']],
        ['inner', ['pool eu']],
      ],
    } as const
    const down = { us: 'u1 down' }
    t.equal(answer(world('drain', down, { whenAllDown }, { known })).text, 'us: u1', whenAllDown)
    const alone = answer(world('drain', { us: '' }, { whenAllDown }, { known }))
    t.match(alone.text, /^eu: e1/, `${whenAllDown}: nothing else is left`)
  }
  t.equal(answer(world('down', { us: 'u1 down' }, { whenAllDown: 'nodata' })).text, 'NODATA')
})

t.test('by weight, and by area', async (t) => {
  const weighted = { steer: 'weighted', choices: choicesOf('service inner 70', 'us 30') } as const
  t.equal(answer(world(null, {}, weighted)).text, '70 x [eu: e1 e2], 30 x [us: u1]')
  t.equal(answer(world('drain', {}, weighted)).text, 'us: u1')
  t.equal(answer(world('up', { eu: 'e1 down' }, weighted)).text, '70 x [eu: e1], 30 x [us: u1]')
  const located = { steer: 'geo', geo, whenAllDown: 'nodata' } as const
  const lists = { areas: { www: areas([1], [0]) } }
  t.equal(
    answer(world('down', {}, located, lists)).text,
    'area 0 [us: u1], area 1 [NODATA]',
    'own lists alone',
  )
  t.equal(answer(world('up', { eu: 'e1 down' }, located, lists)).text, 'area 0 [us: u1], area 1 [eu: e1]')
})

t.test('forced up, clients of its areas keep their own lists', async (t) => {
  const inner = { steer: 'geo', geo, choices: choicesOf('eu', 'far') } as const
  const given = world('up', { eu: 'e1 down', far: 'f1 up' }, {}, { areas: { inner: areas([0], [1]) } })
  const services = { ...given.services, inner }
  t.equal(answer({ ...given, services }).text, 'area 0 [eu: e1], area 1 [far: f1]')
})

t.test('what an operator takes out has not failed', async (t) => {
  const known = new LastKnownAnswers()
  const www = { steer: 'weighted', choices: choicesOf('service inner 70', 'us 30') } as const
  known.remember(answer(world(null, {}, www)).selection.judgement, 0)
  t.same(known.services.get('www'), ['service inner', 'pool us'])
  known.remember(answer(world('drain', {}, www)).selection.judgement, 1)
  t.same(known.services.get('www'), ['pool us'])
})
