/** Zones and their RRsets. Names are in presentation form; the data plane has them in wire form. */
import type { ZoneSigning } from './dnssec.ts'

export interface Soa {
  /** Absolute names with the final dot. */
  readonly mname: string
  readonly rname: string
  /** Served exactly, 0..2^32-1; null when the store raises the serial at every change. */
  readonly fixedSerial: number | null
  readonly refreshSeconds: number
  readonly retrySeconds: number
  readonly expireSeconds: number
  readonly minimumSeconds: number
}

/** All RRs of one owner and type, with one TTL (RFC 2181 section 5). */
export interface Rrset {
  /** Relative to the apex and in lower case, `@` for the apex itself. */
  readonly owner: string
  /** Mnemonic in upper case. Never SOA: that is the zone's own field. */
  readonly type: string
  /** null inherits the zone's TTL. */
  readonly ttlSeconds: number | null
  /** RDATA in presentation form, canonical, at least one, no two the same. */
  readonly data: readonly string[]
}

export interface ZoneHead {
  /** Absolute, lower case, without the final dot (the root is `.`). */
  readonly apex: string
  readonly soa: Soa
  /** TTL of RRsets that have none of their own, and of the SOA. */
  readonly ttlSeconds: number
  /** How it is signed (DNSSEC); null when it is not. */
  readonly dnssec: ZoneSigning | null
}

export interface Zone extends ZoneHead {
  readonly rrsets: readonly Rrset[]
}
