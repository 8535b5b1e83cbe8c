/** Overrides that end by themselves: answers change on every node at the time, and one node deletes the row and tells of it. */
import type { NewEvent } from '../controlplane/model/event.ts'
import type { Override, ServiceOverride } from '../controlplane/model/override.ts'
import { expireOverrides } from '../controlplane/store/overrides.ts'
import { expireServiceOverrides } from '../controlplane/store/service-overrides.ts'
import { wallClock } from '../controlplane/timing/clock.ts'
import { DueTimes } from '../controlplane/timing/due-times.ts'
import { failing, type Ground, type Hearing } from './announce.ts'

export class EndingOverrides implements Disposable {
  readonly #ground: Ground
  readonly #now: () => Date
  readonly #ends: DueTimes<Override>
  readonly #serviceEnds: DueTimes<ServiceOverride>
  /** Before the first configuration the database may be one that has not been migrated. */
  #loaded = false

  constructor(ground: Ground, now = () => new Date()) {
    this.#ground = ground
    this.#now = now
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
  }

  #delete(): void {
    const { announce, database, log } = this.#ground
    if (!this.#loaded || !database.up) return
    database
      .write('system', async (write) => [
        ...(await expireOverrides(write, this.#now())),
        ...(await expireServiceOverrides(write, this.#now())),
      ])
      .then(({ result }) => announce({ kind: 'operated', events: result.map(expired) }))
      .catch(failing(log, 'ended overrides were not deleted'))
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
