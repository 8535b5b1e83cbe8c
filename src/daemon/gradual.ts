/** Gradual changes on this node: what their mover is told of pools, services and members, and when it is to look. */
import { GradualMover } from '../controlplane/gradual/mover.ts'
import { failureOf, type Watched } from '../controlplane/gradual/watch.ts'
import { failing, type Ground, type Hearing } from './announce.ts'
import type { Answers } from './answers.ts'
import type { Configuration } from './configuration.ts'
import type { Health } from './health.ts'

interface Surroundings {
  readonly answers: Answers
  readonly health: Health
  /** It is made later. */
  readonly configuration: () => Configuration
}

export class GradualChanges implements AsyncDisposable {
  readonly mover: GradualMover
  readonly #around: Surroundings

  constructor({ database, log, announce }: Ground, around: Surroundings) {
    this.#around = around
    this.mover = new GradualMover({
      database,
      watched: () => this.#watched(),
      trusts: () => around.health.suspicion === null,
      tell: (event) => announce({ kind: 'operated', events: [event] }),
      onBad: (reason) => log.error({ reason }, 'a row of the database was left out'),
      onError: failing(log, 'a gradual change was not moved'),
    })
  }

  readonly hears: Hearing<'gradual'> = {
    catalog: () => this.mover.hint(),
    transitions: () => this.mover.look(),
    pools: () => this.mover.look(),
    services: () => this.mover.look(),
    'database-available': () => this.mover.hint(),
  }

  /** Begins to move changes: when the members have been probed. */
  start(): void {
    this.mover.start()
  }

  /** Why a change would go back at once, by what this node knows. */
  failureOf(change: Parameters<typeof failureOf>[0]): string | null {
    return failureOf(change, this.#watched())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mover[Symbol.asyncDispose]()
  }

  #watched() {
    const { answers, health, configuration } = this.#around
    const { catalog } = configuration().publisher
    return {
      catalog,
      condition: (kind, name) =>
        kind === 'pool' ? answers.pools.conditionOf(name) : answers.services.conditionOf(name),
      member: (pool, member) => health.checker.availability().get(pool)?.get(member) ?? null,
    } satisfies Watched
  }
}
