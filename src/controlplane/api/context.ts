/**
 * What the API is handed by the daemon: the parts that it reads from and writes to, nothing of how they are made; by the
 * rooms of the API that use them.
 */
import type { Prefix } from '../../dataplane/wire/prefix.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { DnsCounters } from '../../telemetry/metrics/dns.ts'
import type { Metrics } from '../../telemetry/metrics/metrics.ts'
import type { Tracing } from '../../telemetry/tracing.ts'
import type { Plan } from '../apply/apply.ts'
import type { ReplayView } from '../apply/replay/replay-view.ts'
import type { Catalog, CatalogZone } from '../catalog/catalog.ts'
import type { ImageRrsets } from '../compile/image-rrsets.ts'
import type { ParentDs } from '../dnssec/parent-ds.ts'
import type { ServedZone } from '../dnssec/signed-zone-file.ts'
import type { WatchedZone } from '../dnssec/signing-watch.ts'
import type { KeyParts } from '../dnssec/zone-key.ts'
import type { ExplainQuestion, Explanation } from '../explain/explanation.ts'
import type { ReadCache } from '../feeds/cache/read-cache.ts'
import type { FeedWriter } from '../feeds/feed-writer.ts'
import type { Availability } from '../health/availability.ts'
import type { Vitals } from '../health/checked-member.ts'
import type { SealedKey } from '../model/dnssec.ts'
import type { Problem } from '../model/errors.ts'
import type { NewEvent, StoredEvent } from '../model/event.ts'
import type { GradualChange, GradualCourse, GradualPart } from '../model/gradual.ts'
import type { IdentityProvider } from '../model/identity-provider.ts'
import type { MemberKey } from '../model/member-key.ts'
import type { MemberReport, NodeRecord, Resolution } from '../model/observation.ts'
import type { PendingWord, WordTarget } from '../model/pending-word.ts'
import type { Webhook, WebhookStatus, WebhookTrial } from '../model/webhook.ts'
import type { FedUseNow } from '../serve/fed-watch.ts'
import type { HandedOutState } from '../serve/handed-out.ts'
import type { PreviewedService } from '../serve/preview.ts'
import type { ServiceReport, ServiceState } from '../serve/service-status.ts'
import type { ConditionReport } from '../steering/judge.ts'
import type { Database } from '../store/database.ts'
import type { HttpLimits } from './admission/limits.ts'

export interface ApiContext extends Ground, Observations, Operations, Signing, System, Tools {}

/** What every room stands on. */
export interface Ground {
  readonly database: Database
  /** What this node serves; null before it has a configuration. */
  readonly memory: () => Memory | null
  /** Of what was read of history and of feeds. */
  readonly cache: ReadCache
  /** Of rows of feeds; the process has one, which bounds what they may take of the database. */
  readonly feedWriter: FeedWriter
  readonly log: Logger
  readonly now: () => Date
  readonly metrics: Metrics
  /** SHA-256 of the admin token. */
  readonly adminTokenHash: Uint8Array
  /** Who signs people in to the console beside by tokens; nobody when left out. */
  readonly identityProvider?: IdentityProvider | null
  /** Told of requests and of what they write; nobody is when left out. */
  readonly tracing?: Tracing | null
  /** Names that this server answers for besides `localhost`, in lower case without a final dot; none when left out. */
  readonly httpHosts?: readonly string[]
  /** Whose word on a client's address is taken; nobody's when left out. */
  readonly trustedProxies?: readonly Prefix[]
  readonly publisher: {
    /** Resolves once this node's workers serve `revision` or a later one; rejects when the signal aborts. */
    reached(revision: number, signal: AbortSignal): Promise<void>
  }
  readonly fleet: {
    /** Ids of other live nodes that do not serve `revision` yet when the signal aborts; none as soon as all do. */
    behind(revision: number, signal: AbortSignal): Promise<readonly string[]>
  }
  /** Aborts when the server stops, after which nothing more is published; never when left out. */
  readonly stopping?: AbortSignal
  /** Others than those of `admission/limits.ts`. */
  readonly httpLimits?: Partial<HttpLimits>
}

