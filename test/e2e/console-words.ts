/** What an operator says of members and services beside drains. Part of `console.test.ts`, on its daemon. */
import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import type { DaemonProcess } from '../support/daemon.ts'
import { askUntil } from './ask.ts'
import { isAccessible } from './console-browser.ts'
import { type Backend, put, timing } from './fixture.ts'

/** @param name of a service on pool `web` */
export async function words(
  t: Test,
  { page, daemon, backend, name }: { page: Page; daemon: DaemonProcess; backend: Backend; name: string },
): Promise<void> {
  await t.test('a member that waits to be let back', async (t) => {
    const at = { address: '127.0.0.1', port: backend.port }
    const monitor = { ...timing, failBack: 'manual' }
    await put(daemon, '/v1/monitors/careful', monitor)
    const members = { a: { address: '192.0.2.71', probe: at }, b: { address: '192.0.2.72' } }
    await put(daemon, '/v1/pools/careful', { monitor: 'careful', members: { a: members.a } })
    await put(daemon, '/v1/services/careful.example.test', { pools: ['careful'], whenAllDown: 'nodata' })
    await askUntil(daemon.dns, 'careful.example.test', ['192.0.2.71'])
    backend.healthy = false
    await askUntil(daemon.dns, 'careful.example.test', [])
    backend.healthy = true
    await page.getByRole('link', { name: 'Overview', exact: true }).click()
    await page.getByRole('button', { name: 'Let it back careful/a' }).click()
    await askUntil(daemon.dns, 'careful.example.test', ['192.0.2.71'])
    await page.getByRole('button', { name: 'Let it back careful/a' }).waitFor({ state: 'detached' })
    for (const path of ['services/careful.example.test', 'pools/careful', 'monitors/careful'])
      t.equal((await daemon.request(`/v1/${path}`, { method: 'DELETE' })).status, 204)
  })

  await t.test('a service where others name it is drained, and taken back', async (t) => {
    await put(daemon, '/v1/services/outer.example.test', { pools: [{ service: name }, 'web'], ttl: 2 })
    await page.goto(`${daemon.http}/console#/services/${name}`)
    await page.getByText('Where other services name it').click()
    await page.getByRole('button', { name: `Drain… service ${name}` }).click()
    const form = page.getByRole('form', { name: `Drain service ${name}` })
    await form.getByRole('button', { name: `Drain service ${name}` }).click()
    await form.getByText('Say why, for whoever looks at it next.').waitFor()
    await form.getByLabel('Why').fill('another way round')
    await form.getByRole('button', { name: `Drain service ${name}` }).click()
    await page.getByText('another way round').waitFor()
    await isAccessible(t, page, 'a service that is held')
    const { items } = (await (await daemon.request('/v1/audit?limit=1')).json()) as { items: unknown[] }
    t.match(items, [{ actor: 'admin', key: name }])
    await page.getByRole('link', { name: 'Overview', exact: true }).click()
    await page.getByRole('button', { name: `Take back what holds service ${name}` }).click()
    await page.getByText('another way round').waitFor({ state: 'detached' })
    t.equal((await daemon.request(`/v1/services/${name}/override`)).status, 404)
    t.equal((await daemon.request('/v1/services/outer.example.test', { method: 'DELETE' })).status, 204)
  })
}
