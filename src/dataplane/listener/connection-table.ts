/**
 * The open connections of a transport, and their turns.
 *
 * ## Turns
 * Whoever has whole messages waits in one queue. A connection that comes to its head has a few of them answered and goes to the
 * queue's end with the rest, so that a client with one question waits for a few answers of each other client and not for all that
 * they have piled up. After some answers the event loop has its turn first: it accepts who is new and reads what has come.
 *
 * ## Room
 * A client costs what the limits say and no more. When there is no room for a new connection, the one that has been quiet
 * longest makes room, so that idle connections can't shut others out. When all together hold too many octets, the one that holds
 * most makes room. Answers that the kernel has not taken from us for some time end their connection.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from '../answer/client.ts'
import type { ConnectionEvent } from '../counters.ts'
import { streamPayload } from '../wire/constants.ts'
import type { ListenerParts } from './listener.ts'
import { type ConnectionOwner, type NetworkStream, StreamConnection } from './stream-connection.ts'
import type { StreamLimits } from './stream-limits.ts'

/** Short answers that a connection has in one go; a long one counts for several. */
export const answersPerTurn = 16
/** The same between two turns of the event loop: some milliseconds, and a mebibyte. */
const answersPerLoop = 256
/** How often those that are to leave are looked at. A client that has sent nothing in between is told that we leave. */
const leaveEveryMs = 10

/** Where connections can go on when the listener stops. */
export interface Heir {
  readonly works: boolean
  /** @param begun what its client has sent of a message @returns whether it was taken; if not, it may be later */
  pass(stream: NetworkStream, begun: Buffer): boolean
}

export class ConnectionTable implements ConnectionOwner {
  readonly #parts: ListenerParts
  /** The quietest first; bounded by `limits.connections`. */
  readonly #open = new Set<StreamConnection>()
  /** The same connections by client address; the sets share the connections of `#open` and go when they are empty. */
  readonly #byAddress = new Map<string, Set<StreamConnection>>()
  /** Those that wait for their turn, of `#open`. */
  readonly #queue = new Set<StreamConnection>()
  #turn: NodeJS.Immediate | null = null
  /** Since when answers of a connection wait for its client to read; the longest first, of `#open`. */
  readonly #waiting = new Map<StreamConnection, number>()
  #waitTimer: NodeJS.Timeout | null = null
  /** Octets that all connections hold; bounded by `limits.heldOctets`. */
  #heldOctets = 0
  #heir: Heir | null = null
  readonly #out = new Uint8Array(streamPayload)

  constructor(parts: ListenerParts) {
    this.#parts = parts
  }

  get limits(): StreamLimits {
    return this.#parts.limits
  }

