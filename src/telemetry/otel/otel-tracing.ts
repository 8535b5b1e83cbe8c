/**
 * Requests and changes as spans.
 *
 * A request is a span of kind SERVER, below the one that its `traceparent` names. A change that it writes is a span below that, from the
 * write until every worker of this server has acknowledged it, also when the request has had its reply before that; its stages are
 * spans below it. What others have written (another server, or a step of a gradual change) is followed by a trace of its own, which has the
 * revision in common with that of who wrote it.
 */
import {
  type Context,
  defaultTextMapGetter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { type ChangeTraces, momentMs, type RequestTrace, type Tracing } from '../tracing.ts'
import { ChangeTimes } from './change-times.ts'

/** Changes that are waited for at once; of more there are no spans. */
const mostOpen = 1000
/** A change that is not served by then is not waited for any more. */
const patienceMs = 600_000

/** Resolves when the workers serve what a revision changed. */
type Served = (revision: number, signal: AbortSignal) => Promise<void>

export class OtelTracing implements Tracing {
  readonly changes: ChangeTraces
  readonly #tracer: Tracer
  readonly #propagator = new W3CTraceContextPropagator()

  constructor(tracer: Tracer, served: Served) {
    this.#tracer = tracer
    this.changes = new OtelChanges(tracer, served)
  }

  request(method: string, headers: Readonly<Record<string, string | string[] | undefined>>): RequestTrace {
    const parent = this.#propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter)
    const attributes = { 'http.request.method': method, 'url.scheme': 'http' }
    return new OtelRequest(
      this.#tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parent),
      method,
    )
  }
}

class OtelRequest implements RequestTrace {
  readonly span: Span
  readonly #method: string

  constructor(span: Span, method: string) {
    this.span = span
    this.#method = method
  }

  end(route: string | null, status: number, actor: string): void {
    const { span } = this
    if (route !== null) span.updateName(`${this.#method} ${route}`).setAttribute('http.route', route)
    if (actor !== '') span.setAttribute('enduser.id', actor)
    span.setAttribute('http.response.status_code', status)
    // Of the others it is the client's (the semantic conventions for HTTP).
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  }
}

class OtelChanges implements ChangeTraces {
  readonly #tracer: Tracer
  readonly #served: Served
  readonly #times = new ChangeTimes()
  /** Revisions that requests have written. Bound: those that are waited for, `mostOpen`. */
  readonly #written = new Set<number>()
  #open = 0
  /** The last revision that was read; null before the first. */
  #last: number | null = null

  constructor(tracer: Tracer, served: Served) {
    this.#tracer = tracer
    this.#served = served
  }

  hinted(): void {
    this.#times.hinted(momentMs())
  }

  read(revision: number): void {
    const readMs = momentMs()
    const last = this.#last
    this.#last = revision
    this.#times.read(revision, readMs)
    // The first is the start's.
    if (last === null || revision <= last) return
    void this.#whenServed(revision, () => {
      const isOurs = [...this.#written].some((written) => written > last && written <= revision)
      if (!isOurs) this.#tell(revision, readMs, ROOT_CONTEXT)
    })
  }

  compiled(revision: number): void {
    this.#times.compiled(revision, momentMs())
  }

  handedOver(beganMs: number): void {
    this.#times.handedOver(beganMs)
  }

  wrote(revision: number, by: RequestTrace | null): void {
    const writtenMs = momentMs()
    const parent = by instanceof OtelRequest ? trace.setSpan(ROOT_CONTEXT, by.span) : ROOT_CONTEXT
    this.#written.add(revision)
    void this.#whenServed(revision, () => this.#tell(revision, writtenMs, parent)).finally(() =>
      this.#written.delete(revision),
    )
  }

  async #whenServed(revision: number, run: () => void): Promise<void> {
    if (this.#open >= mostOpen) return
    this.#open++
    try {
      await this.#served(revision, AbortSignal.timeout(patienceMs))
      run()
    } catch {
      // It is never served, or not for long.
    } finally {
      this.#open--
    }
  }

  #tell(revision: number, writtenMs: number, parent: Context): void {
    const servedMs = momentMs()
    const attributes = { 'pooldns.revision': revision }
    const stages = this.#times.stages(revision, writtenMs, servedMs)
    const startTime = Math.min(writtenMs, stages[0]!.beganMs)
    const change = this.#tracer.startSpan('change', { attributes, startTime }, parent)
    const below = trace.setSpan(parent, change)
    for (const { name, beganMs, endedMs } of stages)
      this.#tracer.startSpan(`change ${name}`, { attributes, startTime: beganMs }, below).end(endedMs)
    change.end(servedMs)
  }
}
