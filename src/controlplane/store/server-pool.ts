/** The connections to one server: a pool, and the word on whether anybody answers at their other end. */
import type { Socket } from 'node:net'
import pg from 'pg'
import { pause } from '../timing/clock.ts'

/** Connections to a server. One is in use by a write, the others by readers. */
const poolSize = 10

/** Those that stay when nobody uses them: for a write and for the follower behind it. A new one costs some round trips. */
const keptConnections = 2

const askTimeoutMs = 1_000
/** It is counted in these: one in which this process stood still, and read nothing that had come, counts once, however long it was. */
const askTurnMs = 100

export class ServerPool {
  readonly #config: pg.ClientConfig
  readonly #pool: pg.Pool
  /** Those of the pool, and those that it is just getting rid of. */
  readonly #clients = new Set<pg.Client>()
  #lent = 0
  #asking: Promise<boolean> | undefined
  #ended: Promise<void> | undefined

  /** @param onLost one that nobody uses was lost */
  constructor(kind: 'postgres' | 'embedded', config: pg.ClientConfig, onLost: () => void) {
    this.#config = config
    const pool = kind === 'postgres' ? { min: keptConnections, max: poolSize, pipeline: true } : { max: 1 }
    this.#pool = new pg.Pool({ ...config, ...pool })
    // Without a listener the loss of a connection would be an uncaught exception, in the pool or out of it.
    this.#pool.on('error', onLost)
    this.#pool.on('acquire', () => this.#lent++)
    this.#pool.on('release', () => this.#lent--)
    this.#pool.on('connect', (client) => {
      this.#clients.add(client)
      client.on('error', () => {}).once('end', () => this.#clients.delete(client))
    })
  }

  connect(): Promise<pg.PoolClient> {
    return this.#pool.connect()
  }

  /** Whether all that it may have are lent, so that who gets none is not told anything of the server by that. */
  get isExhausted(): boolean {
    return this.#lent >= this.#pool.options.max
  }

  /** Whether the server answers anybody, also by a refusal. */
  isAlive(signal: AbortSignal): Promise<boolean> {
    this.#asking ??= this.#ask(signal).finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(signal: AbortSignal): Promise<boolean> {
    const client = new pg.Client({ ...this.#config, connectionTimeoutMillis: 0 })
    client.on('error', () => {})
    const asked = client.connect().then(
      () => true,
      (error: unknown) => error instanceof pg.DatabaseError,
    )
    const over = new AbortController()
    try {
      return await Promise.race([asked, silence(AbortSignal.any([signal, over.signal]))])
    } finally {
      over.abort()
      cut(client)
    }
  }

  /** Ends what nobody uses, and each other one when it is given back; resolves then. Idempotent. */
  end(): Promise<void> {
    this.#ended ??= this.#end()
    return this.#ended
  }

  async #end(): Promise<void> {
    await this.#pool.end()
    // A server that is silent doesn't close its end.
    for (const client of this.#clients) cut(client)
  }
}

/** Resolves once there has been time for an answer, or the signal aborts. */
async function silence(signal: AbortSignal): Promise<false> {
  for (let passedMs = 0; passedMs < askTimeoutMs && !signal.aborted; passedMs += askTurnMs)
    await pause(askTurnMs, signal)
  return false
}

/** Ends a connection without a word to, or from, its other end. */
export function cut(client: pg.ClientBase): void {
  const { connection } = client as unknown as { readonly connection: { readonly stream: Socket } }
  connection.stream.destroy()
}
