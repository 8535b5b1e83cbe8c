/** The keys of zones, opened: of a thread that signs, which reads the key file itself, so that keys come to it sealed. */
import type { ServedKey } from '../model/dnssec.ts'
import { type KeyFile, readKeyFile } from './key-file.ts'
import { type SigningKey, signingKey } from './zone-key.ts'

export class OpenedKeys {
  readonly #keyFile: KeyFile | null
  /** Keys by apex, each with what it was opened out of. Bounded by the zones and their keys. */
  readonly #keys = new Map<string, ReadonlyMap<string, SigningKey>>()

  /** @param keyFile null: none can be opened */
  constructor(keyFile: KeyFile | null) {
    this.#keyFile = keyFile
  }

  /** One that can't be opened is there too, with its trouble. */
  of(apex: string, keys: readonly ServedKey[]): readonly SigningKey[] {
    const known = this.#keys.get(apex)
    const opened = new Map(
      keys.map((key) => {
        const before = known?.get(key.sealed)
        // One that could not be opened may be by now.
        const isOpen = before !== undefined && before.trouble === null
        return [key.sealed, isOpen ? { ...before, duties: key.duties } : this.#open(apex, key)] as const
      }),
    )
    this.#keys.set(apex, opened)
    return [...opened.values()]
  }

  forget(apex: string): void {
    this.#keys.delete(apex)
  }

  #open(apex: string, key: ServedKey): SigningKey {
    return signingKey(() => readKeyFile(this.#keyFile ?? { path: '', mayBeMade: false }), apex, key)
  }
}
