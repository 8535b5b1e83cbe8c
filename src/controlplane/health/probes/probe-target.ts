import type { ProbeMonitor } from '../../model/monitor.ts'
import type { AddressText } from '../../model/pool.ts'
import type { AddressPolicy } from './address-policy.ts'
import type { TlsClient } from './tls-client.ts'

/** A member with everything that probing it takes. */
export interface ProbeTarget {
  readonly pool: string
  readonly member: string
  /** Where to connect. */
  readonly address: AddressText
  readonly port: number
  readonly monitor: ProbeMonitor
}

/** All addresses of a host, in any order; rejects when it has none. What it does after `signal` aborts is not heeded. */
export type ResolveHost = (host: string, signal: AbortSignal) => Promise<readonly AddressText[]>

/** What the probes of a node share. */
export interface ProbeContext {
  readonly policy: AddressPolicy
  readonly tls: TlsClient
  readonly resolve: ResolveHost
}
