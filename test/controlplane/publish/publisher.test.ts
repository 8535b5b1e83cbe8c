/** Which plans are made anew by a change, of services that lead to one another. */
import t from 'tap'
import type { Pool, Service } from '../../../src/controlplane/model.ts'
import { AnswerCounters } from '../../../src/controlplane/publish/answer-counters.ts'
import { Catalog, type CatalogService } from '../../../src/controlplane/publish/catalog.ts'
import { ImagePump } from '../../../src/controlplane/publish/image-pump.ts'
import { type CatalogStep, Publisher } from '../../../src/controlplane/publish/publisher.ts'
import { AnswerReader, allocateCounters } from '../../../src/dataplane/counters.ts'
import {
  memberDefaults,
  poolChoice,
  poolDefaults,
  serviceChoice,
  serviceDefaults,
} from '../model-defaults.ts'

const pool = (name: string, fallback: string | null = null): Pool => ({
  ...poolDefaults,
  name,
  whenAllDown: fallback === null ? null : 'fallback',
  fallback,
  members: [{ ...memberDefaults, name: 'a', address: '192.0.2.1', host: null }],
})

const service = (name: string, choices: Service['choices']): CatalogService => ({
  ...serviceDefaults,
  name,
  zone: 'test',
  choices,
})

const services = [
  service('inner.test', [poolChoice('eu')]),
  service('outer.test', [poolChoice('us'), serviceChoice('inner.test')]),
  service('plain.test', [poolChoice('us')]),
]

function catalogOf(revision: number, pools: readonly Pool[]): Catalog {
  return new Catalog({
    revision,
    monitors: new Map(),
    pools: new Map(pools.map((item) => [item.name, item])),
    services: new Map(services.map((item) => [item.name, item])),
    zones: new Map(),
    overrides: new Map(),
  })
}

t.test('a change of what others lead to makes their plans anew', async (t) => {
  let planned: number[] = []
  const pump = new ImagePump(async ({ plans }) => {
    planned = plans.map(([slot]) => slot)
  })
  const counters = new AnswerReader([allocateCounters()])
  const publisher = new Publisher({
    pump,
    answers: new AnswerCounters(() => counters),
    measured: () => 'up',
    resolution: (host) => {
      throw new Error(`nobody asked for ${host}`)
    },
    now: () => new Date(0),
  })
  const catalog = catalogOf(1, [pool('eu', 'spare'), pool('us'), pool('spare'), pool('idle')])
  const after = async (work: () => Promise<void>) => {
    planned = []
    await work()
    return services.map(({ name }) => name).filter((name) => planned.includes(publisher.planSlot(name)))
  }
  const step = (change: Partial<CatalogStep>) => () =>
    publisher.adopt({ catalog, zones: new Map(), services: [], pools: [], ...change })
  t.same(await after(step({ services: catalog.services.keys() })), ['inner.test', 'outer.test', 'plain.test'])
  t.same(await after(step({ services: ['inner.test'] })), ['inner.test', 'outer.test'])
  t.same(await after(step({ services: ['outer.test'] })), ['outer.test'])
  t.same(await after(step({ pools: ['eu'] })), ['inner.test', 'outer.test'])
  t.same(await after(step({ pools: ['spare'] })), ['inner.test', 'outer.test'], 'by a fallback')
  t.same(await after(step({ pools: ['idle'] })), [])
  t.same(await after(() => publisher.refresh(['spare'])), ['inner.test', 'outer.test'])
})
