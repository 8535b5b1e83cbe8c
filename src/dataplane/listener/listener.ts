/** What every listener is: addresses that it is bound to, something that answers the messages that come, and an end. */
import type { Client } from '../answer/client.ts'
import type { Counters } from '../counters.ts'
import type { Handover } from './handover.ts'
import type { StreamLimits } from './stream-limits.ts'

/** An address to listen on. Port 0 asks for a free one. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** A socket that is bound already, and comes as a descriptor. */
export interface BoundSocket extends ListenAddress {
  readonly fd: number
  /** `::` of both families. */
  readonly dual: boolean
}

/** What a listener begins with. A descriptor stays whose it is: the listener takes a copy (`copyOf`). */
export type ListenOn = ListenAddress | BoundSocket

export function formatListenAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Bound to every address: answers must be told which of them to leave from. */
export function isWildcard({ host }: ListenAddress): boolean {
  return host === '::' || host === '0.0.0.0'
}

/** The workers could not listen. `code` is the system's, such as EADDRINUSE. */
export class ListenError extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'ListenError'
    this.code = code
  }
}

/** What listeners ask for responses: the responder, as they see it. */
export interface Answerer {
  /** Ticked before each query, or once for a batch. */
  readonly clock: { tick(): void }
  /** Answers one request by one response in `out`. @returns its length, 0 for silence */
  respond(request: Uint8Array, length: number, client: Client, out: Uint8Array): number
  /** After each query, or once for a batch: those who look on may see what was answered. */
  endBatch(): void
  /**
   * Answers by any number of messages, such as a zone transfer, or later than at once. Asked first, and by streams alone.
   * A message is written before the next one is asked for, when the client has room for it.
   *
   * @returns null when it is for `respond` to answer
   */
  answers?(request: Uint8Array, client: Client): AsyncIterable<Uint8Array> | null
}

export interface ListenerParts {
  readonly responder: Answerer
  readonly counters: Counters
  /** What connections may cost, for transports that have some. */
  readonly limits: StreamLimits
  /** Told of errors of the code that cost one client its answer, and nobody else. May not throw. */
  readonly onError?: (error: unknown) => void
  /** For transports that have connections; null when there is no other process. */
  readonly handover?: Handover | null
}

/** A listener of one transport on all its addresses. A socket that fails for good ends the thread: nobody hears its error. */
export interface Listener {
  readonly bound: readonly ListenAddress[]
  /** Addresses left out because the host has no such family, with the reason. */
  readonly skipped: readonly string[]
  /** Descriptors by which an event loop reads sockets of UDP that were handed to it: its own copies. */
  readonly copies?: readonly number[]
  /**
   * Takes no new work, answers what was received, closes. Idempotent.
   *
   * @param passes connections go on in the process that takes our place
   */
  stop(passes?: boolean): Promise<void>
  /** Takes the connections of a process that leaves. */
  inherit?(): void
}

export type StartListener = (listen: readonly ListenOn[], parts: ListenerParts) => Promise<Listener>

export interface Bound<T> {
  readonly socket: T
  readonly port: number
}

/**
 * Binds a socket to each address. An address that can't be bound fails the whole, with nothing left bound; but hosts
 * without IPv6 (or IPv4) still serve on the wildcard of the other family.
 */
export async function bindAll<T extends AsyncDisposable>(
  listen: readonly ListenOn[],
  bind: (address: ListenOn) => Promise<Bound<T>>,
): Promise<Omit<Listener, 'stop'> & { readonly sockets: readonly T[] }> {
  const sockets: T[] = []
  const bound: ListenAddress[] = []
  const skipped: string[] = []
  for (const address of listen) {
    try {
      const { socket, port } = await bind(address)
      sockets.push(socket)
      bound.push({ host: address.host, port })
    } catch (error) {
      if (!isMissingFamily(address, error as NodeJS.ErrnoException)) {
        await closeAll(sockets)
        throw error
      }
      skipped.push(`${formatListenAddress(address)}: ${(error as Error).message}`)
    }
  }
  return { sockets, bound, skipped }
}

/** Resolves when no connection is left either; at once when they were closed before. */
export async function closeAll(sockets: readonly AsyncDisposable[]): Promise<void> {
  await Promise.all(sockets.map((socket) => socket[Symbol.asyncDispose]()))
}

/** Whether a host without a family is why a wildcard address can't be bound. */
export function isMissingFamily(address: ListenAddress, { code }: NodeJS.ErrnoException): boolean {
  return isWildcard(address) && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL')
}
