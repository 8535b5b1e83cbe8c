/** What of two responses is compared, and what must hold of ours whatever the others say. */
import { proofFault } from './denial.ts'
import { isBelowOrAt } from './names.ts'
import type { Question } from './questions.ts'
import { anyType } from './questions.ts'
import { testTypes } from './rdata.ts'
import { rrText, type View } from './response-view.ts'
import { coveredBy, isProof, ownerOf, readText, typeOf } from './view-parts.ts'
import type { World } from './world.ts'

/** One question and what the three have said. */
export interface Case {
  readonly question: Question
  readonly ours: View
  readonly nsd: View
  readonly knot: View
  /** Knot's response, and what it says when it is asked to go on where an alias has led into another zone (`onward.ts`). */
  readonly knotOnward: View
}

/** Names of the parts in which two responses differ; empty when they are the same for a resolver. */
export function differences(question: Question, a: View, b: View): string[] {
  const parts: string[] = []
  if (a.rcode !== b.rcode) parts.push('rcode')
  if (a.aa !== b.aa) parts.push('aa')
  if (a.tc !== b.tc) parts.push('tc')
  // How much of it a truncated response still holds is up to the server (RFC 2181 section 9).
  if (a.tc || b.tc) return parts
  if (!sameRrs(a.answer, b.answer)) parts.push('answer')
  if (!sameRrs(withoutProofs(a), withoutProofs(b))) parts.push('authority')
  if (isReferral(a) && !sameRrs(a.additional, b.additional)) parts.push('glue')
  return question.type === anyType ? parts.filter((part) => part !== 'tc') : parts
}

/**
 * The same for a question of type ANY, to which any RRset of the name is answer enough (RFC 8482 section 4.1): `theirs` may
 * have another one, or more of them.
 */
export function anyDifferences(world: World, ours: View, theirs: View): string[] {
  const parts: string[] = []
  if (ours.rcode !== theirs.rcode) parts.push('rcode')
  if (ours.aa !== theirs.aa) parts.push('aa')
  if (ours.tc || theirs.tc) return parts
  const chosen = new Set(theirs.answer)
  const own = ours.answer.filter((rr) => !chosen.has(rr) && coveredBy(rr) < 0)
  if (!isWholeRrset(world, own)) parts.push('answer')
  if ((ours.answer.length === 0) !== (theirs.answer.length === 0)) parts.push('answer')
  if (!sameRrs(withoutProofs(ours), withoutProofs(theirs))) parts.push('authority')
  if (isReferral(ours) && !sameRrs(ours.additional, theirs.additional)) parts.push('glue')
  return parts
}

/** Whether RRs are one RRset of the world as it is there, or none. */
function isWholeRrset(world: World, rrs: readonly string[]): boolean {
  const known = worldRrs(world)
  const [first] = rrs
  if (first === undefined) return true
  const [owner, ttl, type] = first.split(' ')
  const wanted = [owner!, ...wildcardsAbove(owner!)].map((name) =>
    [...known].filter((rr) => rr.startsWith(`${name} ${ttl} ${type} `)).map((rr) => rr.slice(name.length)),
  )
  const found = rrs.map((rr) => (rr.startsWith(`${owner} `) ? rr.slice(owner!.length) : rr))
  return wanted.some((rrset) => rrset.length > 0 && sameRrs(rrset, found))
}

export function isReferral(view: View): boolean {
  return view.authority.some((rr) => typeOf(rr) === testTypes.NS)
}

/** Whether a referral is as `whole`, but for some addresses of servers that are not below the cut (RFC 9471 section 3.2). */
export function leavesOutSiblings(ours: View, whole: View): boolean {
  if (!isReferral(ours) || ours.tc || whole.tc) return false
  const cut = readText(ownerOf(ours.authority[0]!))
  const missing = whole.additional.filter((rr) => !ours.additional.includes(rr))
  return (
    missing.length > 0 &&
    ours.additional.every((rr) => whole.additional.includes(rr)) &&
    missing.every((rr) => !isBelowOrAt(readText(ownerOf(rr)), cut))
  )
}

