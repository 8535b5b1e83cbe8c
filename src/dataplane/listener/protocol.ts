/**
 * Everything that passes between the main thread and a worker: what the thread is started with, and the messages of its control port
 * in both directions. They are plain data that can be cloned, so that they could as well cross a pipe; what is shared instead
 * says so by its type (SharedArrayBuffer) or is a descriptor.
 *
 * A message to a worker that answers in batches is followed by the doorbell (`doorbell.ts`), since it blocks in the kernel.
 */
import type { MessagePort } from 'node:worker_threads'
import type { MappedMemory } from '../image/image-memory.ts'
import type { ServingUpdate } from '../image/serving-set.ts'
import type { DoorbellEnd } from './doorbell.ts'
import type { HandoverEnds } from './handover.ts'
import type { BoundSocket, ListenAddress, ListenOn } from './listener.ts'
import type { Transport } from './transports.ts'

/** The sockets and the doorbell of such a worker. */
export interface BatchEnd {
  readonly sockets: readonly BoundSocket[]
  readonly doorbell: DoorbellEnd
}

/** What a worker thread is started with. */
export interface WorkerInput {
  readonly transport: Transport
  readonly listen: readonly ListenOn[]
  /** Written by this worker alone. */
  readonly counters: SharedArrayBuffer
  /** Where it keeps a sample of its questions. Written by this worker alone. */
  readonly sample: SharedArrayBuffer
  /** Where it leaves frames of dnstap. Written by this worker alone. */
  readonly tap: SharedArrayBuffer
  /** The same for the query log. */
  readonly queryLog: SharedArrayBuffer
  /** Where it gives its signs of life. */
  readonly signs: SharedArrayBuffer
  /** The whole state of the generation that is current when the worker starts. */
  readonly initial: ServingUpdate
  readonly control: MessagePort
  /** Most connections that a stream transport may have open. */
  readonly connections: number
  /** What a worker that answers UDP in batches does so with. Null for all others. */
  readonly batch: BatchEnd | null
  /** By which connections pass from one process to the next. Null where there is but one. */
  readonly handover: HandoverEnds | null
  /** Where images of `initial`, and of later updates, may lie. Null where no memory is shared. */
  readonly memory: MappedMemory | null
}

export type ToWorker =
  | { readonly kind: 'publish'; readonly update: ServingUpdate }
  /** What came of an upcall; null for nothing. */
  | { readonly kind: 'answer'; readonly id: number; readonly response: Uint8Array | null }
  /** A process that leaves has given connections away. */
  | { readonly kind: 'inherit' }
  /** @property passes connections go on in another process */
  | { readonly kind: 'stop'; readonly passes: boolean }

/** A request that only the main thread can answer (`upcalls.ts`). */
export interface Upcall {
  readonly kind: 'upcall'
  /** Numbers this worker's calls. */
  readonly id: number
  readonly request: Uint8Array
  /** The client's address, 4 or 16 octets. */
  readonly client: Uint8Array
}

export const upcallLimits = {
  /** Calls of a worker under way at once; beyond it they come to nothing at once. */
  underWay: 64,
  /** The same of all workers of a process, as long as nobody who decides answers. */
  ofProcess: 1024,
  /** An answer that takes longer is heard by nobody. */
  timeoutMs: 3000,
} as const

export type FromWorker =
  | {
      readonly kind: 'listening'
      readonly bound: readonly ListenAddress[]
      readonly skipped: readonly string[]
      readonly copies: readonly number[]
    }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  /** The batched listener failed for good, and node:dgram has taken its place. */
  | { readonly kind: 'fell-back'; readonly reason: string; readonly copies: readonly number[] }
  | { readonly kind: 'serving'; readonly generation: number }
  /** Connections were given away. */
  | { readonly kind: 'gave' }
  /** Code of ours threw, which cost some clients their answers; `count` times since it was last said. */
  | { readonly kind: 'error'; readonly error: Error; readonly code: string | null; readonly count: number }
  | Upcall
