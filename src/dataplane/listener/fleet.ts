/**
 * The DNS workers as the main thread sees them: starts them, hands them every generation, replaces those that die or hang,
 * reads their counters, stops them.
 *
 * A publish is done when every live worker has said that it serves the generation (or has died, since its successor starts with
 * the current images). TCP binds first: unlike the UDP sockets its port is not shared, so a port that somebody else
 * holds is found at once, and a port of 0 becomes a number that UDP then takes too.
 */
import { ImageMemory, type MappedMemory, memoryAt } from '../image/image-memory.ts'
import {
  readableOf,
  type ServingChanges,
  ServingSet,
  type ServingUpdate,
  type Unreadable,
} from '../image/serving-set.ts'
import { lookAgainAndAgain } from '../life/watch.ts'
import { allocateSample } from '../sample.ts'
import { readSample, type Sample } from '../sample-reader.ts'
import { allocateTapRing, logRingOctets, TapReader, wholeFrames } from '../tap-ring.ts'
import { type ChosenBackend, chooseBackend, type UdpBackend } from './backend.ts'
import type { HandoverEnds } from './handover.ts'
import { portAttempts, type SocketsByTransport } from './held-sockets.ts'
import type { ListenAddress, ListenOn } from './listener.ts'
import { ListenError } from './listener.ts'
import { defaultStreamLimits } from './stream-limits.ts'
import { loadSyscalls, type Syscalls } from './syscalls.ts'
import { TapThread } from './tap-thread.ts'
import { type Transport, transports } from './transports.ts'
import { type WorkerEvents, WorkerThread, type WorkerThreadOptions } from './worker-thread.ts'

export interface FleetOptions extends WorkerEvents, Pick<WorkerThreadOptions, 'entry'> {
  readonly listen: readonly ListenAddress[]
  readonly udpWorkers: number
  /** Bound before, in place of `listen`, and left open: one set for each of the workers. */
  readonly sockets?: SocketsByTransport
  /** Most open connections over TCP; those of `stream-limits.ts` when left out. */
  readonly connections?: number
  /** What was published can't be read; its slot keeps what it had. */
  readonly onUnreadable?: (what: Unreadable) => void
  /** By which connections over TCP pass from one process to the next. */
  readonly handover?: HandoverEnds | null
  /** Where images may lie that are shared with other processes. */
  readonly memory?: MappedMemory | null
  /** `auto` is `batch` where that is to be had. */
  readonly udpBackend: 'auto' | UdpBackend
  /** Loads the calls that batches need, or throws. */
  readonly syscalls?: () => Syscalls
}

export class Fleet implements AsyncDisposable {
  readonly #options: FleetOptions
  readonly #workers: WorkerThread[] = []
  /** All that was published, for the workers that start later. */
  readonly #served = new ServingSet()
  readonly #memory: ImageMemory
  #generation = 0
  #bound: readonly ListenAddress[] = []
  #syscalls: Syscalls | null = null
  #backend: ChosenBackend = { name: 'dgram', reason: 'it was asked for' }
  readonly #tap: TapThread
  /** At the workers' signs of life. */
  #looking: Disposable | undefined

  constructor(options: FleetOptions) {
    this.#options = options
    const { memory = null } = options
    this.#memory = memory === null ? ImageMemory.none : memoryAt(memory)
    this.#tap = new TapThread(options.onTapRestart)
  }

