import type { Event } from '../../model/event.ts'
import type { WebhookSettings } from '../../model/webhook.ts'

/**
 * Whether a webhook is told of an event. An event of no pool (this node's own network) concerns every pool, so it passes
 * whatever pools are named.
 */
export function wants({ kinds, pools }: WebhookSettings, event: Event): boolean {
  if (kinds !== null && !kinds.includes(event.kind)) return false
  return pools === null || !('pool' in event) || pools.some((pattern) => patternsMeet(pattern, event.pool))
}

/**
 * Whether there is a name that both patterns fit; `*` stands for any characters, none included. An override may name pools
 * by a pattern too, and concerns a webhook when there could be a pool of both.
 */
export function patternsMeet(one: string, other: string): boolean {
  if (!one.includes('*') && !other.includes('*')) return one === other
  // meets[j]: the rest of `one` from i on and the rest of `other` from j on. From the ends to the beginnings.
  let below = new Array<boolean>(other.length + 1)
  for (let i = one.length; i >= 0; i--) {
    const meets = new Array<boolean>(other.length + 1)
    for (let j = other.length; j >= 0; j--) {
      if (i === one.length && j === other.length) meets[j] = true
      else if (one[i] === '*') meets[j] = below[j]! || (j < other.length && meets[j + 1]!)
      else if (other[j] === '*') meets[j] = meets[j + 1]! || (i < one.length && below[j]!)
      else meets[j] = i < one.length && one[i] === other[j] && below[j + 1]!
    }
    below = meets
  }
  return below[0]!
}
