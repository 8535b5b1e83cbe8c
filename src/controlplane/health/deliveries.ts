/**
 * What the checker tells others, once at the end of each turn of the event loop (`setImmediate` runs right after the sockets
 * and timers of a turn), so that all transitions of one turn, such as the 512 timeouts of a rack that went dark, are one callback
 * and one swap of the table. A microtask would be earlier by microseconds and would run after every single one.
 *
 * Bound: what one turn brings, at most one event per member, and one for each certificate that it shows.
 */
import type { HealthEvent, MemberHealth } from '../model/observation.ts'
import type { AvailabilityTable } from './availability.ts'
import type { CertificateNews } from './certificate-watch.ts'

/** Whom it is told. None of these may throw. */
export interface DeliveryListeners {
  /** Transitions of one turn, in the order in which they happened, and the pools they are in; the table holds them already. */
  readonly onTransitions: (events: HealthEvent[], changedPools: ReadonlySet<string>) => void
  /** A certificate of a member comes to its end, or has been renewed; with what is known of the member, transitions included. */
  readonly onCertificate?: (health: MemberHealth, news: CertificateNews) => void
  /**
   * Pools in which something else changed that answers may depend on: how near a member is to a change, what weight it
   * wants, since when it is up. At most once a turn.
   */
  readonly onVitals?: (changedPools: ReadonlySet<string>) => void
  /** This node's own word on members that nodes agree upon is another one. At most once a turn. */
  readonly onVerdicts?: () => void
}

export class Deliveries {
  readonly #listeners: DeliveryListeners
  readonly #table: AvailabilityTable
  /** After everything else. */
  readonly #onDelivered: () => void
  #events: HealthEvent[] = []
  #certificates: { health: () => MemberHealth; news: CertificateNews }[] = []
  #vitals = new Set<string>()
  #verdicts = false
  #next: NodeJS.Immediate | null = null

  constructor(listeners: DeliveryListeners, table: AvailabilityTable, onDelivered: () => void) {
    this.#listeners = listeners
    this.#table = table
    this.#onDelivered = onDelivered
  }

  addEvent(event: HealthEvent): void {
    this.#events.push(event)
    this.soon()
  }

  /** @param health asked for when it is delivered, after the transitions of the turn */
  addCertificate(health: () => MemberHealth, news: CertificateNews): void {
    this.#certificates.push({ health, news })
    this.soon()
  }

  addVitals(pool: string): void {
    this.#vitals.add(pool)
    this.soon()
  }

  addVerdicts(): void {
    this.#verdicts = true
    this.soon()
  }

  /** Publishes the table, too, at the end of the turn. */
  soon(): void {
    this.#next ??= setImmediate(() => this.now())
  }

  now(): void {
    if (this.#next !== null) clearImmediate(this.#next)
    this.#next = null
    this.#table.publish()
    if (this.#events.length > 0) {
      const events = this.#events
      this.#events = []
      const changedPools = new Set(events.map(({ pool }) => pool))
      // Their plans are made anew anyway.
      for (const pool of changedPools) this.#vitals.delete(pool)
      this.#listeners.onTransitions(events, changedPools)
    }
    const certificates = this.#certificates
    this.#certificates = []
    for (const { health, news } of certificates) this.#listeners.onCertificate?.(health(), news)
    if (this.#vitals.size > 0) {
      const pools = this.#vitals
      this.#vitals = new Set()
      this.#listeners.onVitals?.(pools)
    }
    if (this.#verdicts) {
      this.#verdicts = false
      this.#listeners.onVerdicts?.()
    }
    this.#onDelivered()
  }
}
