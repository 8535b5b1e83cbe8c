/**
 * The time that answers go by: UNIX time in milliseconds, read once for all the queries that are answered together, since
 * asking the system costs a good part of what an answer costs.
 */
export class BatchClock {
  nowMs = Date.now()

  /** Whoever has received queries calls this before they are answered. */
  tick(): void {
    this.nowMs = Date.now()
  }
}
