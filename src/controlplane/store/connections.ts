/**
 * The connections to the database: which server they go to, what is lent of them, and whether anybody answers at their other end.
 *
 * ## A server that is silent
 * One that is frozen, or behind a network that loses packets, refuses nothing: it just doesn't answer, and neither the kernel nor
 * the driver says so for minutes. So whoever waits for an answer for `silentAfterMs` asks by a connection of its own whether the
 * server answers at all. When it does, the statement merely takes long, for which it has its time limit in the server. When it does
 * not, the connection is cut, and all that waited for it fails.
 *
 * At a stop nobody waits that long: `hurry`.
 *
 * ## Several servers
 * One is used at a time (`server-choice.ts`), by a pool of its own. When it is given up, its pool ends with what is still lent of it,
 * and the next who borrows gets a connection of another's.
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { ControlError } from '../model/errors.ts'
import type { DatabaseUrl } from './database-url.ts'
import { breaksConnection, takesNoWrites } from './postgres-errors.ts'
import { type Choice, ServerChoice } from './server-choice.ts'
import { ServerPool } from './server-pool.ts'

/** How long to wait for a connection. With one connection that is as long as the transaction before takes. */
const connectTimeoutMs = { postgres: 4_000, embedded: 60_000 } as const

/** For a server that answers others, but not this statement. A write in WebAssembly gets more. */
const answerTimeoutMs = { postgres: 20_000, embedded: 60_000 } as const

const silentAfterMs = 4_000
/** How long anything may take once the daemon stops. */
const hurriedMs = 2_000
/** What a peer that is gone costs at most, where the network can tell. */
const keepAliveMs = 10_000

/** A connection on loan. Giving it back twice is harmless, so that `stop` can take it away from a hung user. */
export interface Loan {
  readonly client: pg.PoolClient
  readonly release: (broken: boolean) => void
  /** Whether its server answers anybody, also by a refusal. */
  readonly isAlive: () => Promise<boolean>
  /** Tells what went wrong with it: it may be the server's fault, so that another one is to be used. */
  readonly failed: (error: unknown) => void
}

/**
 * The one connection of the embedded database was not given back in time. It says nothing of the database: a large import has it for
 * minutes, and whoever took the database for dead would end that.
 */
function busy(error: unknown): unknown {
  if (!(error instanceof Error) || !/timeout exceeded/.test(error.message)) return error
  return new ControlError('unavailable', 'the embedded database is busy with a transaction that takes long')
}

/** Where connections go: to the embedded database, or to servers. */
export type Whereto = Pick<DatabaseUrl, 'servers' | 'target' | 'connectTimeoutMs'> | pg.ClientConfig

interface Used {
  readonly choice: Choice
  readonly pool: ServerPool
}

/** Servers that a transaction tries, which were all there when they were asked. */
const mostChoices = 3

export class Connections {
  readonly #kind: 'postgres' | 'embedded'
  readonly #choice: ServerChoice
  #used: Used | null = null
  /** Bound: each goes with the last loan of it. */
  readonly #pools = new Set<ServerPool>()
  /** Bound: the size of the pools. */
  readonly #loans = new Set<Loan>()
  /** Aborts when the daemon stops. */
  readonly #hurry = new AbortController()
  /** Nobody answers, and the daemon stops. */
  #givenUp = false
  #stopped = false

  constructor(whereto: Whereto) {
    this.#kind = 'servers' in whereto ? 'postgres' : 'embedded'
    const common = {
      application_name: 'pooldns',
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveMs,
      connectionTimeoutMillis: connectTimeoutMs[this.#kind],
      query_timeout: answerTimeoutMs[this.#kind],
    }
    if (!('servers' in whereto)) {
      const config = { ...common, ...whereto }
      this.#choice = new ServerChoice([{ name: 'the embedded database', config }], 'any')
      return
    }
    const { servers, target } = whereto
    const connectionTimeoutMillis = whereto.connectTimeoutMs ?? common.connectionTimeoutMillis
    const candidates = servers.map(({ name, url }) => ({
      name,
      config: { connectionString: url, ...common, connectionTimeoutMillis },
    }))
    this.#choice = new ServerChoice(candidates, target)
  }

  async borrow(): Promise<Loan> {
    if (this.#stopped) throw new ControlError('unavailable', 'the database is stopped')
    if (this.#givenUp)
      throw new ControlError('unavailable', 'the database does not answer, and the daemon stops')
    const { client, used } = await this.#connect()
    const { pool, choice } = used
    const loan: Loan = {
      client,
      release: (broken) => {
        if (this.#loans.delete(loan)) client.release(broken)
      },
      isAlive: async () => {
        if (!this.#hurry.signal.aborted) return pool.isAlive(this.#hurry.signal)
        this.#givenUp = true
        return false
      },
      failed: (error) => {
        if (breaksConnection(error) || takesNoWrites(error)) this.#choice.giveUp(choice)
      },
    }
    this.#loans.add(loan)
    return loan
  }

  /** The server that is used; chooses one if need be. For a connection beside the pool. */
  choose(): Promise<Choice> {
    return this.#choice.choose()
  }

  async connectApart(): Promise<pg.Client> {
    const { config } = await this.#choice.choose()
    const client = new pg.Client(config)
    client.on('error', () => {})
    await client.connect()
    return client
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

  /** From now on nothing waits longer than two seconds for a server, and once it was for nothing, nobody tries again. */
  hurry(): void {
    if (this.#kind === 'postgres') this.#hurry.abort()
  }

  /** Ends all connections, with a grace for those in use. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true
    this.#choice.stop()
    const ended = Promise.all(Array.from(this.#pools, (each) => each.end()))
    await Promise.race([ended, delay(graceMs, undefined, { ref: false })])
    for (const loan of this.#loans) loan.release(true)
    await ended
  }

  /** Lends a client of the server that is used, or of another one where that has just gone: nothing was asked of it yet. */
  async #lend(): Promise<{ client: pg.PoolClient; used: Used }> {
    for (let tries = 1; ; tries++) {
      let choice = await this.#choice.choose()
      while (choice.over.aborted) choice = await this.#choice.choose()
      const used = this.#useOf(choice)
      try {
        return { client: await used.pool.connect(), used }
      } catch (error) {
        if (used.pool.isExhausted) throw this.#kind === 'embedded' ? busy(error) : error
        this.#choice.giveUp(choice)
        if (!choice.over.aborted || tries === mostChoices) throw error
      }
    }
  }

  #useOf(choice: Choice): Used {
    if (this.#used?.choice === choice) return this.#used
    const pool = new ServerPool(this.#kind, choice.config, () => this.#choice.giveUp(choice))
    this.#pools.add(pool)
    choice.over.addEventListener('abort', () => void this.#end(pool), { once: true })
    this.#used = { choice, pool }
    return this.#used
  }

  async #end(pool: ServerPool): Promise<void> {
    await pool.end()
    this.#pools.delete(pool)
  }

  async #connect(): Promise<{ client: pg.PoolClient; used: Used }> {
    const connecting = this.#lend()
    if (this.#kind === 'embedded') return connecting
    const over = new AbortController()
    const late = this.#tooLate(over.signal)
    late.catch(() => {})
    try {
      const lent = await Promise.race([connecting, late])
      if (lent !== null) return lent
    } finally {
      over.abort()
    }
    this.#givenUp = true
    connecting.then(
      ({ client }) => client.release(true),
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
