/** What an explanation says in plain words: of an answer, of a service, of a member. */
import { parseHostname } from '../../dataplane/wire/name.ts'
import { tellRoom } from '../steering/answer-room.ts'
import { usesOfMember } from '../steering/fed-words.ts'
import type { MemberJudgement, PoolJudgement } from '../steering/judge.ts'
import { absentAnswer } from '../steering/pool-answer.ts'
import type { PoolAnswer, Selection } from '../steering/selection.ts'
import type { AnswerText, ExplainedService, ExplainQuestion } from './explanation.ts'

interface Answered {
  readonly question: ExplainQuestion
  readonly answer: AnswerText
  readonly services: readonly ExplainedService[]
  /** Apex of the zone of ours that a name lies in. */
  readonly zoneOf: (name: string) => string | null
  readonly isService: (name: string) => boolean
}

/** Why the answer is what it is. */
export function describeAnswer(answered: Answered): string {
  const { question, answer, zoneOf } = answered
  const { name, type } = question
  if (answer.rcode === 'REFUSED') {
    return zoneOf(name) === null ? 'no zone here holds the name' : `queries of type ${type} are refused`
  }
  const target = endOfChain(question, answer)
  if (target === null) return describeEnd(answered, name)
  return `an alias of ${target}: ${describeEnd(answered, target)}`
}

/** The name that the aliases of the answer lead to; null when there are none. */
function endOfChain({ type }: ExplainQuestion, { records }: AnswerText): string | null {
  if (type === 'CNAME' || type === 'ANY') return null
  const target = records.findLast((record) => record.type === 'CNAME')?.data
  return target === undefined ? null : parseHostname(target)
}

function describeEnd({ question, answer, services, zoneOf, isService }: Answered, last: string): string {
  const { type } = question
  const { rcode, records, authority } = answer
  const zone = zoneOf(last)
  const met = services.find(({ selection }) => selection.judgement.service.name === last)
  const has = (wanted: string) => authority.some((record) => record.type === wanted)
  const onward = records.at(-1)?.type === 'CNAME' && type !== 'CNAME' && type !== 'ANY'
  if (rcode === 'YXDOMAIN') return 'the name that a DNAME makes of it is too long'
  if (met !== undefined) {
    const { present } = met.selection.judgement
    const none = present && rcode === 'NOERROR' && has('SOA') && met.answer?.pool != null
    return none ? `${met.why}, of which nothing answers type ${type}` : met.why
  }
  if (rcode === 'SERVFAIL') return 'it can not be answered now'
  if (rcode === 'NXDOMAIN') return `zone ${zone} has no such name`
  if (has('SOA')) {
    return isService(last)
      ? `a service, which answers A and AAAA, and has no RRset of type ${type}`
      : `the name is in zone ${zone}, and has no RRset of type ${type}`
  }
  if (has('NS')) return `zone ${zone} delegates ${parseHostname(authority[0]!.name)} to other name servers`
  if (records.length > 0 && !onward) return `data of zone ${zone}`
  if (zone === null) return 'no zone here holds that name, so the client asks elsewhere'
  return 'the aliases do not come to an end'
}

/**
 * @param answer what was answered; null when that is not known
 * @param nothingUp whether nothing is up that the client may be sent to
 */
export function describeService(
  { asked, judgement, by, keepsSpill }: Selection,
  answer: PoolAnswer | null,
  nothingUp = false,
): string {
  const { name } = judgement.service
  const pool = answer?.pool ?? null
  const room = answer === null ? '' : tellRoom(answer, name, asked)
  const from = pool === null ? '' : ` from pool ${pool.name}${room}`
  if (answer === absentAnswer || !judgement.present)
    return `service ${name} has no ${asked === 'ipv6' ? 'IPv6' : 'IPv4'} address`
  if (by !== 'up') return `nothing of service ${name} is up: by ${by} it answers${from || ' nothing'}`
  if (answer === null) return `service ${name} answers`
  if (nothingUp)
    return `nothing of service ${name} is up that this client may be sent to: by ${answer.by} it answers${from || ' nothing'}`
  if (answer.by === 'up') {
    const kept = keepsSpill ? '; full pools keep what they would hand on, since no next one takes it' : ''
    return `service ${name} answers${from}${kept}`
  }
  return `service ${name} answers${from || ' nothing'}, by ${answer.by} of a pool that is down`
}

/**
 * Why a member is answered with or is not.
 *
 * @param answer what clients are answered from, when it holds the member
 * @param standsBack whether it is there as a last resort, which is not needed
 */
export function describeMember(
  pool: PoolJudgement,
  judgement: MemberJudgement,
  answer: PoolAnswer | null,
  standsBack: boolean,
): string {
  const fed = usesOfMember(judgement.member, judgement.fed).map(({ reason }) => `; ${reason}`)
  return describeStanding(pool, judgement, answer, standsBack) + fed.join('')
}

function describeStanding(
  { serving }: PoolJudgement,
  { member, kept, serves, reason, weight }: MemberJudgement,
  answer: PoolAnswer | null,
  standsBack: boolean,
): string {
  if (answer !== null) {
    if (standsBack) return `${reason}, but weight 0: a last resort`
    const resort = weight === 0 ? `${reason}, of weight 0` : reason
    if (answer.by === 'up') return resort
    return `${resort}${kept ? '; answers by' : ', but answers by'} ${answer.by}`
  }
  if (!kept) return reason
  if (serving === null) return `${reason}, but the pool is down`
  if (!serves) return `${reason}, but tier ${serving.priority} serves, and this is tier ${member.priority}`
  return `${reason}, but the pool is not used`
}
