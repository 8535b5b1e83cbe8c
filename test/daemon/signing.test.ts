import t from 'tap'
import { Catalog, type CatalogZone } from '../../src/controlplane/catalog/catalog.ts'
import { plainSigning, type ServedKey, type SigningReport } from '../../src/controlplane/model/dnssec.ts'
import type { Ground } from '../../src/daemon/announce.ts'
import { Signing } from '../../src/daemon/signing.ts'
import { keyFolder } from '../controlplane/signing/signing-fixture.ts'
import { service, soa } from '../controlplane/store/suite/samples.ts'
import { leaf } from '../dataplane/trees.ts'

const report = (apex: string): SigningReport => ({
  apex,
  beginsAt: 0,
  expiresAt: 2 ** 32,
  endsAt: 2 ** 32,
  renewAt: 2 ** 31,
  signatures: 1,
  made: 1,
  trouble: null,
})

t.test(
  'a rollover waits for services whose answers other keys have signed, and not for answers that nobody is given',
  async (t) => {
    const { folder, key } = await keyFolder(t)
    const ground = {
      config: { dataDir: folder, keyFile: null },
      announce: () => {},
      faults: { retried: () => () => {} },
      log: { info: () => {}, error: () => {} },
    } as unknown as Ground
    let told = Promise.withResolvers<void>()
    const publisher = {
      refreshSigned: async () => {
        told.resolve()
        told = Promise.withResolvers()
      },
    }
    using signing = new Signing(ground, () => ({ publisher }) as never)
    t.teardown(() => signing.services.thread.stop())
    const { plans } = signing.services
    const catalogOf = (keys: readonly ServedKey[], names: readonly string[]) => {
      const zoneOf = (apex: string): CatalogZone => {
        return { apex, soa, ttlSeconds: 300, serial: 1, dnssec: plainSigning, keys }
      }
      return new Catalog({
        ...Catalog.empty,
        services: new Map(names.map((zone) => [`www.${zone}`, { ...service(`www.${zone}`, []), zone }])),
        zones: new Map(names.map((zone) => [zone, zoneOf(zone)])),
      })
    }
    const plan = (catalog: Catalog, apex: string, ...last: number[]) => {
      const tree = leaf(
        last.map((octet) => `192.0.2.${octet}`),
        { select: 'weighted' },
      )
      return plans.compile(`www.${apex}`, catalog, { ipv4: tree, ipv6: tree })
    }
    signing.watch.tell(['example.test', 'other.test'].map(report))
    t.same(signing.unsigned, [])
    const before = catalogOf([key], ['example.test', 'other.test'])
    t.equal(plan(before, 'example.test', 1, 2), null)
    t.same(signing.unsigned, ['example.test'], 'so other nodes are told')
    t.equal(signing.signs('example.test'), false)
    t.equal(signing.signs('other.test'), true)
    t.equal(signing.signs('none.test'), false)
    await told.promise
    t.not(plan(before, 'example.test', 1, 2), null)
    t.same(signing.unsigned, [])
    // A feed that gives other weights all the time has other sets signed all the time.
    for (let octet = 3; octet < 6; octet++) {
      t.not(plan(before, 'example.test', 1, octet), null)
      t.ok(signing.signs('example.test'), 'what is still to be signed is not answered')
    }
    t.equal(plan(before, 'example.test', 7, 8), null)
    t.ok(signing.signs('example.test'), 'the plan before is signed by the same keys')
    const names = ['example.test', 'other.test']
    const other = { ...key, duties: { ...key.duties, signsZone: false } }
    t.not(plan(catalogOf([key, other], names), 'example.test', 1, 2), null, 'only keys that sign data count')
    const after = catalogOf([key, { ...key, algorithm: 15 }], names)
    plans.retain(after)
    t.equal(plan(after, 'example.test', 1, 2), null)
    t.equal(signing.signs('example.test'), false, 'that is signed by other keys')
    plans.retain(catalogOf([key], ['other.test']))
    t.same(signing.unsigned, [], 'of a zone that has gone nothing is left')
    const many = Array.from({ length: 101 }, (_, nth) => `${nth}.test`)
    for (const apex of many) plan(catalogOf([key], many), apex, 1, 2)
    t.same(signing.unsigned, ['*'], 'of many it is all that are told')
  },
)
