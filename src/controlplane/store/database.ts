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
import type pg from 'pg'
import { drizzle } from '../../../schema/drizzle.ts'
import { ControlError } from '../model/errors.ts'
import { pause } from '../timing/clock.ts'
import { ChangeListener } from './change-listener.ts'
import { Connections, type Loan } from './connections.ts'
import { type DatabaseUrl, DatabaseUrlError, parseDatabaseUrl } from './database-url.ts'
import { EmbeddedDatabase } from './embedded-database.ts'
import { migrate } from './migrations.ts'
import {
  breaksConnection,
  lacksTables,
  meansDown,
  reasonOf,
  toControlError,
  unknownOutcome,
} from './postgres-errors.ts'
import { lockedRevision, lockRevision } from './revision.ts'
import { type Commit, Session } from './session.ts'
import { type Tx, Write } from './transaction.ts'
import { WriteQueue } from './write-queue.ts'
import { lockZones, ZoneTaken } from './zone-lock.ts'

export type { ChangeKind, Tx, Write } from './transaction.ts'

export interface DatabaseOptions {
  /** `postgres://` URL of one server or several; null for the embedded database in `dataDir/db`. */
  readonly url: string | null
  readonly dataDir: string
  /** Whether each commit in the embedded database waits until it is on disk; true when left out. */
  readonly sync?: boolean
  /** How long an entry of the audit log stays at least; 90 days when left out. */
  readonly auditRetentionMs?: number
  /** The revision that the database has, or a later one; 0 when that is not known. While it has none at all, no change is taken. */
  readonly expected?: () => number
  /** Called when the database is lost, and at each failed attempt of `ready`. The reason is one line, no password in it. */
  readonly onUnavailable?: (reason: string) => void
  /** Called when it is there again, and the first time that it is. */
  readonly onAvailable?: () => void
  /** Called when the thread of the embedded one died, hung or was given up; its next use starts another. */
  readonly onDeath?: (reason: string) => void
}

const readOnly = 'isolation level repeatable read read only'

const statementTimeoutMs = 15_000
/** How long to wait for the revision lock, or a row. Whoever waits behind in this process then fails with it. */
const lockTimeoutMs = 4_000

/** The limit of a statement that may touch every RRset of a large zone. */
const longTimeoutMs = 600_000

/** How long a transaction may rest. What holds the revision lock and is gone, holds up all others. */
const idleTimeoutMs = 8_000

/** Dead connections in the pool show at once; what takes longer is a server that is silent, not worth another wait. */
const staleWithinMs = 1_000

const defaultAuditRetentionMs = 90 * 86_400_000

const stopGraceMs = 1_000
const firstRetryMs = 250
const longestRetryMs = 5_000

export class Database implements AsyncDisposable {
  readonly kind: 'postgres' | 'embedded'
  readonly #options: DatabaseOptions
  readonly #embedded: EmbeddedDatabase | null
  readonly #connections: Connections
  readonly #writes = new WriteQueue()
  /** One at a time, so that they never hold all connections while they wait for their turn in `#writes`. */
  readonly #stagedWrites = new WriteQueue()
  /** Bound: one entry for each part of the daemon that listens. */
  readonly #hints = new Set<() => void>()
  readonly #listener: ChangeListener | null
  readonly #id = randomUUID()
  #up = false
  /** Tables were missing: it may have been dropped, and made anew. */
  #bare = false
  #stopped: Promise<void> | undefined

