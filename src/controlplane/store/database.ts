/**
 * The door to the database: connections, transactions, the revision lock, and whether it is there at all.
 *
 * One way for both kinds: a pg pool, to a Postgres server or to the socket of the embedded one. Nothing here waits
 * for ever. A statement has a time limit in the server, and a longer one here for a server that went silent; what is
 * lost surfaces as `ControlError('unavailable')`, and the next use tries a new connection, so nothing needs to be
 * opened again after an outage.
 *
 * Transactions are opened and closed by hand rather than by drizzle: BEGIN, its time limits and the revision lock go
 * in one message, and a connection that broke is thrown away instead of being given back to the pool.
 *
 * When the connection breaks during COMMIT, nobody can say whether the write happened. It surfaces as `unavailable`
 * too; every write of the store can be repeated safely.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { drizzle } from '../../../schema/drizzle.ts'
import { ControlError } from '../model/errors.ts'
import { pause } from '../timing/clock.ts'
import { ChangeListener } from './change-listener.ts'
import { EmbeddedDatabase } from './embedded-database.ts'
import { migrate } from './migrations.ts'
import { breaksConnection, meansDown, reasonOf, toControlError } from './postgres-errors.ts'
import { type Tx, Write } from './transaction.ts'
import { WriteQueue } from './write-queue.ts'
import { lockZones, ZoneTaken } from './zone-lock.ts'

export type { ChangeKind, Tx, Write } from './transaction.ts'

export interface DatabaseOptions {
  /** `postgres://` URL; null for the embedded database in `dataDir/db`. */
  readonly url: string | null
  readonly dataDir: string
  /** How long an entry of the audit log stays at least; 90 days when left out. */
  readonly auditRetentionMs?: number
  /** Called when the database is lost, and at each failed attempt of `ready`. The reason is one line, no password in it. */
  readonly onUnavailable?: (reason: string) => void
  /** Called when it is there again, and the first time that it is. */
  readonly onAvailable?: () => void
  /** Called when the thread of the embedded one died, hung or was given up; its next use starts another. */
  readonly onDeath?: (reason: string) => void
}

/** Connections to a server. One is in use by a write, the others by readers. */
const poolSize = 10

const readOnly = 'isolation level repeatable read read only'

/** Serialises writers. */
const lockRevision = 'select revision from config_revision for update'

const statementTimeoutMs = 15_000
const lockTimeoutMs = 10_000

/** The limit of a statement that may touch every RRset of a large zone. */
const longTimeoutMs = 600_000

/** Longer than the server's limit, for a server that doesn't answer at all. A write in WebAssembly gets more. */
const silenceTimeoutMs = { postgres: 20_000, embedded: 60_000 } as const

/** How long to wait for a connection. With one connection that is as long as the transaction before takes. */
const connectTimeoutMs = { postgres: 5_000, embedded: 60_000 } as const

/** Dead connections in the pool show at once; what takes longer is a server that is silent, not worth another wait. */
const staleWithinMs = 5_000

const auditRetentionMs = 90 * 86_400_000

const stopTimeoutMs = 3_000
const firstRetryMs = 250
const longestRetryMs = 5_000

/** A connection on loan. Giving it back twice is harmless, so that `stop` can take it away from a hung user. */
interface Loan {
  readonly client: pg.PoolClient
  readonly release: (broken: boolean) => void
}

export class Database implements AsyncDisposable {
  readonly kind: 'postgres' | 'embedded'
  readonly #options: DatabaseOptions
  readonly #embedded: EmbeddedDatabase | null
  readonly #clientConfig: pg.ClientConfig
  readonly #pool: pg.Pool
  /** Bound: the size of the pool. */
  readonly #loans = new Set<Loan>()
  readonly #writes = new WriteQueue()
  /** One at a time, so that they never hold all connections while they wait for their turn in `#writes`. */
  readonly #stagedWrites = new WriteQueue()
  /** Bound: one entry for each part of the daemon that listens. */
  readonly #hints = new Set<() => void>()
  readonly #listener: ChangeListener | null
  readonly #id = randomUUID()
  #up = false
  #stopped: Promise<void> | undefined

