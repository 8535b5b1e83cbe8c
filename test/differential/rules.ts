/**
 * Where NSD and Knot differ from each other, and what we do there. A rule says when it applies, from the question, the
 * zones and what the two have answered, and what of ours it accepts: as a rule exactly what one of the two says.
 */
import { anyDifferences, type Case, differences } from './compare.ts'
import { isBelowOrAt, type Labels } from './names.ts'
import { anyType, type Question } from './questions.ts'
import { testTypes } from './rdata.ts'
import type { View } from './response-view.ts'
import {
  aliasesOf,
  existingLabels,
  isProof,
  ownerOf,
  readText,
  sameName,
  speakerFor,
  typeOf,
  zoneOf,
} from './view-parts.ts'
import { hashesOf, type World } from './world.ts'

export interface Rule {
  readonly name: string
  /** What the two do, and what we do and why. */
  readonly why: string
  applies(of: Case): boolean
  accepts(of: Case): boolean
}

const noerror = 0
const yxdomain = 6
/** CNAMEs in one of our answers at the most. */
const ourLongestChain = 18
const knotsLongestChain = 5

/** Whoever is truncated here is asked again over TCP when this rule does not accept ours. */
export const truncatedRule = 'truncated'

/** Here too, when it is ours that is truncated. */
export const glueRule = 'glue that does not fit'

