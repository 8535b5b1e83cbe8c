import t from 'tap'
import { Catalog } from '../../../src/controlplane/publish/catalog.ts'
import { buildPool, buildService, choicesOf } from '../steering/world.ts'

t.test('which services may be answered from a pool', async (t) => {
  const pools = [
    buildPool('eu', '', { whenAllDown: 'fallback', fallback: 'spare' }),
    buildPool('us', ''),
    buildPool('spare', ''),
    buildPool('sorry', '', { whenAllDown: 'fallback', fallback: 'us' }),
  ]
  const services = [
    buildService('inner', { choices: choicesOf('eu') }),
    buildService('outer', {
      choices: choicesOf('service inner', 'service beside'),
      whenAllDown: 'fallback',
      fallback: 'sorry',
    }),
    buildService('beside', { choices: choicesOf('service inner') }),
  ]
  const catalog = new Catalog({
    revision: 1,
    monitors: new Map(),
    pools: new Map(pools.map((pool) => [pool.name, pool])),
    services: new Map(services.map((service) => [service.name, { ...service, zone: 'test' }])),
    zones: new Map(),
    overrides: new Map(),
  })
  t.same(catalog.servicesOf('eu'), ['inner', 'outer', 'beside'], 'through nested services')
  t.same(catalog.servicesOf('spare'), ['inner', 'outer', 'beside'], 'by the fallback of a pool')
  t.same(catalog.servicesOf('sorry'), ['outer'])
  t.same(catalog.servicesOf('us'), [], 'what is served whole falls back to nothing')
  t.same(catalog.servicesOf('nowhere'), [])
})
