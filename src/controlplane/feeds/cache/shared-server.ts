/**
 * The second tier of the cache: a Redis or Valkey server that several nodes share. It saves reads of the database and is needed for
 * nothing, so whatever it does, a read waits for it no longer than 50 ms, and no error of its comes any further than the log.
 *
 *     away ──a pause is over──> connecting ──it says who it is──> ready
 *      ^                            |                               |
 *      └──────── refused, or silent for two seconds ────────────────┤
 *      └──────── the connection broke, an answer came too late or is none of the protocol's
 *
 * While it is not ready it is asked nothing. The pauses grow from half a second to half a minute, and start over once it has answered a
 * read; so one that is away for a day costs a connection each half minute, and one line of the log. One that answers, but with an error
 * (it is full, it only reads, it loads its file), stays ready: what it has is still good.
 *
 * The client reconnects by itself, but not with such pauses, and it can't be told to give up a command that was sent. So each connection
 * is a client of its own here, and one that is late is thrown away with all that waits for it.
 */
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import type { RedisClientType } from '@redis/client'
import type { CacheServer } from './cache-url.ts'
import type { SharedTier } from './read-cache.ts'

export interface SharedServerOptions {
  readonly server: CacheServer
  /** It went away; told once for each time, and no more than once a minute. */
  readonly onAway: (reason: string) => void
  /** It is back, after `onAway`. */
  readonly onBack: () => void
  /** It answered with an error; told as often as that. */
  readonly onRefused: (reason: string) => void
  /** Counts what did not work, by a word of `FailureKind`. */
  readonly onFailure: (kind: FailureKind) => void
  /** How long it may take. */
  readonly waits?: Waits
}

/** Each in milliseconds. */
export interface Waits {
  /** For a read. */
  readonly answerMs: number
  /** For what nobody waits for. */
  readonly writeMs: number
  /** From the first packet to the word that it is ready, with TLS and its password. */
  readonly connectMs: number
}

export const failureKinds = ['away', 'late', 'refused', 'skipped'] as const
export type FailureKind = (typeof failureKinds)[number]

type Client = RedisClientType<Record<string, never>, Record<string, never>, Record<string, never>, 2>
type CreateClient = typeof import('@redis/client').createClient

const defaultWaits: Waits = { answerMs: 50, writeMs: 1_000, connectMs: 2_000 }
const firstPauseMs = 500
const longestPauseMs = 30_000
const betweenWordsMs = 60_000
/** What has been handed to the connection and is not answered yet; more is left out. */
const waitingOctets = 8 * 1024 * 1024
const waitingCommands = 1_000
/** Of what an error says. */
const shownCharacters = 200
/** With the form of what stands there. */
const prefix = 'pooldns:1'

export class SharedServer implements SharedTier {
  readonly #options: SharedServerOptions
  readonly #waits: Waits
  #ready: Client | null = null
  /** The last that was given up: it goes once, whatever it says afterwards. */
  #lost: Client | null = null
  #pauseMs = firstPauseMs
  #timer: NodeJS.Timeout | null = null
  #waitingOctets = 0
  #stopped = false
  /** Whether an error is an answer of the server, by which the connection is as good as before. */
  #isReply: (error: unknown) => boolean = () => false
  /** What has been said last, so that each word is said once, and when. */
  #said: 'away' | 'back' = 'back'
  #saidAtMs = Number.NEGATIVE_INFINITY
  #refusedAtMs = Number.NEGATIVE_INFINITY

  /** Begins to connect. */
  constructor(options: SharedServerOptions) {
    this.#options = options
    this.#waits = options.waits ?? defaultWaits
    void this.#connect()
  }

  get up(): boolean {
    return this.#ready !== null
  }

  async get(key: string): Promise<{ readonly octets: Buffer; readonly leftMs: number } | null> {
    const client = this.#ready
    if (client === null) return null
    const name = nameOf(key)
    // Both leave in one packet.
    const asked = Promise.all([client.sendCommand<Buffer | null>(['GET', name], asOctets), client.pTTL(name)])
    const answer = await this.#within(this.#waits.answerMs, client, asked)
    if (answer === null) return null
    this.#works()
    const [octets, leftMs] = answer
    // Of neither end nor life: it was not there, or is not ours.
    return Buffer.isBuffer(octets) && leftMs > 0 ? { octets, leftMs } : null
  }

  set(key: string, octets: Buffer, lifeMs: number): void {
    const client = this.#ready
    if (client === null) return
    if (this.#waitingOctets + octets.length > waitingOctets) {
      this.#options.onFailure('skipped')
      return
    }
    this.#waitingOctets += octets.length
    const done = client.set(nameOf(key), octets, { expiration: { type: 'PX', value: lifeMs } })
    void this.#within(this.#waits.writeMs, client, done).finally(() => {
      this.#waitingOctets -= octets.length
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#ready?.destroy()
    this.#ready = null
  }

