/** What an explanation holds. See `explain.ts`. */
import Type, { type Static } from 'typebox'
import type { PlanWalk } from '../../dataplane/image/plan.ts'
import type { Place } from '../location/place.ts'
import type { Override } from '../model/override.ts'
import type { AddressText } from '../model/pool.ts'
import type { MemberJudgement, PoolJudgement } from '../steering/judge.ts'
import type { Selection } from '../steering/selection.ts'
import type { Route } from './route.ts'

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
  readonly services: readonly PlanWalk[]
}

const RecordView = Type.Object({
  name: Type.String(),
  ttl: Type.Integer(),
  type: Type.String(),
  data: Type.String({ description: 'in presentation form' }),
})
export type RecordText = Static<typeof RecordView>

const SignatureView = Type.Object({
  name: Type.String(),
  type: Type.String({ description: 'of the records that it signs' }),
  zone: Type.String({ description: 'whose key it is' }),
  keyTag: Type.Integer(),
  algorithm: Type.Integer(),
  ttl: Type.Integer({ description: 'the most that the TTL may be' }),
  beginsAt: Type.String({ format: 'date-time' }),
  expiresAt: Type.String({ format: 'date-time' }),
})
export type SignatureText = Static<typeof SignatureView>

const LinkView = Type.Object({
  zone: Type.String(),
  keys: Type.Array(
    Type.Object({
      tag: Type.Integer(),
      algorithm: Type.Integer(),
      role: Type.Unsafe<'csk' | 'ksk' | 'zsk' | 'none'>({
        type: 'string',
        enum: ['csk', 'ksk', 'zsk', 'none'],
        description: 'what it signs now: all, keys, the rest, or nothing',
      }),
      published: Type.Boolean(),
      hasDs: Type.Unsafe<boolean | null>({
        type: ['boolean', 'null'],
        description: 'whether the zone above has its DS; null where that is not ours',
      }),
    }),
  ),
  parent: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    description: 'the zone above, where it is ours; else null',
  }),
  ds: Type.Array(Type.Integer(), { description: 'tags of the DS that the zone above has for it' }),
})
export type LinkText = Static<typeof LinkView>

export const AnswerView = Type.Object({
  rcode: Type.String({ description: 'such as NOERROR or NXDOMAIN' }),
  authoritative: Type.Boolean(),
  ttl: Type.Unsafe<number | null>({
    type: ['number', 'null'],
    description: 'how long it may be cached, in seconds; null for an answer without a TTL',
  }),
  scope: Type.Integer({ description: "bits of the client's address that it depends on (RFC 7871)" }),
  byChance: Type.Boolean({ description: 'whether the same client may get another one the next time' }),
  records: Type.Array(RecordView),
  authority: Type.Array(RecordView),
  signatures: Type.Array(SignatureView, {
    description: 'of those records, for who asks for them; none where the zone is not signed',
  }),
  proofs: Type.Array(RecordView, {
    description: 'NSEC or NSEC3 that prove that something is not there, for who asks for them',
  }),
  chain: Type.Array(LinkView, {
    description:
      'the zones whose keys lead to the signatures, from the one that signs upwards, as far as they are ours',
  }),
})
export type AnswerText = Static<typeof AnswerView>

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
  readonly at: Date
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
