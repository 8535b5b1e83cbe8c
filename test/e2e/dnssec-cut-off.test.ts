/**
 * A server that is cut off from the database, and goes on answering, while another one rolls keys over: a validator that has keys from the one and
 * data from the other finds nothing bogus.
 */
import t from 'tap'
import { fleet, leased, path, readiness, rolled, rolloverOf, skip } from './cut-off-fixture.ts'
import { eventually } from './fixture.ts'
import { rcodeOf, watchResolvers } from './mixed-answers.ts'
import { full } from './validators.ts'

/**
 * On a busy machine it takes seconds to see that a lease was told, and to cut the server off: so a step takes longer, and the lease, which is by
 * `propagation`, longer than that.
 */
const times = { maxTtl: '20s', propagation: '2s' }

t.test('cut off in the midst of a rollover', { skip }, async (t) => {
  const found = await fleet(t, times)
  const { one, proxy, resolvers, ids, url } = found
  const end = watchResolvers(resolvers)
  t.equal((await one.request(`${path}/roll`, { method: 'POST', json: { key: 'zsk' } })).status, 200)
  await leased(url, ids[1])
  proxy.silence()
  t.match(await rolloverOf(one), { step: 'publish' })
  await eventually(async () => {
    const rollover = await rolloverOf(one)
    return rollover?.step === 'switch' && rollover.waitsFor.includes(ids[1]) ? true : undefined
  })
  t.equal(await rcodeOf(found.two, full('www')), 0, 'it answers as before for a while')
  await rolled(one)
  t.equal(await rcodeOf(found.two, full('www')), 2, 'and no more when the others have gone on')
  t.equal(await rcodeOf(found.two, 'www.quiet.test'), 0, 'nothing else suffers')
  t.match(await readiness(found.two), { status: 503, detail: /zone example\.test is SERVFAIL/ })
  t.match(await (await fetch(`${found.two.http}/health`)).json(), {
    warnings: [/zone example\.test is SERVFAIL/],
  })
  t.match(
    await (await fetch(`${found.two.http}/metrics`)).text(),
    /pooldns_dnssec_signing_failed\{zone="example\.test"\} 1/,
  )
  t.ok(
    found.two.lines.some(({ level, msg }) => level === 'error' && /answered with SERVFAIL/.test(msg ?? '')),
  )

  const { port } = found.two.dns
  found.two.signal('SIGKILL')
  await found.two.exited
  found.two = await found.startTwo(port)
  t.equal(await rcodeOf(found.two, full('www')), 2, 'nor after a start')
  t.equal(await rcodeOf(found.two, 'www.quiet.test'), 0)

  proxy.speak()
  await eventually(async () => ((await rcodeOf(found.two, full('www'))) === 0 ? true : undefined))
  await eventually(async () => ((await found.two.request('/ready')).status === 200 ? true : undefined))
  const { wrong, asked } = await end()
  t.same(wrong, [], `of ${asked} answers`)
})