export const rules: readonly Rule[] = [
  {
    name: 'ANY',
    why: 'One RRset is answer enough (RFC 8482 section 4.1). NSD gives the SOA or whatever it finds first, Knot and we the RRset with the lowest type.',
    applies: ({ question, nsd, knot }) =>
      question.type === anyType && differences(question, nsd, knot).every((part) => part === 'answer'),
    accepts: (of) => like(of, of.nsd) || like(of, of.knot),
  },
  {
    name: 'RRSIG',
    why: 'NSD gives all signatures of a name. Those of one RRset are answer enough, for Knot and for us, and make no large responses.',
    applies: ({ question, nsd, knot }) =>
      question.type === testTypes.RRSIG &&
      differences(question, nsd, knot).every((part) => part === 'answer' || part === 'tc'),
    accepts: (of) => like(of, of.knot) || like(of, of.knotOnward),
  },
  {
    name: 'rcode of a truncated response',
    why: 'NSD goes to the end of the chain for the rcode, Knot stops where the room ends. We stop there too: the client asks again over TCP.',
    applies: ({ nsd, knot }) => nsd.tc && knot.tc && nsd.rcode !== knot.rcode,
    accepts: (of) => like(of, of.nsd) || like(of, of.knot),
  },
  {
    name: truncatedRule,
    why: 'Names are compressed in different ways, and Knot leaves a SOA out that does not fit. We are whole, and the same over TCP as one of the two, or truncated, as one of them is.',
    applies: ({ nsd, knot }) => nsd.tc || knot.tc,
    accepts: (of) => of.ours.tc || like(of, of.nsd.tc ? of.knot : of.nsd),
  },
  {
    name: glueRule,
    why: 'Knot leaves out addresses that are not below the cut, NSD any, and neither says so. Of ours only addresses of servers elsewhere may be missing, which over TCP are there, or we are truncated (RFC 9471 section 3).',
    applies: ({ question, nsd, knot }) => differences(question, nsd, knot).every((part) => part === 'glue'),
    accepts: (of) => of.ours.tc || like(of, of.nsd),
  },
  {
    name: 'SOA beside YXDOMAIN',
    why: 'Knot adds the SOA. RFC 6672 asks for none and the answer is no negative one to be cached: we do as NSD.',
    applies: ({ nsd, knot }) => nsd.rcode === yxdomain && knot.rcode === yxdomain,
    accepts: (of) => like(of, of.nsd),
  },
  {
    name: 'DS at an apex behind an alias',
    why: 'Knot chooses the zone by the question alone, so behind an alias it asks the child. NSD asks the parent, as for a question of its own (RFC 4035 section 3.1.4.1), and so do we; where the parent does not delegate it, see below.',
    applies: ({ nsd, question: { world, type } }) =>
      type === testTypes.DS &&
      aliasesOf(nsd).some(({ target }) => world.zones.some(({ apex }) => sameName(apex, target))),
    accepts: (of) => like(of, of.nsd) || like(of, of.knotOnward) || isParentsDenial(of),
  },
  {
    name: 'alias into another zone',
    why: 'Knot answers from one zone, so its chain ends at the border, or in a referral to a zone that is served here. NSD goes on in the other zone (RFC 1034 section 4.3.2, step 3a, back to step 1), and so do we.',
    applies: ({ nsd, knot, knotOnward, question }) => knotOnward !== knot || leavesItsZone(question, nsd),
    accepts: (of) => like(of, of.nsd) || like(of, of.knotOnward),
  },
  {
    name: 'DS at an apex that is not delegated',
    why: 'NSD answers it from the parent zone as if nothing but a cut could be there: no CNAME, no NXDOMAIN. We look the name up in the parent zone, as Knot does.',
    applies: ({ question: { world, name, type } }) =>
      type === testTypes.DS && world.zones.some(({ apex }) => sameName(apex, name)),
    accepts: (of) => like(of, of.knot) || like(of, of.knotOnward) || isPartOfChain(of, of.knotOnward),
  },
  {
    name: 'names of other zones',
    why: 'NSD keeps the names of all zones in one tree, so a name that the parent zone has below the cut seems to exist in the child zone. We look at the zone that answers, as Knot does.',
    applies: ({ nsd, ours, question: { world, name } }) =>
      [name, ...[nsd, ours].flatMap(aliasesOf).map(({ target }) => target)].some((each) =>
        existsElsewhere(world, each),
      ),
    accepts: (of) => like(of, of.knot),
  },
  {
    name: 'names of NSEC3s',
    why: 'NSD has them in its tree, so they, and what is below them, seem to exist. To whoever asks they do not (RFC 5155 section 7.2.8): Knot and we say so.',
    applies: ({ question: { world, name } }) => hashesOf(world).some((hash) => isBelowOrAt(name, hash)),
    accepts: (of) => like(of, of.knot) || like(of, of.knotOnward) || isOnceOfDname(of),
  },
  {
    name: 'glue below another zone',
    why: 'NSD leaves out the addresses that the zone has for a server whose name lies in another zone of ours. We give what the zone has, as Knot does.',
    applies: ({ question, nsd, knot }) =>
      differences(question, nsd, knot).every((part) => part === 'glue') &&
      nsd.additional.every((rr) => knot.additional.includes(rr)) &&
      knot.additional
        .filter((rr) => !nsd.additional.includes(rr))
        .every((rr) => isInOtherZone(question.world, ownerOf(rr), ownerOf(nsd.authority[0]!))),
    accepts: (of) => like(of, of.knot),
  },
  {
    name: 'long chain',
    why: 'Knot ends a chain after a few CNAMEs, NSD goes on to its end. We end after eighteen: a client can go on, and real chains are short.',
    applies: ({ nsd, knot }) =>
      aliasesOf(nsd).length > knotsLongestChain || aliasesOf(knot).length === knotsLongestChain,
    accepts: (of) => [of.nsd, of.knotOnward].some((whole) => like(of, whole) || isPartOfChain(of, whole)),
  },
  {
    name: 'DNAME at a wildcard',
    why: 'Knot writes it with the name that was asked for as its owner, which would be a DNAME nobody has. NSD takes it for the names below the asterisk label only (RFC 4592 section 4.4 leaves it open), and so do we.',
    applies: ({ nsd }) => nsd.answer.some((rr) => rr.startsWith('*.') && typeOf(rr) === testTypes.DNAME),
    // Where NSD is wrong about what the alias leads to, Knot is right but for the owner of the DNAME.
    accepts: (of) =>
      like(of, of.nsd) || like({ ...of, ours: withoutDnames(of.ours) }, withoutDnames(of.knotOnward)),
  },
  {
    name: 'DNAME that leads below itself',
    why: 'Knot applies it again and again until the chain or the name is too long. NSD applies one that leads below itself once in an answer, and so do we: the client has the CNAME to go on with.',
    applies: ({ nsd }) => hasDname(nsd),
    accepts: (of) => like(of, of.nsd),
  },
]

