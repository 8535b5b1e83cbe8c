/**
 * Which way one query went through a selection: from the steps that the walk of its plan took back to the choices that
 * they mean. A plan has nodes only where something depends on the client or on chance (`compose.ts`), so most levels take no
 * step: of these the one choice that is used is the one that was taken.
 *
 * When nothing is up, `whenAllDown` answers for all levels at once. Of such an answer it is known which pool it came
 * from, and the route is the first that leads there.
 */
import type { PlanWalk } from '../../dataplane/image/plan.ts'
import { leavesOf } from '../../dataplane/image/plan-tree.ts'
import { reach } from '../rules/graph.ts'
import { areasOf, explainArea } from '../steering/compose.ts'
import type { ChoiceJudgement, PoolAnswer, Selection, ServiceJudgement } from '../steering/selection.ts'

/** A service: the one that was asked, or one that it leads to. */
export interface Level {
  readonly judgement: ServiceJudgement
  /** Whether the query came by here. */
  readonly met: boolean
  /** Position in its choices of the one that was taken; null when none was, or it was not met. */
  readonly taken: number | null
  /** The area that the client is in, for `geo` and `nearest`; null when that was not asked. */
  readonly area: number | null
}

export interface Route {
  /** What was answered; null when the walk was of another selection's plan. */
  readonly answer: PoolAnswer | null
  /** Every service that the selection knows of, each once, the one that was asked first. */
  readonly levels: readonly Level[]
  /** Whether another query of the same client may be answered otherwise: something was drawn, or it is somebody's turn. */
  readonly byChance: boolean
}

export function routeOf({ judgement, by, tree }: Selection, walk: PlanWalk): Route {
  const answer = leavesOf(tree)[walk.leaf] ?? null
  const turns = by === 'up' ? stepsDown(judgement, walk.way) : stepsTo(judgement, answer?.pool?.name)
  const below = ({ choices }: ServiceJudgement) =>
    choices.flatMap((choice) => (choice.kind === 'service' ? [choice.judgement] : []))
  const judgements = reach([judgement], below, ({ service }) => service.name)
  const levels = judgements.map((level): Level => {
    const { taken, area } = turns.get(level.service.name) ?? { taken: null, area: null }
    return { judgement: level, met: taken !== null, taken, area }
  })
  const drawn = levels.some(({ met, judgement: { service, choices } }) => {
    return met && service.steer === 'weighted' && choices.filter(({ used }) => used).length > 1
  })
  return { answer, levels, byChance: drawn || (answer !== null && isDrawn(answer)) }
}

interface Turn {
  readonly taken: number
  readonly area: number | null
}

/** Turns by service. */
type Turns = Map<string, Turn>

/** The turns from a service that is up down to the pool. */
function stepsDown(asked: ServiceJudgement, way: PlanWalk['way']): Turns {
  const turns: Turns = new Map()
  const steps = [...way]
  for (let at: ServiceJudgement | null = asked; at !== null; ) {
    const turn = turnAt(at, () => steps.shift() ?? 0)
    turns.set(at.service.name, turn)
    const choice: ChoiceJudgement | undefined = at.choices[turn.taken]
    at = choice?.kind === 'service' ? choice.judgement : null
  }
  return turns
}

function turnAt(judgement: ServiceJudgement, step: () => number): Turn {
  const used = judgement.choices.flatMap((choice, index) => (choice.used ? [index] : []))
  switch (judgement.service.steer) {
    case 'failover':
    case 'latency':
      return { taken: used[0]!, area: null }
    case 'weighted':
    case 'hash':
      return { taken: used.length === 1 ? used[0]! : (used[step()] ?? used[0]!), area: null }
    case 'geo':
    case 'nearest': {
      const area = areasOf(judgement).areas.length === 1 ? 0 : step()
      return { taken: explainArea(judgement, area).findIndex((choice) => choice.used), area }
    }
  }
}

/** The first way by choices that are used to a pool. */
function stepsTo(asked: ServiceJudgement, pool: string | undefined): Turns {
  const seen = new Set<ServiceJudgement>()
  const find = (at: ServiceJudgement): Turns | null => {
    if (seen.has(at)) return null
    seen.add(at)
    for (const [taken, choice] of at.choices.entries()) {
      if (!choice.used) continue
      const below =
        choice.kind === 'service'
          ? find(choice.judgement)
          : choice.judgement.pool.name === pool
            ? new Map()
            : null
      if (below !== null) return new Map([[at.service.name, { taken, area: null }], ...below])
    }
    return null
  }
  return find(asked) ?? new Map()
}

/** Whether there may be members that wait for their turn, or for chance. */
function isDrawn({ pool, members }: PoolAnswer): boolean {
  if (pool === null || pool.select === 'hash') return false
  const weighty = pool.select === 'weighted' ? members.filter(({ weight }) => weight > 0) : members
  const { length } = weighty.length > 0 ? weighty : members
  const most = pool.hosts === 'cname' ? 1 : (pool.answers ?? (pool.select === 'weighted' ? 1 : length))
  return most < length
}
