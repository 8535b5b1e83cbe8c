/** A host that can't keep a master file for a moment says so, and is not broken. */
import { join } from 'node:path'
import t from 'tap'
import { defaultHttpLimits } from '../../../../src/controlplane/api/admission/limits.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { adminToken, startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('without a place for the file, imports and exports are to come back later', async (t) => {
  // A file where a folder should be, as when the disk was mounted elsewhere.
  const spoolDirectory = join(t.testdir({ file: '' }), 'file')
  await using harness = await startHarness(await postgres.createDatabase(), { spoolDirectory })
  await harness.call('PUT', '/v1/zones/example.test', { soa: { mname: 'ns1.x.test.', rname: 'h.x.test.' } })
  const authorization = `Bearer ${adminToken}`
  const replies = [
    await harness.call('GET', '/v1/zones/example.test/zonefile'),
    await harness.send('PUT', '/v1/zones/example.test/zonefile', '@ 300 SOA a. b. 1 1h 1h 1d 60\n', {
      authorization,
      'content-type': 'text/dns',
    }),
  ]
  for (const { status, headers, body } of replies) {
    t.equal(status, 503)
    t.equal(headers.get('retry-after'), '5')
    t.match(body.detail, /^this server can't keep the file for now: E(EXIST|NOTDIR)$/)
  }
})

t.test('a signed file has a place of its own while it is written', async (t) => {
  t.equal(defaultHttpLimits.signedExports.places, 1, 'each copies its zone')
  const signedExports = { ...defaultHttpLimits.signedExports, places: 0, patienceMs: 0 }
  await using harness = await startHarness(await postgres.createDatabase(), { httpLimits: { signedExports } })
  await harness.call('PUT', '/v1/zones/example.test', { soa: { mname: 'ns1.x.test.', rname: 'h.x.test.' } })
  const url = '/v1/zones/example.test/zonefile'
  t.equal((await harness.call('GET', url)).status, 200)
  const refused = await harness.call('GET', `${url}?signed=true`)
  t.match(refused, { status: 503, body: { detail: /signed zone files being written/ } })
  t.equal(refused.headers.get('retry-after'), '5')
})
