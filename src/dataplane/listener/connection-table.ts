/**
 * The open connections of a transport. A client costs what the limits say and no more; when there is no room for a new
 * connection, the one that has been quiet longest makes room, so that idle connections can't shut others out.
 */
import type { Client } from '../answer/client.ts'
import type { ConnectionEvent } from '../counters.ts'
import { streamPayload } from '../wire/constants.ts'
import type { ListenerParts } from './listener.ts'
import { type ConnectionOwner, type NetworkStream, StreamConnection } from './stream-connection.ts'
import type { StreamLimits } from './stream-limits.ts'

export class ConnectionTable implements ConnectionOwner {
  readonly #parts: ListenerParts
  /** The quietest first; bounded by `limits.connections`. */
  readonly #open = new Set<StreamConnection>()
  /** The same connections by client address; the sets share the connections of `#open` and go when they are empty. */
  readonly #byAddress = new Map<string, Set<StreamConnection>>()
  readonly #out = new Uint8Array(streamPayload)

  constructor(parts: ListenerParts) {
    this.#parts = parts
  }

  get limits(): StreamLimits {
    return this.#parts.limits
  }

  accept(stream: NetworkStream, address: string): void {
    const { limits, counters } = this.#parts
    const connection = new StreamConnection(stream, address, this)
    const siblings = this.#byAddress.get(address) ?? new Set()
    if (siblings.size >= limits.connectionsPerAddress) first(siblings).destroy('evicted')
    else if (this.#open.size >= limits.connections) first(this.#open).destroy('evicted')
    counters.connection('accepted')
    this.#byAddress.set(address, siblings)
    siblings.add(connection)
    this.#open.add(connection)
    connection.start()
  }

  /** Moves a connection behind the quieter ones. */
  touch(connection: StreamConnection): void {
    for (const set of [this.#open, this.#byAddress.get(connection.address)!]) {
      set.delete(connection)
      set.add(connection)
    }
  }

  remove(connection: StreamConnection, event: ConnectionEvent): void {
    if (!this.#open.delete(connection)) return
    this.#parts.counters.connection(event)
    const siblings = this.#byAddress.get(connection.address)
    siblings?.delete(connection)
    if (siblings?.size === 0) this.#byAddress.delete(connection.address)
  }

  respond(request: Uint8Array, client: Client): Uint8Array | null {
    const { responder, counters } = this.#parts
    const startMs = performance.now()
    responder.clock.tick()
    const length = responder.respond(request, request.length, client, this.#out)
    counters.duration((performance.now() - startMs) / 1000)
    return length === 0 ? null : this.#out.subarray(0, length)
  }

  answers(request: Uint8Array, client: Client): AsyncIterable<Uint8Array> | null {
    return this.#parts.responder.answers?.(request, client) ?? null
  }

  /** Ends the connections when what has been answered is sent. */
  stop(): void {
    for (const connection of this.#open) connection.finish()
  }
}

function first(connections: ReadonlySet<StreamConnection>): StreamConnection {
  return connections.values().next().value!
}
