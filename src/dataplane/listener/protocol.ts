import type { MessagePort } from 'node:worker_threads'
import type { ServingUpdate } from '../image/serving-set.ts'
import type { DoorbellEnd } from './doorbell.ts'

/** An address to listen on. Port 0 asks for a free one. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** A bound socket of a worker that answers UDP in batches. */
export interface BatchSocket extends ListenAddress {
  readonly fd: number
  /** `::` of both families. */
  readonly dual: boolean
}

/** The sockets and the doorbell of such a worker. */
export interface BatchEnd {
  readonly sockets: readonly BatchSocket[]
  readonly doorbell: DoorbellEnd
}

export const transports = ['udp', 'tcp'] as const
export type Transport = (typeof transports)[number]

export const udpBackends = ['batch', 'dgram'] as const
export type UdpBackend = (typeof udpBackends)[number]

/** What a worker thread is started with. */
export interface WorkerInput {
  readonly transport: Transport
  readonly listen: readonly ListenAddress[]
  /** Written by this worker alone. */
  readonly counters: SharedArrayBuffer
  /** The whole state of the generation that is current when the worker starts. */
  readonly initial: ServingUpdate
  readonly control: MessagePort
  /** What a worker that answers UDP in batches does so with; the doorbell is rung with every message. Null for all others. */
  readonly batch: BatchEnd | null
}

export type ToWorker =
  | { readonly kind: 'publish'; readonly update: ServingUpdate }
  | { readonly kind: 'stop' }

export type FromWorker =
  | {
      readonly kind: 'listening'
      readonly bound: readonly ListenAddress[]
      readonly skipped: readonly string[]
    }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  /** The batched listener failed for good, and node:dgram has taken its place. */
  | { readonly kind: 'fell-back'; readonly reason: string }
  | { readonly kind: 'serving'; readonly generation: number }
  | { readonly kind: 'stopped' }

/** A listener of one transport on all its addresses. */
export interface Listener {
  readonly bound: readonly ListenAddress[]
  /** Addresses left out because the host has no such family, with the reason. */
  readonly skipped: readonly string[]
  /** Takes no new work, answers what was received, closes. Idempotent. */
  stop(): Promise<void>
}

export function formatListenAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
