import t from 'tap'
import { aliasBreaches, aliasedServices, placeBreaches } from '../../../src/controlplane/rules/places.ts'
import { placesOf, viewOf } from '../../../src/controlplane/rules/view.ts'
import { pool, service } from '../store/suite/samples.ts'

const zones = [
  {
    apex: 'z.test',
    rrsets: [
      { owner: 'a', type: 'A' },
      { owner: 'a', type: 'AAAA' },
      { owner: 'a', type: 'TXT' },
      { owner: 'old', type: 'DNAME' },
      { owner: 'sub', type: 'DNAME' },
      { owner: '@', type: 'NS' },
      { owner: 'cut', type: 'NS' },
      { owner: 'in.cut', type: 'NS' },
    ],
  },
  { apex: 'sub.z.test', rrsets: [{ owner: 'b', type: 'MX' }] },
]

t.test('a service may stand where its own zone, the innermost, has nothing in its way', async (t) => {
  const table: [name: string, ...messages: RegExp[]][] = [
    ['z.test'],
    ['c.z.test'],
    ['sub.z.test'],
    ['b.sub.z.test'],
    ['old.z.test'],
    ['x\\.old.z.test'],
    ['a.z.test', /can't have A there/, /can't have AAAA there/],
    ['c.b.old.z.test', /^c\.b\.old\.z\.test is a service below the DNAME at old\.z\.test/],
    ['cut.z.test', /^cut\.z\.test is a service at or below the NS of cut\.z\.test/],
    ['*.cut.z.test', /^\*\.cut\.z\.test is a service at or below the NS of cut\.z\.test/],
    ['b.in.cut.z.test', /^b\.in\.cut\.z\.test is a service at or below the NS of cut\.z\.test/],
    ['x\\.cut.z.test'],
    ['*.z.test'],
    ['else.test', /lies in no zone/],
  ]
  const places = placesOf(
    zones,
    table.map(([name]) => name),
  )
  for (const [name, ...messages] of table) {
    const found = placeBreaches(places, name)
    t.equal(found.length, messages.length, name)
    t.match(
      found.map(({ message }) => message),
      messages,
      name,
    )
  }
})

t.test('a service that may be answered with a CNAME stands alone, and at no apex', async (t) => {
  const names = ['z.test', 'a.z.test', 'c.z.test', 'b.sub.z.test', 'plain.z.test']
  const view = viewOf({
    feeds: [],
    monitors: [],
    pools: [pool('alias', [], { hosts: 'cname' }), pool('web', []), pool('via', [], { fallback: 'alias' })],
    services: names.map((name) => service(name, [name.startsWith('plain') ? 'web' : 'via'])),
    zones,
  })
  const aliased = aliasedServices(view, names)
  t.same([...aliased.keys()], names.slice(0, 4))
  t.match(
    aliasBreaches(view, aliased).map(({ message }) => message),
    [
      /^z\.test is .* at the apex of zone z\.test/,
      /beside the TXT/,
      /beside the MX that zone sub\.z\.test has/,
    ],
  )
})
