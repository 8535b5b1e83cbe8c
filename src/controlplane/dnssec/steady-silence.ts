/**
 * How long nodes have been silent, by the clock of the database and by the steady clock of this node from when it first saw their last word,
 * whichever is less: a clock that is set forward gives nobody up.
 *
 * Bounded by the nodes.
 */
import type { SigningNode } from '../model/observation.ts'
import type { Clock } from '../timing/clock.ts'

/** A node is taken for silent from the first look on. */
const atOnceMs = 11_000

export class SteadySilence {
  readonly #clock: Clock
  #seen: ReadonlyMap<string, { readonly seenAt: number; readonly sinceMs: number }> = new Map()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The same nodes, silent for no longer than this node can vouch for. */
  of(nodes: readonly SigningNode[]): SigningNode[] {
    const nowMs = this.#clock.nowMs()
    const before = this.#seen
    this.#seen = new Map(
      nodes.map(({ id, seenAt, silentMs }) => {
        const known = before.get(id)
        if (known?.seenAt === seenAt.getTime()) return [id, known]
        return [id, { seenAt: seenAt.getTime(), sinceMs: nowMs - Math.min(silentMs, atOnceMs) }]
      }),
    )
    return nodes.map((node) => {
      return { ...node, silentMs: Math.min(node.silentMs, nowMs - this.#seen.get(node.id)!.sinceMs) }
    })
  }
}