  async #connect(): Promise<void> {
    this.#timer = null
    // Loaded by those alone who have such a server.
    const { createClient, ErrorReply } = await import('@redis/client')
    if (this.#stopped) return
    this.#isReply = (error) => error instanceof ErrorReply
    const { connectMs } = this.#waits
    const client = this.#makeClient(createClient)
    const late = setTimeout(() => this.#lose(client, notWithin(connectMs), 'late'), connectMs)
    try {
      await client.connect()
      // Not before it has answered: a server may take connections, and all that is sent, while it hangs.
      await client.ping()
      if (this.#stopped || client === this.#lost) client.destroy()
      else this.#ready = client
    } catch (error) {
      this.#lose(client, wordsOf(error))
      // It could not be ended while it had no socket yet.
      client.destroy()
    } finally {
      clearTimeout(late)
    }
  }

  #makeClient(createClient: CreateClient): Client {
    const { tls, host, port, username, password, database } = this.#options.server
    const client = createClient({
      socket: {
        host,
        port,
        ...(tls ? { tls: true as const, ...(isIP(host) === 0 ? { servername: host } : {}) } : {}),
        connectTimeout: this.#waits.connectMs,
        reconnectStrategy: false,
      },
      ...(username === null ? {} : { username }),
      ...(password === null ? {} : { password }),
      database,
      RESP: 2,
      disableOfflineQueue: true,
      disableClientInfo: true,
      maintNotifications: 'disabled',
      commandsQueueMaxLength: waitingCommands,
    }) as unknown as Client
    client.on('error', (error: unknown) => this.#lose(client, wordsOf(error)))
    return client
  }

  /** What it answers in time; null for an error, and for an answer that is late, behind which nothing is waited for. */
  async #within<T>(ms: number, client: Client, asked: Promise<T>): Promise<T | null> {
    const late = Symbol('late')
    const { promise, resolve } = Promise.withResolvers<typeof late>()
    // Where this thread was busy the answer may lie there unread: it is looked at once more before anybody is blamed.
    const timer = setTimeout(() => setImmediate(() => setImmediate(resolve, late)), ms)
    try {
      const answer = await Promise.race([asked, promise])
      if (answer !== late) return answer as T
      // What waits for it still is rejected by that, and heard by nobody.
      asked.catch(() => undefined)
      this.#lose(client, notWithin(ms), 'late')
    } catch (error) {
      this.#failed(client, error)
    } finally {
      clearTimeout(timer)
    }
    return null
  }

  #failed(client: Client, error: unknown): void {
    if (!this.#isReply(error)) {
      this.#lose(client, wordsOf(error))
      return
    }
    this.#options.onFailure('refused')
    const now = performance.now()
    if (now - this.#refusedAtMs < betweenWordsMs) return
    this.#refusedAtMs = now
    this.#options.onRefused(wordsOf(error))
  }

  #lose(client: Client, reason: string, kind: FailureKind = 'away'): void {
    if (client === this.#lost) return
    this.#lost = client
    if (this.#ready === client) this.#ready = null
    client.destroy()
    if (this.#stopped) return
    this.#options.onFailure(kind)
    this.#say('away', () => this.#options.onAway(reason))
    const pauseMs = this.#pauseMs * (0.75 + Math.random() / 2)
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs)
    this.#timer = setTimeout(() => void this.#connect(), pauseMs).unref()
  }

  #works(): void {
    this.#pauseMs = firstPauseMs
    if (this.#said === 'away') this.#say('back', () => this.#options.onBack())
  }

  /** One that comes and goes all the time is told of once a minute. */
  #say(word: 'away' | 'back', tell: () => void): void {
    const now = performance.now()
    if (this.#said === word || (word === 'away' && now - this.#saidAtMs < betweenWordsMs)) return
    if (word === 'away') this.#saidAtMs = now
    this.#said = word
    tell()
  }
}

/** Replies stay octets. */
const asOctets = { typeMapping: { 36: Buffer } } as const

/** A key begins with the id of the database, and may be long. */
function nameOf(key: string): string {
  const [database] = key.split('/', 1)
  return `${prefix}:${database}:${createHash('sha256').update(key).digest('base64url')}`
}

const notWithin = (ms: number) => `it did not answer within ${ms} ms`

function wordsOf(error: unknown): string {
  const { message, code } = error as Partial<NodeJS.ErrnoException>
  const text = message || code || 'it failed without a word'
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, shownCharacters)
}
