/** What an explanation holds. See `explain.ts`. */
import type { Place } from '../location/place.ts'
import type { Override } from '../model/override.ts'
import type { AddressText } from '../model/pool.ts'
import type { MemberJudgement, PoolJudgement } from '../steering/judge.ts'
import type { Selection } from '../steering/selection.ts'
import type { PlanWalk, Route } from './route.ts'

export interface ExplainQuestion {
  /** A name as `parseHostname` gives it. */
  readonly name: string
  /** Mnemonic in upper case, `TYPE123` or `ANY`. */
  readonly type: string
  /** Canonical, IPv4 as such. */
  readonly client: AddressText
}

/** What the data plane answers, and which way its plans went. */
export interface AnswerTrace {
  /** The response. */
  readonly message: Uint8Array
  /** Bits of the client's address that the answer depends on (RFC 7871 section 7.2.1). */
  readonly scope: number
  readonly services: readonly (PlanWalk & { readonly plan: number })[]
}

export interface RecordText {
  /** Absolute, with the final dot. */
  readonly name: string
  readonly ttlSeconds: number
  readonly type: string
  /** RDATA in presentation form. */
  readonly data: string
}

export interface AnswerText {
  readonly rcode: number
  readonly authoritative: boolean
  /** How long it may be cached, in seconds: the least TTL of the answers or, without any, of the authorities; null without both. */
  readonly ttlSeconds: number | null
  readonly scope: number
  /** Whether the same client may get another answer the next time: something was drawn, or it is somebody's turn. */
  readonly byChance: boolean
  readonly answers: readonly RecordText[]
  readonly authorities: readonly RecordText[]
}

export interface ExplainedMember {
  readonly judgement: MemberJudgement
  readonly override: Override | null
  /** Whether clients may be answered with it. */
  readonly answers: boolean
  /** Whether this answer holds it. */
  readonly given: boolean
  readonly why: string
}

export interface ExplainedPool {
  readonly judgement: PoolJudgement
  /** Whether the answer came from it. */
  readonly met: boolean
  readonly members: readonly ExplainedMember[]
}

export interface ExplainedService extends Route {
  readonly selection: Selection
  readonly why: string
  /** Every pool that it leads to, and those that a policy answers from. */
  readonly pools: readonly ExplainedPool[]
}

export interface Explanation {
  readonly question: ExplainQuestion
  /** Apex of the zone that the name lies in; null when none is ours. */
  readonly zone: string | null
  readonly why: string
  readonly answer: AnswerText
  /** Where the client is; null when nothing asks for it, or it can't be told. */
  readonly place: Place | null
  /** Those that the query met, in the order of the chain of aliases. */
  readonly services: readonly ExplainedService[]
}
