/**
 * Knot answers from one zone: where an alias leads into another one, its chain ends, and it ends after a few aliases in any
 * case. This goes on for it, as a resolver would: asks it for the alias's target and puts the responses together.
 */
import { aliasesOf, type Case, sameName, typeOf, zoneOf } from './compare.ts'
import type { Labels } from './names.ts'
import type { Question } from './questions.ts'
import { testTypes } from './rdata.ts'
import type { View } from './response-view.ts'

/** How often Knot is asked again for one chain at the most. */
const maxRounds = 8

/** @returns the cases with Knot's chains gone on with; those that end in their zone are as they were */
export async function goOnward(
  cases: readonly Case[],
  askKnot: (questions: readonly Question[]) => Promise<View[]>,
): Promise<Case[]> {
  let onward = cases.map((of) => ({ ...of }))
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
      target === null ? of : { ...of, knotOnward: join(of.knotOnward, views[index++]!) },
    )
  }
  return onward
}

/** Where the last alias leads, when Knot would say more if it were asked for that. */
function targetBeyond({ question: { world, type }, knotOnward: knot }: Case): Labels | null {
  if (knot.tc || type === testTypes.CNAME) return null
  const aliases = aliasesOf(knot)
  const last = aliases.find(({ target }) => !aliases.some(({ owner }) => sameName(owner, target)))
  if (last === undefined) return null
  const there = zoneOf(world, last.target)
  if (there === undefined) return null
  const others = knot.answer.filter((rr) => typeOf(rr) !== testTypes.CNAME && typeOf(rr) !== testTypes.DNAME)
  const unfinished = knot.rcode === 0 && knot.authority.length === 0 && others.length === 0
  const elsewhere = there !== zoneOf(world, last.owner) && others.length === 0
  const parents = type === testTypes.DS && sameName(there.apex, last.target)
  return unfinished || elsewhere || parents ? last.target : null
}

function join(first: View, second: View): View {
  // What is in no zone is refused when it is asked for, but ends a chain without a word.
  return { ...second, aa: first.aa, opt: first.opt, answer: [...first.answer, ...second.answer] }
}
