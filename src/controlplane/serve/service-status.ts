import { leavesOf } from '../../dataplane/image/plan-tree.ts'
import { type Family, familyNames } from '../model/family.ts'
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
