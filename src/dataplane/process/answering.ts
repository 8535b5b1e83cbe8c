/**
 * The process that answers DNS, without its edges: a fleet of workers, and the conversation by which another process says what is
 * answered. It needs nobody to go on: when the other is gone, what was said last is served until the next one comes.
 *
 * There is one conversation at a time. The next one takes the place of the last, whose stream is closed, and begins with all that is served, so nothing
 * of an earlier one is left. The workers start with the first, or before it with what was published last (`journal.ts`).
 *
 * What of an update can't be read costs the slot that it is for, which keeps what it had; what throws all the same costs the update.
 * Neither ends the process: the next one would begin with the same.
 */
import type { Duplex } from 'node:stream'
import { ServingSet, type ServingUpdate } from '../image/serving-set.ts'
import { Fleet, type FleetOptions } from '../listener/fleet.ts'
import type { ListenError } from '../listener/listener.ts'
import { upcallLimits } from '../listener/protocol.ts'
import { type Transport, transportNames } from '../listener/transports.ts'
import { Upcalls } from '../listener/upcalls.ts'
import { Conversation } from './conversation.ts'
import { CountedChanges } from './counted-changes.ts'
import type { DataPlaneEvent, FromDataPlane, Live, ToDataPlane } from './messages.ts'
import type { SharedImages } from './shared-images.ts'

type Deciding = Conversation<FromDataPlane, ToDataPlane>

export interface AnsweringOptions
  extends Pick<FleetOptions, 'sockets' | 'udpBackend' | 'connections' | 'handover' | 'onGave' | 'entry'> {
  /** It has answered what has come, and nothing is left to do; or the workers could not start. */
  readonly onEnd: (failed: boolean) => void
  /** Most that wait for somebody to hear them, 100 by default; the first are kept, for they say what began. */
  readonly mostEvents?: number
  readonly images: SharedImages
}

export class Answering {
  readonly #fleet: Fleet
  readonly #onEnd: (failed: boolean) => void
  readonly #served = new ServingSet()
  readonly #images: SharedImages
  #conversation: Deciding | null = null
  #counted = new CountedChanges()
  #started = false
  readonly #unheard: DataPlaneEvent[] = []
  readonly #mostEvents: number
  /** Settles when what was said before has been done. */
  #doing: Promise<void>
  /** What workers ask whoever decides. */
  readonly #upcalls = new Upcalls((upcall) => this.#conversation!.say(upcall), upcallLimits.ofProcess)

