/**
 * Which way one query went through a selection: from the steps that the walk of its plan took back to the choices that
 * they mean. A plan has nodes only where something depends on the client or on chance (`compose.ts`), so most levels take no
 * step: of these the one choice that is used is the one that was taken.
 *
 * When nothing is up, or nothing that the client may be sent to, `whenAllDown` answers for all levels at once. Of such an answer it is
 * known which pool it came from, and the route is the first that leads there.
 */
import type { PlanWalk } from '../../dataplane/image/plan.ts'
import { childrenOf, leavesOf } from '../../dataplane/image/plan-tree.ts'
import { reach } from '../rules/graph.ts'
import { isBeyondRoom } from '../steering/answer-room.ts'
import { areasOf, explainArea } from '../steering/compose.ts'
import type {
  AnswerTree,
  PoolAnswer,
  Selection,
  Selections,
  ServiceJudgement,
} from '../steering/selection.ts'

/** A service: the one that was asked, or one that it leads to. */
export interface Level {
  readonly judgement: ServiceJudgement
  /** Whether the query came by here. */
  readonly met: boolean
  /** Position in its choices of the one that was taken; null when none was, or it was not met. */
  readonly taken: number | null
  /** The area that the client is in, for `geo` and `nearest`; null when that was not asked. */
  readonly area: number | null
  /** Positions of choices that had nothing for the client, or spilled this answer. */
  readonly passed: ReadonlySet<number>
}

export interface Route {
  /** What was answered; null when the walk was of another selection's plan. */
  readonly answer: PoolAnswer | null
  /** Every service that the selection knows of, each once, the one that was asked first. */
  readonly levels: readonly Level[]
  /** Whether nothing was up that the client may be sent to, though the service is. */
  readonly nothingUp: boolean
  /** Whether another query of the same client may be answered otherwise: something was drawn, or it is somebody's turn. */
  readonly byChance: boolean
}

/** The selection that a walk went by. */
export function selectionOf({ ipv4, ipv6 }: Selections, walk: PlanWalk): Selection {
  return walk.ipv6 ? ipv6 : ipv4
}

export function routeOf(selections: Selections, walk: PlanWalk): Route {
  const { asked, judgement, tree } = selectionOf(selections, walk)
  // The leaves of the tree for AAAA are numbered behind those of the one for A.
  const before = walk.ipv6 && selections.ipv6 !== selections.ipv4 ? leavesOf(selections.ipv4.tree).length : 0
  const answer = leavesOf(tree)[walk.leaf - before] ?? null
  const steps = stepsOf(tree, walk.way)
  const down = judgement.up ? stepsDown(judgement, steps, answer?.pool?.name) : null
  const isLost = down !== null && !down.arrived
  // Whoever would take what a pool spills had nothing for the client, which stays.
  const nothingUp = isLost && answer?.by !== 'up'
  const turns = isLost || down === null ? stepsTo(judgement, answer?.pool?.name) : down.turns
  for (const [service, { area, passed }] of down?.turns ?? []) {
    if (isLost) turns.set(service, { taken: turns.get(service)?.taken ?? null, area, passed })
  }
  const below = ({ choices }: ServiceJudgement) =>
    choices.flatMap((choice) => (choice.kind === 'service' ? [choice.judgement] : []))
  const judgements = reach([judgement], below, ({ service }) => service.name)
  const levels = judgements.map((level): Level => {
    const turn = turns.get(level.service.name) ?? { taken: null, area: null, passed: nonePassed }
    return { judgement: level, met: turn.taken !== null, ...turn }
  })
  const drawn = levels.some(({ met, judgement: { service, choices } }) => {
    return met && service.steer === 'weighted' && choices.filter(({ used }) => used).length > 1
  })
  const split = steps.some(({ node }) => node.kind === 'weighted' && splitOf(node) !== null)
  const isPart = (of: PoolAnswer) => isDrawn(of) || isBeyondRoom(of, judgement.service.name, asked)
  return { answer, levels, nothingUp, byChance: drawn || split || (answer !== null && isPart(answer)) }
}

type Turn = Pick<Level, 'taken' | 'area' | 'passed'>

const nonePassed: ReadonlySet<number> = new Set()

/** Turns by service. */
type Turns = Map<string, Turn>

/** A node that depends on the client or on chance, and the child that was taken. */
interface Step {
  readonly node: AnswerTree
  readonly child: number
}

