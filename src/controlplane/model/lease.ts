/** Leases of a node on zones whose keys are rolled over (`dnssec/zone-leases.ts`). */

/** A lease as the snapshot has it. */
export interface WrittenLease {
  readonly apex: string
  readonly forMs: number
  /** When it was renewed last; for one that nobody was told of, when it was written. */
  readonly since: Date
  /** The same by the time since the machine was started, and which start that was; left out where that is not known. */
  readonly uptime?: { readonly boot: string; readonly ms: number }
}

/** What a heartbeat tells of leases. */
export interface LeaseRenewal {
  /** By apex, for how many milliseconds the node answers a zone when it is silent. */
  readonly leases: Readonly<Record<string, number>>
  /** To be called when the heartbeat has arrived. */
  readonly arrived: () => void
}
