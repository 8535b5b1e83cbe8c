/** What an operator changes by the console: zones, forms, weights. Part of `console.test.ts`, on its daemon. */
import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import type { DaemonProcess } from '../support/daemon.ts'
import { ask, askUntil } from './ask.ts'
import { isAccessible } from './console-browser.ts'
import { eventually, put, soa } from './fixture.ts'

export async function changes(t: Test, page: Page, daemon: DaemonProcess): Promise<void> {
  await t.test('an RRset: what is wrong is told at its field', async (t) => {
    await page.goto(`${daemon.http}/console#/zones/example.test`)
    await page.getByRole('button', { name: 'Add an RRset' }).click()
    await page.getByLabel('Name').fill('mail')
    await page.getByLabel('Type').fill('a')
    await page.getByLabel('Data, a line each').fill('192.0.2.256')
    const look = page.getByRole('button', { name: 'What would change?' })
    await look.click()
    await page
      .locator('#field-data-trouble')
      .filter({ hasText: /192\.0\.2\.256/ })
      .waitFor()
    await page.getByLabel('Data, a line each').fill('192.0.2.25')
    await look.click()
    const plan = page.getByRole('region', { name: 'The plan' })
    await plan.getByText('mail.example.test A is answered so at once').waitFor()
    await isAccessible(t, page, 'the zone')
    t.equal((await daemon.request('/v1/zones/example.test/rrsets/mail/A')).status, 404, 'it is a plan')
    await plan.getByRole('button', { name: 'Save' }).click()
    await page.getByText('mail A is saved and served.').waitFor()
    await askUntil(daemon.dns, 'mail.example.test', ['192.0.2.25'])
  })

  await t.test('a zone goes out as a master file, and comes back changed', async (t) => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Export' }).click(),
    ])
    t.equal(download.suggestedFilename(), 'example.test.zone')
    const text = await readFile(await download.path(), 'utf8')
    t.match(text, /^mail\s.*192\.0\.2\.25$/m)
    await page.getByRole('button', { name: 'Import a master file…' }).click()
    const choose = (body: string) =>
      page
        .getByLabel(/^Master file/)
        .setInputFiles({ name: 'example.test.zone', mimeType: 'text/plain', buffer: Buffer.from(body) })
    const look = page.getByRole('button', { name: 'What would change?' })
    await choose(`${text}broken A x\n`)
    await look.click()
    await page.getByText(/^line \d+, column \d+: broken A: /).waitFor()
    await choose(text.replace('192.0.2.25', '192.0.2.27'))
    await look.click()
    const plan = page.getByRole('region', { name: 'The plan' })
    await plan.getByText('192.0.2.27').waitFor()
    await isAccessible(t, page, 'the import')
    await plan.getByRole('button', { name: 'Replace example.test' }).click()
    await page.getByText('example.test is imported and served').waitFor()
    await askUntil(daemon.dns, 'mail.example.test', ['192.0.2.27'])
    await page.getByRole('button', { name: 'Edit mail A' }).click()
    await page.getByRole('button', { name: 'Remove…' }).click()
    await plan.getByText('mail.example.test has no A any more').waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
  })

  await t.test('a signed zone says for how long it is good', async (t) => {
    const rrsets = [{ name: '@', type: 'NS', data: ['ns1.example.test.'] }]
    await put(daemon, '/v1/zones/signed.test', { soa, rrsets })
    await page.goto(`${daemon.http}/console#/zones/signed.test`)
    await page.getByText('Not signed.').waitFor()
    await put(daemon, '/v1/zones/signed.test/dnssec', { enabled: true })
    await page.getByText(/^Signed, until .* · keys \d+ /).waitFor()
    t.pass()
  })

  await t.test('a monitor, a pool and a service by their forms', async (t) => {
    const look = page.getByRole('button', { name: 'What would change?' })
    const plan = page.getByRole('region', { name: 'The plan' })
    const save = async () => {
      await plan.getByRole('button', { name: 'Save' }).click()
      await page.getByRole('button', { name: 'Read it again' }).waitFor()
    }
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByRole('link', { name: 'New monitor' }).click()
    await page.getByLabel('Name', { exact: true }).fill('fixed')
    await page.getByLabel('type').selectOption('static')
    await page.getByLabel('state').selectOption('up')
    await look.click()
    await plan.getByText('add monitor').waitFor()
    await save()
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByRole('link', { name: 'New pool' }).click()
    await page.getByLabel('Name', { exact: true }).fill('made')
    await page.getByLabel('A field to add', { exact: true }).selectOption('members')
    await page.getByRole('button', { name: 'Add members' }).click()
    await page.getByLabel('Name of one to add to members').fill('fra-1')
    await page.getByRole('button', { name: 'Add to members' }).click()
    await page.getByRole('button', { name: 'Add members.fra-1.address' }).click()
    await page.getByLabel('address', { exact: true }).fill('192.0.2.256')
    await look.click()
    await page
      .locator('[id="field-members.fra-1.address-trouble"]')
      .filter({ hasText: /address/ })
      .waitFor()
    t.equal(await page.getByLabel('address', { exact: true }).getAttribute('aria-invalid'), 'true')
    await isAccessible(t, page, 'the form')
    // The text is the same thing, and may be changed as well.
    const text = page.getByLabel('The same as text (YAML)')
    await eventually(async () => (await text.inputValue()).includes('192.0.2.256') || undefined)
    await text.fill('monitor: fixed\nmembers: [')
    await page.getByText('The form comes back when the text can be read.').waitFor()
    await text.fill('monitor: fixed\nmembers:\n  fra-1: { address: 192.0.2.99 }\n')
    await page.getByLabel('monitor', { exact: true }).waitFor()
    t.equal(await page.getByLabel('monitor', { exact: true }).inputValue(), 'fixed')
    await look.click()
    await plan.getByText('add pool').waitFor()
    await save()
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByRole('link', { name: 'New service' }).click()
    await page.getByLabel('Name', { exact: true }).fill('made.example.test')
    await page.getByRole('button', { name: 'Add to pools' }).click()
    await page.getByLabel('1', { exact: true }).fill('nowhere')
    await look.click()
    await page
      .locator('[id="field-pools[0]-trouble"]')
      .filter({ hasText: /nowhere/ })
      .waitFor()
    await page.getByLabel('1', { exact: true }).fill('made')
    await look.click()
    await plan.getByText('made 0\u00a0% → 100\u00a0%').waitFor()
    await isAccessible(t, page, 'its plan')
    await save()
    await askUntil(daemon.dns, 'made.example.test', ['192.0.2.99'])
    await page.getByRole('button', { name: 'Remove…' }).click()
    await plan.getByText('nobody would be answered').waitFor()
    await plan.getByRole('button', { name: 'Remove service made.example.test' }).click()
    await page.getByRole('link', { name: 'New service' }).waitFor()
    t.equal((await daemon.request('/v1/services/made.example.test')).status, 404)
    await page.getByRole('link', { name: 'made', exact: true }).click()
    await page.getByLabel('monitor', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Remove…' }).click()
    await plan.getByRole('button', { name: 'Remove pool made' }).click()
    await page.getByRole('link', { name: 'New service' }).waitFor()
  })

  await t.test('weights are moved step by step: begun, watched, held and taken back', async (t) => {
    const slow = 'slow.example.test'
    const weights = (a: number, b: number) => ({
      steer: 'weighted',
      pools: [
        { pool: 'old', weight: a },
        { pool: 'new', weight: b },
      ],
    })
    await put(daemon, '/v1/pools/old', { members: { a: { address: '192.0.2.81' } } })
    await put(daemon, '/v1/pools/new', { members: { b: { address: '192.0.2.82' } } })
    await put(daemon, `/v1/services/${slow}`, weights(100, 0))
    await page.goto(`${daemon.http}/console#/settings/service/${slow}`)
    const text = page.getByLabel('The same as text (YAML)')
    await eventually(async () => (await text.inputValue()).includes('weight: 100') || undefined)
    await text.fill(JSON.stringify(weights(0, 100)))
    await eventually(
      async () =>
        (await page.getByLabel('weight', { exact: true }).first().inputValue()) === '0' || undefined,
    )
    await page.getByRole('button', { name: 'What would change?' }).click()
    const plan = page.getByRole('region', { name: 'The plan' })
    await plan.getByLabel('How').selectOption('4h')
    await plan.getByRole('button', { name: 'Begin' }).click()
    await page.getByText('It has begun').waitFor()
    await page.goto(`${daemon.http}/console#/services/${slow}`)
    const change = page.getByRole('region', { name: 'Gradual changes' })
    await change.getByText(/running, 1 % of the way/).waitFor()
    await change.getByRole('button', { name: /^Pause/ }).click()
    await change.getByText(/paused/).waitFor()
    await change.getByRole('button', { name: /^Go on/ }).click()
    await change.getByText(/running/).waitFor()
    await page.getByText('Counting…').waitFor({ state: 'detached' })
    await eventually(async () => {
      // Somebody asks all the time, so the chart has a line that is above nothing.
      await ask(daemon.dns, slow)
      return (await page.locator('.legend b').allTextContents()).some((text) => Number(text) > 0) || undefined
    })
    await isAccessible(t, page, 'a gradual change')
    await page.getByRole('link', { name: 'Overview', exact: true }).click()
    const dialog = page.getByRole('dialog')
    const pools = async () =>
      ((await (await daemon.request(`/v1/services/${slow}`)).json()) as { pools: unknown }).pools
    await change.getByRole('button', { name: /^Finish at once/ }).click()
    await dialog.getByText(`${slow}: old 99 % → 0 %`).waitFor()
    await isAccessible(t, page, 'what the end of a gradual change would do')
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await change.getByRole('button', { name: /^Take back/ }).click()
    await dialog.getByText(`${slow}: new 1 % → 0 %`).waitFor()
    await dialog.getByRole('button', { name: 'Take back' }).click()
    await change.getByText(/returned/).waitFor()
    t.same(await pools(), weights(100, 0).pools)
    // Another one, to its end.
    const json = { services: { [slow]: weights(0, 100) } }
    const begun = await daemon.request('/v1/config?gradual=10m', { method: 'PUT', json })
    t.equal(begun.status, 200, 'another one is begun')
    await change.getByRole('button', { name: /^Finish at once/ }).click()
    await dialog.getByRole('button', { name: 'Finish at once' }).click()
    await change.getByText(/done, 100 % of the way/).waitFor()
    t.same(await pools(), weights(0, 100).pools)
    for (const path of [`services/${slow}`, 'pools/old', 'pools/new'])
      t.equal((await daemon.request(`/v1/${path}`, { method: 'DELETE' })).status, 204)
  })
}
