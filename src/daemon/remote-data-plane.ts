/**
 * The data plane in a process of its own, as the control plane sees it. The supervisor starts that process and brings a connection to
 * it; another one when the process has died or is replaced, so for a moment there may be two that answer, or none.
 *
 * Whoever comes is told all that is served first. A publish is done when all that are there serve it, and one at least: while there is
 * none it waits for the next, which is told all of it. What a process has counted stays counted when it ends.
 *
 * Large images go by their place in the memory that the processes share (`image-memory.ts`), and what is served is written down there
 * before it is told: a process that starts while we are away begins with that.
 */
import type { Duplex } from 'node:stream'
import { ControlError } from '../controlplane/model/errors.ts'
import { addCounters, allocateCounters } from '../dataplane/counters.ts'
import type { ServingUpdate } from '../dataplane/image/serving-set.ts'
import type { ChosenBackend } from '../dataplane/listener/backend.ts'
import type { ListenAddress } from '../dataplane/listener/listener.ts'
import { ListenError } from '../dataplane/listener/listener.ts'
import { type Transport, transportNames } from '../dataplane/listener/transports.ts'
import type { WorkerEvents } from '../dataplane/listener/worker-thread.ts'
import { Conversation } from '../dataplane/process/conversation.ts'
import { CountedMirror } from '../dataplane/process/counted-changes.ts'
import type { DataPlaneEvent, FromDataPlane, Live, ToDataPlane } from '../dataplane/process/messages.ts'
import type { Sample } from '../dataplane/sample-reader.ts'
import type { DataPlane, DataPlaneEvents } from './data-plane.ts'
import type { ImageStore } from './image-store/image-store.ts'
import { ServedImages } from './image-store/served-images.ts'
import type { Opened, Supervision } from './supervision.ts'

/** How long a reader of counters waits for a process that answers late. One that hangs is killed by then. */
const countPatienceMs = 2000
/** How long whoever asks for samples, or for queries, waits for a process that answers late. */
const samplePatienceMs = 2000
/** How often counters are looked at, so that they are known of a process that dies. */
const countEveryMs = 1000
/** A process that has not said for so long what it has counted can't be said to answer. */
const silentAfterMs = 2000
/** A process that has not taken a change after twice this time does not take any. Once may be a machine that stood still. */
const deafAfterMs = 15_000
/** So many times as long for the first that it takes: it may still be starting, on a machine that has other things to do. */
const startFactor = 4
/** A process that was told to stop ends by itself within this. */
const stopPatienceMs = 6000
const noneLive: Live = { udp: 0, tcp: 0 }

export class RemoteDataPlane implements DataPlane {
  readonly #supervision: Supervision
  readonly #connections: number
  readonly #events: DataPlaneEvents
  readonly #onUpcall: NonNullable<WorkerEvents['onUpcall']>
  readonly shared: ServedImages
  /** Of processes that have ended, by transport. */
  readonly #ended: Record<Transport, SharedArrayBuffer> = { udp: allocateCounters(), tcp: allocateCounters() }
  readonly #links = new Set<Link>()
  /** Resolves when the next one serves all that it was told. */
  #next = Promise.withResolvers<void>()
  /** Rejects when this one parts from the data plane: nothing that is published from then on is heard of. */
  readonly #parting = Promise.withResolvers<never>()
  #opened: Opened | null = null
  #timer: NodeJS.Timeout | undefined
  readonly #deafAfterMs: number
  #ending = false

  /**
   * @param connections most that are open over TCP
   * @param store where images are placed; null where no memory is shared
   * @param deafAfter after twice this time, in milliseconds, a process that has not taken a change is replaced
   */
  constructor(
    supervision: Supervision,
    connections: number,
    events: DataPlaneEvents,
    store: ImageStore | null = null,
    deafAfter = deafAfterMs,
  ) {
    this.#supervision = supervision
    this.#deafAfterMs = deafAfter
    this.shared = new ServedImages(store)
    this.#connections = connections
    this.#events = events
    this.#onUpcall = events.onUpcall ?? (() => Promise.resolve(null))
    // Nobody may be waiting for it.
    this.#next.promise.catch(() => undefined)
    this.#parting.promise.catch(() => undefined)
  }

  get bound(): readonly ListenAddress[] {
    return this.#opened?.bound ?? []
  }

  get backend(): ChosenBackend {
    return this.#opened?.backend ?? { name: 'dgram', reason: 'it has not been chosen yet' }
  }

  async start(): Promise<void> {
    this.shared.journal()
    this.#supervision.links((stream, dataPlane) => this.#link(stream, dataPlane))
    const opened = await this.#supervision.open(this.#connections)
    for (const skipped of opened.skipped) this.#events.onSkipped(skipped)
    await this.#next.promise
    this.#opened = opened
    this.#timer = setInterval(() => void this.refresh(), countEveryMs).unref()
  }

