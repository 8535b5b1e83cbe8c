/** What leads to what in a catalog, and which plans a change concerns. */
import t from 'tap'
import { Catalog, type CatalogService } from '../../../src/controlplane/catalog/catalog.ts'
import type { Monitor } from '../../../src/controlplane/model/monitor.ts'
import type { Pool } from '../../../src/controlplane/model/pool.ts'
import type { Service } from '../../../src/controlplane/model/service.ts'
import { poolChoice, poolDefaults, serviceChoice, serviceDefaults } from '../model/defaults.ts'

const pool = (name: string, fallback: string | null = null): Pool => ({
  ...poolDefaults,
  name,
  whenAllDown: fallback === null ? null : 'fallback',
  fallback,
  members: [],
})

const service = (
  name: string,
  choices: Service['choices'],
  fallback: string | null = null,
): CatalogService => ({
  ...serviceDefaults,
  name,
  zone: 'test',
  choices,
  whenAllDown: fallback === null ? 'serve-all' : 'fallback',
  fallback,
})

function catalogOf(pools: readonly Pool[], services: readonly CatalogService[]): Catalog {
  return new Catalog({
    revision: 1,
    monitors: new Map(),
    pools: new Map(pools.map((item) => [item.name, item])),
    services: new Map(services.map((item) => [item.name, item])),
    zones: new Map(),
    overrides: new Map(),
  })
}

const catalog = catalogOf(
  [pool('eu', 'spare'), pool('us'), pool('spare', 'last'), pool('last'), pool('sorry', 'last'), pool('idle')],
  [
    service('inner.test', [poolChoice('eu')]),
    service('middle.test', [serviceChoice('inner.test'), poolChoice('us')]),
    service('outer.test', [serviceChoice('middle.test')], 'sorry'),
    service('side.test', [poolChoice('us'), serviceChoice('inner.test')]),
    service('plain.test', [poolChoice('us')]),
  ],
)

t.test('pools that a service may be answered from', async (t) => {
  const poolsOf = (name: string) => [...catalog.poolsOf(name)].sort()
  t.same(poolsOf('inner.test'), ['eu', 'spare'], "a fallback's own fallback has no say")
  t.same(poolsOf('middle.test'), ['eu', 'spare', 'us'])
  t.same(poolsOf('outer.test'), ['eu', 'sorry', 'spare', 'us'])
  t.same(poolsOf('plain.test'), ['us'])
  t.same(poolsOf('nowhere.test'), [])
})

t.test('services that may be answered from a pool', async (t) => {
  const servicesOf = (name: string) => [...catalog.servicesOf(name)].sort()
  t.same(servicesOf('eu'), ['inner.test', 'middle.test', 'outer.test', 'side.test'])
  t.same(servicesOf('spare'), ['inner.test', 'middle.test', 'outer.test', 'side.test'])
  t.same(servicesOf('us'), ['middle.test', 'outer.test', 'plain.test', 'side.test'])
  t.same(servicesOf('sorry'), ['outer.test'])
  t.same(servicesOf('last'), [])
  t.same(servicesOf('idle'), [])
})

t.test('services that a service has a part in', async (t) => {
  const outerOf = (name: string) => catalog.withOuterServices([name]).slice(1).sort()
  t.same(outerOf('inner.test'), ['middle.test', 'outer.test', 'side.test'])
  t.same(outerOf('middle.test'), ['outer.test'])
  t.same(outerOf('outer.test'), [])
  t.same(outerOf('nowhere.test'), [])
})

t.test('what is left out, and circles, are borne', async (t) => {
  const broken = catalogOf(
    [],
    [
      service('a.test', [serviceChoice('b.test'), poolChoice('gone')]),
      service('b.test', [serviceChoice('a.test'), serviceChoice('gone.test')]),
    ],
  )
  t.same([...broken.poolsOf('b.test')], ['gone'])
  t.same(broken.withOuterServices(['a.test']), ['a.test', 'b.test'])
  t.same(broken.withOuterServices(['gone.test']), ['gone.test', 'b.test', 'a.test'])
})

t.test('pools that a monitor judges, be it as a part of a part', async (t) => {
  const composite = (name: string, ...monitors: string[]) =>
    ({ name, type: 'composite', monitors, require: 'all', invert: false }) as const
  const judged = new Catalog({
    ...Catalog.empty,
    monitors: new Map<string, Monitor>([
      ['web', { name: 'web', type: 'static', state: 'up' }],
      ['outer', composite('outer', 'inner')],
      ['inner', composite('inner', 'web')],
      ['other', composite('other')],
    ]),
    pools: new Map(
      ['web', 'outer', 'other', null].map((monitor) => {
        const name = `by-${monitor}`
        return [name, { ...pool(name), monitor }]
      }),
    ),
  })
  t.same(judged.poolsJudgedBy(['web']), ['by-web', 'by-outer'])
  t.same(judged.poolsJudgedBy(['outer', 'other']), ['by-outer', 'by-other'])
  t.same(judged.poolsJudgedBy([]), [])
})
