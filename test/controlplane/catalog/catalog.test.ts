import t from 'tap'
import { Catalog } from '../../../src/controlplane/catalog/catalog.ts'
import { formatMemberKey } from '../../../src/controlplane/model/member-key.ts'
import type { Override, OverrideState } from '../../../src/controlplane/model/override.ts'
import { buildPool, buildService, choicesOf } from '../steering/world.ts'
import { member, pool } from '../store/suite/samples.ts'

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

const now = new Date('2026-05-01T12:00:00Z')
const since = new Date('2026-05-01T11:00:00Z')

const override = (key: string, change: Partial<Override> = {}): Override => {
  const [poolName, memberName] = key.split('/') as [string, string]
  const word = { state: 'drain' as OverrideState, until: null, reason: 'disk', actor: 'ann', since }
  return { pool: poolName, member: memberName, ...word, ...change }
}

function catalogOf(revision: number, ...overrides: Override[]): Catalog {
  const pools = ['web-eu', 'web-us', 'api'].map((name, index) =>
    pool(name, [member('fra-1', `192.0.2.${index}`), member('lon-1', `198.51.100.${index}`)]),
  )
  return new Catalog({
    revision,
    monitors: new Map(),
    pools: new Map([...pools, pool('empty', [])].map((one) => [one.name, one])),
    services: new Map(),
    zones: new Map(),
    overrides: new Map(overrides.map((one) => [formatMemberKey(one), one])),
  })
}

t.test('the pools that patterns touch', async (t) => {
  const rows: [string, string[]][] = [
    ['web-eu/fra-1', ['web-eu']],
    ['web-eu/gone', []],
    ['gone/*', []],
    ['web-eu/*', ['web-eu']],
    ['web-*/fra-*', ['web-eu', 'web-us']],
    ['*/lon-?', ['web-eu', 'web-us', 'api']],
    ['*/nyc-*', []],
    ['e*/*', []],
  ]
  const catalog = catalogOf(1)
  for (const [key, pools] of rows) t.same([...catalog.poolsMatching([override(key)])], pools, key)
  t.same([...catalog.poolsMatching([override('api/fra-1'), override('web-u*/*')])].sort(), ['api', 'web-us'])
})

t.test('the members that are drained', async (t) => {
  t.same(catalogOf(1).drained(now), [])
  t.same(catalogOf(1, override('*/*', { state: 'down' })).drained(now), [])
  const catalog = catalogOf(
    1,
    override('web-*/*'),
    override('web-us/*', { state: 'up' }),
    override('web-eu/lon-1', { state: 'down' }),
    override('api/lon-1', { until: now }),
  )
  t.same(catalog.drained(now), [{ pool: 'web-eu', member: 'fra-1' }])
  t.equal(catalog.overrideOf('web-us', 'fra-1', now)?.member, '*')
  t.equal(catalog.overrideOf('web-us', 'fra-1', now)?.state, 'up')
  t.equal(catalog.overrideOf('api', 'lon-1', now), null)
  t.equal(catalog.overrideOf('api', 'lon-1', since)?.state, 'drain')
})