  /** @throws ControlError `unavailable` when this server stops before that */
  async publish(update: ServingUpdate): Promise<void> {
    this.shared.add(update)
    if (this.#opened === null && this.#links.size === 0) return
    await Promise.race([this.#publish(update), this.#parting.promise])
  }

  async #publish(update: ServingUpdate): Promise<void> {
    await Promise.all([...this.#links].map((link) => link.publish(update)))
    this.#release()
    // One that has come meanwhile may have been told of it, or of no more than what there was before.
    while (![...this.#links].some(({ served }) => served >= update.generation)) await this.#next.promise
  }

  /** Once all that are there serve the same. */
  #release(): void {
    const links = [...this.#links]
    if (links.every(({ level }) => level)) this.shared.release(new Set(links.map(({ number }) => number)))
  }

  live(transport: Transport): number {
    return Math.max(0, ...[...this.#links].map(({ live }) => live[transport]))
  }

  counters(transport: Transport): readonly SharedArrayBuffer[] {
    const present = [...this.#links].flatMap(({ counted }) => counted.buffers(transport))
    return [this.#ended[transport], ...present]
  }

  async refresh(): Promise<void> {
    await Promise.all([...this.#links].map((link) => link.count(countPatienceMs)))
  }

  async sample(): Promise<readonly Sample[]> {
    const samples = [...this.#links].map((link) => link.sample(samplePatienceMs))
    return (await Promise.all(samples)).flat()
  }

  async queries(most: number): Promise<readonly Uint8Array[]> {
    const queries = [...this.#links].map((link) => link.queries(most, samplePatienceMs))
    return (await Promise.all(queries)).flat()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#ending = true
    this.#parting.reject(
      new ControlError('unavailable', 'the server stops: what comes now is served by the next start'),
    )
    const links = [...this.#links]
    if (this.#supervision.keepsAnswering) for (const link of links) link.end()
    else await Promise.all(links.map((link) => link.stop(stopPatienceMs)))
  }

  #link(stream: Duplex, dataPlane: number): void {
    const link = new Link(stream, dataPlane, this.#deafAfterMs, {
      onEvent: (event) => this.#tell(event),
      onUpcall: this.#onUpcall,
      // Later it is started again, and what is published waits for that.
      onFailed: (error) => {
        if (this.#opened === null) this.#next.reject(error)
      },
      onEnd: (error) => {
        this.#links.delete(link)
        for (const transport of transportNames)
          for (const buffer of link.counted.buffers(transport)) addCounters(this.#ended[transport], buffer)
        if (error !== null) this.#events.onError('tcp', error, 1)
        if (!this.#ending) this.#supervision.parted(dataPlane)
      },
      onDeaf: () => {
        this.#supervision.deaf(dataPlane)
        // It may be gone already, and nobody wait for it for ever.
        link.end()
      },
    })
    this.#links.add(link)
    void this.#begin(link)
  }

  async #begin(link: Link): Promise<void> {
    if (!(await link.replace(this.shared.whole))) return
    this.#supervision.serving(link.number)
    this.#release()
    this.#next.resolve()
    this.#next = Promise.withResolvers()
    this.#next.promise.catch(() => undefined)
  }

  #tell(event: DataPlaneEvent): void {
    switch (event.what) {
      case 'restart':
        this.#events.onRestart(event.transport, event.reason)
        break
      case 'tap-restart':
        this.#events.onTapRestart(event.reason)
        break
      case 'fallback':
        this.#events.onFallback(event.reason)
        break
      case 'error':
        if (event.code !== null) Object.assign(event.error, { code: event.code })
        this.#events.onError(event.transport, event.error, event.count)
        break
      case 'unreadable':
        this.#events.onUnreadable(event)
        break
    }
  }
}

interface LinkEvents {
  readonly onEvent: (event: DataPlaneEvent) => void
  readonly onUpcall: NonNullable<WorkerEvents['onUpcall']>
  readonly onFailed: (error: ListenError) => void
  readonly onEnd: (error: Error | null) => void
  readonly onDeaf: () => void
}

/** A connection to one process. */
class Link {
  /** Of the process. */
  readonly number: number
  #live = noneLive
  /** When it was asked for counters that have not come. */
  #askedAtMs: number | null = null
  readonly counted = new CountedMirror()
  readonly #events: LinkEvents
  readonly #conversation: Conversation<ToDataPlane, FromDataPlane>
  readonly #over = Promise.withResolvers<false>()
  readonly #deafAfterMs: number
  /** It has taken what it was told at first. */
  #hasServed = false
  /** The last generation that it has said to serve. */
  served = -1
  /** By generation; at most the first and one after it. */
  readonly #awaited = new Map<number, (served: true) => void>()
  /** Whoever waits for counters that have been asked for. */
  #counting: PromiseWithResolvers<void> | null = null
  /** Whoever waits for the next: what is on its way may have been counted before they came. */
  #nextCounting: PromiseWithResolvers<void> | null = null
  /** Whoever waits for samples. */
  #sampling: PromiseWithResolvers<readonly Sample[]> | null = null
  /** Whoever waits for queries, or has waited: what comes late goes to who asks next. */
  #querying: PromiseWithResolvers<readonly Uint8Array[]> | null = null

  constructor(stream: Duplex, number: number, deafAfter: number, events: LinkEvents) {
    this.number = number
    this.#deafAfterMs = deafAfter
    this.#events = events
    this.#conversation = new Conversation(
      stream,
      (message: FromDataPlane) => this.#hear(message),
      (error) => {
        this.#live = noneLive
        this.#over.resolve(false)
        events.onEnd(error)
      },
    )
  }

  /** Whether it serves all that it was told. */
  get level(): boolean {
    return this.#awaited.size === 0
  }

  /** Workers that answer, as far as it has said lately. */
  get live(): Live {
    return performance.now() - (this.#askedAtMs ?? Number.POSITIVE_INFINITY) > silentAfterMs
      ? noneLive
      : this.#live
  }

  /** @returns false when the process has ended before it served it */
  publish(update: ServingUpdate): Promise<boolean> {
    return this.#serve({ kind: 'publish', update })
  }

  replace(update: ServingUpdate): Promise<boolean> {
    return this.#serve({ kind: 'replace', update })
  }

  /** Resolves with all that was counted before the call, unless the process ends, or answers too late. */
  async count(patienceMs: number): Promise<void> {
    this.#nextCounting ??= Promise.withResolvers()
    const { promise } = this.#nextCounting
    if (this.#counting === null) this.#askForCounters()
    await Promise.race([promise, this.#over.promise, afterMs(patienceMs)])
  }

  #askForCounters(): void {
    this.#counting = this.#nextCounting
    this.#nextCounting = null
    if (this.#counting === null) return
    this.#askedAtMs = performance.now()
    this.#conversation.say({ kind: 'count' })
  }

  /** @returns nothing when the process ends, or answers too late */
  async sample(patienceMs: number): Promise<readonly Sample[]> {
    if (this.#sampling === null) {
      this.#sampling = Promise.withResolvers()
      this.#conversation.say({ kind: 'sample' })
    }
    const sampled = await Promise.race([this.#sampling.promise, this.#over.promise, afterMs(patienceMs)])
    return sampled || []
  }

  /** @returns nothing when the process ends, or answers too late: then the next call gets it */
  async queries(most: number, patienceMs: number): Promise<readonly Uint8Array[]> {
    if (this.#querying === null) {
      this.#querying = Promise.withResolvers()
      this.#conversation.say({ kind: 'queries', most })
    }
    const { promise } = this.#querying
    const queried = await Promise.race([promise, this.#over.promise, afterMs(patienceMs)])
    if (queried) this.#querying = null
    return queried || []
  }

  async stop(patienceMs: number): Promise<void> {
    this.#conversation.say({ kind: 'stop' })
    await Promise.race([this.#over.promise, afterMs(patienceMs)])
    this.end()
  }

  end(): void {
    this.#conversation.end()
  }

  #serve(message: Extract<ToDataPlane, { update: unknown }>): Promise<boolean> {
    const served = new Promise<true>((resolve) => this.#awaited.set(message.update.generation, resolve))
    this.#conversation.say(message)
    return this.#heard(Promise.race([served, this.#over.promise]))
  }

  /** Tells when it takes too long. */
  async #heard(served: Promise<boolean>): Promise<boolean> {
    const ms = this.#deafAfterMs * (this.#hasServed ? 1 : startFactor)
    let timer = setTimeout(() => {
      timer = setTimeout(() => this.#events.onDeaf(), ms)
    }, ms)
    try {
      this.#hasServed = await served
      return this.#hasServed
    } finally {
      clearTimeout(timer)
    }
  }

  #hear(message: FromDataPlane): void {
    if ('live' in message) this.#live = message.live
    switch (message.kind) {
      case 'serving':
        this.served = Math.max(this.served, message.generation)
        this.#awaited.get(message.generation)?.(true)
        this.#awaited.delete(message.generation)
        break
      case 'counted':
        this.counted.put(message.counted)
        this.#counting?.resolve()
        this.#askedAtMs = null
        this.#askForCounters()
        break
      case 'sampled':
        this.#sampling?.resolve(message.samples)
        this.#sampling = null
        break
      case 'queried':
        this.#querying?.resolve(message.frames)
        break
      case 'event':
        this.#events.onEvent(message.event)
        break
      case 'failed':
        this.#events.onFailed(new ListenError(message.code, message.message))
        break
      case 'upcall':
        void this.#answer(message)
        break
    }
  }

  async #answer({ id, request, client }: Extract<FromDataPlane, { kind: 'upcall' }>): Promise<void> {
    const response = await this.#events.onUpcall(request, client).catch(() => null)
    this.#conversation.say({ kind: 'answer', id, response })
  }
}

function afterMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
