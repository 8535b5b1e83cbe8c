/**
 * Whether the database can be used, by what the last use said.
 *
 * One that takes no writes is away until it takes them again, however well it can be read: else it would come and go with each read
 * and write. So while it is like that, a read that succeeds has a write tried, once a second at most.
 */
import { reasonOf, takesNoWrites } from './postgres-errors.ts'

const tryEveryMs = 1000

export interface StandingOptions {
  readonly onAvailable?: (() => void) | undefined
  readonly onUnavailable?: ((reason: string) => void) | undefined
  /** Tries what only a database does that takes writes; says by itself what came of it. */
  readonly tryWriting: () => Promise<unknown>
}

export class Standing {
  readonly #options: StandingOptions
  #up = false
  #readOnly = false
  #triedMs = Number.NEGATIVE_INFINITY
  #stopped = false

  constructor(options: StandingOptions) {
    this.#options = options
  }

  /** False before the first use. */
  get up(): boolean {
    return this.#up
  }

  /** @param wrote a transaction that may write, not one that only reads */
  succeeded(wrote: boolean): void {
    if (wrote) this.#readOnly = false
    if (this.#up || this.#stopped) return
    if (this.#readOnly) this.#tryWriting()
    else {
      this.#up = true
      this.#options.onAvailable?.()
    }
  }

  /** A use failed, since the database can't be used. */
  lost(error: unknown): void {
    if (takesNoWrites(error)) this.#readOnly = true
    if (!this.#up) return
    this.#up = false
    this.#options.onUnavailable?.(reasonOf(error))
  }

  /** It can't be used yet, which is told each time. */
  waits(reason: string): void {
    this.#up = false
    this.#options.onUnavailable?.(reason)
  }

  stop(): void {
    this.#stopped = true
    this.#up = false
  }

  #tryWriting(): void {
    const nowMs = performance.now()
    if (nowMs - this.#triedMs < tryEveryMs) return
    this.#triedMs = nowMs
    this.#options.tryWriting().catch(() => undefined)
  }
}
