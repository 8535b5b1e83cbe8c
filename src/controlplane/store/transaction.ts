/**
 * What store functions are handed: a `Tx` to read by, or a `Write` to change the configuration by.
 *
 * A `Write` collects what the transaction does to the configuration. Its owner (`Database.write`) turns that into
 * rows of `changes` and `audit_log`, the new revision and the notification, all by one statement at the end: an API
 * write then costs a handful of round trips, however much it touches.
 */
import { randomUUID } from 'node:crypto'
import { type NodePgDatabase, sql } from '../../../schema/drizzle.ts'
import type { changeKinds, changeSources, historyKinds } from '../../../schema/journal.ts'
import type { Body } from '../document/forms.ts'
import type { KeyMaker } from '../model/dnssec.ts'
import { ControlError } from '../model/errors.ts'
import { isSignalName } from '../model/signal.ts'
import type { Identity } from './identity.ts'

/**
 * An open transaction as a drizzle query builder. Nobody but `Database` begins, commits or rolls back: don't call
 * `tx.transaction`.
 */
export type Tx = NodePgDatabase

export type ChangeKind = (typeof changeKinds)[number]
export type ChangeSource = (typeof changeSources)[number]
export type HistoryKind = (typeof historyKinds)[number]

/** Who changes the configuration, by what, and why. */
export interface Author {
  readonly actor: string
  readonly source: ChangeSource
  readonly message: string | null
}

/** The channel of NOTIFY and LISTEN. The payload is the id of the `Database` that wrote. */
export const changeChannel = 'pooldns_change'

/** The same for rows of feeds, which are no configuration. The payload has, behind a blank, the name of the feed. */
export const feedChannel = 'pooldns_feeds'

/**
 * Whether a server takes NOTIFY: some that speak PostgreSQL's protocol do not know it, and would refuse each write. Asked by a hint for
 * nothing. One that refuses it for another reason, as a standby does, may take it later.
 */
export async function takesNotify(client: {
  query(text: string, values: unknown[]): Promise<unknown>
}): Promise<boolean> {
  try {
    await client.query('select pg_notify($1, $2)', [changeChannel, ''])
    return true
  } catch (error) {
    const { code } = error as { readonly code?: string }
    return code !== '42883' && code !== '0A000'
  }
}

/** What a write has changed that signals may follow from (`signals.ts`). */
export interface ConcernedSignals {
  /** Of which all has changed. */
  readonly zones: readonly string[]
  /** Whose own signals may be others. */
  readonly children: readonly string[]
  /** Names: those that stand there, or below. */
  readonly places: readonly string[]
}

/** Characters of JSON that one side of an audit entry may have; what is longer is noted by its size only. */
const auditLimit = 65_536

/** Commands that open the database themselves have no key file, and can't look whether a key can be opened. */
const makesNone: KeyMaker = {
  make: (apex) => {
    throw new ControlError('conflict', `zone ${apex} can't be signed from here: ask a running server to`)
  },
  check: () => {},
  parentData: (apex) => {
    throw new ControlError(
      'conflict',
      `what zone ${apex} asks its parent for can't be said from here: ask a running server to write`,
    )
  },
}

/** What was done. `before` and `after` are the resource as it was and is, in terms of the model; null for none. */
export interface Deed {
  /** Resource and verb, such as `pool.put` or `override.delete`. */
  readonly action: string
  readonly key: string
  readonly before: unknown
  readonly after: unknown
}

/** Characters of a message in the history. */
const mostSaid = 1024

/** Owners that a change may name; with more the zone is read whole. */
const ownersLimit = 200

interface HistoryEntry {
  readonly kind: HistoryKind
  readonly key: string
  readonly before: Body | null
  readonly owner: string | null
  readonly lost: boolean
}

interface ChangeEntry {
  readonly kind: ChangeKind
  readonly key: string
  readonly owners: readonly string[] | null
}

/**
 * A transaction that holds the revision lock. Bound: as many entries as the one request that it serves makes.
 *
 * What a store function reads first goes out with the request for the lock, and is read once that is held. So it should ask for
 * all of it at once; what it then writes, it should `send`; and what it looks at afterwards, it should have awaited
 * `beforeCommit`. A write then takes three round trips, or two when nobody reads what came of it.
 */
