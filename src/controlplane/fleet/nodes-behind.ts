/** Which nodes have not caught up with a change: asked of the database for as long as somebody wants to know. */
import type { Database } from '../store/database.ts'
import { listServing } from '../store/fleet.ts'
import { pause } from '../timing/clock.ts'

interface Serving {
  readonly id: string
  readonly revision: number
}

export interface NodesBehindOptions {
  readonly database: Pick<Database, 'read'>
  /** Id of this node, which is not asked about. */
  readonly self: string
  /** After so long without a word a node is not there any more. */
  readonly liveForMs: number
  /** Between two looks, in milliseconds. */
  readonly everyMs?: number
}

/** Whoever waits at the same time is served by the same look, so that many do not cost more than one. */
export class NodesBehind {
  readonly #options: NodesBehindOptions
  /** A look that has not begun. */
  #next: Promise<readonly Serving[]> | null = null

  constructor(options: NodesBehindOptions) {
    this.#options = options
  }

  /**
   * Resolves with nothing as soon as every other live node serves `revision` or a later one, and when the signal aborts with the ids of
   * those that did not when they were last heard of. Rejects when the database is away.
   */
  async behind(revision: number, signal: AbortSignal): Promise<readonly string[]> {
    const { self } = this.#options
    for (;;) {
      const others = (await this.#look()).filter(({ id }) => id !== self)
      const behind = others.filter((node) => node.revision < revision).map(({ id }) => id)
      if (behind.length === 0 || signal.aborted) return behind
    }
  }

  #look(): Promise<readonly Serving[]> {
    this.#next ??= this.#lookSoon()
    return this.#next
  }

  async #lookSoon(): Promise<readonly Serving[]> {
    const { database, everyMs = 25, liveForMs } = this.#options
    await pause(everyMs, new AbortController().signal)
    this.#next = null
    return database.read((tx) => listServing(tx, liveForMs))
  }
}
