/**
 * Ends what goes on for a token that may not have it any more: one that was revoked, has expired, or lost the scope that it was begun with.
 * Requests look at their token once; what takes longer than a request (a stream, an export to a slow client, a body on its way in)
 * is watched here.
 *
 * One question to the database for all tokens that are watched: at once when this process has revoked one or the database
 * tells of a change, and each second in any case. While the database is away, what goes on goes on, until its token expires. The admin's token comes from
 * the configuration and is not watched.
 */
import type { Logger } from '../../../telemetry/log.ts'
import { hasExpired, type TokenScope } from '../../model/token.ts'
import type { Database } from '../../store/database.ts'
import { tokensWithHashes } from '../../store/tokens.ts'
import { Alarm } from '../../timing/alarm.ts'
import { type Clock, wallClock } from '../../timing/clock.ts'
import { PollLoop } from '../../timing/poll-loop.ts'

const everyMs = 1_000

/** What a request knows of the token that it came with. */
export interface WatchedToken {
  /** SHA-256 in hexadecimal digits; null for a person, whose session is sealed and ends by time. */
  readonly hash: string | null
  readonly expiresAt: Date | null
}

interface Watched {
  readonly scope: TokenScope
  readonly end: () => void
}

export class TokenWatch {
  readonly #database: Database
  readonly #now: () => Date
  readonly #loop: PollLoop
  readonly #hints: Disposable
  /** By the hash of the token. Bound: the connections, each of which has one request in work. */
  readonly #watched = new Map<string, Set<Watched>>()

  constructor({
    database,
    log,
    now,
    clock,
  }: {
    readonly database: Database
    readonly now: () => Date
    readonly log: Logger
    readonly clock?: Clock
  }) {
    this.#database = database
    this.#now = now
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
   * Calls `end` once the token has the scope no more, has expired, or does not exist.
   *
   * @param token null for the admin's
   */
  watch(token: WatchedToken | null, scope: TokenScope, end: () => void): Disposable {
    if (token === null) return { [Symbol.dispose]: () => {} }
    const { hash, expiresAt } = token
    const watched = { scope, end }
    const alarm = new Alarm(wallClock(this.#now), end)
    alarm.set(expiresAt?.getTime() ?? Number.POSITIVE_INFINITY)
    if (hash === null) return alarm
    const all = this.#watched.get(hash) ?? new Set()
    this.#watched.set(hash, all.add(watched))
    // It may have been revoked since the request looked at it.
    this.#loop.hint()
    return {
      [Symbol.dispose]: () => {
        alarm[Symbol.dispose]()
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
    const tokens = await this.#database.read((tx) => tokensWithHashes(tx, [...looked.keys()]))
    const now = this.#now()
    for (const [hash, all] of looked) {
      const token = tokens.get(hash)
      const scopes = token === undefined || hasExpired(token, now) ? [] : token.scopes
      for (const watched of all) {
        if (scopes.includes(watched.scope)) continue
        // What has ended meanwhile is not watched any more.
        if (this.#watched.get(hash)?.has(watched) === true) watched.end()
      }
    }
    return false
  }
}
