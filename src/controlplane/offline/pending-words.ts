/**
 * Overrides that were taken while the database was away, on this node's disk until the database has been told.
 *
 * One file holds them all and is written anew at each, whole and synced, before anybody is told that the word was taken: operators
 * say few words in an outage. A word on the same as one before replaces it; what was said in between is in the record of events.
 *
 * The words lie over the configuration (`over`), so that what is planned, shown and kept in the snapshot has them, whatever the
 * database says of the same meanwhile. Which of two words holds is decided when the database is told (`store/told-words.ts`): from the
 * revision on at which that was done, the configuration has what became of it, and the word is not laid over it any more.
 */
import { readFileSync } from 'node:fs'
import type { Catalog } from '../catalog/catalog.ts'
import { OverrideWord } from '../document/override.ts'
import { isSealed, seal, unsealed } from '../files/sealed.ts'
import { putAside, writeWhole } from '../files/whole-file.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import { formatMemberKey } from '../model/member-key.ts'
import { type PendingWord, type ServiceWord, type WordTarget, wordKey } from '../model/pending-word.ts'

/** Words that wait; more are refused. */
const mostWords = 10_000

const formatVersion = 1

export class PendingWords {
  readonly #path: string
  /** By `wordKey`, in the order in which they were said. */
  #words = new Map<string, PendingWord>()
  /** The revisions at which the database was told of words that are not settled yet. Bounded by the words. */
  readonly #told = new Map<PendingWord, number>()
  /** The last change of the file. */
  #written: Promise<unknown> = Promise.resolve()

  constructor(path: string) {
    this.#path = path
  }

  /**
   * Reads what was said before the start.
   *
   * @param onBad told when the file can't be used; it is put aside
   */
  async open(onBad: (message: string) => void): Promise<void> {
    try {
      this.#words = readWords(this.#path)
    } catch (error) {
      onBad(`${this.#path} can't be used, and the overrides in it are lost: ${(error as Error).message}`)
      await putAside(this.#path)
    }
  }

  get size(): number {
    return this.#words.size
  }

  has(target: WordTarget): boolean {
    return this.#words.has(wordKey(target))
  }

  /** All of them, in the order in which they were said. */
  get all(): readonly PendingWord[] {
    return [...this.#words.values()]
  }

  /** Takes a word; resolves when it is on disk. Throws `unavailable` when it can't be kept. */
  take(word: PendingWord): Promise<void> {
    return this.#change((words) => {
      const key = wordKey(word)
      if (words.size >= mostWords && !words.has(key)) {
        throw new ControlError('unavailable', `${mostWords} overrides wait for the database already`)
      }
      words.delete(key)
      words.set(key, word)
    })
  }

  /** The database has been told, with that revision. */
  tell(word: PendingWord, revision: number): void {
    this.#told.set(word, revision)
  }

  /** Forgets a word that the database has been told, unless another one has taken its place. */
  settle(word: PendingWord): Promise<void> {
    return this.#change((words) => {
      const key = wordKey(word)
      if (words.get(key) === word) words.delete(key)
      this.#told.delete(word)
    })
  }

  /** A catalog with the words over it; the same one when there are none. */
  over(catalog: Catalog): Catalog {
    if (this.#words.size === 0) return catalog
    const overrides = new Map(catalog.overrides)
    const services = new Map(catalog.services)
    let ofServices = false
    for (const word of this.#words.values()) {
      if (catalog.revision >= (this.#told.get(word) ?? Number.POSITIVE_INFINITY)) continue
      if ('service' in word) {
        const service = services.get(word.service)
        if (service === undefined) continue
        services.set(word.service, { ...service, override: pendingOf(word) })
        ofServices = true
      } else if (word.override === null) overrides.delete(formatMemberKey(word))
      else overrides.set(formatMemberKey(word), { ...word.override, pending: true })
    }
    return catalog.with({ overrides, services: ofServices ? services : catalog.services })
  }

  #change(edit: (words: Map<string, PendingWord>) => void): Promise<void> {
    const written = this.#written.then(async () => {
      const words = new Map(this.#words)
      edit(words)
      await writeWhole(this.#path, Buffer.from(formatWords(words.values()))).catch((error: Error) => {
        throw new ControlError('unavailable', `the override can't be kept on disk: ${error.message}`, {
          cause: error,
        })
      })
      this.#words = words
    })
    this.#written = written.catch(() => undefined)
    return written
  }
}

function pendingOf({ override }: ServiceWord) {
  return override === null ? null : { ...override, pending: true as const }
}

function formatWords(words: Iterable<PendingWord>): string {
  const written = Array.from(words, ({ override, ...word }) => {
    return { ...word, override: override === null ? null : OverrideWord.format(override) }
  })
  return seal(`${JSON.stringify({ format: formatVersion, crc32: unsealed, words: written })}\n`)
}

/** @throws Error when there is a file that can't be used */
function readWords(path: string): Map<string, PendingWord> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw error
  }
  const { format, crc32, words } = JSON.parse(text) as {
    format: unknown
    crc32: unknown
    words: readonly Written[]
  }
  if (format !== formatVersion) throw new Error(`its format is not ${formatVersion}`)
  if (!isSealed(text, crc32)) throw new Error('its checksum is wrong')
  return new Map(words.map((written) => [wordKey(written), wordOf(written)]))
}

/** As JSON holds it. */
type Written = WordTarget & {
  readonly at: string
  readonly actor: string
  readonly born: number | null
  readonly override: object | null
}

function wordOf({ at, override, ...rest }: Written): PendingWord {
  const said = { ...rest, at: new Date(at) }
  if (override === null) return { ...said, override: null }
  const problems: Problem[] = []
  const word = OverrideWord.parse(override, '', problems)
  if (word === undefined || problems.length > 0)
    throw new Error(`${problems[0]?.path} ${problems[0]?.message}`)
  return 'service' in said
    ? { ...said, override: { service: said.service, ...word } }
    : { ...said, override: { pool: said.pool, member: said.member, ...word } }
}
