/**
 * One connection during one transaction. Statements go out as they come: one that doesn't need the answer to another is not
 * kept waiting for it, so that those that are asked for together cost one round trip to a server far away.
 *
 * The server runs them in their order all the same, and once one has failed, answers all that follow with "the transaction is
 * aborted", COMMIT included. So nothing is half written; whoever is told of the abortion is told why instead.
 *
 * The embedded database takes one message at a time. There they wait here for each other; it is no round trip away.
 */
import type pg from 'pg'
import { drizzle, type SQL } from '../../../schema/drizzle.ts'
import type { Connections, Loan } from './connections.ts'
import { breaksConnection, isAborted } from './postgres-errors.ts'
import { cut } from './server-pool.ts'
import { queryTexts } from './text-rows.ts'
import type { Tx } from './transaction.ts'

export interface SessionOptions {
  readonly pipelined: boolean
  /** How long a single statement may take, where that is longer than the connection's own limit. */
  readonly timeoutMs?: number | undefined
  readonly connections: Pick<Connections, 'silentAfterMs' | 'hurried'>
  /**
   * How often in a row the server must have been found silent before its answer is waited for no more; once when left out. More for work
   * that would begin anew, and would find the lock taken by what it had left behind: a busy server may answer nobody for a second.
   */
  readonly silences?: number
}

/** Commits; throws when the transaction was rolled back instead. */
export type Commit = () => Promise<void>

/** What drizzle needs of a connection, and how a transaction ends. */
export class Session {
  readonly #loan: Loan
  readonly #options: SessionOptions
  /** Settled once the embedded database has answered what came before. */
  #before: Promise<unknown> = Promise.resolve()
  #failure: unknown
  #ended: Promise<void> | undefined
  /** Statements without an answer. */
  #open = 0
  #silence: NodeJS.Timeout | undefined
  /** How often in a row nobody was there. */
  #silences = 0
  readonly #hurry = () => this.#listen()
  #tx: Tx | undefined

  constructor(loan: Loan, options: SessionOptions) {
    this.#loan = loan
    this.#options = options
    options.connections.hurried.addEventListener('abort', this.#hurry)
  }

  /** The same for drizzle. */
  get tx(): Tx {
    this.#tx ??= drizzle(this as unknown as pg.Client)
    return this.#tx
  }

  /** Whether COMMIT has been sent: who gets no answer then does not know what came of it. */
  get committing(): boolean {
    return this.#ended !== undefined
  }

  /** Runs a statement, or several in one text without values. */
  query(config: string | object, values?: unknown[]): Promise<pg.QueryResult> {
    const statement = typeof config === 'string' ? { text: config } : config
    return this.#send((client, patience) =>
      client.query({ ...statement, ...patience } as pg.QueryConfig, values),
    )
  }

  /** Runs a query whose rows are one text each, and hands on each as it comes. */
  texts(text: string, values: unknown[], onText: (text: string) => void): Promise<void> {
    return this.#send((client, patience) => queryTexts(client, { text, values, ...patience }, onText))
  }

  #send<T>(ask: (client: pg.PoolClient, patience: { query_timeout?: number }) => Promise<T>): Promise<T> {
    const { pipelined, timeoutMs } = this.#options
    const send = () => ask(this.#loan.client, timeoutMs === undefined ? {} : { query_timeout: timeoutMs })
    this.#open++
    if (this.#open === 1) this.#listen()
    const answer = (pipelined ? send() : this.#before.then(send)).then(
      (result) => {
        this.#heard()
        return result
      },
      (error: unknown) => {
        this.#heard()
        // With a savepoint, a transaction may outlive a failure, and have another one.
        if (!isAborted(error) && this.#failure === undefined) this.#failure = error
        throw isAborted(error) || breaksConnection(error) ? this.#failure : error
      },
    )
    if (!pipelined) this.#before = answer.catch(() => {})
    return answer
  }

  /** Runs a text that is the whole transaction, with its COMMIT: one that failed is rolled back at the end. */
  async whole(text: string): Promise<pg.QueryResult> {
    const results = await this.query(text)
    this.#ended = Promise.resolve()
    return results
  }

  readonly commit: Commit = () => {
    this.#ended = this.query('commit').then(({ command }) => {
      // A statement failed and the work went on: Postgres answers COMMIT with ROLLBACK.
      if (command !== 'COMMIT')
        throw new Error('the transaction was rolled back: a statement in it had failed')
    })
    return this.#ended
  }

  /** Rolls back what was not committed, and gives the connection back, or throws it away when it broke. */
  end(): void {
    const ended: Promise<unknown> = this.#ended ?? this.query('rollback')
    ended
      .then(
        () => this.#loan.release(false),
        (error: unknown) => this.#loan.release(breaksConnection(error)),
      )
      .finally(() => {
        clearTimeout(this.#silence)
        this.#options.connections.hurried.removeEventListener('abort', this.#hurry)
      })
  }

  #heard(): void {
    this.#open--
    this.#silences = 0
    this.#listen()
  }

  /** Waits anew for an answer, as long as there is one to come. */
  #listen(): void {
    clearTimeout(this.#silence)
    const { connections, silences = 1 } = this.#options
    const { silentAfterMs, hurried } = connections
    if (this.#open === 0 || silentAfterMs === null) return
    const silence: NodeJS.Timeout = setTimeout(async () => {
      const alive = await this.#loan.isAlive()
      // Something was heard meanwhile.
      if (this.#silence !== silence) return
      this.#silences = alive ? 0 : this.#silences + 1
      if (alive || (this.#silences < silences && !hurried.aborted)) this.#listen()
      else this.#cut(`timeout exceeded: no answer for ${silentAfterMs / 1000} s`)
    }, silentAfterMs)
    this.#silence = silence
  }

  #cut(reason: string): void {
    this.#failure = new Error(reason)
    cut(this.#loan.client)
  }
}

/** Runs a query of a transaction of `Database`'s whose rows are one text each, and hands on each as it comes. */
export function eachText(tx: Tx, query: SQL, onText: (text: string) => void): Promise<void> {
  const { $client } = tx as unknown as { readonly $client: Session }
  const { sql: text, params } = tx.execute(query).getQuery()
  return $client.texts(text, params, onText)
}
