/** A server that is cut off from the database before keys are rolled over: nothing begins, until it is back, or somebody says that it is gone. */

import { randomBytes } from 'node:crypto'
import t from 'tap'
import { fleet, path, rolled, rolloverOf, skip } from './cut-off-fixture.ts'
import { eventually } from './fixture.ts'
import { rcodeOf, watchResolvers } from './mixed-answers.ts'
import { full, pooldns } from './validators.ts'

t.test('cut off before: nothing begins, until somebody says that it is gone', { skip }, async (t) => {
  const found = await fleet(t)
  const { one, proxy, resolvers, ids } = found
  const end = watchResolvers(resolvers)
  const roll = () => one.request(`${path}/roll`, { method: 'POST', json: { key: 'zsk' } })
  const isLive = async () => {
    const { items } = await (await one.request('/v1/nodes')).json()
    return items.some(({ id, live }: { id: string; live: boolean }) => id === ids[1] && live)
  }
  await t.test('in the moment before, it is waited for without end', async (t) => {
    // On a busy machine that moment may be over before the request is heard.
    await eventually(async () => {
      proxy.silence()
      if ((await roll()).status === 200) return true
      proxy.speak()
      await eventually(async () => ((await isLive()) ? true : undefined))
      return undefined
    })
    const rollover = await eventually(async () => {
      const rollover = await rolloverOf(one)
      return rollover?.waitsFor.includes('forget-node') ? rollover : undefined
    })
    t.match(rollover, { step: 'publish', waitsFor: new RegExp(`pooldns forget-node ${ids[1]}`) })
    t.equal((await one.request(`${path}/cancel-roll`, { method: 'POST', json: {} })).status, 200)
  })
  const refused = await roll()
  t.equal(refused.status, 409)
  t.match(await refused.json(), {
    detail: new RegExp(`${ids[1]} has been silent since 20.*pooldns forget-node ${ids[1]}`),
  })
  const foreign = await one.request(path, {
    method: 'PATCH',
    json: { foreignKeys: [`256 3 13 ${randomBytes(64).toString('base64')}`] },
  })
  t.equal(foreign.status, 409)
  t.equal(await rcodeOf(found.two, full('www')), 0, 'answers survive')
  proxy.speak()
  await eventually(async () => ((await roll()).status === 200 ? true : undefined))
  await rolled(one)
  const { wrong, asked } = await end()
  t.same(wrong, [], `of ${asked} answers`)

  await t.test('gone for good', async (t) => {
    const live = await one.request(`/v1/nodes/${ids[1]}`, { method: 'DELETE' })
    t.equal(live.status, 409)
    t.match(await live.json(), { detail: /is live/ })
    // Without a good-bye, as when its machine is lost.
    proxy.silence()
    found.two.signal('SIGKILL')
    await found.two.exited
    await eventually(async () => ((await isLive()) ? undefined : true))
    t.match(await (await roll()).json(), { status: 409, detail: /has been silent/ })
    await pooldns(one, 'forget-node', ids[1])
    t.equal((await roll()).status, 200)
    await rolled(one)
    t.equal((await one.request(`/v1/nodes/${ids[1]}`, { method: 'DELETE' })).status, 404)
  })
})
