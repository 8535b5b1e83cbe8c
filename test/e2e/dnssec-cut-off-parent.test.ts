/** A server that is cut off, and has the zone above as it was: it would go on answering the former DS, so nobody counts on the new one. */
import t from 'tap'
import type { DaemonProcess } from '../support/daemon.ts'
import { fleet, path, rolled, skip } from './cut-off-fixture.ts'
import { eventually, put, soa } from './fixture.ts'
import { rcodeOf } from './mixed-answers.ts'
import { full } from './validators.ts'

interface Status {
  readonly keys: readonly { readonly ds: string; readonly atParent: boolean; readonly state: string }[]
  readonly rollover: { readonly step: string; readonly parent: string | null } | null
}

const statusOf = async (daemon: DaemonProcess): Promise<Status> =>
  (await (await daemon.request(path)).json()).status

t.test('the DS in a zone of ours counts when all servers serve it', { skip }, async (t) => {
  const found = await fleet(t)
  const { one, proxy, ids } = found
  const putDs = async () => {
    const data = (await statusOf(one)).keys.filter(({ atParent }) => atParent).map(({ ds }) => ds)
    await put(one, '/v1/zones/test/rrsets/example/DS', { ttl: '1s', data })
  }
  await put(one, '/v1/zones/test', {
    ...{ soa, ttl: '1s' },
    rrsets: [
      { name: '@', type: 'NS', data: ['ns1.example'] },
      { name: 'example', type: 'NS', data: ['ns1.example'] },
      { name: 'ns1.example', type: 'A', data: ['127.0.0.1'] },
    ],
  })
  await putDs()
  const parentServers = [`${one.dns.host}:${one.dns.port}`]
  t.equal((await one.request(path, { method: 'PATCH', json: { parentServers } })).status, 200)
  const begun = await one.request(`${path}/roll`, { method: 'POST', json: { key: 'ksk' } })
  t.equal(begun.status, 200)
  await eventually(async () => {
    const { rollover } = await statusOf(one)
    return rollover?.step === 'parent' && rollover.parent !== null ? true : undefined
  })
  proxy.silence()
  await putDs()
  const held = await eventually(async () => {
    const { rollover } = await statusOf(one)
    return rollover?.parent?.includes('forget-node') ? rollover : undefined
  })
  t.match(held, {
    step: 'parent',
    parent: new RegExp(`not all servers serve that yet: ${ids[1]} has been silent`),
  })
  const word = await one.request(`${path}/ds-seen`, { method: 'POST', json: {} })
  t.equal(word.status, 409)
  t.match(await word.json(), { detail: /can't count on its DS now: server .* has been silent/ })
  proxy.speak()
  await rolled(one)
  await eventually(async () => ((await rcodeOf(found.two, full('www'))) === 0 ? true : undefined))
  t.same((await statusOf(one)).keys.filter(({ state }) => state === 'active').length, 2)
})
