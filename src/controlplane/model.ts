/**
 * The configuration as it is inside the control plane: parsed once at an edge (the document, an API body, a
 * database row) into values that can't be wrong any more. Times are milliseconds or seconds and say so; names
 * are lower-cased; addresses are canonical text. The external form (durations as `10s`, maps by name) lives in
 * `document/`, the rows in `store/`; both convert to and from these types.
 */

/** An IPv4 or IPv6 address in canonical text form (RFC 5952 for IPv6). */
export type AddressText = string

export const monitorTypes = ['http', 'https', 'tcp', 'dns', 'grpc', 'push', 'static', 'composite'] as const
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
  /** For SNI and for the certificate; null means the host that is asked, or no SNI for an address. */
  readonly serverName: string | null
  /** Certificates in PEM that are trusted instead of the system's; null for those. */
  readonly ca: string | null
  /** Name of the pair of files, `NAME.crt` and `NAME.key`, that this node has in its directory of client certificates. */
  readonly clientCertificate: string | null
  /** A certificate that ends sooner fails the probe; 0 for one that is valid now. */
  readonly minDaysLeft: number
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
  /** Of the request; null sends none. */
  readonly body: string | null
  readonly expectCodes: readonly CodeRange[]
  /** Of the first 64 KiB of the body. */
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
  /** Of the first 64 KiB. */
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
export type Monitor = ProbeMonitor | PushMonitor | StaticMonitor | CompositeMonitor

/** How many bits of a client's address are its key: clients that share them get the same choice. */
export interface ClientPrefix {
  /** 1..32 */
  readonly ipv4: number
  /** 1..128 */
  readonly ipv6: number
}

/** Degrees: latitude -90..90, longitude -180..180. */
export interface Location {
  readonly latitude: number
  readonly longitude: number
}

/** Members of one priority, for pools that select by `failover`. */
export interface Tier {
  readonly priority: number
  readonly minUp: number
}

/** How a member counts that has not been measured: as up, as down, or as what it was when it was measured last (else up). */
export const unknownCounts = ['up', 'down', 'last-known'] as const
export type UnknownCounts = (typeof unknownCounts)[number]

/** Whose verdict counts: this node's, or that of most nodes. */
export const quorums = ['own', 'majority'] as const
export type Quorum = (typeof quorums)[number]

/** One of the things that a service chooses among: a pool, or another service. */
export interface Choice {
  readonly kind: 'pool' | 'service'
  /** Of a pool, or of a service as in `Service`. */
  readonly name: string
  /** 0..65535, of `weighted` and `hash`; 0 is chosen only when nothing else is up. */
  readonly weight: number
  /** -99..99, of `nearest`: above 0 the choice is taken to be nearer than it is, below it farther. */
  readonly bias: number
  /** Of `nearest`; null means the pool's. */
  readonly location: Location | null
}

/**
 * Of `geo`: where a client is, to the choices for it in order of preference, by their place in `Service.choices`. What is
 * more exact goes first: cidr (the longest prefix), asn, subdivision, country, continent; a client of none of them gets
 * `default`, and when nothing of its list is up, so does every client.
 */
export interface GeoRules {
  /** Prefixes such as `192.0.2.0/24`, in canonical form; the entries of each map stand in the order of their keys. */
  readonly cidr: readonly (readonly [prefix: string, choices: readonly number[]])[]
  readonly asn: readonly (readonly [asn: number, choices: readonly number[]])[]
  /** ISO 3166-2, such as `US-CA`. */
  readonly subdivision: readonly (readonly [code: string, choices: readonly number[]])[]
  /** ISO 3166-1 alpha-2, such as `CH`. */
  readonly country: readonly (readonly [code: string, choices: readonly number[]])[]
  /** AF, AN, AS, EU, NA, OC or SA. */
  readonly continent: readonly (readonly [code: string, choices: readonly number[]])[]
  readonly default: readonly number[]
}

export const poolSelects = ['all', 'weighted', 'failover', 'hash'] as const
export type PoolSelect = (typeof poolSelects)[number]

/**
 * How the members of a pool that are host names are answered: with the addresses that resolving them gives, or with a
 * CNAME to one of them. Every member of a `cname` pool is a host.
 */
export const poolHosts = ['resolve', 'cname'] as const
export type PoolHosts = (typeof poolHosts)[number]

interface MemberSettings {
  readonly name: string
  /** 0..65535; relative to the other members of the pool. */
  readonly weight: number
  /** 1..1000; of `failover`, in which the members of the lowest number that are up go first. */
  readonly priority: number
  /** Probed instead of the member's own address, when the health endpoint lives elsewhere. */
  readonly probeAddress: AddressText | null
  /** Probed instead of the monitor's port. */
  readonly probePort: number | null
}

/** One address of a pool. */
export interface AddressMember extends MemberSettings {
  readonly address: AddressText
  readonly host: null
}

/** A host name in the place of an address: whatever addresses it has at the time. */
export interface HostMember extends MemberSettings {
  readonly address: null
  /** Absolute, in lower case, with the final dot. */
  readonly host: string
}

export type Member = AddressMember | HostMember

