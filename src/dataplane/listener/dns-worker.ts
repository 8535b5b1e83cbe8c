/**
 * What runs in a DNS worker thread: one transport, the serving state, and the control port that brings new generations. It knows nothing
 * but what it is started with and told there.
 *
 * Over TCP and node:dgram the thread lives in its event loop. A worker that was given sockets answers in batches: it blocks
 * in the kernel, and takes its messages from the port when the doorbell has rung. When the system calls fail for good it goes on
 * in the event loop.
 *
 * Its signs of life come from the loop that reads its sockets: the event loop, or that of the batches.
 */
import { receiveMessageOnPort } from 'node:worker_threads'
import type { ResponderOptions } from '../answer/responder.ts'
import { Counters } from '../counters.ts'
import { ImageMemory, memoryAt } from '../image/image-memory.ts'
import { collectGarbage } from '../image/reclaim.ts'
import { ServingState } from '../image/state.ts'
import { beat, beatByEvents, beatIn } from '../life/signs.ts'
import { ContainedAnswerer, WorkerErrors } from './errors.ts'
import { Handover } from './handover.ts'
import type { Answerer, Listener, ListenerParts } from './listener.ts'
import type { BatchEnd, FromWorker, ToWorker, WorkerInput } from './protocol.ts'
import { defaultStreamLimits } from './stream-limits.ts'
import { askForShortTurns, loadSyscalls, SyscallError } from './syscalls.ts'
import { transports } from './transports.ts'
import { UdpBatch } from './udp-batch.ts'
import { Upcalls } from './upcalls.ts'

/** How long the batched listener waits in one go. The doorbell ends it; the thread's termination has to wait for it. */
const waitMs = 250

/** What a responder is made of. */
export interface ResponderParts {
  readonly state: ServingState
  readonly counters: Counters
  readonly options: ResponderOptions
  readonly upcalls: Upcalls
}

export class DnsWorker {
  readonly #input: WorkerInput
  readonly #state: ServingState
  readonly #upcalls = new Upcalls((message) => this.#say(message))
  readonly #errors = new WorkerErrors((message) => this.#say(message))
  readonly #parts: ListenerParts

  constructor(input: WorkerInput, makeResponder: (parts: ResponderParts) => Answerer) {
    beatIn(input.signs)
    this.#input = input
    const { memory } = input
    const images = memory === null ? ImageMemory.none : memoryAt(memory)
    this.#state = new ServingState(collectGarbage, images)
    this.#state.apply(input.initial)
    const counters = new Counters(input.counters)
    const limits = { ...defaultStreamLimits, connections: input.connections }
    const { stream } = transports[input.transport]
    const { sample, tap, queryLog } = input
    const options = { stream, idleTimeoutMs: limits.idleTimeoutMs, sample, tap, queryLog }
    const responder = makeResponder({ state: this.#state, counters, options, upcalls: this.#upcalls })
    const onError = (error: unknown) => this.#errors.note(error)
    const { handover: ends } = input
    const handover =
      ends === null ? null : new Handover(loadSyscalls(), ends, () => this.#say({ kind: 'gave' }))
    this.#parts = {
      handover,
      responder: stream ? responder : new ContainedAnswerer(responder, counters, onError),
      counters,
      limits,
      onError,
    }
  }

  async run(): Promise<void> {
    const { batch } = this.#input
    if (batch === null) await this.#listenByEvents()
    else await this.#serveInBatches(batch)
  }

  async #listenByEvents(): Promise<void> {
    try {
      const listener = await this.#listen()
      const { bound, skipped, copies = [] } = listener
      this.#say({ kind: 'listening', bound, skipped, copies })
    } catch (error) {
      const { code = 'EUNKNOWN', message } = error as NodeJS.ErrnoException
      this.#say({ kind: 'failed', code, message })
      this.#input.control.close()
    }
  }

  async #serveInBatches(end: BatchEnd): Promise<void> {
    const { responder, counters } = this.#parts
    const syscalls = loadSyscalls()
    askForShortTurns(syscalls)
    const listener = new UdpBatch(syscalls, end, responder, counters)
    this.#say({ kind: 'listening', bound: this.#input.listen, skipped: [], copies: [] })
    try {
      this.#runBatches(listener, new Int32Array(end.doorbell.rings))
    } catch (error) {
      // Anything else is a fault of ours, and ends the thread as it does elsewhere.
      if (!(error instanceof SyscallError)) throw error
      // The old sockets are there until the main thread hears of it, so that the ports are never without an owner.
      const { copies = [] } = await this.#listen()
      this.#say({ kind: 'fell-back', reason: error.message, copies })
    }
  }

  /** Listens in the event loop, and takes messages as events from here on. */
  async #listen(): Promise<Listener> {
    const { transport, listen, control } = this.#input
    const listener = await transports[transport].start(listen, this.#parts)
    beatByEvents()
    control.on('message', (message: ToWorker) => {
      if (message.kind === 'inherit') listener.inherit?.()
      // One turn of the event loop first: what has arrived is read in it.
      else if (message.kind === 'stop')
        setImmediate(() => void listener.stop(message.passes).then(() => control.close()))
      else this.#take(message)
    })
    return listener
  }

  /** Answers until it is told to stop. */
  #runBatches(listener: UdpBatch, rings: Int32Array): void {
    let heard = 0
    // It is ready: a first turn that hangs is found out as soon as a later one.
    beat()
    for (;;) {
      const rung = Atomics.load(rings, 0)
      if (rung !== heard && !this.#takeAll(listener)) return
      heard = rung
      this.#upcalls.expire()
      listener.turn(waitMs)
      beat()
    }
  }

  /** @returns false when one of the messages said stop */
  #takeAll(listener: UdpBatch): boolean {
    for (;;) {
      const received = receiveMessageOnPort(this.#input.control) as { message: ToWorker } | undefined
      if (received === undefined) return true
      const { message } = received
      if (message.kind === 'publish' || message.kind === 'answer') this.#take(message)
      else if (message.kind === 'stop') {
        listener.drain()
        this.#input.control.close()
        return false
      }
    }
  }

  #take(message: Extract<ToWorker, { kind: 'publish' | 'answer' }>): void {
    if (message.kind === 'publish') {
      this.#state.apply(message.update)
      this.#say({ kind: 'serving', generation: this.#state.generation })
    } else this.#upcalls.settle(message.id, message.response)
  }

  #say(message: FromWorker): void {
    this.#input.control.postMessage(message)
  }
}
