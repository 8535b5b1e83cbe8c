/** The text of each part of a configuration: that of the document, and made once. */
import t from 'tap'
import { Catalog } from '../../../src/controlplane/catalog/catalog.ts'
import { formatConfiguration } from '../../../src/controlplane/document/configuration.ts'
import { kindTexts, prepareTexts } from '../../../src/controlplane/snapshot/part-texts.ts'
import { member, pool, service } from '../store/suite/samples.ts'

const parts = {
  feeds: [],
  monitors: [],
  pools: [pool('web', [member('a "quoted" one', '192.0.2.1')]), pool('__proto__', [])],
  services: [service('www.example.test', ['web'], { ttlSeconds: 7 })],
}

t.test('the parts are as the document has them, and empty kinds are left out', async (t) => {
  const document = JSON.parse(`{${kindTexts(parts).join(',')}}`)
  t.strictSame(document, JSON.parse(JSON.stringify(formatConfiguration({ ...parts, zones: [] }))))
  t.same(kindTexts({ ...parts, pools: [], services: [] }), [])
})

t.test('what was written beforehand is not written again', async (t) => {
  let formatted = 0
  const counted = {
    ...service('counted.example.test', []),
    zone: 'example.test',
    get ttlSeconds() {
      formatted++
      return 5
    },
  }
  const catalog = new Catalog({ ...Catalog.empty, services: new Map([[counted.name, counted]]) })
  await prepareTexts(catalog)
  t.ok(formatted > 0)
  const before = formatted
  t.match(kindTexts({ ...parts, pools: [], services: catalog.services.values() }), [/counted/])
  t.equal(formatted, before)
})