/** The configuration in memory, for when the database is away. */
export interface Memory {
  readonly catalog: Catalog
  /** Whether it came from the database since the start: a snapshot holds no webhooks. */
  readonly whole: boolean
  /** Null when this node has no image of the zone. */
  rrsetsOf(zone: CatalogZone): ImageRrsets | null
}

/** What is known of resources beside their configuration. */
export interface Observations {
  /** Null when nothing is known of the service. */
  readonly serviceStatus: (name: string) => ServiceState | null
  /** What a pool's members come to; null when it has not been looked at. */
  readonly poolCondition: (pool: string) => ConditionReport | null
  /** What pools and services were when they were looked at last. */
  readonly conditions: {
    pools(): ReadonlyMap<string, ConditionReport>
    services(): ReadonlyMap<string, ServiceReport>
    /** When one became what it is; null for what was so when it was looked at first. */
    since(kind: 'pool' | 'service', name: string): Date | null
    /** What members and pools go by, now. */
    feedUses(): readonly FedUseNow[]
  }
  /** What resolving the host of a member has come to; null when it is not resolved. */
  readonly resolution: (host: string) => Resolution | null
  /** Whether this node answers with a member, of a drained one any live node, and until when clients may still have it. */
  readonly handedOut: (pool: string, member: string) => HandedOutState
  /** What this node has delivered to a webhook; null when it does not know it yet. */
  readonly webhookStatus: (name: string) => WebhookStatus | null
  readonly health: {
    availability(): Availability
    /** Why this node doubts its own network; null while it does not. */
    suspicion(): string | null
    vitals(pool: string, member: string): Vitals | null
    /** How long a report on a member is good; null for one that takes none, undefined when there is no such member. */
    reportTtlMs(pool: string, member: string): number | null | undefined
    report(report: MemberReport): void
    /** Whether a member answers again, and waits for an operator to let it come back. */
    waitsForFailBack(pool: string, member: string): boolean
  }
  /** Folder for zone files on their way in or out. */
  readonly spoolDirectory: string
}

/** What operators look at and act on. */
export interface Operations {
  /** Sends a webhook one message, to see whether it arrives. Throws `conflict` while it is being tried. */
  readonly tryWebhook: (webhook: Webhook, actor: string) => Promise<WebhookTrial>
  /** Puts what happened through the API on the record. */
  readonly tell: (event: NewEvent) => void
  /** Overrides that this node takes while the database is away. */
  readonly pending: {
    /** Whether something that was said of the same waits for the database. */
    waits(target: WordTarget): boolean
    /** Resolves when the word is on disk, to what resolves when it is served. Throws `unavailable` when it can't be kept. */
    take(word: PendingWord): Promise<{ readonly served: Promise<void> }>
  }
  readonly gradual: {
    /** Gradual changes that run, and those that ended lately; see `gradual/mover.ts`. */
    current(): readonly GradualChange[]
    /** Why one would go back at once; null when nothing fails of what would gain traffic. */
    failureOf(
      change: Pick<GradualCourse, 'haltWhen'> & { readonly parts: readonly GradualPart[] },
    ): string | null
  }
  readonly events: {
    /** Batches of events after `after`, or of those to come alone (null), until the signal aborts. */
    follow(after: number | null, signal: AbortSignal): AsyncIterable<readonly StoredEvent[]>
  }
  /** Others than those of `event-streams.ts`. */
  readonly streamLimits?: Partial<EventStreamLimits>
  /** How services would be answered by another configuration. */
  readonly preview: (catalog: Catalog) => Promise<(service: string) => PreviewedService | null>
  /** How often a member was in an answer for a service, by those whom this node counts. */
  readonly answersOf: (service: string) => readonly AnswerCount[]
  /** What a plan would do to the questions of the last minutes. Throws `conflict` when none are kept. */
  readonly replay: (plan: Plan, served: Catalog) => Promise<ReplayView>
  /** What a client is answered by this node, and why. */
  readonly explain: (question: ExplainQuestion) => Promise<Explanation>
}

