import t from 'tap'
import { OwnZones } from '../../../src/dataplane/answer/own-zones.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import { ServingState } from '../../../src/dataplane/zone/state.ts'
import { servingUpdate } from '../zone-text.ts'

const state = new ServingState()
state.apply(
  servingUpdate(
    [
      {
        apex: 'example.test',
        lines: [
          'www 300 A 192.0.2.1',
          'www 300 A 192.0.2.2',
          'alias 300 CNAME www',
          'six 300 AAAA 2001:db8::1',
          'tosix 300 CNAME six',
          'tonowhere 300 CNAME nowhere',
          'out 300 CNAME www.example.net.',
          'viaout 300 CNAME out',
          'loop1 300 CNAME loop2',
          'loop2 300 CNAME loop1',
          'sub 300 NS ns.sub',
          'ns.sub 300 A 192.0.2.54',
          'tosub 300 CNAME www.sub',
          'todown 300 CNAME down',
        ],
        services: { lb: 0, down: 1 },
      },
    ],
    [
      {
        kind: 'answer',
        outcome: 'select',
        select: 'rotate',
        answers: 4096,
        ttlSeconds: 30,
        candidates: [{ address: parseAddress('192.0.2.7')!, weight: 1, counter: 0, key: 0 }],
      },
      { kind: 'answer', outcome: 'servfail', select: 'rotate', answers: 0, ttlSeconds: 30, candidates: [] },
    ],
  ),
)
const ownZones = new OwnZones(state)

t.test('what our zones say', async (t) => {
  const none = { inZone: true, addresses: [], leadsTo: null }
  const table: [string, object][] = [
    ['www.example.test', { ...none, addresses: ['192.0.2.1', '192.0.2.2'] }],
    ['WWW.Example.Test.', { ...none, addresses: ['192.0.2.1', '192.0.2.2'] }],
    ['alias.example.test', { ...none, addresses: ['192.0.2.1', '192.0.2.2'] }],
    ['lb.example.test', { ...none, addresses: ['192.0.2.7'] }],
    ['down.example.test', none],
    ['todown.example.test', none],
    ['six.example.test', none],
    ['tosix.example.test', none],
    ['nowhere.example.test', none],
    ['tonowhere.example.test', none],
    ['loop1.example.test', none],
  ]
  for (const [name, expected] of table) t.same(ownZones.lookupA(name), expected, name)
})

t.test('what only others can say', async (t) => {
  const outside = { inZone: false, addresses: [], leadsTo: null }
  t.same(ownZones.lookupA('www.example.net'), outside)
  t.same(ownZones.lookupA('.'), outside)
  t.same(ownZones.lookupA('www.sub.example.test'), outside, 'delegated')
  t.same(ownZones.lookupA('out.example.test'), { ...outside, inZone: true, leadsTo: 'www.example.net' })
  t.same(ownZones.lookupA('viaout.example.test'), { ...outside, inZone: true, leadsTo: 'www.example.net' })
  t.same(ownZones.lookupA('tosub.example.test'), {
    ...outside,
    inZone: true,
    leadsTo: 'www.sub.example.test',
  })
})

t.test('sees what is published later', async (t) => {
  const later = new ServingState()
  const zones = new OwnZones(later)
  t.equal(zones.lookupA('www.example.test').inZone, false)
  later.apply(servingUpdate([{ apex: 'example.test', lines: ['www 1 A 192.0.2.9'] }]))
  t.same(zones.lookupA('www.example.test').addresses, ['192.0.2.9'])
})
