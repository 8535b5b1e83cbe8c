/**
 * Which NSECs a response about signed zones must hold, worked out from the zones and from the answer alone (RFC 4035 section 3.1.3).
 * NSD and Knot can't say it: each of them leaves some out, or gives one that does not cover, where names are odd.
 */
import { fold, type Labels, nameKey } from './names.ts'
import { anyType, type Question } from './questions.ts'
import { testTypes } from './rdata.ts'
import type { View } from './response-view.ts'
import {
  aliasesOf,
  coveredBy,
  existingLabels,
  isNsecOrItsSignature,
  ownerOf,
  readText,
  sameName,
  signatureAt,
  speakerFor,
  typeOf,
} from './view-parts.ts'
import type { TestZone } from './world.ts'

/** What is wrong with the NSECs of a whole response to a question with DO; null when they are those that it needs. */
export function proofFault(question: Question, ours: View): string | null {
  const proofs = ours.authority.filter(isNsecOrItsSignature)
  const held = proofs.filter((rr) => typeOf(rr) === testTypes.NSEC).map(ownerKey)
  if (new Set(held).size !== held.length || proofs.length !== 2 * held.length)
    return 'an NSEC stands there twice, or without its signature'
  const wanted = wantedNsecs(question, ours)
  const missing = [...wanted].filter((owner) => !held.includes(owner))
  const needless = held.filter((owner) => !wanted.has(owner))
  if (missing.length > 0) return 'an NSEC is missing'
  return needless.length > 0 ? 'an NSEC proves nothing' : null
}

/** Types to which a DNAME, or its signature, is an answer. */
const dnameIsAnswer: readonly number[] = [testTypes.DNAME, testTypes.RRSIG, anyType]

/** Keys of the owners of the NSECs. */
function wantedNsecs({ world, name: asked, type }: Question, ours: View): Set<string> {
  const wanted = new Set<string>()
  const seen = new Set<string>()
  const aliases = aliasesOf(ours)
  for (let name = asked; !seen.has(nameKey(fold(name))); ) {
    seen.add(nameKey(fold(name)))
    const zone = speakerFor(world, name, type)
    if (zone === undefined) break
    const here = ours.answer.filter((rr) => sameName(readText(ownerOf(rr)), name))
    // A DNAME that led to its own name is no answer to anything else.
    const isDname = (rr: string) => typeOf(rr) === testTypes.DNAME || coveredBy(rr) === testTypes.DNAME
    if (here.length === 0 || (here.every(isDname) && !dnameIsAnswer.includes(type))) {
      for (const owner of ofEnd(zone, name, ours)) wanted.add(nameKey(owner))
      break
    }
    const signature = signatureAt(ours, name)
    // What a DNAME makes has none.
    if (signature !== null && signature.labels < name.filter((label, i) => i > 0 || label !== '*').length)
      wanted.add(nameKey(nsecFor(zone, name)))
    const alias = type === testTypes.CNAME ? undefined : aliases.find(({ owner }) => sameName(owner, name))
    if (alias === undefined) break
    name = alias.target
  }
  return wanted
}

/** The NSECs that belong to what is said of a name of which the answer section has nothing. */
function ofEnd(zone: TestZone, name: Labels, { authority }: View): Labels[] {
  const cut = authority.find((rr) => typeOf(rr) === testTypes.NS)
  if (cut !== undefined) {
    const owner = readText(ownerOf(cut))
    const hasDs = zone.rrsets.some(({ type, owner: at }) => type === 'DS' && sameName(at, owner))
    return hasDs ? [] : [owner]
  }
  if (!authority.some((rr) => typeOf(rr) === testTypes.SOA)) return []
  const existing = existingLabels(zone, name)
  const own = nsecFor(zone, name)
  return existing === name.length ? [own] : [own, nsecFor(zone, ['*', ...name.slice(-existing)])]
}

const chains = new WeakMap<TestZone, readonly (readonly [key: string, owner: Labels])[]>()

/** The last owner of an NSEC that is not behind a name. */
function nsecFor(zone: TestZone, name: Labels): Labels {
  let chain = chains.get(zone)
  if (chain === undefined) {
    chain = zone.rrsets
      .filter(({ type }) => type === 'NSEC')
      .map(({ owner }) => [orderKey(owner), fold(owner)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    chains.set(zone, chain)
  }
  const key = orderKey(name)
  return chain.findLast(([other]) => other <= key)![1]
}

/** Sorts as names do (RFC 4034 section 6.1): labels from the right, each octet above what ends a label. */
function orderKey(name: Labels): string {
  return fold(name)
    .toReversed()
    .map((label) => `${label.replace(/./gs, (char) => String.fromCharCode(char.charCodeAt(0) + 1))}\0`)
    .join('')
}

function ownerKey(rr: string): string {
  return nameKey(readText(ownerOf(rr)))
}
