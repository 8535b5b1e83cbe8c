/** Overrides that end by themselves: answers change on every node at the time, and one node deletes the row and tells of it. */
import type { NewEvent } from '../controlplane/model/event.ts'
import type { Override, ServiceOverride } from '../controlplane/model/override.ts'
import { expireOverrides } from '../controlplane/store/overrides.ts'
import { expireServiceOverrides } from '../controlplane/store/service-overrides.ts'
import { Alarm } from '../controlplane/timing/alarm.ts'
import { monotonicClock, wallClock } from '../controlplane/timing/clock.ts'
import { DueTimes } from '../controlplane/timing/due-times.ts'
import { failing, type Ground, type Hearing, seldom } from './announce.ts'

/** Between two attempts at what the database did not take, as while another server holds its lock for long. */
const defaultRetryMs = 5_000

export class EndingOverrides implements Disposable {
  readonly #ground: Ground
  readonly #now: () => Date
  readonly #ends: DueTimes<Override>
  readonly #serviceEnds: DueTimes<ServiceOverride>
  /** Rings when rows are to be deleted that could not be: no other override may end for long. */
  readonly #again: Alarm
  readonly #retryMs: number
  readonly #tellFailed: (error: unknown) => void
  /** Before the first configuration the database may be one that has not been migrated. */
  #loaded = false

  constructor(ground: Ground, now = () => new Date(), retryMs = defaultRetryMs) {
    this.#ground = ground
    this.#now = now
    this.#retryMs = retryMs
    this.#again = new Alarm(monotonicClock, () => this.#delete())
    this.#tellFailed = seldom(failing(ground.log, 'ended overrides were not deleted'))
    const { announce } = ground
    this.#ends = new DueTimes(wallClock(now), (overrides) =>
      announce({ kind: 'overrides-ended', overrides, services: [] }),
    )
    this.#serviceEnds = new DueTimes(wallClock(now), (services) =>
      announce({ kind: 'overrides-ended', overrides: [], services }),
    )
  }

  readonly hears: Hearing<'overrides'> = {
    catalog: ({ before, catalog }) => {
      if (catalog.overrides !== before.overrides) watch(this.#ends, catalog.overrides.values())
      if (catalog.services !== before.services) watch(this.#serviceEnds, catalog.serviceOverrides)
    },
    'overrides-ended': () => this.#delete(),
    // It may have been away when their time came, and so may we.
    'database-available': () => this.#delete(),
  }

  /** From now on, rows are deleted, those first that ended while the daemon was down. */
  start(): void {
    this.#loaded = true
    this.#delete()
  }

  [Symbol.dispose](): void {
    this.#ends[Symbol.dispose]()
    this.#serviceEnds[Symbol.dispose]()
    this.#again[Symbol.dispose]()
  }

  #delete(): void {
    const { announce, database } = this.#ground
    if (!this.#loaded || !database.up) return
    database
      .write('system', async (write) => [
        ...(await expireOverrides(write, this.#now())),
        ...(await expireServiceOverrides(write, this.#now())),
      ])
      .then(({ result }) => announce({ kind: 'operated', events: result.map(expired) }))
      .catch((error: unknown) => {
        this.#tellFailed(error)
        this.#again.set(monotonicClock.nowMs() + this.#retryMs)
      })
  }
}

function expired(override: Override | ServiceOverride): NewEvent {
  const { since: _, until, pending: __, ...said } = override
  return { kind: 'override', ...said, what: 'expired', at: until! }
}

function watch<T extends Override | ServiceOverride>(ends: DueTimes<T>, overrides: Iterable<T>): void {
  ends.clear()
  for (const override of overrides) if (override.until !== null) ends.note(override, override.until.getTime())
}
