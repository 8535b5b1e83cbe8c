/**
 * What a pool that is up is answered with when some of its answers are to go elsewhere.
 *
 * ## Members that shed
 * By `weighted` and `hash` a member that sheds weighs less (`weight.ts`). By `all` and `failover` every member is in each answer, so
 * there it is left out of a share of the answers: a draw decides of each answer who is. One draw decides for all members, each of
 * which is left out when it falls below the share that it sheds, so there are no more different answers than members that shed, and
 * one more. Whoever would be answered by nobody then gets the next tier that is up, or, where there is none, everybody: a pool
 * whose members shed alike answers as if none did.
 *
 * ## Full pools
 * What the pool spills is a hole beside that (`spill.ts`).
 */
import { isDrained, type MemberJudgement, type PoolJudgement, poolCondition } from './judge.ts'
import type { AnswerTree, PoolAnswer } from './selection.ts'
import { scaled, spillNode } from './spill.ts'

/** Different answers by who sheds; shares are rounded where there would be more. */
const mostVariants = 9
/** Members of all of these answers together, so that a plan of many pools does not outgrow its bounds. Of larger pools none is left out. */
const mostVariantMembers = 512
/** Tiers that shed to one another. */
const mostTiers = 3

export function poolTree(judgement: PoolJudgement): AnswerTree {
  const { pool, full } = judgement
  const own = shedTree(judgement)
  return full === null || full.share === 0 ? own : spillNode(pool, own, full.share)
}

function shedTree(judgement: PoolJudgement): AnswerTree {
  const { pool, members } = judgement
  const serving = members.filter(({ serves }) => serves)
  const isMoving = judgement.full !== null && judgement.full.share > 0
  const isUnsettled =
    poolCondition(judgement).condition !== 'healthy' ||
    members.some((member) => member.near && !isDrained(member)) ||
    isMoving ||
    serving.some((member) => shareOf(member) > 0)
  const answer = (answering: readonly MemberJudgement[]): PoolAnswer => {
    return { kind: 'answer', by: 'up', pool, members: answering, of: members.length, unsettled: isUnsettled }
  }
  const whole = answer(serving)
  if (pool.select === 'weighted' || pool.select === 'hash') return whole
  const variants = variantsOf(serving, tiersBehind(judgement))
  if (variants.length === 1) return variants[0]!.members === serving ? whole : answer(variants[0]!.members)
  const weights = scaled(variants.map(({ share }) => share))
  return {
    kind: 'weighted',
    within: 'shed',
    children: variants.map(({ members: answering }, index) => {
      return { weight: weights[index]!, node: answering === serving ? whole : answer(answering) }
    }),
  }
}

interface Variant {
  readonly members: readonly MemberJudgement[]
  /** Of the answers, above 0. */
  readonly share: number
}

/** The members that would answer next, tier by tier. */
function tiersBehind({ pool, members, tiers, serving }: PoolJudgement): (readonly MemberJudgement[])[] {
  if (pool.select !== 'failover' || serving === null) return []
  return tiers
    .filter(({ priority, up }) => up && priority > serving.priority)
    .slice(0, mostTiers - 1)
    .map(({ priority }) => members.filter(({ member, kept }) => kept && member.priority === priority))
}

/** @param behind who answers when the draw leaves out everybody, and who when it leaves out those */
function variantsOf(
  serving: readonly MemberJudgement[],
  behind: readonly (readonly MemberJudgement[])[],
): readonly Variant[] {
  const room = Math.min(mostVariants, Math.floor(mostVariantMembers / Math.max(1, serving.length)))
  const shares = new Map(serving.map((member) => [member, shareOf(member)]))
  const all: Variant = { members: serving, share: 1 }
  if (room < 2 || [...shares.values()].every((share) => share === 0)) return [all]
  const rounded = roundedTo(room - 1, shares)
  const bounds = [...new Set([0, ...rounded.values(), 1])].sort((a, b) => a - b)
  const variants = bounds.slice(1).map((to, index): Variant => {
    const from = bounds[index]!
    // The draw falls between the two.
    return { members: serving.filter((member) => rounded.get(member)! <= from), share: to - from }
  })
  const found = variants.flatMap((variant) => {
    const isEverybody = variant.members.length === serving.length
    if (variant.members.length > 0) return [isEverybody ? { ...variant, members: serving } : variant]
    const [next, ...others] = behind
    if (next === undefined) return [{ ...variant, members: serving }]
    return variantsOf(next, others).map(({ members, share }) => ({ members, share: share * variant.share }))
  })
  return joined(found)
}

/** The same answer once. */
function joined(variants: readonly Variant[]): Variant[] {
  const shares = new Map<string, Variant>()
  for (const variant of variants) {
    const key = variant.members.map(({ member }) => member.name).join()
    const share = (shares.get(key)?.share ?? 0) + variant.share
    shares.set(key, { members: shares.get(key)?.members ?? variant.members, share })
  }
  return [...shares.values()]
}

/** Shares as they are, or, where there are too many different ones, in so many steps. */
function roundedTo(most: number, shares: ReadonlyMap<MemberJudgement, number>) {
  const different = new Set([...shares.values()].filter((share) => share > 0))
  if (different.size <= most) return shares
  return new Map(Array.from(shares, ([member, share]) => [member, Math.round(share * most) / most] as const))
}

function shareOf({ fed }: MemberJudgement): number {
  return fed.shed?.share ?? 0
}