  constructor({ onEnd, mostEvents = 100, images, ...options }: AnsweringOptions) {
    this.#onEnd = onEnd
    this.#images = images
    this.#mostEvents = mostEvents
    this.#fleet = new Fleet({
      ...options,
      listen: [],
      udpWorkers: 0,
      memory: images.mapped,
      onRestart: (transport, reason) => this.#tell({ what: 'restart', transport, reason }),
      onTapRestart: (reason) => this.#tell({ what: 'tap-restart', reason }),
      onFallback: (reason) => this.#tell({ what: 'fallback', reason }),
      onError: (transport, error, count) =>
        this.#tell({ what: 'error', transport, error, code: error.code ?? null, count }),
      onUpcall: (request, client) => this.#ask(request, client),
    })
    this.#doing = this.#resume()
  }

  /** Hears whoever decides from now on. */
  converse(stream: Duplex): void {
    this.#conversation?.end()
    this.#counted = new CountedChanges()
    const conversation: Deciding = new Conversation(
      stream,
      (message: ToDataPlane) => this.#hear(message, conversation),
      (error) => this.#over(conversation, error),
    )
    this.#conversation = conversation
    for (const event of this.#unheard.splice(0)) this.#tell(event)
  }

  /** Whether there is nothing that only a new process could mend. */
  get works(): boolean {
    return !this.#fleet.stuck
  }

  /** Whether there are threads that answer. */
  get answers(): boolean {
    return transportNames.every((transport) => this.#fleet.live(transport) > 0)
  }

  /** Takes the connections of a process that leaves. */
  inherit(): void {
    this.#fleet.inherit()
  }

  /** Answers what has come, and ends. Idempotent. @param passes connections go on in another process */
  async stop(passes = false): Promise<void> {
    await this.#fleet.stop(passes)
    this.#conversation?.finish()
    this.#onEnd(false)
  }

  #hear(message: ToDataPlane, from: Deciding): void {
    switch (message.kind) {
      case 'replace':
      case 'publish':
        this.#doing = this.#doing
          .then(() => this.#serve(message, from))
          // A defect. What was served stays, and nothing is acknowledged.
          .catch((error: Error) => this.fault(error))
        break
      case 'count':
        from.say({ kind: 'counted', counted: this.#count(), live: this.#live() })
        break
      case 'sample':
        void this.#fleet.sample().then((samples) => from.say({ kind: 'sampled', samples }))
        break
      case 'queries':
        void this.#fleet.queries(message.most).then((frames) => from.say({ kind: 'queried', frames }))
        break
      case 'answer':
        this.#upcalls.settle(message.id, message.response)
        break
      case 'stop':
        void this.stop()
        break
    }
  }

  /** Serves what was published last, if that is written down. */
  async #resume(): Promise<void> {
    try {
      const last = this.#images.last(
        (unreadable) => this.#tell({ what: 'unreadable', ...unreadable }),
        (error) => this.fault(error),
      )
      if (last === null) return
      await this.#publish(last)
    } catch (error) {
      // Whoever decides will tell what is to be served.
      this.fault(error as Error)
      return
    }
    await this.#start(null)
  }

  async #serve({ kind, update }: Extract<ToDataPlane, { update: unknown }>, from: Deciding): Promise<void> {
    const changes =
      kind === 'replace' ? { ...this.#served.replacedBy(update), generation: update.generation } : update
    await this.#publish(changes)
    if (!this.#started && !(await this.#start(from))) return
    from.say({ kind: 'serving', generation: update.generation, live: this.#live() })
  }

  async #publish(update: ServingUpdate): Promise<void> {
    const servable = this.#images.servable(update, this.#served, (unreadable) =>
      this.#tell({ what: 'unreadable', ...unreadable }),
    )
    this.#served.add(servable)
    await this.#fleet.publish(servable)
  }

  /** @returns whether it could */
  async #start(from: Deciding | null): Promise<boolean> {
    this.#started = true
    try {
      await this.#fleet.start()
      return true
    } catch (error) {
      const { code, message } = error as ListenError
      from?.say({ kind: 'failed', code, message })
      from?.finish()
      this.#onEnd(true)
      return false
    }
  }

  #over(conversation: Deciding, error: Error | null): void {
    if (conversation === this.#conversation) this.#conversation = null
    this.#upcalls.end()
    if (error !== null) this.fault(error)
  }

  /** Tells of an error that must not have been. */
  fault(error: Error): void {
    this.#tell({ what: 'error', transport: 'tcp', error, code: null, count: 1 })
  }

  #tell(event: DataPlaneEvent): void {
    if (this.#conversation !== null) this.#conversation.say({ kind: 'event', event, live: this.#live() })
    else if (this.#unheard.length < this.#mostEvents) this.#unheard.push(event)
  }

  #count() {
    return transportNames.flatMap((transport) =>
      this.#counted.take(transport, this.#fleet.counters(transport)),
    )
  }

  #live(): Live {
    return Object.fromEntries(
      transportNames.map((transport) => [transport, this.#fleet.live(transport)]),
    ) as Record<Transport, number>
  }

  #ask(request: Uint8Array, client: Uint8Array): Promise<Uint8Array | null> {
    if (this.#conversation === null) return Promise.resolve(null)
    const { length } = client
    return new Promise((resolve) => this.#upcalls.ask(request, { octets: client, length }, resolve))
  }
}