  /** @param begun what its client has sent so far of its first message */
  accept(stream: NetworkStream, address: string, begun?: Buffer): void {
    const { limits, counters } = this.#parts
    const connection = new StreamConnection(stream, address, this, begun)
    const siblings = this.#byAddress.get(address) ?? new Set()
    if (siblings.size >= limits.connectionsPerAddress) first(siblings).destroy('evicted')
    else if (this.#open.size >= limits.connections) first(this.#open).destroy('evicted')
    counters.connection('accepted')
    this.#byAddress.set(address, siblings)
    siblings.add(connection)
    this.#open.add(connection)
    connection.start()
  }

  touch(connection: StreamConnection): void {
    for (const set of [this.#open, this.#byAddress.get(connection.address)!]) {
      set.delete(connection)
      set.add(connection)
    }
  }

  remove(connection: StreamConnection, event: ConnectionEvent): void {
    if (!this.#open.delete(connection)) return
    this.#parts.counters.connection(event)
    this.#queue.delete(connection)
    this.#waiting.delete(connection)
    const siblings = this.#byAddress.get(connection.address)
    siblings?.delete(connection)
    if (siblings?.size === 0) this.#byAddress.delete(connection.address)
  }

  queue(connection: StreamConnection): void {
    this.#queue.add(connection)
    this.#turn ??= setImmediate(() => this.#takeTurns())
  }

  dequeue(connection: StreamConnection): void {
    this.#queue.delete(connection)
  }

  held(octets: number): void {
    this.#heldOctets += octets
    if (octets <= 0) return
    while (this.#heldOctets > this.limits.heldOctets) largest(this.#open).destroy('unread')
  }

  waits(connection: StreamConnection, anew: boolean): void {
    if (anew) this.#waiting.delete(connection)
    else if (this.#waiting.has(connection)) return
    this.#waiting.set(connection, performance.now())
    this.#waitTimer ??= this.#after(this.limits.unreadTimeoutMs)
  }

  waitsNoMore(connection: StreamConnection): void {
    this.#waiting.delete(connection)
  }

  get passes(): boolean {
    return this.#heir?.works ?? false
  }

  pass(stream: NetworkStream, begun: Buffer): boolean {
    return this.#heir?.pass(stream, begun) ?? false
  }

  failed(error: unknown): void {
    this.#parts.onError?.(error)
  }

  respond(request: Uint8Array, client: Client): Uint8Array | null {
    const { responder, counters } = this.#parts
    const startMs = performance.now()
    responder.clock.tick()
    const length = responder.respond(request, request.length, client, this.#out)
    responder.endBatch()
    counters.duration((performance.now() - startMs) / 1000)
    return length === 0 ? null : this.#out.subarray(0, length)
  }

  answers(request: Uint8Array, client: Client): AsyncIterable<Uint8Array> | null {
    return this.#parts.responder.answers?.(request, client) ?? null
  }

  /**
   * Answers what has come, passes the connections on if they can be, and ends the others: each once its client is quiet, and all within
   * the time for that. Nobody may be accepted any more.
   */
  async stop(heir: Heir | null = null): Promise<void> {
    this.#heir = heir
    const { drainTimeoutMs, lingerTimeoutMs } = this.limits
    const untilMs = performance.now() + drainTimeoutMs
    let lingersUntilMs = Number.POSITIVE_INFINITY
    for (const connection of this.#open) connection.leave()
    while (this.#open.size > 0) {
      await delay(leaveEveryMs)
      const nowMs = performance.now()
      // From when they are told, however late that is: one that is closed before is reset.
      if (nowMs >= untilMs) lingersUntilMs = Math.min(lingersUntilMs, nowMs + lingerTimeoutMs)
      for (const connection of this.#open) {
        if (nowMs < untilMs) connection.leave()
        else if (nowMs < lingersUntilMs) connection.finish()
        else connection.destroy('closed')
      }
    }
  }

  #takeTurns(): void {
    this.#turn = null
    let cost = 0
    for (const connection of this.#queue) {
      if (cost >= answersPerLoop) break
      this.#queue.delete(connection)
      // With messages left it comes back behind the others.
      cost += connection.answer(answersPerTurn)
    }
    if (this.#queue.size > 0) this.#turn ??= setImmediate(() => this.#takeTurns())
  }

  /** The connections keep the thread alive, and the timer does not. */
  #after(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#endWaits(), ms).unref()
  }

  #endWaits(): void {
    this.#waitTimer = null
    const { unreadTimeoutMs } = this.limits
    const nowMs = performance.now()
    for (const [connection, sinceMs] of this.#waiting) {
      const leftMs = sinceMs + unreadTimeoutMs - nowMs
      if (leftMs > 0) {
        this.#waitTimer = this.#after(leftMs)
        return
      }
      connection.destroy('unread')
    }
  }
}

function first(connections: ReadonlySet<StreamConnection>): StreamConnection {
  return connections.values().next().value!
}

/** One pass over all, which ends as many octets as its client has had made for it. */
function largest(connections: ReadonlySet<StreamConnection>): StreamConnection {
  let most = first(connections)
  for (const connection of connections) if (connection.heldOctets > most.heldOctets) most = connection
  return most
}
