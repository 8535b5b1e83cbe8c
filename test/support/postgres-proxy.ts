/**
 * A network between the daemon and its PostgreSQL, for tests: it makes the way longer, counts the round trips of each transaction,
 * and can go silent, as a network does whose packets are lost: nothing comes through, and nobody is told.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Transaction {
  /** The statement, or statements in one message, that it began with. */
  readonly begin: string
  /** Messages of the client that came after an answer, the one with BEGIN included: each waited for a round trip. */
  roundTrips: number
  /** By what it ended; null while it is open, and when the connection ended first. */
  end: 'commit' | 'rollback' | null
}

export interface PostgresProxy extends AsyncDisposable {
  readonly port: number
  /** The URL of a database by way of this. */
  through(databaseUrl: string): string
  /** In the order in which they began; grows. */
  readonly transactions: readonly Transaction[]
  /** Lets nothing through from now on, on connections old and new, until `speak`; nothing is lost meanwhile. */
  silence(): void
  speak(): void
  /** Goes silent once a transaction that matches has sent its end: the server hears it, and nobody hears the server. */
  silenceBehind(end: 'commit' | 'rollback', matches: (transaction: Transaction) => boolean): void
  /** Ends all connections that there are. */
  cut(): void
}

/** @param delayMs how long what the server says is on its way */
export async function startPostgresProxy(databaseUrl: string, { delayMs = 0 } = {}): Promise<PostgresProxy> {
  const transactions: Transaction[] = []
  const sockets = new Set<Socket>()
  let silent = false
  let trap: ((transaction: Transaction) => boolean) | null = null
  const silence = () => {
    silent = true
    for (const socket of sockets) socket.pause()
  }
  const { hostname, port: serverPort } = new URL(databaseUrl)
  const server = createServer({ pauseOnConnect: true }, (client) => {
    const upstream = connect(Number(serverPort), hostname)
    const watch = new RoundTrips(transactions)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.setNoDelay(true)
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
    client.on('data', (octets) => {
      const ended = watch.asked(octets)
      upstream.write(octets)
      if (trap === null || !ended.some(trap)) return
      trap = null
      silence()
    })
    upstream.on('data', (octets) => {
      const deliver = () => {
        watch.answered()
        client.write(octets)
      }
      if (delayMs === 0) deliver()
      else setTimeout(deliver, delayMs)
    })
    if (silent) upstream.pause()
    else client.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    through: (url) => {
      const changed = new URL(url)
      changed.port = String(port)
      return changed.href
    },
    transactions,
    silence,
    silenceBehind: (end, matches) => {
      trap = (transaction) => transaction.end === end && matches(transaction)
    },
    speak: () => {
      silent = false
      for (const socket of sockets) socket.resume()
    },
    cut: () => {
      for (const socket of sockets) socket.destroy()
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Reads what a client says (PostgreSQL documentation, "Message Formats"). */
class RoundTrips {
  readonly #transactions: Transaction[]
  #rest = Buffer.alloc(0)
  /** The first message has no type. */
  #started = false
  #answered = true
  #open: Transaction | null = null

  constructor(transactions: Transaction[]) {
    this.#transactions = transactions
  }

  answered(): void {
    this.#answered = true
  }

  /** @returns the transactions that ended by this */
  asked(octets: Uint8Array): Transaction[] {
    const ended: Transaction[] = []
    if (this.#answered && this.#open !== null) this.#open.roundTrips++
    this.#answered = false
    this.#rest = Buffer.concat([this.#rest, octets])
    for (;;) {
      const head = this.#started ? 1 : 0
      if (this.#rest.length < head + 4) return ended
      const length = head + this.#rest.readInt32BE(head)
      if (this.#rest.length < length) return ended
      const done = this.#message(
        this.#started ? String.fromCharCode(this.#rest[0]!) : '',
        this.#rest.subarray(head + 4, length),
      )
      if (done !== null) ended.push(done)
      this.#rest = this.#rest.subarray(length)
      this.#started = true
    }
  }

  #message(type: string, body: Buffer): Transaction | null {
    const text = type === 'Q' ? body.toString('utf8', 0, body.length - 1) : ''
    if (text.startsWith('begin')) {
      this.#open = { begin: text, roundTrips: 1, end: null }
      this.#transactions.push(this.#open)
    } else if (this.#open !== null && (text === 'commit' || text === 'rollback')) {
      const done = this.#open
      done.end = text
      this.#open = null
      return done
    }
    return null
  }
}
