/**
 * One place in the fleet: a thread and, when it dies, its successor.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { allocateCounters } from '../counters.ts'
import type { ServingUpdate } from '../image/serving-set.ts'
import { BatchSockets } from './batch-sockets.ts'
import {
  type FromWorker,
  formatListenAddress,
  type ListenAddress,
  type ToWorker,
  type Transport,
  type WorkerInput,
} from './protocol.ts'
import type { SyscallError, Syscalls } from './syscalls.ts'

export interface WorkerEvents {
  /** A worker ended without being told to; another is being started. */
  readonly onRestart: (transport: Transport, reason: string) => void
  /** A worker's batched listener failed for good; it listens with node:dgram now. */
  readonly onFallback: (reason: string) => void
  /** An address of a family that the host lacks was left out. */
  readonly onSkipped: (message: string) => void
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

/** Between the death of a worker and its successor: at once, then longer while the successors die too. */
const restartDelaysMs = [0, 100, 500, 1000, 5000]
/** A worker that lived this long has not failed to start. */
const provenAfterMs = 10_000
const stopTimeoutMs = 5000

export class WorkerThread {
  readonly transport: Transport
  readonly counters = allocateCounters()
  listening = false
  /** With the real ports once they are known, since a successor must have the same. */
  #listen: readonly ListenAddress[]
  readonly #events: WorkerEvents
  /** Not null: the thread answers UDP in batches. */
  #syscalls: Syscalls | null
  /** While the thread is there and does so. */
  #batch: BatchSockets | null = null
  readonly #current: () => ServingUpdate
  #worker: Worker | undefined
  /** Kept when the thread has ended and all that it said was heard. */
  #gone = Promise.withResolvers<void>()
  /** While the thread is there; what is sent before it listens waits in the channel. */
  #control: MessagePort | undefined
  #publishing: { readonly generation: number; readonly done: () => void } | undefined
  #restartTimer: NodeJS.Timeout | undefined
  #stopping = false
  #failures = 0

  constructor(
    transport: Transport,
    listen: readonly ListenAddress[],
    events: WorkerEvents,
    syscalls: Syscalls | null,
    current: () => ServingUpdate,
  ) {
    this.transport = transport
    this.#listen = listen
    this.#events = events
    this.#syscalls = syscalls
    this.#current = current
  }

  /** Starts the thread. @returns what it bound. */
  start(): Promise<readonly ListenAddress[]> {
    const { port1, port2 } = new MessageChannel()
    const { transport, counters } = this
    const startedAt = performance.now()
    try {
      this.#openBatch()
    } catch (error) {
      const { code, message } = error as SyscallError
      return Promise.reject(new ListenError(code, `${transport} ${this.#where()}: ${message}`))
    }
    const worker = new Worker(new URL(`./worker${import.meta.url.slice(-3)}`, import.meta.url), {
      workerData: {
        transport,
        counters,
        listen: this.#listen,
        initial: this.#current(),
        control: port2,
        batch: this.#batch?.end ?? null,
      } satisfies WorkerInput,
      transferList: [port2],
      name: `dns-${transport}`,
    })
    this.#worker = worker
    this.#control = port1
    const gone = Promise.withResolvers<void>()
    this.#gone = gone
    let reason = 'it ended'
    worker.on('error', (error) => {
      reason = (error as Error).message
    })
    return new Promise((resolve, reject) => {
      const hear = (message: FromWorker) => {
        if (message.kind === 'failed') reason = `${message.code}: ${message.message}`
        if (message.kind === 'listening') {
          this.listening = true
          this.#listen = message.bound
          for (const skipped of message.skipped) this.#events.onSkipped(`${transport} ${skipped}`)
          resolve(message.bound)
        } else if (message.kind === 'failed') {
          reject(new ListenError(message.code, `${transport} ${this.#where()}: ${message.message}`))
        } else if (message.kind === 'fell-back') this.#fellBack(message.reason)
        else if (message.kind === 'serving') this.#served(message.generation)
      }
      port1.on('message', hear)
      const ended = () => {
        if (--toEnd > 0) return
        gone.resolve()
        this.#control = undefined
        this.#closeBatch()
        const wasListening = this.listening
        this.listening = false
        this.#served(Number.POSITIVE_INFINITY)
        reject(new ListenError('EWORKER', `${transport} worker: ${reason}`))
        if (performance.now() - startedAt > provenAfterMs) this.#failures = 0
        if (wasListening && !this.#stopping) this.#restart(reason)
      }
      // The port closes once the thread's last words have been heard, which may be after its end.
      let toEnd = 2
      worker.once('exit', ended)
      port1.once('close', ended)
    })
  }

  /**
   * Resolves when the thread serves the generation, or is gone. A thread that is still starting gets it too: it was handed
   * the generation before.
   */
  publish(update: ServingUpdate): Promise<void> {
    const control = this.#control
    if (control === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      this.#publishing = { generation: update.generation, done: resolve }
      this.#say({ kind: 'publish', update })
    })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#restartTimer)
    const worker = this.#worker
    if (worker === undefined || this.#control === undefined) return
    const timer = setTimeout(() => void worker.terminate(), stopTimeoutMs)
    if (this.listening) this.#say({ kind: 'stop' })
    else void worker.terminate()
    await this.#gone.promise
    clearTimeout(timer)
  }

  #openBatch(): void {
    if (this.#syscalls === null) return
    this.#batch = new BatchSockets(this.#syscalls, this.#listen)
    this.#listen = this.#batch.bound
  }

  #closeBatch(): void {
    this.#batch?.close()
    this.#batch = null
  }

  /** For good: its successors would fail as it did. */
  #fellBack(reason: string): void {
    this.#syscalls = null
    this.#closeBatch()
    this.#events.onFallback(reason)
  }

  #say(message: ToWorker): void {
    this.#control!.postMessage(message)
    this.#batch?.ring()
  }

  #served(generation: number): void {
    if (this.#publishing === undefined || generation < this.#publishing.generation) return
    this.#publishing.done()
    this.#publishing = undefined
  }

  #restart(reason: string): void {
    this.#events.onRestart(this.transport, reason)
    const delayMs = restartDelaysMs[Math.min(this.#failures++, restartDelaysMs.length - 1)]!
    this.#restartTimer = setTimeout(() => {
      this.start().catch((error: Error) => {
        if (!this.#stopping) this.#restart(error.message)
      })
    }, delayMs)
  }

  #where(): string {
    return this.#listen.map(formatListenAddress).join(', ')
  }
}
