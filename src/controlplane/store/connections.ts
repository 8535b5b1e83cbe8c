/**
 * The connections to the database: a pool, what is lent of it, and whether anybody answers at their other end.
 *
 * ## A server that is silent
 * One that is frozen, or behind a network that loses packets, refuses nothing: it just doesn't answer, and neither the kernel nor
 * the driver says so for minutes. So whoever waits for an answer for `silentAfterMs` asks by a connection of its own whether the
 * server answers at all. When it does, the statement merely takes long, for which it has its time limit in the server. When it does
 * not, the connection is cut, and all that waited for it fails.
 *
 * At a stop nobody waits that long: `hurry`.
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { ControlError } from '../model/errors.ts'

/** Connections to a server. One is in use by a write, the others by readers. */
const poolSize = 10

/** Those that stay when nobody uses them: for a write and for the follower behind it. A new one costs some round trips. */
const keptConnections = 2

/** How long to wait for a connection. With one connection that is as long as the transaction before takes. */
const connectTimeoutMs = { postgres: 4_000, embedded: 60_000 } as const

/** For a server that answers others, but not this statement. A write in WebAssembly gets more. */
const answerTimeoutMs = { postgres: 20_000, embedded: 60_000 } as const

const silentAfterMs = 4_000
const askTimeoutMs = 1_000
/** How long anything may take once the daemon stops. */
const hurriedMs = 2_000
/** What a peer that is gone costs at most, where the network can tell. */
const keepAliveMs = 10_000

/** A connection on loan. Giving it back twice is harmless, so that `stop` can take it away from a hung user. */
export interface Loan {
  readonly client: pg.PoolClient
  readonly release: (broken: boolean) => void
}

export class Connections {
  readonly config: pg.ClientConfig
  readonly #kind: 'postgres' | 'embedded'
  readonly #pool: pg.Pool
  /** Bound: the size of the pool. */
  readonly #loans = new Set<Loan>()
  /** Those of the pool, and those that it is just getting rid of. */
  readonly #clients = new Set<pg.Client>()
  #asking: Promise<boolean> | undefined
  /** Aborts when the daemon stops. */
  readonly #hurry = new AbortController()
  /** Nobody answers, and the daemon stops. */
  #givenUp = false

  constructor(kind: 'postgres' | 'embedded', config: pg.ClientConfig) {
    this.#kind = kind
    this.config = {
      ...config,
      application_name: 'pooldns',
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveMs,
      connectionTimeoutMillis: connectTimeoutMs[kind],
      query_timeout: answerTimeoutMs[kind],
    }
    const pool = kind === 'postgres' ? { min: keptConnections, max: poolSize, pipeline: true } : { max: 1 }
    this.#pool = new pg.Pool({ ...this.config, ...pool })
    // Without a listener the loss of a connection would be an uncaught exception, in the pool or out of it.
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => {
      this.#clients.add(client)
      client.on('error', () => {}).once('end', () => this.#clients.delete(client))
    })
  }

  async borrow(): Promise<Loan> {
    if (this.#givenUp)
      throw new ControlError('unavailable', 'the database does not answer, and the daemon stops')
    const client = await this.#connect()
    const loan: Loan = {
      client,
      release: (broken) => {
        if (this.#loans.delete(loan)) client.release(broken)
      },
    }
    this.#loans.add(loan)
    return loan
  }

  /** How long to wait for an answer before `isAlive` is asked; null for an embedded database, which is always as alive as we are. */
  get silentAfterMs(): number | null {
    if (this.#kind === 'embedded') return null
    return this.#hurry.signal.aborted ? hurriedMs : silentAfterMs
  }

  /** Aborts when nobody is to wait any longer. */
  get hurried(): AbortSignal {
    return this.#hurry.signal
  }

  /** Whether the server answers anybody, also by a refusal. */
  isAlive(): Promise<boolean> {
    if (this.#hurry.signal.aborted) {
      this.#givenUp = true
      return Promise.resolve(false)
    }
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(): Promise<boolean> {
    const client = new pg.Client({ ...this.config, connectionTimeoutMillis: 0 })
    client.on('error', () => {})
    const asked = client.connect().then(
      () => true,
      (error: unknown) => error instanceof pg.DatabaseError,
    )
    try {
      return await Promise.race([asked, delay(askTimeoutMs, false, { signal: this.#hurry.signal })])
    } catch {
      return false
    } finally {
      cut(client)
    }
  }

  /** From now on nothing waits longer than two seconds for a server, and once it was for nothing, nobody tries again. */
  hurry(): void {
    if (this.#kind === 'postgres') this.#hurry.abort()
  }

  /** Ends all connections, with a grace for those in use. */
  async stop(graceMs: number): Promise<void> {
    const ended = this.#pool.end()
    await Promise.race([ended, delay(graceMs, undefined, { ref: false })])
    for (const loan of this.#loans) loan.release(true)
    await ended
    // A server that is silent doesn't close its end.
    for (const client of this.#clients) cut(client)
  }

  async #connect(): Promise<pg.PoolClient> {
    const connecting = this.#pool.connect()
    if (this.#kind === 'embedded') return connecting
    const over = new AbortController()
    const late = this.#tooLate(over.signal)
    late.catch(() => {})
    try {
      const client = await Promise.race([connecting, late])
      if (client !== null) return client
    } finally {
      over.abort()
    }
    this.#givenUp = true
    connecting.then(
      (client) => client.release(true),
      () => {},
    )
    throw new ControlError('unavailable', 'the database gives no connection, and the daemon stops')
  }

  /** Null once the daemon has been stopping for so long that nobody waits for a server any more. */
  async #tooLate(signal: AbortSignal): Promise<null> {
    if (!this.#hurry.signal.aborted) await once(this.#hurry.signal, 'abort', { signal })
    await delay(hurriedMs, undefined, { signal })
    return null
  }
}

/** Ends a connection without a word to, or from, its other end. */
export function cut(client: pg.ClientBase): void {
  const { connection } = client as unknown as { readonly connection: { readonly stream: Socket } }
  connection.stream.destroy()
}
