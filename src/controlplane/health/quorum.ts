/**
 * What several nodes come to. Each node votes with what it has measured itself; a node that does not know (yet), that nothing
 * has been heard of for a while, or that suspects its own network, has no vote, and this node is asked like the others.
 *
 * - More than half of the votes for down is down; anything else is up. So of two nodes one alone can't take a member out, and
 *   a member that half of them reach is answered.
 * - Without a vote of another node this one decides alone.
 *
 * Nothing but the votes decides, so that nodes with the same votes come to the same, however long each has been there and
 * whatever it decided while it was alone. A tie that left a member as it was would leave it up here and down there, for good.
 */
import type { Opinion } from './check.ts'

/** What the other nodes say of a member. */
export interface Votes {
  readonly up: number
  readonly down: number
}

/**
 * @param own what this node says
 * @param others what the other nodes say
 * @param suspect whether this node suspects its own network, so that its word is not asked for
 */
export function agree(own: Opinion, others: Votes, suspect: boolean): Opinion {
  if (others.up + others.down === 0) return own
  const vote = suspect ? 'unknown' : own.state
  const up = others.up + (vote === 'up' ? 1 : 0)
  const down = others.down + (vote === 'down' ? 1 : 0)
  const [state, said] = down > up ? (['down', down] as const) : (['up', up] as const)
  const here = suspect ? 'here, without a vote while the network is suspect' : 'here'
  return { state, reason: `${said} of ${up + down} nodes say ${state}; ${here}: ${own.reason}` }
}
