import type { Registry } from 'prom-client'
import { expose, exposeCounts, type Series, tallies, tally } from './series.ts'

/** A member's other state is `unknown`, into which it seldom goes. */
const usualStates = ['up', 'down']

interface MemberKey {
  readonly pool: string
  readonly member: string
}

interface Seen {
  readonly labels: { readonly pool: string; readonly member: string }
  state: 'up' | 'down' | 'unknown'
  /** Null before the first probe. A histogram a member would be a dozen series for each of ten thousand. */
  durationMs: number | null
  readonly transitions: Map<string, number>
  readonly failures: Map<string, number>
}

/** The health of members. Bound: the members of the configuration, times the states and the kinds of failure. */
export class MemberMetrics {
  readonly #seen = new Map<string, Seen>()

  constructor(registry: Registry) {
    const seen = this.#seen
    const each = (read: (seen: Seen) => readonly Series[]) =>
      function* () {
        for (const one of seen.values()) yield* read(one)
      }
    const up = 'Measured state of a member: 1 up, 0 down, absent until its first probe.'
    const states = each(({ labels, state }) =>
      state === 'unknown' ? [] : [{ labels, value: Number(state === 'up') }],
    )
    expose(registry, 'gauge', 'pooldns_member_up', up, states)
    const transitions = each(({ labels, transitions }) =>
      Array.from(transitions, ([to, value]) => ({ labels: { ...labels, to }, value })),
    )
    const changes = 'Changes of a member between up and down.'
    expose(registry, 'counter', 'pooldns_member_transitions_total', changes, transitions)
    const durations = each(({ labels, durationMs }) =>
      durationMs === null ? [] : [{ labels, value: durationMs / 1000 }],
    )
    const took = 'Time that the last probe of a member took.'
    expose(registry, 'gauge', 'pooldns_probe_duration_seconds', took, durations)
    const failures = each(({ labels, failures }) =>
      Array.from(failures, ([reason, value]) => ({ labels: { ...labels, reason }, value })),
    )
    const failed = 'Probes that failed, by the kind of failure.'
    expose(registry, 'counter', 'pooldns_probe_failures_total', failed, failures)
  }

  /** The members that are probed now; series of all others go away. */
  retain(members: Iterable<MemberKey>): void {
    const kept = new Set<string>()
    for (const { pool, member } of members) {
      const id = idOf({ pool, member })
      kept.add(id)
      if (this.#seen.has(id)) continue
      const counts = { transitions: tallies(usualStates), failures: new Map() }
      this.#seen.set(id, { labels: { pool, member }, state: 'unknown', durationMs: null, ...counts })
    }
    for (const id of this.#seen.keys()) if (!kept.has(id)) this.#seen.delete(id)
  }

  /** The measured state of a member. Ignores members that are not set. */
  state(key: MemberKey, state: Seen['state']): void {
    const seen = this.#seen.get(idOf(key))
    if (seen !== undefined) seen.state = state
  }

  transition(key: MemberKey, to: Seen['state']): void {
    const seen = this.#seen.get(idOf(key))
    if (seen === undefined) return
    tally(seen.transitions, to)
    seen.state = to
  }

  /** One probe; `failure` is its kind (a word of a fixed list), or null when it succeeded. */
  probe(key: MemberKey, durationMs: number, failure: string | null): void {
    const seen = this.#seen.get(idOf(key))
    if (seen === undefined) return
    seen.durationMs = durationMs
    if (failure !== null) tally(seen.failures, failure)
  }
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
  const failed = "Lookups of a member's host that failed, or found nothing where there was something."
  exposeCounts(registry, 'pooldns_resolve_failures_total', failed, () =>
    hosts().map(({ pool, member, failures }) => ({ pool, member, count: failures })),
  )
  const addresses = "Addresses that a member's host has, the last good ones while lookups fail."
  expose(registry, 'gauge', 'pooldns_resolved_addresses', addresses, () =>
    hosts().map(({ pool, member, addresses }) => ({ labels: { pool, member }, value: addresses })),
  )
}

/** When the certificate that a member has shown ends. */
export interface CertificateEnd extends MemberKey {
  readonly notAfterMs: number
}

/** Bound: the members that are probed with TLS. */
export function registerCertificateMetrics(registry: Registry, ends: () => readonly CertificateEnd[]): void {
  const help =
    "When the certificate that a member's probes were shown last ends, in seconds since 1970; of several the first."
  expose(registry, 'gauge', 'pooldns_probe_certificate_not_after_seconds', help, () =>
    ends().map(({ pool, member, notAfterMs }) => ({ labels: { pool, member }, value: notAfterMs / 1000 })),
  )
}
