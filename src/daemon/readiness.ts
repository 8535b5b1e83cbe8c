/**
 * How far a start has come, and what is still missing. A machine with one setter; `/ready` and `/health` read what it says.
 * A cause that a step does not name changes nothing. Once the configuration is there the database may come and go: what is
 * missing then is something else.
 */
export type Cause =
  | 'database-available'
  | 'database-away'
  /** The workers have a configuration. */
  | 'loaded'
  /** Hosts have been looked up, and other nodes asked. */
  | 'gathered'
  /** DNS is served. */
  | 'bound'
  /** Every member has been probed. */
  | 'checked'
  | 'stopping'

export type Step =
  | 'waiting'
  | 'away'
  | 'reading'
  | 'gathering'
  | 'binding'
  | 'checking'
  | 'ready'
  | 'stopping'

interface Rule {
  /** What DNS is not served for; null when it is. */
  readonly missing: string | null
  readonly next: Readonly<Partial<Record<Cause, Step>>>
}

export const rules: Readonly<Record<Step, Rule>> = {
  waiting: {
    missing: 'the database has not answered yet',
    // `loaded` without a word of the database: the snapshot is served.
    next: { 'database-away': 'away', 'database-available': 'reading', loaded: 'gathering' },
  },
  away: {
    // Why is told behind it.
    missing: 'the database is not available: ',
    next: { 'database-away': 'away', 'database-available': 'reading', loaded: 'gathering' },
  },
  reading: {
    missing: 'the configuration is being read',
    next: { 'database-away': 'away', loaded: 'gathering' },
  },
  gathering: {
    missing: 'the hosts of members are being looked up, and other nodes asked',
    next: { gathered: 'binding' },
  },
  binding: { missing: 'the DNS listeners are starting', next: { bound: 'checking' } },
  /** DNS is served; the first round of checks is not done. */
  checking: { missing: null, next: { checked: 'ready' } },
  ready: { missing: null, next: {} },
  /** The end, from every step. */
  stopping: { missing: 'the daemon is stopping', next: {} },
}

export class Readiness {
  #step: Step = 'waiting'
  /** Why the database can't be reached; empty in every other step. */
  #reason = ''

  get step(): Step {
    return this.#step
  }

  /** Whether DNS is served. */
  get serving(): boolean {
    return rules[this.#step].missing === null
  }

  /** Empty once it is ready. */
  get missing(): readonly { readonly path: 'serving' | 'health'; readonly message: string }[] {
    if (this.#step === 'ready') return []
    const health = { path: 'health', message: 'the first round of checks is not done' } as const
    const { missing } = rules[this.#step]
    return missing === null ? [health] : [{ path: 'serving', message: missing + this.#reason }, health]
  }

  /** @param reason why the database can't be reached */
  go(cause: Cause, reason = ''): void {
    const step = cause === 'stopping' ? 'stopping' : rules[this.#step].next[cause]
    if (step === undefined) return
    this.#step = step
    this.#reason = reason
  }
}
