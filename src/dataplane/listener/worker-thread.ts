/**
 * One place in the fleet: a thread and, when it dies, its successor. A thread that hangs is ended, and dies by that.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { allocateCounters } from '../counters.ts'
import type { MappedMemory } from '../image/image-memory.ts'
import type { ServingUpdate } from '../image/serving-set.ts'
import { allocateSigns } from '../life/signs.ts'
import { threadOf, Watch } from '../life/watch.ts'
// So that the secret is made here, and all workers have the same.
import '../wire/name-hash-key.ts'
import { BatchSockets } from './batch-sockets.ts'
import { deafen } from './bound-sockets.ts'
import type { HandoverEnds } from './handover.ts'
import { formatListenAddress, type ListenAddress, ListenError, type ListenOn } from './listener.ts'
import type { FromWorker, ToWorker, Upcall, WorkerInput } from './protocol.ts'
import { loadSyscalls, type SyscallError, type Syscalls } from './syscalls.ts'
import type { Transport } from './transports.ts'

export interface WorkerEvents {
  /** A worker ended without being told to; another is being started. */
  readonly onRestart: (transport: Transport, reason: string) => void
  /** A worker's batched listener failed for good; it listens with node:dgram now. */
  readonly onFallback: (reason: string) => void
  /** Code of a worker threw so many times, the last time with `error`; it goes on. */
  readonly onError?: (transport: Transport, error: NodeJS.ErrnoException, count: number) => void
  /** A worker has given connections to the process that takes our place. */
  readonly onGave?: () => void
  /** The thread that sends frames of dnstap ended without being told to; another one is started. */
  readonly onTapRestart?: (reason: string) => void
  /** An address of a family that the host lacks was left out. */
  readonly onSkipped?: (message: string) => void
  /**
   * Answers what a worker can't (`upcalls.ts`), for a client at an address of 4 or 16 octets. Null, a rejection or nobody to ask is
   * silence.
   */
  readonly onUpcall?: (request: Uint8Array, client: Uint8Array) => Promise<Uint8Array | null>
}

export interface WorkerThreadOptions {
  readonly transport: Transport
  /** Sockets stay open when the thread ends, and its successor goes on with them. */
  readonly listen: readonly ListenOn[]
  readonly events: WorkerEvents
  /** Most connections that a stream transport may have open. */
  readonly connections: number
  /** Not null: the thread answers in batches. */
  readonly syscalls: Syscalls | null
  /** By which connections pass to another process; null for none. */
  readonly handover: HandoverEnds | null
  /** Where images may lie. */
  readonly memory: MappedMemory | null
  /** Where the thread, and its successor, keeps a sample of its questions. */
  readonly sample: SharedArrayBuffer
  /** Where it leaves frames of dnstap, and of the query log. */
  readonly tap: SharedArrayBuffer
  readonly queryLog: SharedArrayBuffer
  /** All that is served now. */
  readonly current: () => ServingUpdate
  /** The module that the thread runs; the DNS worker by default. */
  readonly entry?: URL
}

/** Between the death of a worker and its successor: at once, then longer while the successors die too. */
const restartDelaysMs = [0, 100, 500, 1000, 5000]
/** A worker that lived this long has not failed to start. */
const provenAfterMs = 10_000
const stopTimeoutMs = 5000
/** A worker that does not come around for so long answers nobody, whatever it does. */
const patience = { stillMs: 1500, busyMs: 1500 }
/** A thread that was terminated and is still there after this is held by the system, and nobody can end it. */
const endsWithinMs = 2000

const dnsWorker = new URL(`./worker${import.meta.url.slice(-3)}`, import.meta.url)

/** A thread from its start until it has ended and all that it said was heard. */
interface Life {
  readonly worker: Worker
  readonly control: MessagePort
  readonly startedAtMs: number
  /** Settles with what it bound, or why it could not. */
  readonly listening: PromiseWithResolvers<readonly ListenAddress[]>
  readonly gone: PromiseWithResolvers<void>
  /** Why it ended, as far as it is known. */
  reason: string
  /** By which its event loop reads sockets that were handed to it. */
  copies: readonly number[]
  /** Since it was terminated because it hangs; null while it does not. */
  endingMs: number | null
}

