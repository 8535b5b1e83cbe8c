/**
 * Which NSECs or NSEC3s a response about signed zones must hold, worked out from the zones and from the answer alone (RFC 4035 section 3.1.3,
 * RFC 5155 section 7.2). NSD and Knot can't say it: each of them leaves some out, or gives one that does not cover, where names are odd.
 */
import { chainOf } from './chains.ts'
import { fold, type Labels, nameKey } from './names.ts'
import { anyType, type Question } from './questions.ts'
import { testTypes } from './rdata.ts'
import type { View } from './response-view.ts'
import {
  aliasesOf,
  coveredBy,
  existingLabels,
  isDenial,
  isProof,
  ownerOf,
  readText,
  sameName,
  signatureAt,
  speakerFor,
  typeOf,
} from './view-parts.ts'
import type { TestZone } from './world.ts'

/** What is wrong with the proofs of a whole response to a question with DO; null when they are those that it needs. */
export function proofFault(question: Question, ours: View): string | null {
  const proofs = ours.authority.filter(isProof)
  const held = proofs.filter((rr) => isDenial(typeOf(rr))).map(ownerKey)
  // The zone above and the one at a name may each have one there.
  const apexes = new Set(question.world.zones.map(({ apex }) => nameKey(fold(apex))))
  const isTwice = held.some((owner, index) => held.indexOf(owner) !== index && !apexes.has(owner))
  if (isTwice || proofs.length !== 2 * held.length)
    return 'what proves stands there twice, or without its signature'
  const wanted = wantedProofs(question, ours)
  const missing = [...wanted].filter((owner) => !held.includes(owner))
  const needless = held.filter((owner) => !wanted.has(owner))
  if (missing.length > 0) return 'a proof is missing'
  return needless.length > 0 ? 'a proof of nothing' : null
}

/** Types to which a DNAME, or its signature, is an answer. */
const dnameIsAnswer: readonly number[] = [testTypes.DNAME, testTypes.RRSIG, anyType]

/** Keys of the owners of the NSECs, or NSEC3s. */
function wantedProofs({ world, name: asked, type }: Question, ours: View): Set<string> {
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
      wanted.add(nameKey(chainOf(zone).closerThanWildcard(name, signature.labels)))
    const alias = type === testTypes.CNAME ? undefined : aliases.find(({ owner }) => sameName(owner, name))
    if (alias === undefined) break
    name = alias.target
  }
  return wanted
}

/** What belongs to what is said of a name of which the answer section has nothing. */
function ofEnd(zone: TestZone, name: Labels, { authority }: View): readonly Labels[] {
  const cut = authority.find((rr) => typeOf(rr) === testTypes.NS)
  if (cut !== undefined) {
    const owner = readText(ownerOf(cut))
    const hasDs = zone.rrsets.some(({ type, owner: at }) => type === 'DS' && sameName(at, owner))
    return hasDs ? [] : chainOf(zone).absence(owner, owner.length)
  }
  if (!authority.some((rr) => typeOf(rr) === testTypes.SOA)) return []
  return chainOf(zone).absence(name, existingLabels(zone, name))
}

function ownerKey(rr: string): string {
  return nameKey(readText(ownerOf(rr)))
}
