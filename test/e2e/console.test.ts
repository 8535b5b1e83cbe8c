/** The console in a real browser, against a real daemon with real backends: what an operator sees and does at 3 am. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { type Browser, chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { patienceMs } from '../support/patience.ts'
import { startPostgres } from '../support/postgres.ts'
import { startPostgresProxy } from '../support/postgres-proxy.ts'
import { findProgram, missingPrograms } from '../support/program.ts'
import { askUntil } from './ask.ts'
import { eventually, putService, startBackend } from './fixture.ts'

const skip = missingPrograms('chromium')
const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const name = 'www.example.test'

async function launch(): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: findProgram('chromium')!,
    timeout: patienceMs,
    // Tests run as root in places.
    args: ['--no-sandbox'],
  })
  return browser
}

/** A page that nobody has signed in on; whatever the browser has to complain of in it fails the test. */
async function openConsole(t: Test, browser: Browser, http: string): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(patienceMs)
  page.on('pageerror', (error) => t.fail(`${error.name}: ${error.message}`))
  page.on('console', (message) => {
    // Refused requests are told by the browser as well.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) t.fail(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(http)) t.fail(`it asks ${request.url()}`)
  })
  await page.goto(`${http}/console`)
  return page
}

async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

const headline = (page: Page) => page.locator('.headline')

async function sees(page: Page, text: RegExp): Promise<void> {
  await headline(page).filter({ hasText: text }).waitFor()
}

/** What axe finds that keeps somebody from using the page. */
async function isAccessible(t: Test, page: Page, what: string): Promise<void> {
  // By the browser's own door, which the page's policy does not close.
  await page.evaluate(await readFile(axePath, 'utf8'))
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> }
    }
    return (await axe.run()).violations.map(({ id, impact, nodes }) => ({ id, impact, html: nodes[0]?.html }))
  })
  t.same(
    found.filter(({ impact }) => impact !== 'minor'),
    [],
    what,
  )
}

/** Whether the chart has a pixel in the accent of the page as it is now. Runs in the page. */
function hasAccent(): boolean {
  const chart = document.querySelector<HTMLCanvasElement>('.chart canvas')
  if (chart === null || chart.width === 0) return false
  const sample = new OffscreenCanvas(1, 1).getContext('2d')!
  sample.fillStyle = getComputedStyle(chart).getPropertyValue('--accent').trim()
  sample.fillRect(0, 0, 1, 1)
  const [accent] = new Uint32Array(sample.getImageData(0, 0, 1, 1).data.buffer)
  const { data } = chart.getContext('2d')!.getImageData(0, 0, chart.width, chart.height)
  return new Uint32Array(data.buffer).includes(accent!)
}

