/** Overrides that end by themselves: answers change on every node at the time, and one node deletes the row and tells of it. */
import { OverrideExpiry } from '../controlplane/follow/override-expiry.ts'
import type { NewEvent } from '../controlplane/model/event.ts'
import type { Override } from '../controlplane/model/override.ts'
import { expireOverrides } from '../controlplane/store/overrides.ts'
import { failing, type Hearing } from './announce.ts'
import type { Ground } from './ground.ts'

const now = () => new Date()

export class EndingOverrides implements Disposable {
  readonly #ground: Ground
  readonly #expiry: OverrideExpiry
  /** Before the first configuration the database may be one that has not been migrated. */
  #loaded = false

  constructor(ground: Ground) {
    this.#ground = ground
    this.#expiry = new OverrideExpiry(
      (overrides) => ground.announce({ kind: 'overrides-ended', overrides }),
      now,
    )
  }

  readonly hears: Hearing<'overrides'> = {
    loaded: () => {
      this.#loaded = true
      this.#delete()
    },
    catalog: ({ before, catalog: { overrides } }) => {
      if (overrides !== before.overrides) this.#expiry.watch(overrides.values())
    },
    'overrides-ended': () => this.#delete(),
    // It may have been away when their time came, and so may we.
    'database-available': () => this.#delete(),
  }

  #delete(): void {
    const { announce, database } = this.#ground
    if (!this.#loaded || !database.up) return
    database
      .write('system', (write) => expireOverrides(write, now()))
      .then(({ result }) => announce({ kind: 'operated', events: result.map(expired) }))
      .catch(failing(announce, 'ended overrides were not deleted'))
  }

  [Symbol.dispose](): void {
    this.#expiry[Symbol.dispose]()
  }
}

function expired({ pool, member, state, actor, reason, until }: Override): NewEvent {
  return { kind: 'override', pool, member, what: 'expired', state, actor, reason, at: until! }
}
