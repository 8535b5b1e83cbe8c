/**
 * Streams of events, as Server-Sent Events (WHATWG HTML, section 9.2). Written to the socket without Fastify, which knows
 * replies that end.
 *
 * A stream takes the next batch when the one before has left for the socket, so it holds one batch and what the kernel
 * buffers, however slow the client is. One that does not take a batch within half a minute is disconnected. A comment
 * every 15 s keeps proxies from closing a quiet stream, and finds clients that went without a word. The stream of a token that may
 * not read any more ends (`token-watch.ts`).
 */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { StoredEvent } from '../../model/event.ts'
import type { EventStreamLimits, Ground, Operations } from '../context.ts'
import { HttpError, typeAsTold } from '../errors.ts'

interface StreamRequest {
  /** Id of the event to begin after; null begins with the next one. */
  readonly after: number | null
  /** Whether the client is told of an event. */
  readonly sees: (event: StoredEvent) => boolean
  /** Address, for the log. */
  readonly client: string
  /** Calls back once the client may not read any more, until it is disposed of. */
  readonly watch: (end: () => void) => Disposable
}

const defaultLimits: EventStreamLimits = {
  most: 100,
  patienceMs: 30_000,
  heartbeatMs: 15_000,
}

const comment = ':\n\n'
const retryAfterSeconds = '10'

export class EventStreams {
  readonly #context: Ground & Operations
  readonly #limits: EventStreamLimits
  readonly #stop = new AbortController()
  /** Bound: `most`. */
  readonly #open = new Set<ServerResponse>()

  constructor(context: Ground & Operations) {
    this.#context = context
    this.#limits = { ...defaultLimits, ...context.streamLimits }
  }

  /** Takes the reply over. Throws 503 when there are too many. */
  open(reply: FastifyReply, request: StreamRequest): void {
    if (this.#open.size >= this.#limits.most || this.#stop.signal.aborted) {
      throw new HttpError(503, 'too-many-streams', `there are ${this.#open.size} streams already`, {
        headers: { 'retry-after': retryAfterSeconds },
      })
    }
    reply.hijack()
    const { raw } = reply
    this.#open.add(raw)
    void this.#serve(raw, request)
      .catch((error: unknown) => this.#context.log.error({ err: error }, 'a stream of events failed'))
      .finally(() => {
        this.#open.delete(raw)
        // What a slow client has not taken yet must not keep the server from stopping.
        if (raw.writableNeedDrain) raw.destroy()
        else raw.end()
      })
  }

  /** Ends every stream; clients come back with the last id that they have. */
  stop(): void {
    this.#stop.abort()
  }

  async #serve(raw: ServerResponse, { after, sees, watch, client }: StreamRequest): Promise<void> {
    const closed = new AbortController()
    const close = () => closed.abort()
    raw.once('close', close)
    // A connection that breaks is closed; there is nobody to tell.
    raw.on('error', close)
    this.#stop.signal.addEventListener('abort', close)
    const heartbeat = setInterval(() => {
      if (!raw.writableNeedDrain) raw.write(comment)
    }, this.#limits.heartbeatMs)
    using _watched = watch(close)
    try {
      raw.writeHead(200, {
        ...typeAsTold,
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        // Asks nginx to pass on what comes at once.
        'x-accel-buffering': 'no',
      })
      raw.flushHeaders()
      for await (const events of this.#context.events.follow(after, closed.signal)) {
        const fitting = events.filter(sees)
        const text = events.length === 0 ? comment : fitting.map(format).join('')
        if (text === '' || raw.write(text)) continue
        if (await drained(raw, this.#limits.patienceMs, closed.signal)) continue
        this.#context.log.warn({ client }, 'a stream of events was ended: its client does not read')
        return
      }
    } finally {
      clearInterval(heartbeat)
      this.#stop.signal.removeEventListener('abort', close)
      closed.abort()
    }
  }
}

function format(event: StoredEvent): string {
  // JSON has no line ends in it.
  return `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`
}

/** Whether everything that was written has left within `patienceMs`. Also when the signal aborts. */
function drained(raw: ServerResponse, patienceMs: number, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), patienceMs)
  const onDone = () => resolve(true)
  raw.once('drain', onDone)
  signal.addEventListener('abort', onDone)
  if (signal.aborted || !raw.writableNeedDrain) onDone()
  return promise.finally(() => {
    clearTimeout(timer)
    raw.off('drain', onDone)
    signal.removeEventListener('abort', onDone)
  })
}
