/**
 * Services that are not answered by all that they should be: their plan could not be made, and they are answered as before, or it holds but
 * a part of the addresses of their hosts. Each is said once, and not with each change of a member or lookup of a host.
 *
 * Bounded by the services.
 */
import { tellCuts } from '../steering/answer-room.ts'
import type { Selections } from '../steering/selection.ts'

export class PlanFaults {
  readonly #onError: (what: string, error: unknown) => void
  /** Why the last plan could not be made. */
  readonly #unplanned = new Map<string, string>()
  readonly #cut = new Set<string>()

  constructor(onError: (what: string, error: unknown) => void) {
    this.#onError = onError
  }

  /** Why the last plan of a service could not be made; null when it could. */
  unplanned(service: string): string | null {
    return this.#unplanned.get(service) ?? null
  }

  /** Its plan was made, of these. */
  planned(service: string, selections: Selections): void {
    this.#unplanned.delete(service)
    const said = tellCuts(selections)
    if (said === '') this.#cut.delete(service)
    else if (!this.#cut.has(service)) {
      this.#cut.add(service)
      this.#onError(`service ${service} answers with a part of its addresses`, new Error(said))
    }
  }

  failed(service: string, error: unknown): void {
    if (!this.#unplanned.has(service))
      this.#onError(`service ${service} has no plan and is answered as before`, error)
    this.#unplanned.set(service, error instanceof Error ? error.message : String(error))
  }

  forget(service: string): void {
    this.#unplanned.delete(service)
    this.#cut.delete(service)
  }
}
