import { leavesOf } from '../../dataplane/image/plan-tree.ts'
import type { ServiceCondition } from '../model/event.ts'
import { type Family, familyNames } from '../model/family.ts'
import { cutReason, longestReason } from '../model/reason.ts'
import { tellRoom } from '../steering/answer-room.ts'
import { distinct, type Selection, type Selections } from '../steering/selection.ts'

/** A service's state in a few words, for the API. */
export interface ServiceState {
  readonly state: 'up' | 'down' | 'unknown'
  /** The pool that is served now; null when there is none, or several. */
  readonly pool: string | null
  readonly reason: string
}

/**
 * Up when it is up in a family that it has something of; what its families come to is told side by side where they are two.
 *
 * @param unplanned why no plan could be made of it; null when one was
 */
export function serviceStatus(
  selections: Selections | undefined,
  unplanned: string | null = null,
): ServiceState | null {
  if (selections === undefined) return null
  if (unplanned !== null)
    return { state: 'down', pool: null, reason: `answered as before it was changed, if at all: ${unplanned}` }
  const states = distinct(selections).map((selection) => ({ ...stateOf(selection), asked: selection.asked }))
  const [first] = states
  if (states.length === 1) return { state: first!.state, pool: first!.pool, reason: first!.reason }
  const isSame = states.every(({ pool }) => pool === first!.pool)
  const up = states.some(({ state }) => state === 'up')
  const reason = states.map(({ asked, reason }) => `${familyNames[asked as Family]}: ${reason}`).join('; ')
  return { state: up ? 'up' : 'down', pool: isSame ? first!.pool : null, reason }
}

/** What a service comes to, and who answers for it. */
export interface ServiceReport {
  readonly condition: ServiceCondition
  /** The pools that answer, over all clients and both families, in order of their names. */
  readonly pools: readonly string[]
  readonly reason: string
}

/**
 * What a service is by the answers that its clients get; null when there is no selection.
 *
 * @param unplanned as in `serviceStatus`: nobody can say then who answers
 */
export function serviceReport(
  selections: Selections | undefined,
  unplanned: string | null = null,
): ServiceReport | null {
  const status = serviceStatus(selections, unplanned)
  if (selections === undefined || status === null) return null
  // The parts of a service with many pools would be a list and not a reason.
  const reason = cutReason(status.reason, longestReason)
  if (unplanned !== null) return { condition: 'down', pools: [], reason }
  const leaves = distinct(selections).flatMap(({ tree }) => leavesOf(tree))
  const pools = [...new Set(leaves.flatMap(({ pool }) => (pool === null ? [] : [pool.name])))].sort()
  const up = leaves.filter(({ by }) => by === 'up').length
  const condition = up === leaves.length ? 'up' : up > 0 ? 'degraded' : 'down'
  return { condition, pools, reason }
}

function stateOf({ asked, by, judgement, tree }: Selection): ServiceState {
  const leaves = leavesOf(tree).flatMap((leaf) => (leaf.pool === null ? [] : [{ ...leaf, pool: leaf.pool }]))
  const pool = leaves.length === 1 ? leaves[0]!.pool.name : null
  if (!judgement.up) return { state: 'down', pool, reason: `every pool is down: ${by}` }
  const parts = leaves.map((leaf) => {
    const named = leaves.length === 1 ? '' : `${leaf.pool.name}: `
    const room = tellRoom(leaf, judgement.service.name, asked)
    return `${named}${leaf.members.length} of ${leaf.of} members answer${room}`
  })
  return { state: 'up', pool, reason: parts.join('; ') }
}