/** What is done with keys, and known of signatures. */
export interface Signing {
  readonly signing: {
    /** What this node knows of the signatures of a zone; null when it has none. */
    zone(apex: string): WatchedZone | null
    /** Whether none of them is good any more. */
    hasEnded(apex: string): boolean
    /** Throws `conflict` when the key file can't be used. */
    seal(apex: string, parts: KeyParts, isFirst: boolean): SealedKey
    /** Throws `conflict` when the key can't be opened. */
    open(apex: string, key: SealedKey): KeyParts
    /** Whether the parent of a zone has a DS for it. */
    parentDs(apex: string, signal: AbortSignal): Promise<ParentDs>
    /** What this node serves of a zone that is signed; null while it serves none that is. */
    served(apex: string): ServedZone | null
  }
}

/** What the process says of itself. */
export interface System {
  readonly version: string
  /** Whether the process runs in Kubernetes. */
  readonly kubernetes: boolean
  /** Whether `/metrics` needs a token; it does not when left out. */
  readonly metricsAccess?: 'open' | 'token'
  /** A connection could not be accepted, by a fault of this host. */
  readonly onNotAccepted?: (error: Error) => void
  readonly node: {
    readonly id: string
    /** After so long without a word a node is not there any more. */
    readonly liveForMs: number
    /** The nodes as the last exchange with the database had them. Bounded by the fleet. */
    known(): readonly NodeRecord[]
    /** Of the configuration that this node serves whole; -1 before the first. */
    revision(): number
  }
  /** What its DNS workers have counted until now. */
  readonly traffic: () => Promise<DnsCounters>
  readonly readiness: {
    /** Whether this process can answer DNS at all. */
    canAnswer(): boolean
    /** What is missing before it serves and knows which members are healthy; empty once it does. */
    missing(): readonly Problem[]
    /** What an operator should know though the process serves. */
    warnings?(): readonly string[]
  }
  /** Rows of the database that can't be used now, a line each; bounded. */
  readonly badRows: () => readonly string[]
  /** What a start without the database would serve. */
  readonly snapshot: {
    /** When it was last what the database says; null when there is none. */
    writtenAt(): Date | null
    /** What is wrong with it; bounded. */
    troubles(): readonly string[]
  }
}

/** What the tools look things up by. */
export interface Tools {
  /** The lookup tool's view of what this daemon itself is authoritative for. */
  readonly ownZones: {
    /** `name` in lower case without a final dot. */
    lookupA(name: string): {
      readonly inZone: boolean
      readonly addresses: readonly string[]
      /** Name outside of our zones that a chain of CNAMEs ends at; null when there is none. */
      readonly leadsTo: string | null
    }
  }
  /** Whether lookup, validate and history are open to clients on this host. */
  readonly publicTools: boolean
  /** Whether they are to everybody. */
  readonly publicToolsAnywhere?: boolean
  /** Resolvers of the lookup tool and of members' hosts as `address`, `address:port` or `[address]:port`; empty means the system's. */
  readonly resolvers: readonly string[]
  /** Most uses of the tools by one client in a minute; 300 when left out. */
  readonly toolsPerMinute?: number
}

export interface AnswerCount extends MemberKey {
  /** Since the start of the process that answers, or since the member came. */
  readonly count: number
}

export interface EventStreamLimits {
  /** Streams of this node. */
  readonly most: number
  /** How long a client may take for what was written to it. */
  readonly patienceMs: number
  /** Between comments. */
  readonly heartbeatMs: number
}
