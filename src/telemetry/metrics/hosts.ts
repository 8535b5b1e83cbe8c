import { Counter, Gauge, type Registry } from 'prom-client'
import { labels, type MemberKey } from './members.ts'

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