t.test('the console', { skip }, async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  const databaseUrl = await postgres.createDatabase()
  await using proxy = await startPostgresProxy(databaseUrl)
  const dataDir = await temporaryDataFolder('pooldns-console-')
  const start = async (http: number, dns: number) =>
    startDaemonProcess({
      dataDir,
      env: {
        DATABASE_URL: proxy.through(databaseUrl),
        POOLDNS_HTTP_LISTEN: `127.0.0.1:${http}`,
        POOLDNS_DNS_LISTEN: `127.0.0.1:${dns}`,
      },
    })
  const [http, dns] = [await freePort(), await freePort()]
  const backends = [await startBackend(), await startBackend(), await startBackend()]
  t.teardown(() => Promise.all(backends.map((each) => each[Symbol.asyncDispose]())))
  let daemon: DaemonProcess = await start(http, dns)
  t.teardown(() => daemon.stop())
  await putService(daemon, backends, { ttl: 2 }, { minUp: 0.5 })
  await askUntil(daemon.dns, name, ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
  const browser = await launch()
  t.teardown(() => browser.close())

  const page = await openConsole(t, browser, daemon.http)
  await t.test('nobody gets in with a wrong token', async (t) => {
    await signIn(page, 'wrong')
    await page.getByRole('alert').filter({ hasText: 'the token is not known' }).waitFor()
    await isAccessible(t, page, 'the way in')
    await signIn(page, daemon.token)
    await sees(page, /The service is up/)
    const [cookie] = await page.context().cookies(`${daemon.http}/v1`)
    t.match(cookie, { httpOnly: true, sameSite: 'Strict', path: '/v1', expires: -1 })
    t.equal(
      await page.evaluate('document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)'),
      '{}{}',
    )
  })

  await t.test('a member that fails is there at once, with the reason', async (t) => {
    backends[1]!.healthy = false
    await askUntil(daemon.dns, name, ['192.0.2.1', '192.0.2.3'])
    const answered = performance.now()
    await sees(page, /web\/m2 is down since .*: status 503\. It is not answered\./)
    t.comment(`${Math.round(performance.now() - answered)} ms after the answer`)
    await isAccessible(t, page, 'the overview')
    backends[1]!.healthy = true
    await sees(page, /The service is up/)
  })

  await t.test(
    'the chart is drawn in the colours of the page, also when the system turns dark',
    async (t) => {
      t.teardown(() => page.emulateMedia({ colorScheme: null }))
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        await eventually(async () => (await page.evaluate(hasAccent)) || undefined)
      }
    },
  )

  await t.test('a drain by mouse, until it is safe, and back', async (t) => {
    await page.getByLabel('Name or address of a member').fill('2.1')
    await page.getByRole('button', { name: 'Find a member' }).click()
    await page.getByRole('button', { name: 'Drain… web/m1' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('web/m1 is answered no more; caches have forgotten it 2 s later.').waitFor()
    await isAccessible(t, page, 'the dialog')
    await dialog.getByLabel('Why').fill('new disk')
    await dialog.getByRole('button', { name: 'Drain web/m1' }).click()
    await dialog.getByText(/Safe to switch off since/).waitFor()
    await askUntil(daemon.dns, name, ['192.0.2.2', '192.0.2.3'])
    const audit = (await (await daemon.request('/v1/audit?limit=1')).json()) as { items: unknown[] }
    t.match(audit.items, [{ actor: 'admin', action: 'override.put', key: 'web/m1' }])
    await dialog.getByRole('button', { name: 'Take it back' }).click()
    await dialog.getByText('The override is taken back').waitFor()
    await askUntil(daemon.dns, name, ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('link', { name }).click()
    await page.getByRole('heading', { name: 'Pool web' }).waitFor()
    await isAccessible(t, page, 'the service')
  })

  await t.test('a drain by the keyboard alone', async (t) => {
    /** Goes on until the focus is there. */
    const tabTo = async (text: RegExp) => {
      for (let step = 0; step < 60; step++) {
        await page.keyboard.press('Tab')
        const focused = await page.evaluate<string>('document.activeElement?.textContent ?? ""')
        if (text.test(focused)) return
      }
      throw new Error(`no way to ${text}`)
    }
    await page.getByRole('button', { name: 'Drain… web/m3' }).waitFor()
    await tabTo(/^Drain… web\/m3$/)
    await page.keyboard.press('Enter')
    await tabTo(/^Drain web\/m3$/)
    await page.keyboard.press('Enter')
    await page.getByText(/Safe to switch off/).waitFor()
    await askUntil(daemon.dns, name, ['192.0.2.1', '192.0.2.2'])
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Take back… web/m3' }).press('Enter')
    await page.getByRole('button', { name: 'Take back web/m3' }).press('Enter')
    await askUntil(daemon.dns, name, ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
    await page.getByRole('button', { name: 'Close' }).press('Enter')
    t.pass()
  })

  await t.test('who may only look sees nothing to press', async (t) => {
    const json = { name: 'wall', scopes: ['read'] }
    const made = await daemon.request('/v1/tokens', { method: 'POST', json })
    const { secret } = (await made.json()) as { secret: string }
    const wall = await openConsole(t, browser, daemon.http)
    await signIn(wall, secret)
    await sees(wall, /The service is up/)
    await wall.getByText('read only').waitFor()
    await wall.goto(`${daemon.http}/console#/services/${name}`)
    await wall.getByText('m3', { exact: false }).first().waitFor()
    for (const text of [/drain/i, /take back/i])
      t.equal(await wall.getByRole('button', { name: text }).count(), 0)
    await wall.getByRole('button', { name: 'What if… web/m1' }).click()
    await wall
      .getByRole('dialog')
      .getByText(/web\/m1 is answered no more/)
      .waitFor()
    await wall.getByRole('button', { name: 'Close' }).click()
    await wall.goto(`${daemon.http}/console#/settings/pool/web`)
    await wall.getByLabel('As text').waitFor()
    t.equal(await wall.getByRole('button', { name: /remove|save|change/i }).count(), 0)
    await wall.goto(`${daemon.http}/console#/zones/example.test`)
    await wall.getByRole('cell', { name: 'NS', exact: true }).waitFor()
    t.equal(await wall.getByRole('button', { name: /edit|add|import/i }).count(), 0)
    await wall.getByRole('button', { name: 'Export' }).waitFor()
    await wall.getByRole('button', { name: 'Sign out' }).click()
    await wall.getByLabel('Token').waitFor()
    t.same(await wall.context().cookies(`${daemon.http}/v1`), [])
  })

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

  await t.test('a change of the document is planned, made, and taken back', async (t) => {
    const revision = ((await (await daemon.request('/v1/overview')).json()) as { revision: number }).revision
    await page.getByRole('link', { name: 'Document' }).click()
    const text = page.getByLabel('The configuration as YAML')
    const before = await eventually(async () => (await text.inputValue()).match(/^.*ttl: 2\b.*$/s)?.[0])
    await text.fill(before.replace(/ttl: 2\b.*/, 'ttl: 7\n    whenAllDown: nodata'))
    await page.getByRole('button', { name: 'What would change?' }).click()
    await page.getByText('change service').waitFor()
    await isAccessible(t, page, 'the document')
    await page.getByLabel('Why, for the history').fill('slower')
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.getByText('It is applied and served.').waitFor()
    await page.getByRole('link', { name: 'History' }).click()
    await page.getByText('slower').waitFor()
    await page.getByRole('link', { name: `Revision ${revision}`, exact: true }).click()
    await page.getByRole('button', { name: /What would a return/ }).click()
    await page.getByText('change service').waitFor()
    await page.getByRole('button', { name: `Return to revision ${revision}`, exact: true }).click()
    await page.getByText(`The configuration is that of revision ${revision} again.`).waitFor()
    const service = (await (await daemon.request(`/v1/services/${name}`)).json()) as { ttl: unknown }
    t.equal(service.ttl, 2)
  })

  await t.test('without the database it goes on, and says what has to wait', async (t) => {
    proxy.silence()
    proxy.cut()
    await page.getByText('The database is away.').waitFor()
    await page.getByRole('link', { name: 'Overview', exact: true }).click()
    await sees(page, /The service is up|database/)
    await page.goto(`${daemon.http}/console#/zones/example.test`)
    await page.getByRole('button', { name: 'Edit mail A' }).click()
    await page.getByLabel('Data, a line each').fill('192.0.2.26')
    await page.getByRole('button', { name: 'What would change?' }).click()
    await page
      .getByRole('alert')
      .filter({ hasText: /database/ })
      .waitFor()
    proxy.speak()
    await page.getByText('The database is away.').waitFor({ state: 'detached' })
    t.pass()
  })

  await t.test('a server that is gone is told of, and found when it is back', async (t) => {
    await page.getByRole('link', { name: 'Overview', exact: true }).click()
    await sees(page, /The service is up/)
    daemon.signal('SIGKILL')
    await daemon.exited
    await page.getByText('The server does not answer.').waitFor()
    await page.getByText(/What is shown is .* old/).waitFor()
    daemon = await start(http, dns)
    await page.getByText('The server does not answer.').waitFor({ state: 'detached', timeout: patienceMs })
    await sees(page, /The service is up/)
    t.equal(await page.getByLabel('Token').count(), 0, 'nobody has to sign in again')
  })
})
