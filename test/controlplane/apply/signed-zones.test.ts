/** Signed zones in documents: what a plan tells of their signing, and that it refuses what the write would; on both kinds of database. */
import t, { type Test } from 'tap'
import { startPostgres } from '../../support/postgres.ts'
import { type Harness, type Reply, startHarness } from '../api/fixture.ts'

const soa = { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' }
const ns = { name: '@', type: 'NS', data: ['ns1.example.test.'] }
const nsec = { name: 'www', type: 'NSEC', data: ['www.signed.test. A'] }

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
type Any = any

/** A document of one zone. */
const zoneDocument = (dnssec: object | null, more: object = { rrsets: [ns] }) => ({
  zones: { 'signed.test': { soa, ...(dnssec === null ? {} : { dnssec }), ...more } },
})
const signed = { enabled: true, maxTtl: '1d' }

const postgres = await startPostgres()
t.teardown(() => postgres[Symbol.asyncDispose]())

for (const kind of ['postgres', 'embedded'] as const) {
  t.test(`on ${kind}`, async (t) => {
    const harness = await startHarness(kind === 'postgres' ? await postgres.createDatabase() : null)
    t.teardown(() => harness[Symbol.asyncDispose]())
    const put = (document: object, query = '') => harness.call('PUT', `/v1/config${query}`, document)
    const plan = (document: object) => put(document, '?dryRun=true')

    t.test('what is said of the signing is told field by field', async (t) => {
      t.equal((await put(zoneDocument(null, { rrsets: [ns, nsec] }))).status, 200)
      t.match(await plan(zoneDocument(signed)), {
        status: 409,
        body: {
          errors: [{ path: 'zones["signed.test"].rrsets', message: /^www NSEC: the zone is signed here/ }],
        },
      })
      const begun = zoneDocument(signed)
      t.match(await plan({ ...begun }), { status: 409 }, 'the NSEC stays where nothing is pruned')
      t.match((await put(begun, '?prune=true&dryRun=true')).body.changes, [
        {
          kind: 'zone',
          action: 'change',
          fields: [
            { path: 'dnssec', after: signed },
            { path: 'www NSEC', before: { data: nsec.data } },
          ],
        },
      ])
      t.equal((await put(begun, '?prune=true')).status, 200)
      t.match(await put(begun), { body: { changed: false } })
      t.match((await plan(zoneDocument({ ...signed, maxTtl: '24h' }))).body.changes, [{ action: 'restate' }])
      const more = { enabled: true, maxTtl: '2d', denial: 'nsec3', parentServers: ['192.0.2.53:53'] }
      const fields = [
        { path: 'dnssec.maxTtl', before: '1d', after: '2d' },
        { path: 'dnssec.denial', after: 'nsec3' },
        { path: 'dnssec.parentServers', after: ['192.0.2.53:53'] },
      ]
      t.match((await plan(zoneDocument(more))).body.changes, [{ action: 'change', fields }])
      const written = await put(zoneDocument(more))
      t.match(written.body.changes, [{ action: 'change', fields }])
      const revision = written.headers.get('etag')!.replaceAll('"', '')
      t.match((await harness.call('GET', `/v1/revisions/${revision}`)).body.changes, [{ fields }])
    })

    t.test('a plan refuses what the write refuses, in the same place and words', async (t) => {
      const key = (algorithm: number) =>
        `257 3 ${algorithm} ${Buffer.alloc(64, algorithm).toString('base64')}`
      const cases: readonly (readonly [
        what: string,
        dnssec: object | null,
        path: string,
        message: RegExp,
      ])[] = [
        ['signed no more', null, 'zones["signed.test"]', /^is signed, and whoever validates/],
        ['switched off', { enabled: false }, 'zones["signed.test"]', /"pooldns dnssec disable signed.test"/],
        [
          'another algorithm',
          { algorithm: 15 },
          'zones["signed.test"].dnssec',
          /"pooldns dnssec roll signed.test"/,
        ],
        ['other keys', { keys: 'split' }, 'zones["signed.test"].dnssec', /keys: split in one step/],
        [
          'a key of others by another algorithm',
          { foreignKeys: [key(13), key(15)] },
          'zones["signed.test"].dnssec.foreignKeys',
          /^can't list a key of algorithm 15/,
        ],
      ]
      for (const [what, dnssec, path, message] of cases) {
        const refusal = { status: 409, body: { errors: [{ path, message }] } }
        t.match(await plan(zoneDocument(dnssec)), refusal, what)
        t.match(await put(zoneDocument(dnssec)), refusal, what)
      }
      const long = Array.from({ length: 4 }, (_, nth) => `${nth}`.padEnd(58, 'x')).join('.')
      const hashed = { zones: { [`${long}.test`]: { soa, dnssec: { denial: 'nsec3' } } } }
      t.match(await plan(hashed), {
        status: 409,
        body: { errors: [{ path: /dnssec\.denial$/, message: /the hashes in the place of its names/ }] },
      })
    })

    t.test('what signing makes is written by nobody else', async (t) => {
      const at = 'zones["signed.test"].rrsets'
      t.match(await plan(zoneDocument(signed, { rrsets: [ns, nsec] })), {
        status: 400,
        body: { errors: [{ path: `${at}[1]`, message: /^www NSEC: the zone is signed here/ }] },
      })
      const path = '/v1/zones/signed.test/rrsets/www/NSEC'
      const message = /www NSEC: the zone is signed here/
      const body = { data: nsec.data }
      const planned = await harness.call('POST', '/v1/plan', {
        kind: 'rrset',
        name: 'signed.test',
        owner: 'www',
        type: 'NSEC',
        body,
      })
      t.match(planned, { status: 409, body: { errors: [{ path: '', message }] } })
      t.match(await harness.call('PUT', path, body), {
        status: 409,
        body: { errors: [{ path: '', message }] },
      })
    })

    t.test('no rollback takes the signatures from a zone, nor plans it', async (t) => {
      const first = revisionsOf(await harness.call('GET', '/v1/revisions')).at(-1)!
      const back = (query = '') => harness.call('POST', `/v1/revisions/${first}/rollback${query}`)
      for (const query of ['?dryRun=true', '']) {
        t.match(await back(query), { status: 409, body: { detail: /signed.test.* is signed, and whoever/ } })
      }
      await shownSame(t, harness)
    })
  })
}

const revisionsOf = ({ body }: Reply): number[] => body.items.map(({ revision }: Any) => revision)

async function shownSame(t: Test, harness: Harness) {
  t.match((await harness.call('GET', '/v1/config')).body.zones['signed.test'], { dnssec: { enabled: true } })
}
