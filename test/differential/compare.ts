/** What of two responses is compared, and what must hold of ours whatever the others say. */
import { fold, isBelowOrAt, type Labels, nameKey } from './names.ts'
import type { Question } from './questions.ts'
import { anyType } from './questions.ts'
import { testTypes } from './rdata.ts'
import { rrText, type View } from './response-view.ts'
import type { TestZone, World } from './world.ts'

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
  if (!sameRrs(a.authority, b.authority)) parts.push('authority')
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
  const own = ours.answer.filter((rr) => !chosen.has(rr))
  if (!isWholeRrset(world, own)) parts.push('answer')
  if ((ours.answer.length === 0) !== (theirs.answer.length === 0)) parts.push('answer')
  if (!sameRrs(ours.authority, theirs.authority)) parts.push('authority')
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

export function typeOf(rr: string): number {
  return Number(rr.split(' ')[2])
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
  const known = worldRrs(world)
  const synthesised = new Set(ours.answer.map(ownerOf))
  const stray = [...ours.authority, ...ours.additional].find(
    (rr) => !known.has(rr) && !synthesised.has(ownerOf(rr)) && !isNegativeSoa(rr) && !isByWildcard(known, rr),
  )
  return stray === undefined ? null : `an RR that is in no zone: ${stray}`
}

/** The owner of an RR of a view, as text. */
export function ownerOf(rr: string): string {
  return rr.slice(0, rr.indexOf(' '))
}

function isNegativeSoa(rr: string): boolean {
  return typeOf(rr) === testTypes.SOA
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

/** The deepest zone that holds a name. */
export function zoneOf({ zones }: World, name: Labels): TestZone | undefined {
  return zones.filter(({ apex }) => isBelowOrAt(name, apex)).sort((a, b) => b.apex.length - a.apex.length)[0]
}

/** The owners of a view's aliases and where each leads. */
export function aliasesOf(view: View): { readonly owner: Labels; readonly target: Labels }[] {
  return view.answer
    .filter((rr) => typeOf(rr) === testTypes.CNAME)
    .map((rr) => ({ owner: readText(ownerOf(rr)), target: readHex(rr.slice(rr.lastIndexOf(' ') + 1)) }))
}

/** From a name as a view spells it. */
export function readText(text: string): Labels {
  const labels: string[] = []
  for (const label of text.split('.').slice(0, -1))
    labels.push(label.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number(digits))))
  return labels
}

function readHex(hex: string): Labels {
  const wire = Buffer.from(hex, 'hex')
  const labels: string[] = []
  for (let at = 0; wire[at] !== 0; at += wire[at]! + 1)
    labels.push(wire.toString('latin1', at + 1, at + 1 + wire[at]!))
  return labels
}

/** Whether two names are the same to DNS. */
export function sameName(a: Labels, b: Labels): boolean {
  return nameKey(fold(a)) === nameKey(fold(b))
}
