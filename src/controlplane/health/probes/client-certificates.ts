import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Fault, fault, ownFault } from '../verdict.ts'
import { LeastRecentMap } from './least-recent.ts'

/** A client certificate, with those that vouch for it, and its key, in PEM. */
export interface KeyPair {
  readonly cert: Buffer
  readonly key: Buffer
  /** Another one whenever the files have been read anew. */
  readonly reading: number
}

interface Held {
  readonly pair: KeyPair
  /** Times of the last change of both files. */
  readonly changed: string
  checkedMs: number
}

/** How long a pair is taken to be what it was. */
const checkEveryMs = 60_000

/**
 * The client certificates of this node: pairs of files `NAME.crt` and `NAME.key` in one directory. They are not in the
 * configuration because keys are not, and so that they can be renewed in place: a pair that was changed is used within
 * a minute. Bound: the 256 pairs that were used last.
 */
export class ClientCertificates {
  readonly #directory: string
  readonly #nowMs: () => number
  readonly #held = new LeastRecentMap<string, Held>(256)
  /** One for each pair that is being read, however many ask for it. */
  readonly #readings = new Map<string, Promise<KeyPair | Fault>>()
  #read = 0

  constructor(directory: string, nowMs: () => number = () => performance.now()) {
    this.#directory = directory
    this.#nowMs = nowMs
  }

  /** Never rejects. A pair that can't be read is looked for again by the next one who asks. */
  find(name: string): Promise<KeyPair | Fault> {
    const held = this.#held.get(name)
    if (held !== undefined && this.#nowMs() - held.checkedMs < checkEveryMs) return Promise.resolve(held.pair)
    const reading = this.#readings.get(name) ?? this.#load(name, held)
    this.#readings.set(name, reading)
    return reading
  }

  async #load(name: string, held: Held | undefined): Promise<KeyPair | Fault> {
    try {
      // Names come from the configuration, and must not lead out of the directory.
      if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name))
        return fault('tls', `client certificate "${name}" has no such name`)
      const files = [join(this.#directory, `${name}.crt`), join(this.#directory, `${name}.key`)] as const
      const [certAt, keyAt] = await Promise.all(files.map((file) => stat(file)))
      const changed = `${certAt!.mtimeMs} ${keyAt!.mtimeMs}`
      if (held !== undefined && held.changed === changed) {
        held.checkedMs = this.#nowMs()
        return held.pair
      }
      const [cert, key] = await Promise.all(files.map((file) => readFile(file)))
      const pair = { cert: cert!, key: key!, reading: ++this.#read }
      this.#held.set(name, { pair, changed, checkedMs: this.#nowMs() })
      return pair
    } catch (error) {
      const own = ownFault(error)
      if (own !== null) return own
      const code = (error as NodeJS.ErrnoException).code ?? String(error)
      return fault('tls', `client certificate ${name} (${name}.crt, ${name}.key) can't be read: ${code}`)
    } finally {
      this.#readings.delete(name)
    }
  }
}
