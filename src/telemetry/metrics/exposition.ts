/**
 * Writes what a registry holds as Prometheus reads it (text format 0.0.4).
 *
 * With ten thousand services and fifty thousand members that is half a million lines, so they are written in turns of a few milliseconds,
 * between which probes, HTTP and signs of life go on.
 */
import { setImmediate } from 'node:timers/promises'
import type { Registry } from 'prom-client'
import { Exposed, type Series } from './series.ts'

const turnMs = 5
/** After as many it looks at the clock. */
const linesAtOnce = 500
/** Octets. */
const spare = 64 * 1024
/** Of UTF-8, for a unit of UTF-16. */
const mostOctetsOfUnit = 3

/** @param lengthBefore that of the page before, which this one will not differ from by much */
export async function renderPage(registry: Registry, lengthBefore: number): Promise<Buffer> {
  const page = new Page(lengthBefore + spare)
  for (const metric of registry.getMetricsAsArray() as unknown as readonly { readonly name: string }[]) {
    if (metric instanceof Exposed) await write(page, metric)
    else await page.add(`${await registry.getSingleMetricAsString(metric.name)}\n`)
  }
  return page.end()
}

async function write(page: Page, { name, help, type, read }: Exposed): Promise<void> {
  await page.add(
    `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`,
  )
  let lines = ''
  let count = 0
  for (const series of read()) {
    lines += lineOf(name, series)
    if (++count % linesAtOnce > 0) continue
    await page.add(lines)
    lines = ''
  }
  await page.add(lines)
}

class Page {
  #octets: Buffer
  #length = 0
  #turnBegan = performance.now()

  constructor(expectedLength: number) {
    this.#octets = Buffer.allocUnsafeSlow(expectedLength)
  }

  async add(text: string): Promise<void> {
    const most = this.#length + mostOctetsOfUnit * text.length
    if (most > this.#octets.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(most, 2 * this.#octets.length))
      this.#octets.copy(larger, 0, 0, this.#length)
      this.#octets = larger
    }
    this.#length += this.#octets.write(text, this.#length)
    if (performance.now() - this.#turnBegan < turnMs) return
    await setImmediate()
    this.#turnBegan = performance.now()
  }

  end(): Buffer {
    return this.#octets.subarray(0, this.#length)
  }
}

function lineOf(name: string, { labels, value, metricName = name }: Series): string {
  let text = ''
  for (const label in labels) {
    text += `${text === '' ? '{' : ','}${label}="${labelText(labels[label]!)}"`
  }
  return `${metricName}${text === '' ? '' : `${text}}`} ${valueText(value)}\n`
}

const special = /[\\\n"]/

function labelText(value: string | number): string {
  if (typeof value === 'number' || !special.test(value)) return String(value)
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}

function valueText(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}
