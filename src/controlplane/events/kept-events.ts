/**
 * Events that a stop leaves without the database, in a file of the data directory for the next start. The file goes away when they have
 * been stored; a stop that comes before that finds them among those that wait, and writes them again.
 *
 * Bounded as the recorder is. Only a stop writes: what a process that is killed has not stored is lost, as is what members are by then,
 * which the next start measures anew.
 */
import { readFile, rm } from 'node:fs/promises'
import { isSealed, seal, unsealed } from '../files/sealed.ts'
import { putAside, writeWhole } from '../files/whole-file.ts'
import type { Event } from '../model/event.ts'

const formatVersion = 1
/** The fields of events that hold times. */
const times: readonly string[] = ['at', 'until', 'notAfter']

export class KeptEvents {
  readonly #path: string
  #isThere = false

  constructor(path: string) {
    this.#path = path
  }

  /**
   * Reads what the last stop has kept.
   *
   * @param onBad told when the file can't be used; it is put aside
   */
  async read(onBad: (message: string) => void): Promise<readonly Event[]> {
    try {
      const text = await readFile(this.#path, 'utf8')
      this.#isThere = true
      return parse(text)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      onBad(`${this.#path} can't be used, and the events in it are lost: ${(error as Error).message}`)
      await putAside(this.#path)
      this.#isThere = false
      return []
    }
  }

  /** Keeps these, in the place of what is there. @throws Error when they can't be written */
  async write(events: readonly Event[]): Promise<void> {
    const document = JSON.stringify({ format: formatVersion, crc32: unsealed, events })
    await writeWhole(this.#path, Buffer.from(`${seal(document)}\n`))
    this.#isThere = true
  }

  /** They have been stored. */
  async clear(): Promise<void> {
    if (!this.#isThere) return
    await rm(this.#path, { force: true })
    this.#isThere = false
  }
}

/** @throws Error when it is not what was written */
function parse(text: string): readonly Event[] {
  const { format, crc32, events } = JSON.parse(text) as {
    format: unknown
    crc32: unknown
    events: readonly Record<string, unknown>[]
  }
  if (format !== formatVersion) throw new Error(`its format is not ${formatVersion}`)
  if (!isSealed(text.trimEnd(), crc32)) throw new Error('its checksum is wrong')
  return events.map((event) => {
    const fields = Object.entries(event).map(([name, value]) => {
      return [name, times.includes(name) && typeof value === 'string' ? new Date(value) : value]
    })
    return Object.fromEntries(fields) as Event
  })
}
