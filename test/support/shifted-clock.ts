/**
 * The time of day of a process, in the hands of a test: preloaded (`--import`) into each of its threads, it adds as many seconds as the file
 * says that stands behind `?by=` in its URL. Timers go on as they did, as when a host's clock is set.
 */
import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

const lookEveryMs = 100
const RealDate = Date

/** The option of node that a process takes its time by. */
export function clockOption(file: string): string {
  return `--import=${import.meta.url.replace(/\?.*/, '')}?by=${encodeURIComponent(pathToFileURL(file).href)}`
}

/** Sets the clock of processes that look at a file. Resolves when they have looked, or soon. */
export async function setClock(file: string, aheadSeconds: number): Promise<void> {
  // Whole at once: who looks at a file that is still empty would be back at the time of day.
  await writeFile(`${file}.new`, String(aheadSeconds))
  await rename(`${file}.new`, file)
  await delay(2 * lookEveryMs)
}

const by = new URL(import.meta.url).searchParams.get('by')
if (by !== null) shiftBy(new URL(by))

function shiftBy(file: URL): void {
  let aheadMs = 0
  const look = () => {
    aheadMs = 1000 * Number(readFileSync(file, 'utf8'))
  }
  look()
  setInterval(look, lookEveryMs).unref()
  globalThis.Date = class extends RealDate {
    static override now(): number {
      return RealDate.now() + aheadMs
    }

    // As many as there are.
    constructor(...given: [] | [number | string | Date]) {
      if (given.length === 0) super(RealDate.now() + aheadMs)
      else super(...(given as [number]))
    }
  } as DateConstructor
}
