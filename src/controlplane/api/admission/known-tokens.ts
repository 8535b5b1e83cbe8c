/**
 * The tokens as this node knows them, so that they are good while the database is away: one that existed at the last look and has not
 * been revoked here since. A look comes when the database tells of a change, which a revocation is, and every few seconds in any case;
 * while the database is there each request asks it, and nothing here is believed.
 *
 * Without that an outage of the database would lock operators out when they need to drain something, and the reports of agents would
 * run out, which would take every such member out of the answers.
 *
 * Bound: `mostTokens`; more have to wait for the database.
 */
import { createHash } from 'node:crypto'
import type { Logger } from '../../../telemetry/log.ts'
import { ControlError, isUnavailable } from '../../model/errors.ts'
import type { Token } from '../../model/token.ts'
import type { Database } from '../../store/database.ts'
import { findToken, noteTokenUse, tokensByHash, useResolutionMs } from '../../store/tokens.ts'
import { PollLoop } from '../../timing/poll-loop.ts'

const everyMs = 5_000
/** However many changes come. */
const settleMs = 1_000
const mostTokens = 10_000

export class KnownTokens {
  readonly #database: Database
  readonly #loop: PollLoop
  readonly #hints: Disposable
  #byHash = new Map<string, Token>()
  /** When this node wrote down last that a token was used, by its name. Bound: `mostTokens`. */
  readonly #used = new Map<string, number>()

  constructor({ database, log }: { readonly database: Database; readonly log: Logger }) {
    this.#database = database
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => everyMs,
      settleMs: () => settleMs,
      onError: (error) => log.error({ err: error }, 'the tokens were not read; trying again'),
    })
    this.#loop.start()
    this.#hints = database.listen(() => this.#loop.hint())
  }

  /** The token with this secret; null when there is none. Throws `unavailable` when that can't be said now. */
  async find(secret: string): Promise<Token | null> {
    const hash = createHash('sha256').update(secret).digest('hex')
    const known = this.#byHash.get(hash)
    if (!this.#database.up && known !== undefined) return known
    try {
      const token = await this.#database.read((tx) => findToken(tx, secret))
      if (token === null) this.#byHash.delete(hash)
      else if (this.#byHash.size < mostTokens) this.#byHash.set(hash, token)
      return token
    } catch (error) {
      if (!isUnavailable(error)) throw error
      const remembered = this.#byHash.get(hash)
      if (remembered !== undefined) return remembered
      const reason = `this node does not know the token, and ${(error as ControlError).message}`
      throw new ControlError('unavailable', reason, { cause: error })
    }
  }

  /** Writes down that a token is used, once in a minute at the most, however many requests it makes at once. */
  async noteUse({ name, lastUsedAt }: Token, at: Date): Promise<void> {
    const last = Math.max(this.#used.get(name) ?? 0, lastUsedAt?.getTime() ?? 0)
    if (!this.#database.up || at.getTime() - last < useResolutionMs) return
    if (this.#used.size >= mostTokens) this.#used.clear()
    this.#used.set(name, at.getTime())
    // That it was used is not worth a refusal.
    await this.#database
      .record((tx) => noteTokenUse(tx, name, at))
      .catch((error: unknown) => {
        if (!isUnavailable(error)) throw error
        this.#used.delete(name)
      })
  }

  /** One was revoked here. */
  forget(name: string): void {
    this.#used.delete(name)
    // Another map, so that a look that has begun does not bring it back.
    this.#byHash = new Map([...this.#byHash].filter(([, token]) => token.name !== name))
    this.#loop.hint()
  }

  async stop(): Promise<void> {
    this.#hints[Symbol.dispose]()
    await this.#loop.stop()
  }

  async #look(): Promise<boolean> {
    if (!this.#database.up) return false
    const before = this.#byHash
    const found = await this.#database.read((tx) => tokensByHash(tx, mostTokens))
    // What was revoked meanwhile stays so; the next look sees it.
    if (before === this.#byHash) this.#byHash = found
    return false
  }
}
