/**
 * What several nodes come to. Each node votes with what it has measured itself; a node that does not know (yet), that nothing
 * has been heard of for a while, or that suspects its own network, has no vote, and this node is asked like the others.
 *
 * - More than half of the votes decide.
 * - A tie changes nothing: what was agreed before stands, so that of two nodes one alone can neither take a member out nor
 *   bring it back. Before anything was agreed, a member that somebody can reach is up.
 * - Without a vote of anybody it is not known.
 */
import type { HealthState } from '../model.ts'
import type { Opinion } from './checks.ts'

/** What the other nodes say of a member. */
export interface Votes {
  readonly up: number
  readonly down: number
}

/**
 * @param own what this node says
 * @param others what the other nodes say
 * @param before what was agreed
 * @param suspect this node doubts its own network
 */
export function agree(own: Opinion, others: Votes, before: HealthState, suspect = false): Opinion {
  // Alone, a node decides as it would without others.
  if (others.up + others.down === 0) return own
  const up = others.up + (own.state === 'up' && !suspect ? 1 : 0)
  const down = others.down + (own.state === 'down' && !suspect ? 1 : 0)
  const voters = up + down
  const state = up > down ? 'up' : down > up ? 'down' : before === 'unknown' ? 'up' : before
  const said = state === 'up' ? up : down
  const here = suspect ? 'here, without a vote while the network is suspect' : 'here'
  return { state, reason: `${said} of ${voters} nodes say ${state}; ${here}: ${own.reason}` }
}
