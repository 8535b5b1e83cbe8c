/**
 * Tells in the log which networks the rate limiter has limited. The threads that answer never log: they note networks beside their
 * counters, and this looks there every few seconds, so a flood costs one line each time, of some networks.
 */

import { type LimitedNetwork, readLimitedNetworks } from '../dataplane/counter-totals.ts'
import type { RateLimit } from '../dataplane/image/answer-settings.ts'
import type { Logger } from '../telemetry/log.ts'

/** Most networks of a line; the others come to a number. */
const maxTold = 8

export class LimitedNetworks {
  /** What was read last, by worker and slot. Bounded by the workers and their slots. */
  #seen: readonly (readonly (LimitedNetwork | null)[])[] = []

  /** Looks once, and logs a line if there is something new. */
  look(buffers: readonly SharedArrayBuffer[], mode: RateLimit, log: Pick<Logger, 'warn'>): void {
    const read = buffers.map(readLimitedNetworks)
    const fresh = new Map<string, number>()
    for (const [worker, slots] of read.entries()) {
      for (const [slot, now] of slots.entries()) {
        if (now === null) continue
        const before = this.#seen[worker]?.[slot]
        const known = before?.network === now.network && before.count <= now.count ? before.count : 0
        if (now.count > known) fresh.set(now.network, (fresh.get(now.network) ?? 0) + now.count - known)
      }
    }
    this.#seen = read
    if (fresh.size === 0) return
    const most = [...fresh].sort(([, a], [, b]) => b - a)
    const networks = most.slice(0, maxTold).map(([network, responses]) => ({ network, responses }))
    const what = mode.logOnly
      ? 'responses are above the rate limit, and passed'
      : 'responses are rate limited'
    log.warn({ networks, others: most.length - networks.length }, what)
  }
}
