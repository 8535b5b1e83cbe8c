/**
 * Knot answers from one zone: where an alias leads into another one, its chain ends, and it ends after a few aliases in any
 * case. Where the zone has names below the other one's apex that the other one should speak for, it even goes on with
 * those. This goes on for it, as a resolver would: takes the chain up to the border, asks it for the alias's target and puts
 * the responses together.
 */
import type { Case } from './compare.ts'
import { isBelow, type Labels } from './names.ts'
import type { Question } from './questions.ts'
import { testTypes } from './rdata.ts'
import type { View } from './response-view.ts'
import {
  aliasesOf,
  coveredBy,
  isProof,
  ownerOf,
  readText,
  sameName,
  speakerFor,
  typeOf,
  zoneOf,
} from './view-parts.ts'

/** How often Knot is asked again for one chain at the most. */
const maxRounds = 8

/** @returns the cases with Knot's chains gone on with; those that end in their zone are as they were */
export async function goOnward(
  cases: readonly Case[],
  askKnot: (questions: readonly Question[]) => Promise<View[]>,
): Promise<Case[]> {
  let onward = cases.map((of) => ({ ...of, knotOnward: upToBorder(of.question, of.question.name, of.knot) }))
  for (let round = 0; round < maxRounds; round++) {
    const next = onward.map((of) => ({ of, target: targetBeyond(of) }))
    const questions = next.flatMap(({ of: { question }, target }) =>
      target === null
        ? []
        : [{ ...question, name: target, way: { ...question.way, transport: 'tcp' as const } }],
    )
    if (questions.length === 0) break
    const views = await askKnot(questions)
    let index = 0
    onward = next.map(({ of, target }) =>
      target === null
        ? of
        : { ...of, knotOnward: join(of.knotOnward, upToBorder(of.question, target, views[index++]!)) },
    )
  }
  return onward
}

/** Leaves of Knot's chain what is in the zone that speaks for `asked`, where it goes on behind an alias out of it. */
function upToBorder({ world, type }: Question, asked: Labels, knot: View): View {
  const aliases = aliasesOf(knot)
  const followed: Labels[] = []
  for (let name = asked; ; ) {
    const alias = aliases.find(({ owner }) => sameName(owner, name))
    if (knot.tc || alias === undefined || followed.some((before) => sameName(before, name))) return knot
    followed.push(name)
    const there = speakerFor(world, alias.target, type)
    if (there !== undefined && there !== speakerFor(world, name, type)) break
    name = alias.target
  }
  const isBefore = (owner: Labels, exact: boolean) =>
    followed.some((name) => (exact ? sameName(name, owner) : isBelow(name, owner)))
  const answer = knot.answer.filter((rr) => isBefore(readText(ownerOf(rr)), isOf(rr, testTypes.CNAME)))
  if (answer.length === knot.answer.length) return knot
  return { ...knot, rcode: 0, answer, authority: [], additional: [] }
}

/** Where the last alias leads, when Knot would say more if it were asked for that. */
function targetBeyond({ question: { world, type }, knotOnward: knot }: Case): Labels | null {
  if (knot.tc || type === testTypes.CNAME) return null
  const aliases = aliasesOf(knot)
  const last = aliases.find(({ target }) => !aliases.some(({ owner }) => sameName(owner, target)))
  if (last === undefined) return null
  const there = zoneOf(world, last.target)
  if (there === undefined) return null
  const others = knot.answer.filter((rr) => !isOf(rr, testTypes.CNAME) && !isOf(rr, testTypes.DNAME))
  // What proves that no name stands before a wildcard is there already.
  const unfinished = knot.rcode === 0 && knot.authority.every(isProof) && others.length === 0
  const elsewhere = there !== zoneOf(world, last.owner) && others.length === 0
  const parents = type === testTypes.DS && sameName(there.apex, last.target)
  return unfinished || elsewhere || parents ? last.target : null
}

/** Whether an RR is of a type, or signs one that is. */
function isOf(rr: string, type: number): boolean {
  return typeOf(rr) === type || coveredBy(rr) === type
}

function join(first: View, second: View): View {
  // What is in no zone is refused when it is asked for, but ends a chain without a word.
  return { ...second, aa: first.aa, opt: first.opt, answer: [...first.answer, ...second.answer] }
}
