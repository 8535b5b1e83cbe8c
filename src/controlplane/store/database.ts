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
import { ControlError } from '../model/errors.ts'
import { pause } from '../timing/clock.ts'
import { ChangeListener } from './change-listener.ts'
import { Connections, type Loan } from './connections.ts'
import { onceFree } from './data-directory-lock.ts'
import type { DatabaseOptions } from './database-options.ts'
import { type DatabaseUrl, DatabaseUrlError, parseDatabaseUrl } from './database-url.ts'
import { EmbeddedDatabase } from './embedded-database.ts'
import { type Expected, nothingExpected } from './identity.ts'
import { migrate, migrationTimeoutMs } from './migrations.ts'
import {
  breaksConnection,
  lacksTables,
  meansDown,
  reasonOf,
  toControlError,
  unknownOutcome,
} from './postgres-errors.ts'
import { lockedRevision, lockForWrite, lockRevision, throwIfEmptied } from './revision.ts'
import { RowHints } from './row-hints.ts'
import { readSchema, SchemaVersion } from './schema-version.ts'
import { type Commit, Session, type SessionOptions } from './session.ts'
import { followSignals } from './signals.ts'
import { Standing } from './standing.ts'
import { countAll, tidyingStatements } from './tidy.ts'
import { type Author, type Tx, takesNotify, Write } from './transaction.ts'
import { beginOf, longTimeoutMs, readCommitted, readOnly } from './transaction-begin.ts'
import { WriteQueue } from './write-queue.ts'
import { lockZones, ZoneTaken } from './zone-lock.ts'

export type { DatabaseOptions } from './database-options.ts'
export type { Author, ChangeKind, Tx, Write } from './transaction.ts'

/** Dead connections in the pool show at once; what takes longer is a server that is silent, not worth another wait. */
const staleWithinMs = 1_000

/** A migration that is given up is begun again, and waits for what is left of it in the server. */
const migrationSilences = 3

const defaultAuditRetentionMs = 90 * 86_400_000

const stopGraceMs = 1_000
const firstRetryMs = 250
const longestRetryMs = 5_000

export class Database implements AsyncDisposable {
  readonly kind: 'postgres' | 'embedded'
  readonly rowHints: RowHints
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
  readonly #schema: SchemaVersion
  readonly #standing: Standing
  /** Whether it takes NOTIFY; without, the others find changes by polling. */
  #notifies = true
  /** Tables or migrations were missing: it may have been dropped and made anew, or restored. */
  #bare = false
  #stopped: Promise<void> | undefined