  /**
   * Starts the workers with what has been published so far.
   *
   * @throws ListenError when an address can't be bound; nothing is left running then.
   */
  async start(): Promise<void> {
    this.#looking = lookAgainAndAgain((passedMs) => {
      for (const worker of this.#workers) worker.look(passedMs)
      this.#tap.look(passedMs)
    })
    try {
      const { udpBackend, syscalls = loadSyscalls, sockets } = this.#options
      const { backend, syscalls: chosen } = chooseBackend(udpBackend, syscalls)
      this.#backend = backend
      this.#syscalls = chosen
      if (sockets === undefined) await this.#start(portAttempts)
      else await this.#startOn(sockets)
      this.#tapTo(this.#served.changes())
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** The addresses that UDP and TCP are bound to, with their real ports. */
  get bound(): readonly ListenAddress[] {
    return this.#bound
  }

  /** How UDP is listened for, and why so. Known once started. */
  get backend(): ChosenBackend {
    return this.#backend
  }

  /** Workers of a transport that answer; fewer than configured while one hangs or is being replaced. */
  live(transport: Transport): number {
    return this.#workers.filter((worker) => worker.transport === transport && worker.answers).length
  }

  /** Whether there is a thread that hangs and can't be ended: only the end of the process would do it. */
  get stuck(): boolean {
    return this.#workers.some((worker) => worker.stuck)
  }

  /** The counters of a transport's workers, one buffer a worker; a successor goes on with its predecessor's. */
  counters(transport: Transport): SharedArrayBuffer[] {
    return this.#workers.filter((worker) => worker.transport === transport).map((worker) => worker.counters)
  }

  /** What the workers have kept of the questions of the last minutes. */
  async sample(): Promise<readonly Sample[]> {
    return [
      readSample(
        this.#workers.map((worker) => worker.sample),
        Date.now(),
      ),
    ]
  }

  /**
   * Takes what the workers have left for the query log: frames that lie behind one another, from each worker, the oldest first.
   *
   * @param most octets of all together, but for one frame from each worker
   */
  async queries(most: number): Promise<readonly Uint8Array[]> {
    const each = Math.floor(most / Math.max(1, this.#workers.length))
    return this.#workers.flatMap(({ queryLog }) => {
      const reader = new TapReader(queryLog)
      const frames = wholeFrames(reader.read(), each).slice()
      reader.take(frames.length)
      return frames.length === 0 ? [] : [frames]
    })
  }

  /** Makes the workers serve what of the update can be read. Resolves when all that run do; calls must not overlap. */
  async publish(published: ServingUpdate): Promise<void> {
    const update = readableOf(published, (what) => this.#options.onUnreadable?.(what), this.#memory)
    this.#generation = update.generation
    this.#served.add(update)
    this.#tapTo(update)
    await Promise.all(this.#workers.map((worker) => worker.publish(update)))
  }

  /** Has those told who look on by dnstap, as the settings say, once there are workers. */
  #tapTo({ settings = [] }: ServingChanges): void {
    const rings = this.#workers.map((worker) => worker.tap)
    for (const [, said] of settings) if (rings.length > 0) this.#tap.send(rings, said?.tap?.to ?? null)
  }

  /** They are always those of now: the workers count in memory that is shared. */
  async refresh(): Promise<void> {}

  /** Takes the connections of a process that leaves. */
  inherit(): void {
    for (const worker of this.#workers) if (worker.transport === 'tcp') worker.inherit()
  }

  /** @param passes connections go on in another process */
  async stop(passes = false): Promise<void> {
    this.#looking?.[Symbol.dispose]()
    await Promise.all(this.#workers.map((worker) => worker.stop(passes)))
    await this.#tap.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #startOn({ tcp, udp }: SocketsByTransport): Promise<void> {
    this.#bound = await this.#add('tcp', tcp).start()
    for (const sockets of udp) await this.#add('udp', sockets).start()
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

  #add(transport: Transport, listen: readonly ListenOn[]): WorkerThread {
    const worker = new WorkerThread({
      transport,
      listen,
      events: this.#options,
      connections: this.#options.connections ?? defaultStreamLimits.connections,
      syscalls: transports[transport].batches ? this.#syscalls : null,
      handover: transports[transport].stream ? (this.#options.handover ?? null) : null,
      memory: this.#options.memory ?? null,
      tap: allocateTapRing(),
      queryLog: allocateTapRing(logRingOctets),
      sample: allocateSample(1 + (this.#options.sockets?.udp.length ?? this.#options.udpWorkers)),
      current: () => ({ ...this.#served.changes(), generation: this.#generation }),
      ...(this.#options.entry === undefined ? {} : { entry: this.#options.entry }),
    })
    this.#workers.push(worker)
    return worker
  }
}
