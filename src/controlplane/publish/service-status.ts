import type { Selection } from '../steering/select.ts'

/** A service's state in a few words, for the API. */
export interface ServiceState {
  readonly state: 'up' | 'down' | 'unknown'
  /** The pool that is served now; null when none is. */
  readonly pool: string | null
  readonly reason: string
}

export function serviceStatus(selection: Selection | undefined): ServiceState | null {
  if (selection === undefined) return null
  const pool = selection.pool?.name ?? null
  if (selection.outcome !== 'pool-up')
    return { state: 'down', pool, reason: `every pool is down: ${selection.outcome}` }
  return {
    state: 'up',
    pool,
    reason: `${selection.members.length} of ${selection.pool!.members.length} members answer`,
  }
}