  private constructor(options: DatabaseOptions, where: EmbeddedDatabase | DatabaseUrl) {
    const embedded = where instanceof EmbeddedDatabase ? where : null
    this.kind = embedded === null ? 'postgres' : 'embedded'
    this.#options = options
    this.#standing = new Standing({
      onAvailable: options.onAvailable,
      onUnavailable: options.onUnavailable,
      tryWriting: () => this.record((tx) => tx.execute(lockRevision)),
    })
    this.#schema = new SchemaVersion((latest) => options.onNewerSchema?.(latest))
    this.#embedded = embedded
    this.#connections = new Connections(where instanceof EmbeddedDatabase ? where.connection : where)
    this.#listener =
      embedded === null
        ? new ChangeListener(
            this.#connections,
            this.#id,
            () => this.#hint(),
            (feed) => this.rowHints.tell(feed),
          )
        : null
    const notifies = () => embedded === null && this.#notifies
    this.rowHints = new RowHints(this.#id, notifies, () => this.#startListening())
  }

  /**
   * Prepares the way to the database without using it: a server need not be there yet, and the embedded one boots in
   * its thread meanwhile. Throws `invalid` for a URL that is none or a directory that can't be written, `conflict`
   * when another process holds the directory.
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    const { dataDir, sync = true, onDeath } = options
    if (options.url === null) {
      const open = () => new EmbeddedDatabase(dataDir, sync, onDeath)
      return new Database(options, await onceFree(open, options.lockPatienceMs ?? 0))
    }
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

  /** The latest migration of the database, when it is of a newer version, as the last transaction found it; else null. */
  get newerSchema(): string | null {
    return this.#schema.newer
  }

  /** What this process knows of it from before. */
  get expected(): Expected {
    return this.#options.expected?.() ?? nothingExpected
  }

  /** What the last use said. False before the first. */
  get up(): boolean {
    return this.#standing.up
  }

  /**
   * Applies pending migrations and resolves once the database can be used; tries until then, every 250 ms to 5 s.
   * Throws the signal's reason when it aborts, `unavailable` after `stop`, and what says nothing of whether the database is there:
   * a bug, or one in the database.
   */
  async ready(signal: AbortSignal): Promise<void> {
    for (let delayMs = firstRetryMs; ; delayMs = Math.min(delayMs * 2, longestRetryMs)) {
      signal.throwIfAborted()
      if (this.#stopped !== undefined) throw new ControlError('unavailable', 'the database is stopped')
      try {
        await this.#migrate()
        this.#standing.succeeded(false)
        return
      } catch (error) {
        const failure = toControlError(error)
        this.#standing.waits(failure instanceof ControlError ? failure.message : reasonOf(error))
        if (!(failure instanceof ControlError)) throw error
        if (breaksConnection(error)) this.#embedded?.giveUp(reasonOf(error))
      }
      await pause(delayMs, signal)
    }
  }

  /** One read-only transaction on one snapshot. */
  async read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#read(beginOf(this.kind, readOnly), work)
  }

  /**
   * One statement on a snapshot of its own: a `read` that is one message there and one back, for who looks again and again.
   *
   * @param statement without values; it may be planned anew each time
   */
  async glance<Row extends object>(statement: string): Promise<Row[]> {
    const begin = `${beginOf(this.kind, readOnly, { first: statement })}; commit`
    const told = await this.#transaction(begin, (_session, begun) => begun, { isWhole: true })
    // Of several statements in one message it is an array, which pg's types don't know: the schema and COMMIT come behind.
    return (told as unknown as pg.QueryResult<Row>[]).at(-3)!.rows
  }

  /** A `read` whose statements may take longer, such as sorting all RRsets of a large zone. */
  async readMuch<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#read(beginOf(this.kind, readOnly, { timeoutMs: longTimeoutMs }), work, longTimeoutMs)
  }

  /** One transaction that changes what is not configuration, so needs no revision: health, events, lookups, tokens. */
  async record<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transaction(beginOf(this.kind, readCommitted), async (session, begun) => {
      // Outside of a transaction each statement would be one.
      await begun
      const result = await work(session.tx)
      await session.commit()
      return result
    })
  }

  /**
   * One change of the configuration: holds the revision lock while `work` runs, and commits the rows, the change
   * feed, the audit entries and the next revision together. `revision` is the one written, or the current one when
   * `work` recorded no change. What `work` throws rolls everything back and comes through, but for `ZoneTaken`: then it
   * waits for that zone and runs `work` again.
   *
   * @param by whoever asks through the API, or who, by what and why
   * @param accepts `empty`: also when the database was emptied, or is another one
   */
  async write<T>(
    by: string | Author,
    work: (write: Write) => Promise<T>,
    accepts?: 'empty',
  ): Promise<{ revision: number; result: T }> {
    const begin = beginOf(this.kind, readCommitted, { first: lockForWrite })
    const transaction = () =>
      this.#transaction(begin, async (session, begun) => {
        const unit = this.#unit(session.tx, by, begun)
        try {
          const result = await work(unit)
          await followSignals(unit, true)
          return await this.#finish(unit, result, session.commit, accepts)
        } catch (error) {
          // Without the lock nothing that was found counts.
          await unit.held()
          throw error
        }
      })
    // Bound: the zones that `work` writes.
    const taken = new Set<string>()
    for (;;) {
      try {
        if (taken.size === 0) return this.#written(await this.#writes.run(transaction))
        return await this.writeStaged(by, (tx) => lockZones(tx, taken), work)
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
   *
   * @param how `at-once`: `stage` waits for nobody, so it comes before those of imports that are under way; for who does one at a time
   */
  async writeStaged<S, T>(
    by: string | Author,
    stage: (tx: Tx) => Promise<S>,
    work: (write: Write, staged: S) => Promise<T>,
    how?: 'at-once',
  ): Promise<{ revision: number; result: T }> {
    const begin = beginOf(this.kind, readCommitted, { timeoutMs: longTimeoutMs })
    const locked = async (tx: Tx, staged: S, commit: Commit) => {
      const unit = this.#unit(tx, by, tx.execute(`${lockForWrite}; ${readSchema}`))
      await unit.held()
      const result = await work(unit, staged)
      // It has done too much to be done again.
      await followSignals(unit, false)
      return this.#finish(unit, result, commit)
    }
    const embedded = this.kind === 'embedded'
    const transaction = () =>
      this.#transaction(
        begin,
        async ({ tx, commit }, begun) => {
          await begun
          this.#schema.throwIfOther()
          const staged = await stage(tx)
          return embedded ? locked(tx, staged, commit) : this.#writes.run(() => locked(tx, staged, commit))
        },
        { timeoutMs: longTimeoutMs },
      )
    const run = () => (embedded ? this.#writes.run(transaction) : transaction())
    return this.#written(await (how === 'at-once' ? run() : this.#stagedWrites.run(run)))
  }

  /** Has the embedded database use again what is free in it, and know what is in it; a server does so by itself. */
  async tidyUp(): Promise<void> {
    if (this.kind === 'postgres') return
    await this.read(countAll)
    for (const statement of await this.read(tidyingStatements))
      await this.#outside({ timeoutMs: longTimeoutMs }, (session) => session.query(statement))
  }

  #unit(tx: Tx, by: string | Author, lock: PromiseLike<unknown>): Write {
    const { auditRetentionMs = defaultAuditRetentionMs } = this.#options
    const author = typeof by === 'string' ? ({ actor: by, source: 'api', message: null } as const) : by
    const locked = lock.then((results) => {
      this.#schema.see(results)
      this.#schema.throwIfOther()
      return lockedRevision(results)
    })
    return new Write(tx, locked, author, auditRetentionMs, this.#notifies, this.#options.keys)
  }

  async #finish<T>(unit: Write, result: T, commit: Commit, accepts?: 'empty') {
    await unit.held()
    if (accepts !== 'empty' && unit.changed) throwIfEmptied(unit.revision, unit.identity, this.expected)
    await unit.finish(this.#id, commit)
    if (unit.notKept > 0) this.#options.onNotKept?.(unit.notKept)
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
    this.#startListening()
    return {
      [Symbol.dispose]: () => {
        this.#hints.delete(hint)
      },
    }
  }

  /** A connection beside the others, for who has it for long and ends it. Not to the embedded database, which takes one alone. */
  connectApart(): Promise<pg.Client> {
    return this.#connections.connectApart()
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
    this.rowHints.clear()
    await this.#listener?.stop()
    await this.#connections.stop(stopGraceMs)
    await this.#embedded?.stop()
    this.#standing.stop()
  }

  async #migrate(): Promise<void> {
    const patience = { timeoutMs: migrationTimeoutMs, silences: migrationSilences }
    await this.#outside(patience, async (session) => {
      await migrate(session, this.#options.onMigrating)
      this.#bare = false
      this.#notifies = await takesNotify(session)
    })
  }

  /** With a connection, and no transaction of ours around it. */
  async #outside<T>(
    patience: Pick<SessionOptions, 'timeoutMs' | 'silences'>,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const loan = await this.#borrow()
    const session = this.#session(loan, { pipelined: false, ...patience })
    try {
      return await work(session)
    } catch (error) {
      loan.failed(error)
      throw error
    } finally {
      session.end()
    }
  }

  #session(loan: Loan, options: Omit<SessionOptions, 'connections'>): Session {
    return new Session(loan, { ...options, connections: this.#connections })
  }

  /** Nothing is lost with a transaction that only read, so nobody waits for its end. */
  #read<T>(begin: string, work: (tx: Tx) => Promise<T>, timeoutMs?: number): Promise<T> {
    return this.#transaction(
      begin,
      async (session) => {
        const result = await work(session.tx)
        session.commit().catch(() => {})
        return result
      },
      { timeoutMs },
    )
  }

  /**
   * Runs `work` behind `begin`, whose answer it may await. What it does not commit is rolled back. `timeoutMs` is for a single
   * statement, where that may take longer than they do; where it `isWhole`, `begin` goes to the end of the transaction.
   */
  async #transaction<T>(
    begin: string,
    work: (session: Session, begun: Promise<pg.QueryResult>) => Promise<T>,
    { timeoutMs, isWhole = false }: { timeoutMs?: number | undefined; isWhole?: boolean } = {},
  ): Promise<T> {
    const startedAt = performance.now()
    try {
      if (this.#bare) await this.#migrate()
      for (;;) {
        const loan = await this.#borrow()
        const session = this.#session(loan, { pipelined: this.kind === 'postgres', timeoutMs })
        const begun = (isWhole ? session.whole(begin) : session.query(begin)).then((results) => {
          this.#schema.see(results)
          if (this.#schema.older) this.#bare = true
          return results
        })
        const stale = begun.then(
          () => false,
          (error: unknown) => breaksConnection(error) && performance.now() - startedAt < staleWithinMs,
        )
        try {
          const result = await work(session, begun)
          this.#standing.succeeded(!begin.startsWith(`begin ${readOnly}`))
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
      const otherSchema = this.#schema.explain(error)
      if (otherSchema !== null) throw otherSchema
      if (meansDown(error)) this.#standing.lost(error)
      if (lacksTables(error)) this.#bare = true
      if (breaksConnection(error)) this.#embedded?.giveUp(reasonOf(error))
      throw toControlError(error)
    }
  }

  async #borrow(): Promise<Loan> {
    await this.#embedded?.running()
    return this.#connections.borrow()
  }

  #startListening(): void {
    if (this.#stopped === undefined) this.#listener?.start()
  }

  #hint(): void {
    for (const hint of this.#hints) hint()
  }
}
