/**
 * Explains an answer: what a client gets for a name, by the code that answers, and beside it every service, choice, pool and
 * member that had a part in it, with what is known of each.
 *
 * What is answered comes from this thread's own serving state, which is that of the workers; what decided it, from the
 * selections that the plans were made of. The two are of one moment only while nothing is being handed over, so that is
 * waited for first. Nothing here looks into the database: an explanation is about what this node does now.
 */
import type { PlanWalk } from '../../dataplane/image/plan.ts'
import { leavesOf } from '../../dataplane/image/plan-tree.ts'
import { rcodeName, types } from '../../dataplane/wire/constants.ts'
import { enclosingHostnames, formatName, parseHostname } from '../../dataplane/wire/name.ts'
import { formatRdata, typeName } from '../../dataplane/wire/rdata.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { type DnsRecord, decodeSections } from '../dns-client/message.ts'
import type { Place } from '../location/place.ts'
import type { Asked } from '../model/family.ts'
import type { AddressText, Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import { judgeAbsent, type MemberJudgement, type PoolJudgement } from '../steering/judge.ts'
import type { PoolAnswer, Selections } from '../steering/selection.ts'
import { chainOf } from './chain.ts'
import type {
  AnswerText,
  AnswerTrace,
  ExplainedMember,
  ExplainedPool,
  ExplainedService,
  ExplainQuestion,
  Explanation,
  RecordText,
  SignatureText,
} from './explanation.ts'
import { routeOf, selectionOf } from './route.ts'
import { describeAnswer, describeMember, describeService } from './words.ts'

export interface ExplainSources {
  readonly publisher: {
    readonly catalog: Catalog
    selectionsInSlot(slot: number): Selections | undefined
    settled(signal: AbortSignal): Promise<void>
  }
  answer(question: ExplainQuestion): AnswerTrace
  /** Judges a pool that no choice names, by which a policy answers. */
  judge(pool: Pool, asked: Asked): PoolJudgement
  placeOf(address: AddressText, signal: AbortSignal): Promise<Place>
  now(): Date
}

/** How long is waited for a hand-over to end, and for the place of the client. */
const patienceMs = 2000

export async function explain(question: ExplainQuestion, sources: ExplainSources): Promise<Explanation> {
  const signal = AbortSignal.timeout(patienceMs)
  const { publisher } = sources
  await publisher.settled(signal)
  const { catalog } = publisher
  const trace = sources.answer(question)
  const read = readAnswer(trace, question.type)
  const services = trace.services.flatMap((walk) => {
    const selections = publisher.selectionsInSlot(walk.plan)
    return selections === undefined ? [] : [explainService(selections, walk, read.records, sources)]
  })
  const zoneOf = (name: string) => zoneFor(catalog, name, question.type)
  const signers = new Set(read.signatures.map(({ zone }) => parseHostname(zone)))
  const above = (name: string) => zoneFor(catalog, name, 'DS')
  const links = [...signers].flatMap((zone) =>
    chainOf(catalog, zone, above, (each) => sources.answer(each), question.client),
  )
  // Chains of several zones meet.
  const chain = [...new Map(links.map((link) => [link.zone, link])).values()]
  const answer = { ...read, chain, byChance: services.some(({ byChance }) => byChance) }
  const why = describeAnswer({
    question,
    answer,
    services,
    zoneOf,
    isService: (name) => catalog.services.has(name),
  })
  const located = services.some(({ levels }) => levels.some(({ judgement }) => isLocated(judgement.service)))
  const place = located ? await sources.placeOf(question.client, signal).catch(() => null) : null
  return { at: sources.now(), question, zone: zoneOf(question.name), why, answer, place, services }
}

function isLocated({ steer }: Service): boolean {
  return steer === 'geo' || steer === 'nearest'
}

/** DS belongs to the parent's side of a cut (RFC 4035 section 3.1.4.1). */
function zoneFor({ zones }: Catalog, name: string, type: string): string | null {
  const apexes = enclosingHostnames(name).filter((candidate) => zones.has(candidate))
  const above = type === 'DS' ? apexes.find((apex) => apex !== name) : undefined
  return above ?? apexes[0] ?? null
}

/** What proves that something is not there. */
const denying: ReadonlySet<number> = new Set([types.nsec, types.nsec3])

function readAnswer({ message, scope }: AnswerTrace, asked: string): Omit<AnswerText, 'byChance' | 'chain'> {
  const { answers, authorities } = decodeSections(message)
  const ttls = (answers.length > 0 ? answers : authorities).map(({ ttlSeconds }) => ttlSeconds)
  const all = [...answers, ...authorities]
  // What signs and proves is not what was asked for.
  const isProof = ({ type }: DnsRecord) => denying.has(type) && typeName(type) !== asked
  const isSignature = ({ type }: DnsRecord) => type === types.rrsig && asked !== 'RRSIG'
  const shown = (records: readonly DnsRecord[]) =>
    records.filter((record) => !isProof(record) && !isSignature(record)).map(recordText)
  return {
    // The low four bits say it all for an answer.
    rcode: rcodeName(message[3]! & 0x0f),
    authoritative: (message[2]! & 0x04) !== 0,
    ttl: ttls.length === 0 ? null : Math.min(...ttls),
    scope,
    records: shown(answers),
    authority: shown(authorities),
    signatures: all.filter(({ type }) => type === types.rrsig).map(signatureText),
    proofs: all.filter(isProof).map(recordText),
  }
}

function recordText({ owner, type, ttlSeconds, rdata }: DnsRecord): RecordText {
  return { name: formatName(owner), ttl: ttlSeconds, type: typeName(type), data: formatRdata(type, rdata) }
}

/** RFC 4034 section 3.1; signatures of our algorithms have 64 octets. */
function signatureText({ owner, rdata }: DnsRecord): SignatureText {
  const octets = Buffer.from(rdata)
  return {
    name: formatName(owner),
    type: typeName(octets.readUInt16BE(0)),
    zone: formatName(octets.subarray(18, -64)),
    keyTag: octets.readUInt16BE(16),
    algorithm: octets[2]!,
    ttl: octets.readUInt32BE(4),
    beginsAt: new Date(1000 * octets.readUInt32BE(12)).toISOString(),
    expiresAt: new Date(1000 * octets.readUInt32BE(8)).toISOString(),
  }
}

function explainService(
  selections: Selections,
  walk: PlanWalk,
  answers: readonly RecordText[],
  sources: ExplainSources,
): ExplainedService {
  const route = routeOf(selections, walk)
  const selection = selectionOf(selections, walk)
  const leaves = leavesOf(selection.tree)
  const named = route.levels.flatMap(({ judgement: { choices } }) =>
    choices.flatMap((choice) => (choice.kind === 'pool' ? [choice.judgement] : [])),
  )
  const judgements = new Map(named.map((judgement) => [judgement.pool.name, judgement]))
  for (const { pool } of leaves) {
    if (pool !== null && !judgements.has(pool.name))
      judgements.set(pool.name, sources.judge(pool, selection.asked))
  }
  const owner = `${selection.judgement.service.name}.`
  const data = new Set(
    answers.flatMap((record) => (record.name.toLowerCase() === owner ? [record.data] : [])),
  )
  const pools = Array.from(judgements.values(), (judgement): ExplainedPool => {
    const { name } = judgement.pool
    const met = route.answer?.pool?.name === name
    const answer = met ? route.answer : (leaves.find(({ pool }) => pool?.name === name) ?? null)
    return { judgement, met, members: explainMembers(judgement, answer, met ? data : new Set(), sources) }
  })
  return { ...route, selection, why: describeService(selection, route.answer, route.nothingUp), pools }
}

/** @param data of the records that the answer has for the service */
function explainMembers(
  pool: PoolJudgement,
  answer: PoolAnswer | null,
  data: ReadonlySet<string>,
  { publisher, now }: ExplainSources,
): ExplainedMember[] {
  const { name, hosts } = pool.pool
  const answering = new Map(answer?.members.map((judgement) => [judgement.member.name, judgement]))
  const judged = new Map(pool.members.map((judgement) => [judgement.member.name, judgement]))
  const at = now()
  return pool.pool.members.map((member) => {
    const judgement = judged.get(member.name) ?? judgeAbsent(member, pool.asked)
    const held = answering.get(member.name)
    const stands = held !== undefined && isLastResort(pool.pool, judgement, answer!)
    const targets = hosts === 'cname' ? [member.host!] : (held?.addresses ?? [])
    return {
      judgement,
      override: publisher.catalog.overrideOf(name, member.name, at),
      answers: held !== undefined && !stands,
      given: held !== undefined && targets.some((target) => data.has(target)),
      why: describeMember(pool, judgement, held === undefined ? null : answer, stands),
    }
  })
}

/** Whether a member of weight 0 stands back for others, which have to have something to answer the question with. */
function isLastResort({ select }: Pool, { weight }: MemberJudgement, answer: PoolAnswer): boolean {
  if ((select !== 'weighted' && select !== 'hash') || weight > 0) return false
  return answer.members.some((other) => other.weight > 0)
}
