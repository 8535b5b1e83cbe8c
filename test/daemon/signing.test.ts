import t from 'tap'
import type { CatalogZone } from '../../src/controlplane/catalog/catalog.ts'
import { plainSigning, type SigningReport } from '../../src/controlplane/model/dnssec.ts'
import { setKey } from '../../src/controlplane/signing/set-key.ts'
import type { Ground } from '../../src/daemon/announce.ts'
import { Signing } from '../../src/daemon/signing.ts'
import { types } from '../../src/dataplane/wire/constants.ts'
import { keyFolder } from '../controlplane/signing/signing-fixture.ts'
import { service, soa } from '../controlplane/store/suite/samples.ts'

const sets = Array.from({ length: 300 }, (_, nth) =>
  setKey(types.a, [Uint8Array.of(192, 0, nth >>> 8, nth & 0xff)]),
)

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

t.test('answers that wait to be signed hold up the rollover of their own zone alone', async (t) => {
  const { folder, key } = await keyFolder(t)
  const ground = {
    config: { dataDir: folder, dnssecKeyFile: null },
    announce: () => {},
    faults: { retried: () => () => {} },
    log: { info: () => {}, error: () => {} },
  } as unknown as Ground
  using signing = new Signing(ground, () => t.fail('nothing is served here') as never)
  t.teardown(() => signing.services.thread.stop())
  signing.watch.tell(['example.test', 'other.test'].map(report))
  t.same(signing.unsigned, [])
  // More than the thread is sent at once, so that some wait until it has answered.
  const waitIn = (apex: string) => {
    const zone: CatalogZone = { apex, soa, ttlSeconds: 300, serial: 1, dnssec: plainSigning, keys: [key] }
    const { signatures } = signing.services
    signatures.need(signatures.bookOf(service(`www.${apex}`, []), zone)!, new Set(sets), 'answers')
  }
  waitIn('example.test')
  t.same(signing.unsigned, ['example.test'], 'so other nodes are told')
  t.equal(signing.signs('example.test'), false)
  t.equal(signing.signs('other.test'), true)
  t.equal(signing.signs('none.test'), false)
  for (let nth = 0; nth < 100; nth++) waitIn(`${nth}.test`)
  t.same(signing.unsigned, ['*'], 'of many it is all that are told')
})
