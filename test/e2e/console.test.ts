/** The console in a real browser, against a real daemon with real backends: what an operator sees and does at 3 am. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { SessionSeal } from '../../src/controlplane/api/console/sealed-session.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { patienceMs } from '../support/patience.ts'
import { startPostgres } from '../support/postgres.ts'
import { startPostgresProxy } from '../support/postgres-proxy.ts'
import { missingPrograms } from '../support/program.ts'
import { askUntil } from './ask.ts'
import { hasAccent, isAccessible, launch, openConsole, sees, signIn } from './console-browser.ts'
import { changes } from './console-changes.ts'
import { words } from './console-words.ts'
import { eventually, putService, startBackend } from './fixture.ts'

const skip = missingPrograms('chromium')
const name = 'www.example.test'

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
    await dialog.getByText('web/m1 is answered no more; safe to switch off 2 s later.').waitFor()
    await isAccessible(t, page, 'the dialog')
    await dialog.getByRole('button', { name: 'Drain web/m1' }).click()
    await dialog.getByText('Say why, for whoever looks at it next.').waitFor()
    await dialog.getByLabel('Why').fill('new disk')
    await dialog.getByRole('button', { name: 'Drain web/m1' }).click()
    await dialog.getByText(/Safe to switch off since/).waitFor()
    await askUntil(daemon.dns, name, ['192.0.2.2', '192.0.2.3'])
    const audit = (await (await daemon.request('/v1/audit?limit=1')).json()) as { items: unknown[] }
    t.match(audit.items, [{ actor: 'admin', action: 'override.put', key: 'web/m1' }])
    // Where it was found it stands as it is now.
    await page.locator('.found').getByText('drained').waitFor()
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
    // It asks why, and is there to be told.
    await page.keyboard.type('a test')
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

  await words(t, { page, daemon, backend: backends[0]!, name })

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

  await changes(t, page, daemon)

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

  await t.test('where nobody was for half an hour somebody has to sign in again', async (t) => {
    const context = page.context()
    const [cookie] = await context.cookies(`${daemon.http}/v1`)
    const seal = new SessionSeal(createHash('sha256').update(daemon.token).digest())
    const session = seal.open(cookie!.value, cookie!.name, Date.now())!
    // As it would be then: nobody can wait for it here.
    const usedAt = Date.now() - 31 * 60_000
    const idle = seal.seal({ ...session, begunAt: usedAt, usedAt }, cookie!.name)!
    await context.addCookies([{ ...cookie!, value: idle }])
    await page.getByText('You were signed out: nobody was here for a while').waitFor()
    await signIn(page, daemon.token)
    await page.getByRole('link', { name: 'Overview', exact: true }).click()
    await sees(page, /The service is up/)
    t.pass()
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
    // What was read out of memory may be another by now.
    await page.getByRole('button', { name: 'What would change?' }).click()
    await page
      .getByRole('alert')
      .filter({ hasText: /read it again/ })
      .waitFor()
    await page.getByRole('button', { name: 'Read it again' }).click()
    await page.getByText('Looking…').waitFor({ state: 'detached' })
    await page.getByLabel('Data, a line each').fill('192.0.2.28')
    await page.getByRole('button', { name: 'What would change?' }).click()
    await page.getByRole('region', { name: 'The plan' }).getByText('192.0.2.28').waitFor()
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
