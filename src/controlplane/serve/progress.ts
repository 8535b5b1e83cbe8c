/**
 * How much of the configuration the workers serve. Settings are served as a whole, up to a revision; each zone follows when
 * its image has been compiled. So there are two answers:
 *
 * - The revision that is served whole: what the node says of itself, and what a snapshot may be written of. A zone that takes
 *   long to compile holds it back.
 * - Whether what one revision changed is served: a write waits for that alone.
 */
import type { Mark } from '../catalog/catalog.ts'
import { orAborted } from '../timing/clock.ts'

/** Something about a zone that its served image does not show yet. */
export interface ZoneChange {
  /** The revisions, from the first to the last, that changed it. None, as `from` is above `to`, for a zone that is compiled anew. */
  readonly from: number
  readonly to: number
  /** The compile thread may lack the image that is served: nothing on disk is known to be of a revision before. */
  readonly lost: boolean
}

interface Behind extends ZoneChange {
  /** What was served of settings when the change came. */
  readonly before: Mark
}

export class Progress {
  #settings: Mark = { revision: -1, stamp: null }
  /** Changes by apex. Bounded by the zones, and for each by the writes that come while it is compiled. */
  readonly #behind = new Map<string, Behind[]>()
  readonly #onMoved: () => void
  /** One entry for each request that waits for its own write; each ends with its request. */
  readonly #waiters = new Set<{ readonly revision: number; readonly resolve: () => void }>()

  /** @param onMoved more is served than before */
  constructor(onMoved: () => void = () => undefined) {
    this.#onMoved = onMoved
  }

  /** What is served of settings; revision -1 before the first. */
  get settings(): Mark {
    return this.#settings
  }

  /** The last revision that is served whole; -1 before the first. */
  get revision(): number {
    return this.#oldest().revision
  }

  /** The same, with its stamp. */
  get served(): Mark {
    return this.#oldest()
  }

  /** The same; null while the compile thread may lack an image of it. */
  get whole(): Mark | null {
    return this.#changes.some(({ lost }) => lost) ? null : this.#oldest()
  }

  /** Says that a zone is to be compiled. Before the settings of that revision are reached. */
  fallBehind(apex: string, change: ZoneChange): void {
    const changes = this.#behind.get(apex) ?? []
    changes.push({ ...change, before: this.#settings })
    this.#behind.set(apex, changes)
  }

  /**
   * Says that everything is read again, up to a revision, and all zones are to be compiled. What was to be waited for may be of a
   * history that the database has forgotten, and would never come.
   */
  startOver(apexes: Iterable<string>, to: number): void {
    const before = this.#oldest()
    this.#behind.clear()
    for (const apex of apexes) this.#behind.set(apex, [{ from: 0, to, lost: true, before }])
  }

  /** Says that the workers serve these zones as they are at a revision, or that they are no more. */
  catchUp(apexes: Iterable<string>, revision: number): void {
    for (const apex of apexes) {
      const left = (this.#behind.get(apex) ?? []).filter(({ to }) => to > revision)
      if (left.length === 0) this.#behind.delete(apex)
      else this.#behind.set(apex, left)
    }
    this.#wake()
  }

  /** Says that the workers serve the settings of a revision. */
  reachSettings({ revision, stamp }: Mark): void {
    this.#settings = { revision, stamp }
    this.#wake()
  }

  /** Resolves when the workers serve what a revision changed, or something later. Rejects with the signal's reason. */
  async reached(revision: number, signal: AbortSignal): Promise<void> {
    if (this.#serves(revision)) return
    const waiter = { revision, ...Promise.withResolvers<void>() }
    this.#waiters.add(waiter)
    try {
      await orAborted(waiter.promise, signal)
    } finally {
      this.#waiters.delete(waiter)
    }
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (this.#serves(waiter.revision)) waiter.resolve()
    }
    this.#onMoved()
  }

  get #changes(): Behind[] {
    return [...this.#behind.values()].flat()
  }

  #serves(revision: number): boolean {
    if (this.#settings.revision < revision) return false
    return !this.#changes.some(({ from, to }) => from <= revision && revision <= to)
  }

  #oldest(): Mark {
    const marks = this.#changes.map(({ before }) => before)
    return marks.reduce((oldest, mark) => (mark.revision < oldest.revision ? mark : oldest), this.#settings)
  }
}