/** Which NSECs or NSEC3s belong there is judged apart from that (`denial.ts`). */
function withoutProofs({ authority }: View): string[] {
  return authority.filter((rr) => !isProof(rr))
}

/** Where the two agree on proofs that are none of ours: a difference. */
export const neithers = 'others than both have'

/** Whose proofs are the same as ours, which are those that are needed (`denial.ts`). */
export function whoseProofs({ ours, nsd, knot }: Case): string {
  const proofs = ({ authority }: View) => authority.filter(isProof)
  const [asNsd, asKnot] = [nsd, knot].map((theirs) => sameRrs(proofs(ours), proofs(theirs)))
  if (asNsd && asKnot) return "both's"
  if (asNsd || asKnot) return asNsd ? "NSD's, not Knot's" : "Knot's, not NSD's"
  if (!sameRrs(proofs(nsd), proofs(knot))) return "neither's, who differ"
  return proofs(nsd).every((rr) => ours.authority.includes(rr)) ? 'more than both have' : neithers
}

/** As sets: Knot writes an alias that leads to itself twice. */
function sameRrs(a: readonly string[], b: readonly string[]): boolean {
  const known = new Set(b)
  return new Set(a).size === known.size && a.every((rr) => known.has(rr))
}

/** The most octets that a response to the question may have. */
export function roomFor({ way: { transport, payload } }: Question): number {
  if (transport === 'tcp') return 65_535
  return payload === null ? 512 : Math.min(1232, Math.max(512, payload))
}

/** What is wrong with our response by itself, or null. */
export function fault({ question, ours }: Case): string | null {
  const { way, world } = question
  if (ours.otherFlags !== 0) return 'RA, Z, AD or CD is set'
  if (ours.opt !== (way.payload !== null)) return 'an OPT for none, or none for one'
  if (ours.octets > roomFor(question))
    return `${ours.octets} octets, more than the ${roomFor(question)} that fit`
  for (const section of [ours.answer, ours.authority, ours.additional])
    if (new Set(section).size < section.length) return 'an RR stands there twice'
  const unproved = way.dnssecOk && !ours.tc && isSigned(world) ? proofFault(question, ours) : null
  if (unproved !== null) return unproved
  const known = worldRrs(world)
  const synthesised = new Set(ours.answer.map(ownerOf))
  const stray = [...ours.authority, ...ours.additional].find(
    (rr) => !known.has(rr) && !synthesised.has(ownerOf(rr)) && !isNegativeSoa(rr) && !isByWildcard(known, rr),
  )
  return stray === undefined ? null : `an RR that is in no zone: ${stray}`
}

/** Or its signature. */
function isNegativeSoa(rr: string): boolean {
  return typeOf(rr) === testTypes.SOA || coveredBy(rr) === testTypes.SOA
}

/** Whether a wildcard above its owner has the RR. */
function isByWildcard(known: ReadonlySet<string>, rr: string): boolean {
  const owner = ownerOf(rr)
  return wildcardsAbove(owner).some((wildcard) => known.has(`${wildcard}${rr.slice(owner.length)}`))
}

function wildcardsAbove(owner: string): string[] {
  const labels = owner.split('.')
  return labels.map((_, i) => ['*', ...labels.slice(i + 1)].join('.'))
}

const rrsByWorld = new WeakMap<World, ReadonlySet<string>>()

/** Every RR of a world's zones as a view spells it. */
function worldRrs(world: World): ReadonlySet<string> {
  let known = rrsByWorld.get(world)
  if (known === undefined) {
    known = new Set(
      world.zones.flatMap(({ rrsets }) =>
        rrsets.flatMap(({ owner, type, ttlSeconds, rdata }) =>
          rdata.map(({ wire }) => rrText(owner, ttlSeconds, testTypes[type], wire)),
        ),
      ),
    )
    rrsByWorld.set(world, known)
  }
  return known
}

function isSigned({ zones }: World): boolean {
  return zones.some(({ rrsets }) => rrsets.some(({ type }) => type === 'RRSIG'))
}