  private constructor(options: DatabaseOptions, where: EmbeddedDatabase | DatabaseUrl) {
    const embedded = where instanceof EmbeddedDatabase ? where : null
    this.kind = embedded === null ? 'postgres' : 'embedded'
    this.#options = options
    this.#embedded = embedded
    this.#connections = new Connections(where instanceof EmbeddedDatabase ? where.connection : where)
    this.#listener =
      embedded === null ? new ChangeListener(this.#connections, this.#id, () => this.#hint()) : null
  }

  /**
   * Prepares the way to the database without using it: a server need not be there yet, and the embedded one boots in
   * its thread meanwhile. Throws `invalid` for a URL that is none or a directory that can't be written, `conflict`
   * when another process holds the directory.
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    const { dataDir, sync = true, onDeath } = options
    if (options.url === null) return new Database(options, new EmbeddedDatabase(dataDir, sync, onDeath))
    try {
      return new Database(options, parseDatabaseUrl(options.url))
    } catch (error) {
      if (!(error instanceof DatabaseUrlError)) throw error
      throw new ControlError('invalid', `the URL of the database: ${error.message}`, { cause: error })
    }
  }

  /** Whether the thread of the embedded one hangs, and can't even be ended. */
  get stuck(): boolean {
    return this.#embedded?.stuck ?? false
  }

  /**
   * What a write that was acknowledged survives: the loss of power, or the death of the process alone; that of a server is for who runs it
   * to say.
   */
  get durability(): 'power' | 'process' | 'server' {
    if (this.kind === 'postgres') return 'server'
    return (this.#options.sync ?? true) ? 'power' : 'process'
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
    return this.#read(this.#begin(readOnly), work)
  }

  /** A `read` whose statements may take longer, such as sorting all RRsets of a large zone. */
  async readMuch<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#read(this.#begin(readOnly, longTimeoutMs), work, longTimeoutMs)
  }

  /** One transaction that changes what is not configuration, so needs no revision: health, events, lookups, tokens. */
  async record<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transaction(this.#begin('isolation level read committed'), async (tx, commit, begun) => {
      // Outside of a transaction each statement would be one.
      await begun
      const result = await work(tx)
      await commit()
      return result
    })
  }

  /**
   * One change of the configuration: holds the revision lock while `work` runs, and commits the rows, the change
   * feed, the audit entries and the next revision together. `revision` is the one written, or the current one when
   * `work` recorded no change. What `work` throws rolls everything back and comes through, but for `ZoneTaken`: then it
   * waits for that zone and runs `work` again.
   *
   * @param accepts `empty`: also when the database was emptied
   */
  async write<T>(
    actor: string,
    work: (write: Write) => Promise<T>,
    accepts?: 'empty',
  ): Promise<{ revision: number; result: T }> {
    const begin = `${this.#begin('isolation level read committed')}; ${lockRevision}`
    const transaction = () =>
      this.#transaction(begin, async (tx, commit, begun) => {
        const unit = this.#unit(tx, actor, begun)
        return this.#finish(unit, await work(unit), commit, accepts)
      })
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
    const locked = async (tx: Tx, staged: S, commit: Commit) => {
      const unit = this.#unit(tx, actor, tx.execute(lockRevision))
      await unit.held()
      return this.#finish(unit, await work(unit, staged), commit)
    }
    const embedded = this.kind === 'embedded'
    const transaction = () =>
      this.#transaction(
        begin,
        async (tx, commit, begun) => {
          await begun
          const staged = await stage(tx)
          return embedded ? locked(tx, staged, commit) : this.#writes.run(() => locked(tx, staged, commit))
        },
        longTimeoutMs,
      )
    return this.#written(
      await this.#stagedWrites.run(() => (embedded ? this.#writes.run(transaction) : transaction())),
    )
  }

  #throwIfEmptied(unit: Write): void {
    const expected = this.#options.expected?.() ?? 0
    if (unit.revision > 1 || expected === 0) return
    const way = 'restore it, or say that it is meant to be empty by POST /v1/database/accept-empty'
    throw new ControlError(
      'conflict',
      `the database is empty, though revision ${expected} of it is served: ${way}`,
    )
  }

  #unit(tx: Tx, actor: string, lock: PromiseLike<unknown>): Write {
    const { auditRetentionMs = defaultAuditRetentionMs } = this.#options
    return new Write(tx, lock.then(lockedRevision), actor, auditRetentionMs)
  }

  async #finish<T>(unit: Write, result: T, commit: Commit, accepts?: 'empty') {
    await unit.held()
    if (accepts !== 'empty' && unit.changed) this.#throwIfEmptied(unit)
    await unit.finish(this.#id, commit)
    return { heard: unit.heard, revision: unit.changed ? unit.revision : unit.revision - 1, result }
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

  /** The daemon stops: nobody waits any longer for a server that does not answer. */
  hurry(): void {
    this.#connections.hurry()
  }

  /** Ends all connections, with a grace of a second for those in use, and closes the embedded database. Idempotent. */
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
    await this.#connections.stop(stopGraceMs)
    await this.#embedded?.stop()
    this.#up = false
  }

  async #migrate(): Promise<void> {
    const loan = await this.#borrow()
    try {
      await migrate(loan.client)
      this.#bare = false
      loan.release(false)
    } catch (error) {
      loan.failed(error)
      throw error
    } finally {
      loan.release(true)
    }
  }

  // PGlite has no timers to end a statement by, and nobody to share its locks with.
  #begin(mode: string, timeoutMs = statementTimeoutMs): string {
    if (this.kind === 'embedded') return `begin ${mode}`
    const idleMs = timeoutMs > statementTimeoutMs ? timeoutMs : idleTimeoutMs
    return (
      `begin ${mode}; set local statement_timeout = ${timeoutMs}; set local lock_timeout = ${Math.max(lockTimeoutMs, timeoutMs / 10)}; ` +
      `set local idle_in_transaction_session_timeout = ${idleMs}`
    )
  }

  /** Nothing is lost with a transaction that only read, so nobody waits for its end. */
  #read<T>(begin: string, work: (tx: Tx) => Promise<T>, timeoutMs?: number): Promise<T> {
    return this.#transaction(
      begin,
      async (tx, commit) => {
        const result = await work(tx)
        commit().catch(() => {})
        return result
      },
      timeoutMs,
    )
  }

  /**
   * Runs `work` behind `begin`, whose answer it may await. What it does not commit is rolled back. `timeoutMs` is for a single
   * statement, where that may take longer than they do.
   */
  async #transaction<T>(
    begin: string,
    work: (tx: Tx, commit: Commit, begun: Promise<pg.QueryResult>) => Promise<T>,
    timeoutMs?: number,
  ): Promise<T> {
    const startedAt = performance.now()
    try {
      if (this.#bare) await this.#migrate()
      for (;;) {
        const loan = await this.#borrow()
        const session = new Session(loan, {
          pipelined: this.kind === 'postgres',
          timeoutMs,
          connections: this.#connections,
        })
        const begun = session.query(begin)
        const stale = begun.then(
          () => false,
          (error: unknown) => breaksConnection(error) && performance.now() - startedAt < staleWithinMs,
        )
        try {
          const result = await work(drizzle(session as unknown as pg.Client), session.commit, begun)
          this.#succeeded()
          return result
        } catch (error) {
          loan.failed(error)
          // A connection may have died in the pool, unnoticed; nothing has happened yet.
          if (!(await stale)) throw session.committing ? unknownOutcome(error) : error
        } finally {
          session.end()
        }
      }
    } catch (error) {
      if (meansDown(error)) this.#lost(reasonOf(error))
      if (lacksTables(error)) this.#bare = true
      if (breaksConnection(error)) this.#embedded?.giveUp(reasonOf(error))
      throw toControlError(error)
    }
  }

  async #borrow(): Promise<Loan> {
    await this.#embedded?.running()
    return this.#connections.borrow()
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
