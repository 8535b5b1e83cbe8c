/**
 * The time that answers go by: UNIX time in milliseconds, read once for all the queries that are answered together, since
 * asking the system costs a good part of what an answer costs.
 */
export class BatchClock {
  nowMs = Date.now()
  /** The same in 32 bits, which begin again after 50 days: enough for the time between two queries, and cheaper. */
  wrappedMs = this.nowMs | 0

  /** Whoever has received queries calls this before they are answered. @param nowMs UNIX time */
  tick(nowMs = Date.now()): void {
    this.nowMs = nowMs
    this.wrappedMs = nowMs | 0
  }
}