  private constructor(options: DatabaseOptions, embedded: EmbeddedDatabase | null) {
    this.kind = embedded === null ? 'postgres' : 'embedded'
    this.#options = options
    this.#embedded = embedded
    this.#clientConfig = {
      ...(embedded === null ? { connectionString: options.url! } : embedded.connection),
      application_name: 'pooldns',
      keepAlive: true,
      connectionTimeoutMillis: connectTimeoutMs[this.kind],
      query_timeout: silenceTimeoutMs[this.kind],
    }
    this.#pool = new pg.Pool({ ...this.#clientConfig, max: embedded === null ? poolSize : 1 })
    // Without a listener the loss of a connection would be an uncaught exception, in the pool or out of it.
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => client.on('error', () => {}))
    this.#listener =
      embedded === null ? new ChangeListener(this.#clientConfig, this.#id, () => this.#hint()) : null
  }

  /**
   * Prepares the way to the database without using it: a server need not be there yet, and the embedded one boots in
   * its thread meanwhile. Throws `invalid` for a URL that is none or a directory that can't be written, `conflict`
   * when another process holds the directory.
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    const { dataDir, onDeath } = options
    if (options.url === null) return new Database(options, new EmbeddedDatabase(dataDir, onDeath))
    if (!/^postgres(ql)?:\/\//.test(options.url) || !URL.canParse(options.url)) {
      throw new ControlError('invalid', 'the database URL is not a postgres:// URL')
    }
    return new Database(options, null)
  }

  /** Whether the thread of the embedded one hangs, and can't even be ended. */
  get stuck(): boolean {
    return this.#embedded?.stuck ?? false
  }

  /** What the last use said. False before the first. */
  get up(): boolean {
    return this.#up
  }

  /**
   * Applies pending migrations and resolves once the database can be used; tries until then, every 250 ms to 5 s.
   * Throws only the signal's reason when it aborts, `unavailable` after `stop`, or for a bug.
   */
  async ready(signal: AbortSignal): Promise<void> {
    for (let delayMs = firstRetryMs; ; delayMs = Math.min(delayMs * 2, longestRetryMs)) {
      signal.throwIfAborted()
      if (this.#stopped !== undefined) throw new ControlError('unavailable', 'the database is stopped')
      try {
        await this.#migrate()
        this.#succeeded()
        return
      } catch (error) {
        const failure = toControlError(error)
        if (!(failure instanceof ControlError)) throw error
        this.#up = false
        if (breaksConnection(error)) this.#embedded?.giveUp(reasonOf(error))
        this.#options.onUnavailable?.(failure.message)
      }
      await pause(delayMs, signal)
    }
  }

  /** One read-only transaction on one snapshot. */
  async read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transaction(this.#begin(readOnly), work)
  }

  /** A `read` whose statements may take longer, such as sorting all RRsets of a large zone. */
  async readMuch<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transaction(this.#begin(readOnly, longTimeoutMs), work, longTimeoutMs)
  }

  /** One transaction that changes what is not configuration, so needs no revision: health, events, lookups, tokens. */
  async record<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transaction(this.#begin('isolation level read committed'), work)
  }

  /**
   * One change of the configuration: holds the revision lock while `work` runs, and commits the rows, the change
   * feed, the audit entries and the next revision together. `revision` is the one written, or the current one when
   * `work` recorded no change. What `work` throws rolls everything back and comes through, but for `ZoneTaken`: then it
   * waits for that zone and runs `work` again.
   */
  async write<T>(
    actor: string,
    work: (write: Write) => Promise<T>,
  ): Promise<{ revision: number; result: T }> {
    const begin = `${this.#begin('isolation level read committed')}; ${lockRevision}`
    const transaction = () => this.#transaction(begin, (tx, current) => this.#unit(tx, current, actor, work))
    // Bound: the zones that `work` writes.
    const taken = new Set<string>()
    for (;;) {
      try {
        if (taken.size === 0) return this.#written(await this.#writes.run(transaction))
        return await this.writeStaged(actor, (tx) => lockZones(tx, taken), work)
      } catch (error) {
        if (!(error instanceof ZoneTaken) || taken.has(error.apex)) throw error
        taken.add(error.apex)
      }
    }
  }

  /**
   * A `write` that takes long or has to wait: `stage` does in the same transaction what needs no revision lock, and only
   * then is that asked for; other writes go on meanwhile. (In the embedded database they wait: it has one connection.)
   * Neither part may wait for a peer over the network.
   */
  async writeStaged<S, T>(
    actor: string,
    stage: (tx: Tx) => Promise<S>,
    work: (write: Write, staged: S) => Promise<T>,
  ): Promise<{ revision: number; result: T }> {
    const begin = this.#begin('isolation level read committed', longTimeoutMs)
    const locked = async (tx: Tx, staged: S) => {
      const { rows } = await tx.execute<{ revision: string }>(lockRevision)
      return this.#unit(tx, Number(rows[0]!.revision), actor, (unit) => work(unit, staged))
    }
    const embedded = this.kind === 'embedded'
    const transaction = () =>
      this.#transaction(
        begin,
        async (tx) => {
          const staged = await stage(tx)
          return embedded ? locked(tx, staged) : this.#writes.run(() => locked(tx, staged))
        },
        longTimeoutMs,
      )
    return this.#written(
      await this.#stagedWrites.run(() => (embedded ? this.#writes.run(transaction) : transaction())),
    )
  }

  async #unit<T>(tx: Tx, current: number, actor: string, work: (write: Write) => Promise<T>) {
    const unit = new Write(tx, current + 1, actor, this.#options.auditRetentionMs ?? auditRetentionMs)
    const result = await work(unit)
    await unit.finish(this.#id)
    return { heard: unit.heard, revision: unit.changed ? unit.revision : current, result }
  }

  #written<T>({ heard, ...written }: { heard: boolean; revision: number; result: T }): {
    revision: number
    result: T
  } {
    if (heard) this.#hint()
    return written
  }

  /**
   * Calls `onHint` soon after something may have changed: at once for writes of this process, by LISTEN for those of
   * others where the server has it. Only a hint: it may come for nothing and may be lost.
   */
  listen(onHint: () => void): Disposable {
    const hint = () => onHint()
    this.#hints.add(hint)
    if (this.#stopped === undefined) this.#listener?.start()
    return {
      [Symbol.dispose]: () => {
        this.#hints.delete(hint)
      },
    }
  }

  /** Ends all connections, with a grace of 3 s for those in use, and closes the embedded database. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(): Promise<void> {
    this.#hints.clear()
    await this.#listener?.stop()
    const ended = this.#pool.end()
    await Promise.race([ended, delay(stopTimeoutMs, undefined, { ref: false })])
    for (const loan of this.#loans) loan.release(true)
    await ended
    await this.#embedded?.stop()
    this.#up = false
  }

  async #migrate(): Promise<void> {
    const loan = await this.#borrow()
    try {
      await migrate(loan.client)
      loan.release(false)
    } finally {
      loan.release(true)
    }
  }

  // PGlite has no timers to end a statement by, and nobody to share its locks with.
  #begin(mode: string, timeoutMs = statementTimeoutMs): string {
    if (this.kind === 'embedded') return `begin ${mode}`
    const idleMs = Math.max(silenceTimeoutMs.postgres, timeoutMs)
    return (
      `begin ${mode}; set local statement_timeout = ${timeoutMs}; set local lock_timeout = ${Math.max(lockTimeoutMs, timeoutMs / 10)}; ` +
      `set local idle_in_transaction_session_timeout = ${idleMs}`
    )
  }

  /**
   * Runs `work` between `begin` and COMMIT. `current` is the revision, when the last statement of `begin` selected it.
   * `timeoutMs` is for a single statement, where that may take longer than they do.
   */
  async #transaction<T>(
    begin: string,
    work: (tx: Tx, current: number) => Promise<T>,
    timeoutMs?: number,
  ): Promise<T> {
    try {
      const { loan, current } = await this.#open(begin)
      const client = timeoutMs === undefined ? loan.client : patient(loan.client, timeoutMs)
      const result = await finishTransaction(loan, () => work(drizzle(client), current))
      this.#succeeded()
      return result
    } catch (error) {
      if (meansDown(error)) this.#lost(reasonOf(error))
      if (breaksConnection(error)) this.#embedded?.giveUp(reasonOf(error))
      throw toControlError(error)
    }
  }

  async #open(begin: string): Promise<{ loan: Loan; current: number }> {
    const startedAt = performance.now()
    for (;;) {
      const loan = await this.#borrow()
      try {
        // Several statements in one message give an array of results, which pg's types don't know.
        const results: unknown = await loan.client.query(begin)
        const last = [results as pg.QueryResult<{ revision: string }>].flat().at(-1)
        return { loan, current: Number(last?.rows[0]?.revision ?? 0) }
      } catch (error) {
        loan.release(true)
        // A connection may have died in the pool, unnoticed, and so may the next one. Nothing has happened yet, so
        // trying again is safe; it ends with a new connection, or with the error of not getting one.
        if (!breaksConnection(error) || performance.now() - startedAt > staleWithinMs) throw error
      }
    }
  }

  async #borrow(): Promise<Loan> {
    await this.#embedded?.running()
    const client = await this.#pool.connect()
    const loan: Loan = {
      client,
      release: (broken) => {
        if (this.#loans.delete(loan)) client.release(broken)
      },
    }
    this.#loans.add(loan)
    return loan
  }

  #succeeded(): void {
    if (this.#up || this.#stopped !== undefined) return
    this.#up = true
    this.#options.onAvailable?.()
  }

  #lost(reason: string): void {
    if (!this.#up) return
    this.#up = false
    this.#options.onUnavailable?.(reason)
  }

  #hint(): void {
    for (const hint of this.#hints) hint()
  }
}

/** The same connection, whose every statement may take so long. pg has that limit by connection or by statement. */
function patient(client: pg.PoolClient, timeoutMs: number): pg.PoolClient {
  const query = (config: string | object, values?: unknown[]) => {
    const statement = typeof config === 'string' ? { text: config } : config
    const patiently: object = { ...statement, query_timeout: timeoutMs }
    return client.query(patiently as pg.QueryConfig, values)
  }
  return Object.create(client, { query: { value: query } }) as pg.PoolClient
}

/** Commits what `work` did, or rolls it back, and gives the connection back, or throws it away when it broke. */
async function finishTransaction<T>(loan: Loan, work: () => Promise<T>): Promise<T> {
  let broken = true
  try {
    const result = await work()
    const end = await loan.client.query('commit')
    broken = false
    // A statement failed and `work` went on: Postgres answers COMMIT with ROLLBACK.
    if (end.command !== 'COMMIT')
      throw new Error('the transaction was rolled back: a statement in it had failed')
    return result
  } catch (error) {
    if (broken && !breaksConnection(error)) {
      await loan.client.query('rollback').then(
        () => {
          broken = false
        },
        () => {},
      )
    }
    throw error
  } finally {
    loan.release(broken)
  }
}