export class WorkerThread {
  readonly transport: Transport
  readonly counters = allocateCounters()
  /** Of its questions. */
  readonly sample: SharedArrayBuffer
  /** Of its frames of dnstap, and of the query log. */
  readonly tap: SharedArrayBuffer
  readonly queryLog: SharedArrayBuffer
  listening = false
  readonly #watch = new Watch(() => patience)
  readonly #options: WorkerThreadOptions
  /** With the real ports once they are known, since a successor must have the same. */
  #listen: readonly ListenOn[]
  #syscalls: Syscalls | null
  /** While the thread is there and answers in batches. */
  #batch: BatchSockets | null = null
  /** While the thread is there; what is sent before it listens waits in the channel. */
  #life: Life | null = null
  #publishing: { readonly generation: number; readonly done: () => void } | undefined
  #restartTimer: NodeJS.Timeout | undefined
  #stopping = false
  #failures = 0

  constructor(options: WorkerThreadOptions) {
    this.#options = options
    this.transport = options.transport
    this.sample = options.sample
    this.tap = options.tap
    this.queryLog = options.queryLog
    this.#listen = options.listen
    this.#syscalls = options.syscalls
  }

  /** Whether there is a thread that answers, as far as its signs of life say. */
  get answers(): boolean {
    return this.listening && !this.#watch.late && this.#life?.endingMs === null
  }