export interface Pool {
  readonly name: string
  /** Name of the monitor; null means that members are not probed and count as up. */
  readonly monitor: string | null
  readonly select: PoolSelect
  /** Most members in one answer; null means every one for `all` and `failover`, and 1 for `weighted` and `hash`. */
  readonly answers: number | null
  /** Share (0..1) of members that must be up for the pool to be up; with 0 a single one suffices. */
  readonly minUp: number
  readonly hosts: PoolHosts
  readonly unknown: UnknownCounts
  /**
   * What the pool itself answers when it is down, and then it counts as up to who names it; null: it counts as down, and
   * who names it decides.
   */
  readonly whenAllDown: AllDownPolicy | null
  /** Pool that is served whole, unprobed, when `whenAllDown` is `fallback`; null with any other policy. */
  readonly fallback: string | null
  /** Of `failover`, in ascending order of priority: tiers whose `minUp` is not the pool's. */
  readonly tiers: readonly Tier[]
  /** Of `hash`. */
  readonly hashPrefix: ClientPrefix
  /** How long the weight of a member that came back rises from a tenth to all of it; 0 for at once. */
  readonly slowStartMs: number
  /** Where the pool is, for services that steer by `nearest`. */
  readonly location: Location | null
  readonly quorum: Quorum
  /** In the order of the document; names, addresses and hosts are unique inside the pool. */
  readonly members: readonly Member[]
}

export const serviceSteers = ['failover', 'weighted', 'hash', 'geo', 'nearest', 'latency'] as const
export type ServiceSteer = (typeof serviceSteers)[number]

export const allDownPolicies = ['serve-all', 'last-known', 'fallback', 'nodata', 'servfail'] as const
export type AllDownPolicy = (typeof allDownPolicies)[number]

/** A name that is answered with the members of a pool, chosen by the service itself or by one that it names. */
export interface Service {
  /** Absolute name in lower case with the final dot left out, as in the document. */
  readonly name: string
  readonly ttlSeconds: number
  /**
   * Served while a member is about to change its state or a pool is degraded, never above `ttlSeconds`; null: the TTL does
   * not depend on health.
   */
  readonly minTtlSeconds: number | null
  readonly steer: ServiceSteer
  /** In order of preference; at least one, no two of the same kind and name. In the document: `pools`. */
  readonly choices: readonly Choice[]
  /** Not null exactly with `geo`. */
  readonly geo: GeoRules | null
  /** Of `hash`. */
  readonly hashPrefix: ClientPrefix
  /** Of `latency`: another pool is chosen only when it is faster by this share (0..1) of the time of the one before. */
  readonly hysteresis: number
  readonly whenAllDown: AllDownPolicy
  /** Pool that is served whole, unprobed, when `whenAllDown` is `fallback`; null with any other policy. */
  readonly fallback: string | null
}

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
}

export interface Zone extends ZoneHead {
  readonly rrsets: readonly Rrset[]
}

/** The whole configuration; what one document holds. Absent kinds are empty. */
export interface Configuration {
  readonly monitors: readonly Monitor[]
  readonly pools: readonly Pool[]
  readonly services: readonly Service[]
  readonly zones: readonly Zone[]
}

export const healthStates = ['up', 'down', 'unknown'] as const
export type HealthState = (typeof healthStates)[number]

export const overrideStates = ['up', 'down', 'drain'] as const
export type OverrideState = (typeof overrideStates)[number]

/** An operator's word on members. It stands beside the measured state and never replaces it. */
export interface Override {
  /** The pool's name, or a pattern (`glob.ts`) for such names. */
  readonly pool: string
  /** The member's name, or a pattern for such names. */
  readonly member: string
  readonly state: OverrideState
  /** When it ends by itself; null means that it stays until it is deleted. */
  readonly until: Date | null
  readonly reason: string
  readonly actor: string
  readonly since: Date
}

/** What the probes of one member have said, as it is kept in the store. */
export interface MemberHealth {
  readonly pool: string
  readonly member: string
  readonly state: HealthState
  readonly since: Date
  /** Such as `status 503`, `timeout after 3000 ms`, `connect ECONNREFUSED`. */
  readonly reason: string
}

/** What somebody reports of a member with a push monitor. */
export interface MemberReport {
  readonly pool: string
  readonly member: string
  readonly state: 'up' | 'down'
  readonly reason: string
  /** Share of its weight that the member wants, 0 to 100; null when it does not say. */
  readonly weightPercent: number | null
  readonly at: Date
  readonly until: Date
}

/** A daemon on this database. */
export interface NodeRecord {
  readonly id: string
  readonly name: string | null
  readonly version: string
  readonly startedAt: Date
  /** By the database's clock. */
  readonly seenAt: Date
  /** Of the configuration that it serves. */
  readonly revision: number
  /** It doubts its own network. */
  readonly suspect: boolean
  /** Seen lately. */
  readonly live: boolean
}

/** What a node has measured, by pool and member. */
export type NodeVerdicts = Readonly<Record<string, Readonly<Record<string, 'up' | 'down'>>>>

export const resolutionStates = ['pending', 'fresh', 'stale', 'failed', 'absent'] as const
/**
 * - `pending`: not asked yet since the start
 * - `fresh`: the last lookup gave the addresses
 * - `stale`: the last lookup did not, and the addresses are those of the last good one
 * - `failed`: no lookup has ever given an answer
 * - `absent`: the host has no address
 */
export type ResolutionState = (typeof resolutionStates)[number]

/** What resolving a host has come to. */
export interface Resolution {
  readonly host: string
  readonly state: ResolutionState
  /** IPv4 first, each family in numerical order, so that resolvers that rotate their answers change nothing. */
  readonly addresses: readonly AddressText[]
  /** When the addresses became what they are. */
  readonly since: Date
  /** End of the TTL that a `fresh` resolution came with; null with any other state. */
  readonly expiresAt: Date | null
  /** Why the last lookup gave no address, or none of one family although it had some; null when all is well. */
  readonly error: string | null
}

/** A transition of a member's measured state. */
export interface HealthEvent {
  readonly pool: string
  readonly member: string
  readonly from: HealthState
  readonly to: HealthState
  readonly reason: string
  readonly at: Date
}

/** A lookup that the lookup tool answered with at least one address. */
export interface Lookup {
  readonly domain: string
  readonly clientIp: string
  readonly createdAt: Date
  readonly addresses: readonly string[]
}
