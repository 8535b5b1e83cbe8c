/** Overrides that end by themselves: answers change on every node at the time, and one node deletes the row and tells of it. */
import type { NewEvent } from '../controlplane/model/event.ts'
import type { Override } from '../controlplane/model/override.ts'
import { expireOverrides } from '../controlplane/store/overrides.ts'
import { wallClock } from '../controlplane/timing/clock.ts'
import { DueTimes } from '../controlplane/timing/due-times.ts'
import { failing, type Ground, type Hearing } from './announce.ts'

export class EndingOverrides implements Disposable {
  readonly #ground: Ground
  readonly #now: () => Date
  readonly #ends: DueTimes<Override>
  /** Before the first configuration the database may be one that has not been migrated. */
  #loaded = false

  constructor(ground: Ground, now = () => new Date()) {
    this.#ground = ground
    this.#now = now
    this.#ends = new DueTimes(wallClock(now), (overrides) =>
      ground.announce({ kind: 'overrides-ended', overrides }),
    )
  }

  readonly hears: Hearing<'overrides'> = {
    catalog: ({ before, catalog: { overrides } }) => {
      if (overrides === before.overrides) return
      this.#ends.clear()
      for (const override of overrides.values()) {
        if (override.until !== null) this.#ends.note(override, override.until.getTime())
      }
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
  }

  #delete(): void {
    const { announce, database, log } = this.#ground
    if (!this.#loaded || !database.up) return
    database
      .write('system', (write) => expireOverrides(write, this.#now()))
      .then(({ result }) => announce({ kind: 'operated', events: result.map(expired) }))
      .catch(failing(log, 'ended overrides were not deleted'))
  }
}

function expired({ pool, member, state, actor, reason, until }: Override): NewEvent {
  return { kind: 'override', pool, member, what: 'expired', state, actor, reason, at: until! }
}