  /** Whether its thread hangs, and can't even be ended. */
  get stuck(): boolean {
    return (this.#life?.endingMs ?? 0) > endsWithinMs
  }

  /** Looks at the thread's signs of life, and ends it when it hangs. @param passedMs since the look before */
  look(passedMs: number): void {
    const life = this.#life
    if (typeof life?.endingMs === 'number') life.endingMs += passedMs
    const hangs = this.#watch.look(passedMs)
    // Nobody is watched while there is no thread.
    if (hangs === null) return
    life!.reason = hangs
    life!.endingMs = 0
    // A thread that is terminated finishes the turn of its event loop, and what it reads in that nobody answers.
    if (life!.copies.length > 0) deafen(loadSyscalls(), life!.copies)
    void life!.worker.terminate()
  }

  /** Starts the thread. @returns what it bound. */
  async start(): Promise<readonly ListenAddress[]> {
    try {
      this.#openBatch()
    } catch (error) {
      const { code, message } = error as SyscallError
      throw this.#failure(code, message)
    }
    const life = this.#spawn()
    this.#life = life
    life.worker.on('error', (error) => {
      life.reason = (error as Error).message
    })
    life.control.on('message', (message: FromWorker) => this.#hear(message, life))
    // The port closes once the thread's last words have been heard, which may be after its end.
    let toEnd = 2
    const ended = () => {
      if (--toEnd === 0) this.#ended(life)
    }
    life.worker.once('exit', ended)
    life.control.once('close', ended)
    return life.listening.promise
  }

  /**
   * Resolves when the thread serves the generation, or is gone. A thread that is still starting gets it too: it was handed
   * the generation before.
   */
  publish(update: ServingUpdate): Promise<void> {
    const life = this.#life
    if (life === null) return Promise.resolve()
    return new Promise((resolve) => {
      this.#publishing = { generation: update.generation, done: resolve }
      this.#say({ kind: 'publish', update }, life)
    })
  }

  /** Takes the connections of a process that leaves. A thread that is still starting will anyway. */
  inherit(): void {
    if (this.#life !== null) this.#say({ kind: 'inherit' }, this.#life)
  }

  /** @param passes connections go on in another process */
  async stop(passes = false): Promise<void> {
    this.#stopping = true
    this.#watch.end()
    clearTimeout(this.#restartTimer)
    const life = this.#life
    if (life === null) return
    const timer = setTimeout(() => void life.worker.terminate(), stopTimeoutMs)
    if (this.answers) this.#say({ kind: 'stop', passes }, life)
    else void life.worker.terminate()
    await life.gone.promise
    clearTimeout(timer)
  }

  #spawn(): Life {
    const { port1, port2 } = new MessageChannel()
    const { transport, counters, sample, tap, queryLog } = this
    const { entry = dnsWorker, current } = this.#options
    const signs = allocateSigns()
    const worker = new Worker(entry, {
      workerData: {
        transport,
        counters,
        sample,
        tap,
        queryLog,
        signs,
        listen: this.#listen,
        initial: current(),
        control: port2,
        connections: this.#options.connections,
        batch: this.#batch?.end ?? null,
        handover: this.#options.handover,
        memory: this.#options.memory,
      } satisfies WorkerInput,
      transferList: [port2],
      name: `dns-${transport}`,
    })
    this.#watch.begin(threadOf(signs))
    return {
      worker,
      control: port1,
      startedAtMs: performance.now(),
      listening: Promise.withResolvers(),
      gone: Promise.withResolvers(),
      reason: 'it ended',
      copies: [],
      endingMs: null,
    }
  }

  #hear(message: FromWorker, life: Life): void {
    switch (message.kind) {
      case 'listening':
        this.listening = true
        life.copies = message.copies
        this.#bindsTo(message.bound)
        for (const skipped of message.skipped)
          this.#options.events.onSkipped?.(`${this.transport} ${skipped}`)
        life.listening.resolve(message.bound)
        break
      case 'failed':
        life.reason = `${message.code}: ${message.message}`
        life.listening.reject(this.#failure(message.code, message.message))
        break
      case 'fell-back':
        life.copies = message.copies
        this.#fellBack(message.reason)
        break
      case 'serving':
        this.#served(message.generation)
        break
      case 'error':
        if (message.code !== null) Object.assign(message.error, { code: message.code })
        this.#options.events.onError?.(this.transport, message.error, message.count)
        break
      case 'gave':
        this.#options.events.onGave?.()
        break
      case 'upcall':
        void this.#answer(message, life)
        break
    }
  }

  #ended(life: Life): void {
    life.gone.resolve()
    this.#life = null
    this.#watch.end()
    this.#closeBatch()
    const wasListening = this.listening
    this.listening = false
    this.#served(Number.POSITIVE_INFINITY)
    life.listening.reject(new ListenError('EWORKER', `${this.transport} worker: ${life.reason}`))
    if (performance.now() - life.startedAtMs > provenAfterMs) this.#failures = 0
    if (wasListening && !this.#stopping) this.#restart(life.reason)
  }

  #openBatch(): void {
    if (this.#syscalls === null) return
    this.#batch = new BatchSockets(this.#syscalls, this.#listen)
    this.#bindsTo(this.#batch.bound)
  }

  #bindsTo(bound: readonly ListenAddress[]): void {
    if (!this.#listen.some((on) => 'fd' in on)) this.#listen = bound
  }

  #closeBatch(): void {
    this.#batch?.close()
    this.#batch = null
  }

  /** It stays so: successors would fail as it did. */
  #fellBack(reason: string): void {
    this.#syscalls = null
    this.#closeBatch()
    this.#options.events.onFallback(reason)
  }

  /** The thread that asked may be gone when the answer comes; then nobody hears it. */
  async #answer({ id, request, client }: Upcall, life: Life): Promise<void> {
    let response: Uint8Array | null = null
    try {
      response = (await this.#options.events.onUpcall?.(request, client)) ?? null
    } catch {
      // Silence, as for no answer.
    }
    this.#say({ kind: 'answer', id, response }, life)
  }

  #say(message: ToWorker, { control }: Life): void {
    control.postMessage(message)
    this.#batch?.ring()
  }

  #served(generation: number): void {
    if (this.#publishing === undefined || generation < this.#publishing.generation) return
    this.#publishing.done()
    this.#publishing = undefined
  }

  #restart(reason: string): void {
    this.#options.events.onRestart(this.transport, reason)
    const delayMs = restartDelaysMs[Math.min(this.#failures++, restartDelaysMs.length - 1)]!
    this.#restartTimer = setTimeout(() => {
      this.start().catch((error: Error) => {
        if (!this.#stopping) this.#restart(error.message)
      })
    }, delayMs)
  }

  #failure(code: string, message: string): ListenError {
    const where = this.#listen.map(formatListenAddress).join(', ')
    return new ListenError(code, `${this.transport} ${where}: ${message}`)
  }
}
