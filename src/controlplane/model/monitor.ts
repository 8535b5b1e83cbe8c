/**
 * Monitors: how to know of a member whether it is healthy. Each type has its own settings. Those that probe members share a
 * timing and the parameters of the machine that turns verdicts into a state; `push`, `static`, `feed` and `composite` ask nobody.
 */

import type { EndingRule } from './certificate.ts'
import type { FeedUse } from './feed-use.ts'

export const monitorTypes = [
  'http',
  'https',
  'tcp',
  'dns',
  'grpc',
  'push',
  'static',
  'feed',
  'composite',
] as const
export type MonitorType = (typeof monitorTypes)[number]

/** An inclusive range of HTTP status codes. */
export interface CodeRange {
  readonly from: number
  readonly to: number
}

/** How verdicts, one after another, become a state: the parameters of the machine in `health/monitor.ts`. */
export interface Judging {
  /** Consecutive successes that turn `down` to `up`. */
  readonly rise: number
  /** Failures that turn `up` to `down`. */
  readonly fall: number
  /**
   * Consecutive successes after which earlier failures no longer count towards `fall`. With 1 the failures must be
   * consecutive; more is the leaky counter of gdnsd (its `ok_thresh`).
   */
  readonly clear: number
  /** While failures count towards `fall`, the next probe comes after this instead of the interval; null: it does not. */
  readonly recheckMs: number | null
  /** `manual`: a member that went down stays down until an operator lets it come back. */
  readonly failBack: 'auto' | 'manual'
  /** How long a member that is down must succeed without a failure, beyond `rise`, before it is up; 0 for no longer. */
  readonly failBackDelayMs: number
  /** Null: a member may change its state as often as it likes. */
  readonly flap: FlapLimit | null
}

/** A member that goes down more than `changes` times within `withinMs` is held down for a time that doubles each time. */
export interface FlapLimit {
  readonly changes: number
  readonly withinMs: number
  readonly holdMs: number
  /** Never below `holdMs`. */
  readonly maxHoldMs: number
}

/** What monitors that probe a member have in common. */
export interface ProbeTiming extends Judging {
  readonly intervalMs: number
  /** Never above `intervalMs`. */
  readonly timeoutMs: number
}

/** What must and must not be in a text; null asks for nothing. Patterns are in the syntax of RE2, which runs in linear time. */
export interface TextExpectation {
  /** A substring. */
  readonly contains: string | null
  readonly matches: string | null
  readonly lacks: string | null
  readonly mismatches: string | null
}

export interface TlsSettings {
  /** The name for SNI and in the certificate; null means the host that is asked, or no SNI for an address. */
  readonly serverName: string | null
  /** Certificates in PEM that are trusted instead of the system's; null for those. */
  readonly ca: string | null
  /** Name of the pair of files, `NAME.crt` and `NAME.key`, that this node has in its directory of client certificates. */
  readonly clientCertificate: string | null
  /** A certificate that ends sooner counts against its member as `endingFails` says; 0 for one that is valid now. */
  readonly minDaysLeft: number
  readonly endingFails: EndingRule
  /** One that ends sooner is told of once, as is one below `minDaysLeft`; 0 for nothing more than that. */
  readonly warnDaysLeft: number
}

/** Where a response says what share of its weight, 0 to 100 percent, the member wants to have. */
export type WeightSource =
  | { readonly kind: 'header'; readonly name: string }
  /** A JSON pointer (RFC 6901) into the body. */
  | { readonly kind: 'json'; readonly pointer: string }

export const httpMethods = ['GET', 'HEAD', 'POST', 'PUT', 'OPTIONS'] as const
export type HttpMethod = (typeof httpMethods)[number]

export interface HttpMonitor extends ProbeTiming {
  readonly name: string
  readonly type: 'http' | 'https'
  readonly port: number
  readonly method: HttpMethod
  /** Origin-form request target, begins with `/`. */
  readonly path: string
  /** Host header (and SNI for https); null means the member's host where it has one, else the probed address. */
  readonly host: string | null
  /** Names in lower case and in their order, no `host`, no two the same. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** What the request carries; null for nothing. */
  readonly body: string | null
  readonly expectCodes: readonly CodeRange[]
  /** What the first 64 KiB of the body must hold. */
  readonly expectBody: TextExpectation
  /** How many redirects a probe follows; 0 judges the redirect itself. */
  readonly followRedirects: number
  readonly weight: WeightSource | null
  /** Looked at with https, also behind a redirect from http to https. */
  readonly tls: TlsSettings
}

/** Connects; sends `send` if there is any, and reads until what comes is as expected. */
export interface TcpMonitor extends ProbeTiming {
  readonly name: string
  readonly type: 'tcp'
  readonly port: number
  readonly send: string | null
  /** What the first 64 KiB must hold. */
  readonly expect: TextExpectation
  /** Null: without TLS. */
  readonly tls: TlsSettings | null
}

export interface DnsMonitor extends ProbeTiming {
  readonly name: string
  readonly type: 'dns'
  readonly port: number
  readonly transport: 'udp' | 'tcp'
  /** Absolute, with the final dot. */
  readonly qname: string
  /** Mnemonic in upper case. */
  readonly qtype: string
  /** Mnemonics in upper case, such as NOERROR. */
  readonly expectRcodes: readonly string[]
  /** RDATA in presentation form, all of which the answer section must hold; empty asks for nothing. */
  readonly expectData: readonly string[]
}

/** The gRPC health checking protocol, version 1. */
export interface GrpcMonitor extends ProbeTiming {
  readonly name: string
  readonly type: 'grpc'
  readonly port: number
  /** Empty asks for the server as a whole. */
  readonly service: string
  /** Null: without TLS. */
  readonly tls: TlsSettings | null
}

/** The member, or who knows of it, reports by API. */
export interface PushMonitor {
  readonly name: string
  readonly type: 'push'
  /** How long a report that names no time of its own is good. */
  readonly ttlMs: number
}

export interface StaticMonitor {
  readonly name: string
  readonly type: 'static'
  readonly state: 'up' | 'down'
}

/** Up while the newest value of a column is good and within bounds. */
export interface FeedMonitor extends FeedUse {
  readonly name: string
  readonly type: 'feed'
  /** The least that it may be; null: any. One of the two is told. */
  readonly min: number | null
  /** The most; not below `min`. */
  readonly max: number | null
  /** How far within its bounds the value must be before a member that is down is up. */
  readonly back: number
}

/** Judges by what other monitors say of the same member. */
export interface CompositeMonitor {
  readonly name: string
  readonly type: 'composite'
  /** Names; none leads back here. */
  readonly monitors: readonly string[]
  /** How many of them must be up: every one, one, or a number. */
  readonly require: 'all' | 'any' | number
  /** Up when it would be down, and the other way round. */
  readonly invert: boolean
}

export type ProbeMonitor = HttpMonitor | TcpMonitor | DnsMonitor | GrpcMonitor

/** How to know of a member whether it is healthy, and how to judge what probes say. */
export type Monitor = ProbeMonitor | PushMonitor | StaticMonitor | FeedMonitor | CompositeMonitor
