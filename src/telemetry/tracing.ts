/**
 * What is told to whoever traces: requests, and the way of a change from its write to the workers that answer by it. Nobody traces unless
 * the settings say so (`otel/`), and where this says `null` nothing is noted.
 */

/** A request from its first octet to the end of its reply. */
export interface RequestTrace {
  /** @param route as it is registered, such as `/v1/pools/:name`; null for one that is none */
  end(route: string | null, status: number, actor: string): void
}

/** Moments in the way of changes. Times are `momentMs`. */
export interface ChangeTraces {
  /** The database, or a write of ours, has said that there is something to read. */
  hinted(): void
  /** The settings of a revision have been read, and of which zones there are. */
  read(revision: number): void
  /** Images have been made of all zones that were changed up to a revision. */
  compiled(revision: number): void
  /** Something was handed to the workers, and all of them have acknowledged it. */
  handedOver(beganMs: number, endedMs: number): void
  /** A request has written a revision. */
  wrote(revision: number, by: RequestTrace | null): void
}

export interface Tracing {
  readonly changes: ChangeTraces
  /** @param headers of which `traceparent` and `tracestate` are taken over (W3C Trace Context) */
  request(method: string, headers: Readonly<Record<string, string | string[] | undefined>>): RequestTrace
}

/** UNIX time in milliseconds with their fractions, by a clock that nobody sets. */
export function momentMs(): number {
  return performance.timeOrigin + performance.now()
}
