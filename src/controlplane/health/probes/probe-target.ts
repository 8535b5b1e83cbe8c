import type { PeerCertificate } from '../../model/certificate.ts'
import type { Family } from '../../model/family.ts'
import type { MemberKey } from '../../model/member-key.ts'
import type { ProbeMonitor } from '../../model/monitor.ts'
import type { AddressPolicy, AddressText } from '../../model/pool.ts'
import type { PatternMatcher } from './pattern-matcher.ts'
import type { TlsClient } from './tls-client.ts'

/** Where and how to probe. */
export interface Probed {
  readonly address: AddressText
  readonly port: number
  readonly monitor: ProbeMonitor
}

/** A member with everything that probing it takes. */
export interface ProbeTarget extends MemberKey, Probed {}

/** All addresses of a host, in any order; rejects when it has none. What it does after `signal` aborts is not heeded. */
export type ResolveHost = (host: string, signal: AbortSignal) => Promise<readonly AddressText[]>

/** What a probe works with. */
export interface ProbeContext {
  readonly policy: AddressPolicy
  readonly tls: TlsClient
  readonly resolve: ResolveHost
  /** Whether this host has no address of a family that leads anywhere. */
  readonly lacks: (family: Family) => boolean
  readonly patterns: PatternMatcher
  /** Told of every certificate that a server has shown and that was verified. */
  readonly onCertificate?: (certificate: PeerCertificate) => void
  /** Ends the probe and its connection at once; its reason is the `Fault` to return. */
  readonly stop: AbortSignal
}