export class Write {
  readonly tx: Tx
  readonly author: Author
  readonly keys: KeyMaker
  readonly #held: Promise<void>
  #revision: number | undefined
  #identity: Identity | undefined
  readonly #auditRetentionMs: number
  readonly #notifies: boolean
  readonly #changes = new Map<string, ChangeEntry>()
  #mayHaveKeys = false
  readonly #signalled = { children: new Set<string>(), places: new Set<string>() }
  readonly #audits: Deed[] = []
  readonly #history: HistoryEntry[] = []
  readonly #words: string[] = []
  /** Bound, as that of `#checks`: the statements of the one request. */
  readonly #sent: Promise<unknown>[] = []
  readonly #checks: Promise<unknown>[] = []
  #announced = false

  /**
   * @param lock the revision before, of which database, and whether any zone has keys, once the lock is held
   * @param notifies whether the server takes NOTIFY
   * @param keys makes those of zones that are to be signed
   */
  constructor(
    tx: Tx,
    lock: PromiseLike<{ readonly revision: number; readonly identity: Identity; readonly hasKeys: boolean }>,
    author: Author,
    auditRetentionMs: number,
    notifies: boolean,
    keys: KeyMaker = makesNone,
  ) {
    this.keys = keys
    this.#notifies = notifies
    this.tx = tx
    this.author = author
    this.#auditRetentionMs = auditRetentionMs
    // Asked for before anything else was, so known before anything else is.
    this.#held = Promise.resolve(
      lock.then(({ revision, identity, hasKeys }) => {
        if (hasKeys) this.#mayHaveKeys = true
        this.#revision = revision + 1
        this.#identity = identity
      }),
    )
    this.#held.catch(() => {})
  }

  /** Resolves once the lock is held: for who writes without having read. Outside of a transaction, a statement would be one. */
  held(): Promise<void> {
    return this.#held
  }

  /**
   * The revision that is being written; readers see it once this transaction has committed. Known once the lock is held, so
   * after the first read.
   */
  get revision(): number {
    if (this.#revision === undefined) throw new Error('the revision is not known before the lock is held')
    return this.#revision
  }

  /** Which database is written to. Known as `revision` is. */
  get identity(): Identity {
    if (this.#identity === undefined) throw new Error('the database is not known before the lock is held')
    return this.#identity
  }

  /** Sends a statement of which nothing matters but that it succeeds: if it fails, so does the write. */
  send(statement: PromiseLike<unknown>): void {
    // A statement of drizzle's is sent when it is asked for its result; here at once, so that it goes before what comes next.
    const sent = Promise.resolve(statement.then((result) => result))
    sent.catch(() => {})
    this.#sent.push(sent)
  }

  /** Has COMMIT wait for a look at what was written, and the write fail with it. */
  beforeCommit(check: Promise<unknown>): void {
    check.catch(() => {})
    this.#checks.push(check)
  }

  /** Waits for what was sent so far, and for the looks at it: for those who write much, so that not all of it is under way at once. */
  async settled(): Promise<void> {
    await this.checked()
    await Promise.all(this.#sent.splice(0))
  }

  /** Waits for all looks at what was written. */
  async checked(): Promise<void> {
    // A check may have another one awaited.
    while (this.#checks.length > 0) await Promise.all(this.#checks.splice(0))
  }

  /**
   * Says that a resource changed, so that every node reloads it. Keys: the apex, the monitor's, pool's, service's or webhook's
   * name, `pool/member` for an override and for a member that may come back. Saying it twice is once.
   *
   * @param owners for a zone of which nothing but RRsets of these owners (relative to the apex) and the serial changed, so
   *   that a node reads no others
   */
  change(kind: ChangeKind, key: string, owners?: readonly string[]): void {
    const id = `${kind} ${key}`
    const before = this.#changes.get(id)
    const all =
      owners === undefined || before?.owners === null ? null : [...(before?.owners ?? []), ...owners]
    this.#changes.set(id, { kind, key, owners: all === null || all.length > ownersLimit ? null : all })
  }

  /** Says that signals may be others, though the change of no zone says so: those of a zone, or those at a name and below it. */
  concernsSignals({ child, place }: { readonly child?: string; readonly place?: string }): void {
    if (child !== undefined) this.#signalled.children.add(child)
    if (place !== undefined) this.#signalled.places.add(place)
  }

  /** Says that a zone gets keys. */
  bringsKeys(): void {
    this.#mayHaveKeys = true
  }

  /** Whether a zone may have keys; known once the lock is held. */
  get mayHaveKeys(): boolean {
    return this.#mayHaveKeys
  }

  /** What signals may be others of (`signals.ts`). */
  get signals(): ConcernedSignals {
    const changes = [...this.#changes.values()]
    const whole = changes.filter(({ kind, owners }) => kind === 'zone' && owners === null)
    const services = changes.filter(({ kind, key }) => kind === 'service' && isSignalName(key))
    const { children, places } = this.#signalled
    return {
      zones: whole.map(({ key }) => key),
      children: [...children],
      places: [...places, ...services.map(({ key }) => key)],
    }
  }

  /** Whether a zone has changed, and so has another serial. */
  hasChanged(apex: string): boolean {
    return this.#changes.has(`zone ${apex}`)
  }

  /** Adds an entry to the audit log. The store's own put and delete functions do so themselves. */
  audit(action: string, key: string, before: unknown, after: unknown): void {
    this.#audits.push({ action, key, before: bounded(before), after: bounded(after) })
  }

  /** Says in a few words what no part of a document shows, for a history that would else be silent of it. */
  say(words: string): void {
    this.#words.push(words)
  }

  /** What was said; null for nothing. */
  get #said(): string | null {
    const text = this.#words.join('; ')
    if (text.length > mostSaid) return `${text.slice(0, mostSaid - 3).toWellFormed()}...`
    return text === '' ? null : text
  }

  get actor(): string {
    return this.author.actor
  }

  /**
   * Keeps how a part of the configuration was before, so that this revision can be undone. In the words of the document; null for what
   * was not there.
   *
   * @param owner whose it was
   */
  keep(kind: HistoryKind, key: string, before: Body | null, owner: string | null = null): void {
    this.#history.push({ kind, key, before, owner, lost: false })
  }

  /** How many parts were too much to be kept. */
  get notKept(): number {
    return this.#history.filter(({ lost }) => lost).length
  }

  /** Says that it was too much to be kept, so that nobody can return to before this revision. */
  keepNothing(kind: HistoryKind, key: string): void {
    this.#history.push({ kind, key, before: null, owner: null, lost: true })
  }

  /** Has every node look at once for what is no configuration and so has no revision, such as a token that was revoked. */
  announce(): void {
    this.#announced = true
  }

  /** Whether whoever listens is to look. */
  get heard(): boolean {
    return this.changed || this.#announced
  }

  /** True once something changed, so that the revision must rise. */
  get changed(): boolean {
    return this.#changes.size > 0
  }

  /**
   * Writes down what was collected, behind what was sent and awaited; for `Database` alone. Without a change the revision stays,
   * and audit entries (creating a token makes one) carry the current revision.
   *
   * @param commit sends COMMIT behind it
   */
  async finish(instanceId: string, commit: () => Promise<void>): Promise<void> {
    await this.held()
    await this.checked()
    if (this.heard || this.#audits.length > 0) this.send(this.#record(instanceId))
    const committed = commit()
    committed.catch(() => {})
    // What failed first tells why.
    await this.settled()
    await committed
  }

  #record(instanceId: string): PromiseLike<unknown> {
    const revision = this.changed ? this.revision : this.revision - 1
    const changed = JSON.stringify([...this.#changes.values()])
    const audited = JSON.stringify(this.#audits)
    const kept = JSON.stringify(this.#history)
    const { actor, source } = this.author
    const message = this.author.message ?? this.#said
    // Data-modifying parts of one WITH run all, whether or not the main query reads them.
    return this.tx.execute(sql`
      with changed as (
        insert into changes (revision, kind, key, owners, stamp)
        select ${revision}::bigint, kind, key, owners, ${randomUUID()}::text
        from json_to_recordset(${changed}::json) as c(kind text, key text, owners text[])
      ), audited as (
        insert into audit_log (at, actor, action, key, before, after, revision, keep_until)
        select now(), ${actor}::text, action, key, before, after, ${revision}::bigint,
          now() + ${this.#auditRetentionMs}::double precision * interval '1 millisecond'
        from json_to_recordset(${audited}::json) as a(action text, key text, before jsonb, after jsonb)
      ), kept as (
        insert into history (revision, kind, key, before, owner, lost)
        select ${revision}::bigint, kind, key, before, owner, lost
        from json_to_recordset(${kept}::json) as h(kind text, key text, before json, owner text, lost boolean)
      ), signed as (
        insert into revisions (revision, at, actor, source, message)
        select ${revision}::bigint, now(), ${actor}::text, ${source}::text, ${message}::text where ${this.changed}::boolean
      ), bumped as (
        update config_revision set revision = ${revision}::bigint where revision <> ${revision}::bigint
      )
      ${this.heard && this.#notifies ? sql`select pg_notify(${changeChannel}, ${instanceId})` : sql`select 1`}`)
  }
}

function bounded(value: unknown): unknown {
  if (value === null || value === undefined) return null
  const size = JSON.stringify(value).length
  return size <= auditLimit ? value : { omitted: `${size} characters of JSON` }
}
