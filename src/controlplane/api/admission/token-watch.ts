/**
 * Ends what goes on for a token that may not have it any more: one that was revoked, or lost the scope that it was begun with.
 * Requests look at their token once; what takes longer than a request (a stream, an export to a slow client, a body on its way in)
 * is watched here.
 *
 * One question to the database for all tokens that are watched: at once when this process has revoked one or the database
 * tells of a change, and each second in any case. While the database is away, what goes on goes on. The admin's token comes from
 * the configuration and is not watched.
 */
import type { Logger } from '../../../telemetry/log.ts'
import type { Database } from '../../store/database.ts'
import { scopesByHash, type TokenScope } from '../../store/tokens.ts'
import type { Clock } from '../../timing/clock.ts'
import { PollLoop } from '../../timing/poll-loop.ts'

const everyMs = 1_000

interface Watched {
  readonly scope: TokenScope
  readonly end: () => void
}

export class TokenWatch {
  readonly #database: Database
  readonly #loop: PollLoop
  readonly #hints: Disposable
  /** By the hash of the token. Bound: the connections, each of which has one request in work. */
  readonly #watched = new Map<string, Set<Watched>>()

  constructor({
    database,
    log,
    clock,
  }: {
    readonly database: Database
    readonly log: Logger
    readonly clock?: Clock
  }) {
    this.#database = database
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => (this.#watched.size > 0 ? everyMs : Number.POSITIVE_INFINITY),
      ...(clock === undefined ? {} : { clock }),
      onError: (error) => log.error({ err: error }, 'looking at the tokens of streams failed; trying again'),
    })
    this.#loop.start()
    this.#hints = database.listen(() => {
      if (this.#watched.size > 0) this.#loop.hint()
    })
  }

  /**
   * Calls `end` once the token has the scope no more, or does not exist.
   *
   * @param hash null for the admin's
   */
  watch(hash: string | null, scope: TokenScope, end: () => void): Disposable {
    if (hash === null) return { [Symbol.dispose]: () => {} }
    const watched = { scope, end }
    const all = this.#watched.get(hash) ?? new Set()
    this.#watched.set(hash, all.add(watched))
    // It may have been revoked since the request looked at it.
    this.#loop.hint()
    return {
      [Symbol.dispose]: () => {
        all.delete(watched)
        if (all.size === 0 && this.#watched.get(hash) === all) this.#watched.delete(hash)
      },
    }
  }

  async stop(): Promise<void> {
    this.#hints[Symbol.dispose]()
    await this.#loop.stop()
  }

  async #look(): Promise<boolean> {
    if (this.#watched.size === 0) return false
    const looked = new Map(Array.from(this.#watched, ([hash, all]) => [hash, [...all]]))
    const scopes = await this.#database.read((tx) => scopesByHash(tx, [...looked.keys()]))
    for (const [hash, all] of looked) {
      for (const watched of all) {
        if (scopes.get(hash)?.includes(watched.scope) === true) continue
        // What has ended meanwhile is not watched any more.
        if (this.#watched.get(hash)?.has(watched) === true) watched.end()
      }
    }
    return false
  }
}
