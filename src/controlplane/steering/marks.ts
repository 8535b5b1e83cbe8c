/** Judgements of services that say of choices that they are answered from, though they are not up. */
import type { Pool } from '../model/pool.ts'
import type { AnsweredBy, ChoiceJudgement, ServiceJudgement } from './selection.ts'

/** Of a service that has nothing of a family: the first pool stands for all, which have as little. */
export function markFirst(judgement: ServiceJudgement): {
  readonly marked: ServiceJudgement
  readonly pool: Pool
} {
  const [first, ...others] = judgement.choices as [ChoiceJudgement, ...ChoiceJudgement[]]
  if (first.kind === 'pool') {
    return {
      marked: { ...judgement, choices: [{ ...first, used: true }, ...others] },
      pool: first.judgement.pool,
    }
  }
  const { marked, pool } = markFirst(first.judgement)
  return { marked: { ...judgement, choices: [{ ...first, used: true, judgement: marked }, ...others] }, pool }
}

/** Says of choices that are down that they are answered from all the same. */
export function markServed(
  asked: ServiceJudgement,
  pools: ReadonlySet<string>,
  by: AnsweredBy,
): ServiceJudgement {
  // Several choices may lead to one service.
  const marked = new Map<ServiceJudgement, ServiceJudgement>()
  const mark = (judgement: ServiceJudgement): ServiceJudgement => {
    const result = marked.get(judgement) ?? { ...judgement, choices: judgement.choices.map(markChoice) }
    marked.set(judgement, result)
    return result
  }
  const markChoice = (choice: ChoiceJudgement): ChoiceJudgement => {
    const served = { used: true, why: `${choice.why}; answers by ${by}` }
    if (choice.kind === 'pool')
      return pools.has(choice.judgement.pool.name) ? { ...choice, ...served } : choice
    const inner = mark(choice.judgement)
    return inner.choices.some(({ used }) => used) ? { ...choice, ...served, judgement: inner } : choice
  }
  return mark(asked)
}
