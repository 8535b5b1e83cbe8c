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
import { isAborted } from './postgres-errors.ts'

export interface SessionOptions {
  readonly pipelined: boolean
  /** How long a single statement may take, where that is longer than the connection's own limit. */
  readonly timeoutMs?: number | undefined
}

/** What drizzle needs of a connection. */
export class Session {
  readonly #client: pg.ClientBase
  readonly #options: SessionOptions
  /** Settled once the embedded database has answered what came before. */
  #before: Promise<unknown> = Promise.resolve()
  #failure: unknown

  constructor(client: pg.ClientBase, options: SessionOptions) {
    this.#client = client
    this.#options = options
  }

  /** Runs a statement, or several in one text without values. */
  query(config: string | object, values?: unknown[]): Promise<pg.QueryResult> {
    const { pipelined, timeoutMs } = this.#options
    const statement = typeof config === 'string' ? { text: config } : config
    const patient: object = timeoutMs === undefined ? statement : { ...statement, query_timeout: timeoutMs }
    const send = () => this.#client.query(patient as pg.QueryConfig, values)
    const answer = (pipelined ? send() : this.#before.then(send)).catch((error: unknown) => {
      // With a savepoint, a transaction may outlive a failure, and have another one.
      if (!isAborted(error)) this.#failure = error
      throw this.#failure ?? error
    })
    if (!pipelined) this.#before = answer.catch(() => {})
    return answer
  }
}
