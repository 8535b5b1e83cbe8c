/** A server of two that is started again without its key file, while the other one edits and rolls over: it serves what it has, as long as that is good beside the other. */
import { copyFile, rm } from 'node:fs/promises'
import t from 'tap'
import { fleet, readiness, rolled, rolloverOf, skip } from './cut-off-fixture.ts'
import { eventually, put } from './fixture.ts'
import { rcodeOf, watchResolvers } from './mixed-answers.ts'
import { apex, full, pooldns } from './validators.ts'

t.test('started again without its key file', { skip }, async (t) => {
  const found = await fleet(t)
  const { one, resolvers, keyFile } = found
  const end = watchResolvers(resolvers)
  const { port } = found.two.dns
  await found.two.stop()
  const away = { POOLDNS_KEY_FILE: `${keyFile}.away` }
  await put(one, `/v1/zones/${apex}/rrsets/www/A`, { ttl: '1s', data: ['192.0.2.11'] })
  found.two = await found.startTwo(port, away)
  t.equal(await rcodeOf(found.two, full('www')), 0, 'what was signed is served')
  t.match(await readiness(found.two), {
    status: 503,
    detail: /zone example\.test can't be signed, what was signed before is served/,
  })
  await put(one, `/v1/zones/${apex}/rrsets/new/A`, { ttl: '1s', data: ['192.0.2.12'] })
  await pooldns(one, 'dnssec', 'roll', apex, '--key', 'zsk')
  await eventually(async () =>
    (await rolloverOf(one))?.waitsFor.includes("can't sign it") ? true : undefined,
  )
  t.equal(await rcodeOf(found.two, full('www')), 0)
  await copyFile(keyFile, away.POOLDNS_KEY_FILE)
  // What is written to the zone has it looked for the file at once.
  await put(one, `/v1/zones/${apex}/rrsets/www/A`, { ttl: '1s', data: ['192.0.2.13'] })
  await rolled(one)
  await eventually(async () => ((await rcodeOf(found.two, full('new'))) === 0 ? true : undefined))
  const { wrong, asked } = await end()
  t.same(wrong, [], `of ${asked} answers`)

  await found.two.stop()
  await rm(away.POOLDNS_KEY_FILE)
  await pooldns(one, 'dnssec', 'roll', apex, '--key', 'zsk')
  await rolled(one)
  found.two = await found.startTwo(port, away)
  // What was signed by keys that are gone is not answered beside others.
  await eventually(async () => ((await rcodeOf(found.two, full('www'))) === 2 ? true : undefined))
  t.equal(await rcodeOf(found.two, 'www.quiet.test'), 0)
  t.match(await readiness(found.two), {
    status: 503,
    detail: /zone example\.test can't be signed, it is SERVFAIL/,
  })
  await copyFile(keyFile, away.POOLDNS_KEY_FILE)
  await put(one, `/v1/zones/${apex}/rrsets/www/A`, { ttl: '1s', data: ['192.0.2.14'] })
  await eventually(async () => ((await rcodeOf(found.two, full('www'))) === 0 ? true : undefined))
})
