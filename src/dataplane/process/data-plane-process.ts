/**
 * The process that answers DNS, with its edges. It is a child of the supervisor, which gives it sockets, and connections to whoever
 * decides what is answered; it knows nothing else, has no environment, and ends when the supervisor does: nobody would start
 * another one, and the next server would find the ports taken.
 *
 * Signals are for the supervisor: a terminal, and systemd, give them to every process.
 *
 * An error that nobody caught is a defect, and ends no thread that answers: it is told, and this process goes on while there are such. Should it take
 * no more what it is told to serve, whoever tells it has another one take its place. A broken invariant ends it.
 */
import { AssertionError } from 'node:assert'
import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { version } from '../../version.ts'
import { type Channel, type SignOfLife, sayAlive } from '../life/child-signs.ts'
import type { UdpBackend } from '../listener/backend.ts'
import type { HandoverEnds } from '../listener/handover.ts'
import type { SocketsByTransport } from '../listener/held-sockets.ts'
import { type NameHashKey, shareNameHashKey } from '../wire/name-hash-key-sharing.ts'
import type { Answering } from './answering.ts'

/** The first order. */
export interface Begin {
  readonly kind: 'begin'
  readonly nameHashKey: NameHashKey
  /** Descriptors are those of the child. */
  readonly sockets: SocketsByTransport
  readonly udpBackend: UdpBackend
  /** Most open connections over TCP. */
  readonly connections: number
  /** By which connections pass from one process to the next. */
  readonly handover: HandoverEnds
  /** The descriptor of the memory that processes share, if there is any. */
  readonly memory: number | null
}

/** What the supervisor says. */
export type Order =
  | Begin
  /** Bears the end of a connection to the process that decides. */
  | { readonly kind: 'link' }
  /** A process that leaves has given connections away. */
  | { readonly kind: 'inherit' }
  /** @property passes connections go on in another process */
  | { readonly kind: 'stop'; readonly passes: boolean }

/** What it says to the supervisor. */
export type FromDataPlaneProcess =
  | SignOfLife
  /** The first: what it is. Whoever is to converse with it is of the same version. */
  | { readonly kind: 'loaded'; readonly version: string }
  /** It has given connections away. */
  | { readonly kind: 'gave' }

/** What it needs of a Node process. */
export interface ChildProcessSelf extends EventEmitter, Channel {
  exitCode?: number | string | null | undefined
  disconnect(): void
}

export class DataPlaneProcess {
  readonly #self: ChildProcessSelf
  #answering: Promise<Answering> | null = null
  /** The same, once it has begun. */
  #begun: Answering | null = null
  /** Conversations that came before the first order. */
  readonly #early: Duplex[] = []
  #stopping = false

  constructor(self: ChildProcessSelf) {
    this.#self = self
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) self.on(signal, () => undefined)
    for (const event of ['uncaughtException', 'unhandledRejection'])
      self.on(event, (error: unknown) => this.#contain(error))
    self.on('message', (order: Order, handle: Duplex) => this.#obey(order, handle))
    self.once('disconnect', () => this.#stop(false))
    this.#say({ kind: 'loaded', version })
  }

  #obey(order: Order, handle: Duplex): void {
    switch (order.kind) {
      case 'begin':
        this.#answering = this.#begin(order)
        for (const stream of this.#early.splice(0)) this.#converse(this.#answering, stream)
        if (this.#stopping) this.#stop(false)
        break
      case 'link':
        if (this.#answering === null) this.#early.push(handle)
        else this.#converse(this.#answering, handle)
        break
      case 'inherit':
        // One that has not begun takes what there is when it does.
        void this.#answering?.then((each) => each.inherit())
        break
      case 'stop':
        this.#stop(order.passes)
        break
    }
  }

  async #begin({ nameHashKey, memory, kind: _, ...begin }: Begin): Promise<Answering> {
    // Before anything is loaded that reads images.
    shareNameHashKey(nameHashKey)
    const { Answering } = await import('./answering.ts')
    const { SharedImages } = await import('./shared-images.ts')
    const images = new SharedImages(memory)
    const onEnd = (failed: boolean) => this.#end(failed)
    const onGave = () => this.#say({ kind: 'gave' })
    const answering = new Answering({ ...begin, images, onEnd, onGave })
    sayAlive(this.#self, () => answering.works)
    this.#begun = answering
    return answering
  }

  /** @throws what nobody caught, by which the process ends */
  #contain(error: unknown): void {
    if (error instanceof AssertionError || this.#begun?.answers !== true) throw error
    this.#begun.fault(error as Error)
  }

  #converse(answering: Promise<Answering>, stream: Duplex): void {
    void answering.then((each) => each.converse(stream))
  }

  #say(message: FromDataPlaneProcess): void {
    // When nobody is there to hear it, it calls back.
    this.#self.send!(message, undefined, undefined, () => undefined)
  }

  #stop(passes: boolean): void {
    this.#stopping = true
    void this.#answering?.then((each) => each.stop(passes))
  }

  /** Nothing keeps it alive then. */
  #end(failed: boolean): void {
    if (failed) this.#self.exitCode = 1
    if (this.#self.connected) this.#self.disconnect()
  }
}
