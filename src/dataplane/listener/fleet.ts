/**
 * The DNS workers as the main thread sees them: starts them, hands them every generation, replaces those that die, reads
 * their counters, stops them.
 *
 * A publish is done when every live worker has said that it serves the generation (or has died, since its successor starts with
 * the current images). TCP binds first: unlike the UDP sockets its port is not shared, so a port that somebody else
 * holds is found at once, and a port of 0 becomes a number that UDP then takes too.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { allocateCounters } from '../counters.ts'
import type { AnswerSettings } from '../zone/answer-settings.ts'
import type { ServingUpdate } from '../zone/state.ts'
import {
  type FromWorker,
  formatListenAddress,
  type ListenAddress,
  type ToWorker,
  type Transport,
} from './protocol.ts'

export interface FleetOptions {
  readonly listen: readonly ListenAddress[]
  readonly udpWorkers: number
  /** A worker ended without being told to; another is being started. */
  readonly onRestart: (transport: Transport, reason: string) => void
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
/** Another process may hold the UDP port that the system gave us for TCP; then we ask for another one. */
const portAttempts = 16
const stopTimeoutMs = 5000

export class Fleet implements AsyncDisposable {
  readonly #options: FleetOptions
  readonly #workers: WorkerThread[] = []
  /** Images by slot, for the workers that start later. */
  readonly #zones = new Map<number, SharedArrayBuffer>()
  readonly #plans = new Map<number, SharedArrayBuffer>()
  #directory: SharedArrayBuffer | undefined
  #settings: AnswerSettings | undefined
  #generation = 0
  #bound: readonly ListenAddress[] = []

  constructor(options: FleetOptions) {
    this.#options = options
  }

  /**
   * Starts the workers with what has been published so far.
   *
   * @throws ListenError when an address can't be bound; nothing is left running then.
   */
  async start(): Promise<void> {
    try {
      await this.#start(portAttempts)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** The addresses that UDP and TCP are bound to, with their real ports. */
  get bound(): readonly ListenAddress[] {
    return this.#bound
  }

  /** Live workers by transport; fewer than configured while one is being replaced. */
  live(transport: Transport): number {
    return this.#workers.filter((worker) => worker.transport === transport && worker.listening).length
  }

  /** The counters of a transport's workers, one buffer a worker; a successor goes on with its predecessor's. */
  counters(transport: Transport): SharedArrayBuffer[] {
    return this.#workers.filter((worker) => worker.transport === transport).map((worker) => worker.counters)
  }

  /** Makes the workers serve the update. Resolves when all that run do; calls must not overlap. */
  async publish(update: ServingUpdate): Promise<void> {
    this.#generation = update.generation
    this.#directory = update.directory ?? this.#directory
    this.#settings = update.settings ?? this.#settings
    retain(this.#zones, update.zones)
    retain(this.#plans, update.plans)
    await Promise.all(this.#workers.map((worker) => worker.publish(update)))
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #start(attemptsLeft: number): Promise<void> {
    this.#bound = await this.#add('tcp', this.#options.listen).start()
    try {
      await this.#startUdp()
    } catch (error) {
      await this.stop()
      this.#workers.length = 0
      const anyPort = this.#options.listen.some(({ port }) => port === 0)
      const taken = error instanceof ListenError && error.code === 'EADDRINUSE'
      if (!anyPort || !taken || attemptsLeft === 1) throw error
      await this.#start(attemptsLeft - 1)
    }
  }

  async #startUdp(): Promise<void> {
    for (let i = 0; i < this.#options.udpWorkers; i++) await this.#add('udp', this.#bound).start()
  }

  #add(transport: Transport, listen: readonly ListenAddress[]): WorkerThread {
    const worker = new WorkerThread(transport, listen, this.#options, () => this.#current())
    this.#workers.push(worker)
    return worker
  }

  #current(): ServingUpdate {
    return {
      generation: this.#generation,
      zones: [...this.#zones],
      plans: [...this.#plans],
      ...(this.#directory === undefined ? {} : { directory: this.#directory }),
      ...(this.#settings === undefined ? {} : { settings: this.#settings }),
    }
  }
}

function retain(images: Map<number, SharedArrayBuffer>, changes: ServingUpdate['zones']): void {
  for (const [slot, image] of changes) {
    if (image === null) images.delete(slot)
    else images.set(slot, image)
  }
}

/** One place in the fleet: a thread and, when it dies, its successor. */
class WorkerThread {
  readonly transport: Transport
  readonly counters = allocateCounters()
  listening = false
  /** With the real ports once they are known, since a successor must have the same. */
  #listen: readonly ListenAddress[]
  readonly #options: FleetOptions
  readonly #current: () => ServingUpdate
  #worker: Worker | undefined
  /** While the thread is there; what is sent before it listens waits in the channel. */
  #control: MessagePort | undefined
  #publishing: { readonly generation: number; readonly done: () => void } | undefined
  #restartTimer: NodeJS.Timeout | undefined
  #stopping = false
  #failures = 0

  constructor(
    transport: Transport,
    listen: readonly ListenAddress[],
    options: FleetOptions,
    current: () => ServingUpdate,
  ) {
    this.transport = transport
    this.#listen = listen
    this.#options = options
    this.#current = current
  }

  /** Starts the thread. @returns what it bound. */
  start(): Promise<readonly ListenAddress[]> {
    const { port1, port2 } = new MessageChannel()
    const { transport, counters } = this
    const startedAt = performance.now()
    const worker = new Worker(new URL(`./worker${import.meta.url.slice(-3)}`, import.meta.url), {
      workerData: { transport, counters, listen: this.#listen, initial: this.#current(), control: port2 },
      transferList: [port2],
      name: `dns-${transport}`,
    })
    this.#worker = worker
    this.#control = port1
    let reason = 'it ended'
    worker.on('error', (error) => {
      reason = (error as Error).message
    })
    return new Promise((resolve, reject) => {
      port1.on('message', (message: FromWorker) => {
        if (message.kind === 'failed') reason = `${message.code}: ${message.message}`
        if (message.kind === 'listening') {
          this.listening = true
          this.#listen = message.bound
          for (const skipped of message.skipped) this.#options.onSkipped(`${transport} ${skipped}`)
          resolve(message.bound)
        } else if (message.kind === 'failed') {
          reject(new ListenError(message.code, `${transport} ${this.#where()}: ${message.message}`))
        } else if (message.kind === 'serving') this.#served(message.generation)
      })
      worker.once('exit', () => {
        port1.close()
        this.#control = undefined
        const wasListening = this.listening
        this.listening = false
        this.#served(Number.POSITIVE_INFINITY)
        reject(new ListenError('EWORKER', `${transport} worker: ${reason}`))
        if (performance.now() - startedAt > provenAfterMs) this.#failures = 0
        if (wasListening && !this.#stopping) this.#restart(reason)
      })
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
      control.postMessage({ kind: 'publish', update } satisfies ToWorker)
    })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#restartTimer)
    const worker = this.#worker
    if (worker === undefined || worker.threadId === -1) return
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    const timer = setTimeout(() => void worker.terminate(), stopTimeoutMs)
    if (this.listening) this.#control!.postMessage({ kind: 'stop' } satisfies ToWorker)
    else void worker.terminate()
    await exited
    clearTimeout(timer)
  }

  #served(generation: number): void {
    if (this.#publishing === undefined || generation < this.#publishing.generation) return
    this.#publishing.done()
    this.#publishing = undefined
  }

  #restart(reason: string): void {
    this.#options.onRestart(this.transport, reason)
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