/** Whether ours is the same as another one's, for a resolver. */
export function like({ question, ours }: Case, theirs: View): boolean {
  return differencesFromOurs({ question, ours }, theirs).length === 0
}

export function differencesFromOurs(
  { question, ours }: Pick<Case, 'question' | 'ours'>,
  theirs: View,
): string[] {
  return question.type === anyType
    ? anyDifferences(question.world, ours, theirs)
    : differences(question, ours, theirs)
}

/** Whether the deepest zone that holds one name is another one than that of a cut. */
function isInOtherZone(world: World, name: string, cut: string): boolean {
  return zoneOf(world, readText(name)) !== zoneOf(world, readText(cut).slice(1))
}

function leavesItsZone({ world, type }: Question, view: View): boolean {
  return aliasesOf(view).some(({ owner, target }) => {
    const there = speakerFor(world, target, type)
    return there !== undefined && there !== speakerFor(world, owner, type)
  })
}

/**
 * Whether more of a name, or of the wildcard that would stand in for it, exists in all zones of the world together than in one
 * that could answer for it.
 */
function existsElsewhere(world: World, name: Labels): boolean {
  const depths = world.zones.map((zone) => existingLabels(zone, name))
  const most = Math.max(...depths)
  if (world.zones.some(({ apex }, i) => isBelowOrAt(name, apex) && depths[i]! < most)) return true
  return name[0] !== '*' && most < name.length && existsElsewhere(world, ['*', ...name.slice(-most)])
}

/** Whether ours is the beginning of a longer chain, and at least as much as what Knot says of it. */
function isPartOfChain({ ours, knot }: Case, whole: View): boolean {
  const known = new Set(whole.answer)
  const part = new Set(ours.answer)
  return (
    ours.rcode === noerror &&
    ours.aa &&
    !ours.tc &&
    ours.authority.every(isProof) &&
    aliasesOf(ours).length === ourLongestChain &&
    knot.answer.every((rr) => typeOf(rr) === testTypes.DNAME || part.has(rr) || !known.has(rr)) &&
    (whole.tc || ours.answer.every((rr) => known.has(rr)))
  )
}

/** Whether ours applies a DNAME once that leads below itself, and Knot's again and again. */
function isOnceOfDname({ ours, knot }: Case): boolean {
  return (
    ours.rcode === noerror &&
    hasDname(ours) &&
    aliasesOf(ours).length < aliasesOf(knot).length &&
    ours.authority.every(isProof) &&
    ours.answer.every((rr) => knot.answer.includes(rr))
  )
}

/** Whether ours ends in what the parent zone says of an alias's target that it knows nothing of. */
function isParentsDenial({ question: { world, type }, ours, nsd }: Case): boolean {
  const soa = ours.authority.find((rr) => typeOf(rr) === testTypes.SOA)
  const target = aliasesOf(ours).at(-1)?.target
  if (soa === undefined || target === undefined) return false
  const parent = speakerFor(world, target, type)
  return (
    ours.answer.every((rr) => nsd.answer.includes(rr)) &&
    parent !== undefined &&
    sameName(readText(ownerOf(soa)), parent.apex) &&
    existingLabels(parent, target) < target.length
  )
}

function withoutDnames(view: View): View {
  return { ...view, answer: view.answer.filter((rr) => typeOf(rr) !== testTypes.DNAME) }
}

export function hasDname(view: View): boolean {
  return view.answer.some((rr) => typeOf(rr) === testTypes.DNAME)
}
