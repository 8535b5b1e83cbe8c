/**
 * Hears of changes that other processes write: one connection of its own that LISTENs, beside the pool. All of it is
 * only a hint that saves time; whoever follows the change feed polls too. So nothing here reports an error: a lost
 * connection is opened again, with a hint afterwards because notifications may have been missed, and a server that
 * has no LISTEN, or is behind a pooler, is left in peace.
 */
import { once } from 'node:events'
import pg from 'pg'
import { pause } from '../timing/clock.ts'
import type { Connections } from './connections.ts'
import { cut } from './server-pool.ts'
import { changeChannel, feedChannel } from './transaction.ts'

const firstDelayMs = 250
const longestDelayMs = 10_000

/** SQLSTATE classes that say that the server will never do this: unknown feature, unknown syntax, no right. */
const neverCodes = /^(0A|42)/

/**
 * Whether a pooler stands between: the session that it tells of is not the server's. Notifications may not come through it, and LISTEN
 * would stay with whoever gets that session of the server's next.
 */
async function isPooled(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const { processID } = client as unknown as { readonly processID: number }
  return rows[0]!.pid !== processID
}

export class ChangeListener {
  readonly #connections: Pick<Connections, 'choose'>
  readonly #ownId: string
  readonly #onHint: () => void
  readonly #onFeed: (feed: string | null) => void
  readonly #stopping = new AbortController()
  #done: Promise<void> | undefined

  /**
   * @param ownId in the payload of our own notifications, which are not news
   * @param onFeed rows of a feed have changed; null: of any may have
   */
  constructor(
    connections: Pick<Connections, 'choose'>,
    ownId: string,
    onHint: () => void,
    onFeed: (feed: string | null) => void,
  ) {
    this.#connections = connections
    this.#ownId = ownId
    this.#onHint = onHint
    this.#onFeed = onFeed
  }

  /** Starts listening; does nothing when it has been started. */
  start(): void {
    this.#done ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    for (let delayMs = firstDelayMs; !signal.aborted; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
      const outcome = await this.#listenOnce(signal)
      if (outcome === 'unsupported') return
      if (outcome === 'lost') delayMs = firstDelayMs
      await pause(delayMs, signal)
    }
  }

  /** Listens until the connection ends, for whatever reason, another server is used, or the signal. */
  async #listenOnce(signal: AbortSignal): Promise<'failed' | 'lost' | 'unsupported'> {
    const choice = await this.#connections.choose().catch(() => null)
    if (choice === null) return 'failed'
    const client = new pg.Client(choice.config)
    // An error ends it too, and it may bring several.
    const over = AbortSignal.any([signal, choice.over])
    const ended = once(client, 'end', { signal: over }).catch(() => {})
    client.on('error', () => {})
    client.on('notification', ({ channel, payload = '' }) => {
      const [writer, feed = ''] = payload.split(' ')
      if (writer === this.#ownId) return
      if (channel === feedChannel) this.#onFeed(feed)
      else this.#onHint()
    })
    try {
      await client.connect()
      if (await isPooled(client)) return 'unsupported'
      await client.query(`listen ${changeChannel}; listen ${feedChannel}`)
      this.#onHint()
      this.#onFeed(null)
      await ended
      return 'lost'
    } catch (error) {
      return error instanceof pg.DatabaseError && neverCodes.test(error.code ?? '') ? 'unsupported' : 'failed'
    } finally {
      // A server that is silent does not close its end.
      cut(client)
    }
  }
}