function stepsOf(tree: AnswerTree, way: PlanWalk['way']): Step[] {
  let node: AnswerTree | undefined = tree
  return way.flatMap((child) => {
    if (node === undefined) return []
    const step: Step = { node, child }
    const children: readonly AnswerTree[] = childrenOf(node)
    node = children[child] ?? children[0]
    return [step]
  })
}

/**
 * The turns from a service that is up down to the pool. Where a choice had nothing for the client, the next one stands in its place
 * in the tree, so the steps go on with that.
 */
function stepsDown(
  asked: ServiceJudgement,
  steps: Step[],
  pool: string | undefined,
): { turns: Turns; arrived: boolean } {
  const turns: Turns = new Map()
  const left = [...steps]
  /** Areas by slot of a map: below an area, the tree does not ask the same map again. */
  const areas = new Map<number, number>()
  const next = (kind: AnswerTree['kind'], mapSlot?: number): number => {
    const [step] = left
    const fits =
      step?.node.kind === kind &&
      splitOf(step.node) === null &&
      (step.node.kind !== 'located' || step.node.mapSlot === mapSlot)
    if (!fits) return (mapSlot === undefined ? undefined : areas.get(mapSlot)) ?? 0
    left.shift()
    if (mapSlot !== undefined) areas.set(mapSlot, step.child)
    return step.child
  }
  const within = (what: 'shed' | 'spill'): number => {
    const [step] = left
    if (step === undefined || splitOf(step.node) !== what) return 0
    left.shift()
    return step.child
  }
  const descend = (at: ServiceJudgement): boolean => {
    const passed = new Set<number>()
    const area = isLocated(at) ? areaAt(at, next) : null
    for (;;) {
      const taken = takenAt(at, passed, area, next)
      turns.set(at.service.name, { taken, area, passed })
      if (taken === null) return false
      const choice = at.choices[taken]!
      if (choice.kind === 'pool') {
        if (within('spill') === 0) {
          within('shed')
          return true
        }
        passed.add(taken)
        if (!isDrawnAmong(at)) continue
        // There the others take their part by being drawn: what leaves the pool leaves the service.
        turns.set(at.service.name, { taken: null, area, passed })
        return false
      }
      if (descend(choice.judgement)) return true
      if (choice.forced === 'up') {
        // It has nothing that is up, and answers by what it would serve all the same.
        for (const [service, turn] of stepsTo(choice.judgement, pool)) turns.set(service, turn)
        return true
      }
      passed.add(taken)
    }
  }
  return { arrived: descend(asked), turns }
}

/** What a node draws within a choice; null for one that is a choice among the choices of a service. */
function splitOf(node: AnswerTree): 'shed' | 'spill' | null {
  return node.kind === 'weighted' || node.kind === 'hash' ? (node.within ?? null) : null
}

function isDrawnAmong({ service: { steer } }: ServiceJudgement): boolean {
  return steer === 'weighted' || steer === 'hash'
}

type Next = (kind: AnswerTree['kind'], mapSlot?: number) => number

function isLocated({ service: { steer } }: ServiceJudgement): boolean {
  return steer === 'geo' || steer === 'nearest'
}

function areaAt(judgement: ServiceJudgement, next: Next): number {
  const { areas, mapSlot } = areasOf(judgement)
  return areas.length === 1 ? 0 : next('located', mapSlot)
}

/** @param passed choices that had nothing for the client */
function takenAt(
  judgement: ServiceJudgement,
  passed: ReadonlySet<number>,
  area: number | null,
  next: Next,
): number | null {
  const { service, choices } = judgement
  if (area !== null) {
    const taken = explainArea(judgement, area, passed).findIndex(({ used }) => used)
    return taken < 0 ? null : taken
  }
  const open = choices.flatMap(({ used, up }, index) => (used && up && !passed.has(index) ? [index] : []))
  if (isDrawnAmong(judgement)) {
    const weighty = open.filter((index) => service.choices[index]!.weight > 0)
    const drawn = weighty.length > 0 ? weighty : open
    return drawn[drawn.length > 1 ? next(service.steer === 'hash' ? 'hash' : 'weighted') : 0] ?? null
  }
  const latencyOf = (index: number) => choices[index]!.latencyMs ?? Number.POSITIVE_INFINITY
  if (service.steer === 'latency') open.sort((a, b) => latencyOf(a) - latencyOf(b) || a - b)
  return open[0] ?? null
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
      if (below !== null)
        return new Map([[at.service.name, { taken, area: null, passed: nonePassed }], ...below])
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
