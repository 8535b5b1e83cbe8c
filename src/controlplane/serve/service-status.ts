import { leavesOf } from '../../dataplane/image/plan-tree.ts'
import type { Selection } from '../steering/selection.ts'

/** A service's state in a few words, for the API. */
export interface ServiceState {
  readonly state: 'up' | 'down' | 'unknown'
  /** The pool that is served now; null when there is none, or several. */
  readonly pool: string | null
  readonly reason: string
}

export function serviceStatus(selection: Selection | undefined): ServiceState | null {
  if (selection === undefined) return null
  const { by, tree } = selection
  const leaves = leavesOf(tree).flatMap(({ pool, members }) => (pool === null ? [] : [{ pool, members }]))
  const pool = leaves.length === 1 ? leaves[0]!.pool.name : null
  if (by !== 'up') return { state: 'down', pool, reason: `every pool is down: ${by}` }
  const parts = leaves.map(({ pool, members }) => {
    const named = leaves.length === 1 ? '' : `${pool.name}: `
    return `${named}${members.length} of ${pool.members.length} members answer`
  })
  return { state: 'up', pool, reason: parts.join('; ') }
}
