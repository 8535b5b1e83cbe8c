import { Counter, Gauge, type Registry } from 'prom-client'

export interface MemberKey {
  readonly pool: string
  readonly member: string
}

/** The health of members. Bound: the members of the configuration, times the states and the kinds of failure. */
export class MemberMetrics {
  readonly #up: Gauge
  readonly #transitions: Counter
  readonly #duration: Gauge
  readonly #failures: Counter
  /** What a member's series with a third label were called, to remove them. */
  readonly #seen = new Map<string, { key: MemberKey; to: Set<string>; reasons: Set<string> }>()

  constructor(registry: Registry) {
    const registers = [registry]
    const labelNames = ['pool', 'member'] as const
    this.#up = new Gauge({
      name: 'pooldns_member_up',
      help: 'Measured state of a member: 1 up, 0 down, absent until its first probe.',
      labelNames,
      registers,
    })
    this.#transitions = new Counter({
      name: 'pooldns_member_transitions_total',
      help: 'Changes of a member between up and down.',
      labelNames: [...labelNames, 'to'],
      registers,
    })
    // A histogram a member would be a dozen series for each of ten thousand.
    this.#duration = new Gauge({
      name: 'pooldns_probe_duration_seconds',
      help: 'Time that the last probe of a member took.',
      labelNames,
      registers,
    })
    this.#failures = new Counter({
      name: 'pooldns_probe_failures_total',
      help: 'Probes that failed, by the kind of failure.',
      labelNames: [...labelNames, 'reason'],
      registers,
    })
  }

  /** The members that are probed now; series of all others go away. */
  retain(members: Iterable<MemberKey>): void {
    const kept = new Set<string>()
    for (const key of members) {
      const id = idOf(key)
      kept.add(id)
      if (!this.#seen.has(id)) this.#seen.set(id, { key: labels(key), to: new Set(), reasons: new Set() })
    }
    for (const [id, { key, to, reasons }] of this.#seen) {
      if (kept.has(id)) continue
      this.#seen.delete(id)
      this.#up.remove({ ...key })
      this.#duration.remove({ ...key })
      for (const state of to) this.#transitions.remove({ ...key, to: state })
      for (const reason of reasons) this.#failures.remove({ ...key, reason })
    }
  }

  /** The measured state of a member. Ignores members that are not set. */
  state(key: MemberKey, state: 'up' | 'down' | 'unknown'): void {
    if (!this.#seen.has(idOf(key))) return
    if (state === 'unknown') this.#up.remove(labels(key))
    else this.#up.set(labels(key), Number(state === 'up'))
  }

  transition(key: MemberKey, to: 'up' | 'down' | 'unknown'): void {
    const seen = this.#seen.get(idOf(key))
    if (seen === undefined) return
    seen.to.add(to)
    this.#transitions.inc({ ...labels(key), to })
    this.state(key, to)
  }

  /** One probe; `failure` is its kind (a word of a fixed list), or null when it succeeded. */
  probe(key: MemberKey, durationMs: number, failure: string | null): void {
    const seen = this.#seen.get(idOf(key))
    if (seen === undefined) return
    this.#duration.set(labels(key), durationMs / 1000)
    if (failure === null) return
    seen.reasons.add(failure)
    this.#failures.inc({ ...labels(key), reason: failure })
  }
}

function labels({ pool, member }: MemberKey): { pool: string; member: string } {
  return { pool, member }
}

/** Names of pools and members hold no space. */
function idOf({ pool, member }: MemberKey): string {
  return `${pool} ${member}`
}

/** What resolving the host of a member has come to. */
export interface HostCounts extends MemberKey {
  /** That the host has now. */
  readonly addresses: number
  /** Lookups that gave less than they should. */
  readonly failures: number
}

/** Bound: the members that are hosts. */
export function registerHostMetrics(registry: Registry, hosts: () => readonly HostCounts[]): void {
  const common = { labelNames: ['pool', 'member'] as const, registers: [registry] }
  new Counter({
    ...common,
    name: 'pooldns_resolve_failures_total',
    help: "Lookups of a member's host that failed, or found nothing where there was something.",
    collect() {
      this.reset()
      for (const host of hosts()) this.inc(labels(host), host.failures)
    },
  })
  new Gauge({
    ...common,
    name: 'pooldns_resolved_addresses',
    help: "Addresses that a member's host has, the last good ones while lookups fail.",
    collect() {
      this.reset()
      for (const host of hosts()) this.set(labels(host), host.addresses)
    },
  })
}
