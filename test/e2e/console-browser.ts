/** A browser on the console, as tests drive it. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { type Browser, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { patienceMs } from '../support/patience.ts'
import { findProgram } from '../support/program.ts'

const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

export async function launch(): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: findProgram('chromium')!,
    timeout: patienceMs,
    // Tests run as root in places.
    args: ['--no-sandbox'],
  })
  return browser
}

/** A page that nobody has signed in on; whatever the browser has to complain of in it fails the test. */
export async function openConsole(t: Test, browser: Browser, http: string): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(patienceMs)
  page.on('pageerror', (error) => t.fail(`${error.name}: ${error.message}`))
  page.on('console', (message) => {
    // Refused requests are told by the browser as well; before anybody has tried to sign in there are none.
    if (message.type() !== 'error') return
    if (!hasBegun.has(page) || !/Failed to load resource/.test(message.text())) t.fail(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(http)) t.fail(`it asks ${request.url()}`)
  })
  await page.goto(`${http}/console`)
  return page
}

/** Pages on which somebody has tried to sign in. */
const hasBegun = new WeakSet<Page>()

export async function signIn(page: Page, token: string): Promise<void> {
  hasBegun.add(page)
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

const headline = (page: Page) => page.locator('.headline')

export async function sees(page: Page, text: RegExp): Promise<void> {
  await headline(page).filter({ hasText: text }).waitFor()
}

/** What axe finds that keeps somebody from using the page. */
export async function isAccessible(t: Test, page: Page, what: string): Promise<void> {
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
export function hasAccent(): boolean {
  const chart = document.querySelector<HTMLCanvasElement>('.chart canvas')
  if (chart === null || chart.width === 0) return false
  const sample = new OffscreenCanvas(1, 1).getContext('2d')!
  sample.fillStyle = getComputedStyle(chart).getPropertyValue('--accent').trim()
  sample.fillRect(0, 0, 1, 1)
  const [accent] = new Uint32Array(sample.getImageData(0, 0, 1, 1).data.buffer)
  const { data } = chart.getContext('2d')!.getImageData(0, 0, chart.width, chart.height)
  return new Uint32Array(data.buffer).includes(accent!)
}
