/**
 * Which of several database servers is used: the first that can be connected to and is what `target_session_attrs` wants.
 *
 * All connections go to the same one, so whoever finds that it is gone, or takes no writes any more, says so (`giveUp`), and the next
 * who needs one has all of them asked again. They are asked in their order; one that keeps us waiting for half a second does not
 * keep the next from being asked, so that a server that hangs costs no more than that.
 *
 * What a server is, it is asked by SQL. PostgreSQL 14 and later say it as a parameter of the session, too, but a pooler between us and
 * the server tells everybody what it was once told itself.
 *
 * libpq tries no other server once one refuses the login; we do, since it may be the one that is broken.
 *
 * With one server that may be anything there is nothing to choose, and nothing is asked.
 */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { ControlError } from '../model/errors.ts'
import type { DatabaseServer, SessionTarget } from './database-url.ts'
import { reasonOf } from './postgres-errors.ts'
import { cut } from './server-pool.ts'

/** How long one is waited for alone. */
const aloneMs = 500
/** Once none would do, for so long nobody asks again: each write that is refused meanwhile would. */
const restMs = 250

/** A server that is used. */
export interface Choice {
  readonly config: pg.ClientConfig
  /** Aborts when it is used no more. */
  readonly over: AbortSignal
}

/** A server as the driver takes it, with its name for messages. */
export interface Candidate extends Pick<DatabaseServer, 'name'> {
  readonly config: pg.ClientConfig
}

export class ServerChoice {
  readonly #candidates: readonly Candidate[]
  readonly #target: SessionTarget
  readonly #stopping = new AbortController()
  #chosen: { readonly choice: Choice; readonly end: () => void } | null = null
  #choosing: Promise<Choice> | undefined
  #failure: { readonly error: unknown; readonly untilMs: number } | null = null

  constructor(candidates: readonly Candidate[], target: SessionTarget) {
    this.#candidates = candidates
    this.#target = target
    if (candidates.length === 1 && target === 'any') this.#choose(candidates[0]!)
  }

  /** @throws ControlError `unavailable`, which says of each server why it won't do */
  async choose(): Promise<Choice> {
    if (this.#chosen !== null) return this.#chosen.choice
    if (this.#failure !== null && performance.now() < this.#failure.untilMs) throw this.#failure.error
    this.#choosing ??= this.#askAll().finally(() => {
      this.#choosing = undefined
    })
    return this.#choosing
  }

  /** Says that a server is not what it was. Harmless when another one has been chosen since. */
  giveUp(choice: Choice): void {
    const isOnly = this.#candidates.length === 1 && this.#target === 'any'
    if (isOnly || this.#chosen?.choice !== choice) return
    const { end } = this.#chosen
    this.#chosen = null
    end()
  }

  /** Asks nobody any more. */
  stop(): void {
    this.#stopping.abort()
  }

  #choose({ config }: Candidate): Choice {
    const over = new AbortController()
    const choice = { config, over: over.signal }
    this.#chosen = { choice, end: () => over.abort() }
    return choice
  }

  async #askAll(): Promise<Choice> {
    using stack = new DisposableStack()
    const over = new AbortController()
    // Those that are still being asked when one has been found.
    stack.defer(() => over.abort())
    const signal = AbortSignal.any([over.signal, this.#stopping.signal])
    const found = Promise.withResolvers<Candidate>()
    // In the order of the servers, whoever is quicker to say no: what is told again and again is the same then.
    const reasons: string[] = []
    const asked: Promise<void>[] = []
    for (const [index, candidate] of this.#candidates.entries()) {
      const answer = this.#ask(candidate, signal).then(
        () => found.resolve(candidate),
        (error: unknown) => {
          reasons[index] = `${candidate.name}: ${reasonOf(error)}`
        },
      )
      asked.push(answer)
      const waited = delay(aloneMs, undefined, { signal }).catch(() => {})
      const first = await Promise.race([found.promise, answer, waited])
      if (first !== undefined) return this.#choose(first)
    }
    const first = await Promise.race([found.promise, Promise.all(asked)])
    if ('config' in first) return this.#choose(first)
    const error = new ControlError('unavailable', `no database server will do: ${reasons.join('; ')}`)
    this.#failure = { error, untilMs: performance.now() + restMs }
    throw error
  }

  /** Throws for one that won't do. */
  async #ask({ config }: Candidate, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const client = new pg.Client({ ...config, query_timeout: config.connectionTimeoutMillis })
    client.on('error', () => {})
    const end = () => cut(client)
    signal.addEventListener('abort', end)
    try {
      await client.connect()
      if (this.#target === 'any') return
      const isPrimary = this.#target === 'primary'
      const { rows } = await client.query<{ no: boolean | string }>(
        isPrimary
          ? 'select pg_is_in_recovery() as no'
          : `select current_setting('transaction_read_only') as no`,
      )
      if (rows[0]!.no === true) throw new Error('it is a standby')
      if (rows[0]!.no === 'on') throw new Error('it takes no writes')
    } finally {
      signal.removeEventListener('abort', end)
      end()
    }
  }
}
