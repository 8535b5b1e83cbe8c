/**
 * The lane of zone images: which zones wait to be compiled, and which are next. It only keeps the book, for the follower.
 *
 * ## Turns
 * Zones are compiled in turns, each read in one transaction and handed over at once. Of each kind at most one runs:
 *
 * - A light turn takes edits (of zones whose changed owners are known) and zones that are gone: milliseconds.
 * - A heavy turn takes zones that are read whole, and what changed together with them: up to minutes.
 *
 * Zones that change together stay together, since a service that moves from one to the other is in one of them at any time.
 * So an edit is heavy when any zone that changed with it is, or can't be taken by the next light turn.
 *
 * ## What a touched zone goes through
 *     state        touched       taken by a turn   its turn served   its turn failed
 *     level        -> waiting
 *     waiting      (joined)      -> compiling
 *     compiling    -> again                        -> level          -> waiting
 *     again        (joined)      (not yet)         -> waiting        -> waiting (joined)
 *
 * `again` is compiled once more, next: however often a zone is touched, its image is replaced after each turn. A zone that goes
 * while it is compiled is taken by a light turn all the same, and what the heavy one makes of it is dropped. It goes once more
 * behind that, since the order of the heavy turn may come to the compile thread last, and leave an image there.
 *
 * Bounded by the zones.
 */
import type { Catalog } from '../catalog/catalog.ts'
import { joinOwners, type Touched } from './settings.ts'

/** What waits of a zone. */
interface Waiting {
  readonly owners: readonly string[] | null
  readonly heavy: boolean
  /** The zone is no more. */
  readonly gone: boolean
}

/** Zones that are compiled and handed over together. */
export interface Turn {
  readonly heavy: boolean
  readonly catalog: Catalog
  readonly touched: Touched
  /** Zones that went while they were compiled. */
  readonly dropped: Set<string>
}

export class ZoneLane {
  readonly #waiting = new Map<string, Waiting>()
  #light: Turn | null = null
  #heavy: Turn | null = null

  /** Whether a turn could be taken now. */
  get hasNext(): boolean {
    return this.#nextLight().length > 0 || this.#nextHeavy().length > 0
  }

  /** Takes in zones that changed together. @param catalog of after that */
  touch(touched: Touched, { zones }: Catalog): void {
    const heavy = [...touched].some(
      ([apex, owners]) =>
        zones.has(apex) &&
        (owners === null ||
          this.#waiting.get(apex)?.heavy === true ||
          this.#heavy?.touched.has(apex) === true),
    )
    for (const [apex, owners] of touched) this.#join(apex, { owners, heavy, gone: !zones.has(apex) })
  }

  /** Takes the next turn, out of the transaction in which the catalog was read; null when there is none. */
  take(catalog: Catalog): Turn | null {
    const light = this.#nextLight()
    const heavy = light.length > 0 ? [] : this.#nextHeavy()
    const taken = [...light, ...heavy]
    if (taken.length === 0) return null
    const touched = new Map(taken.map(([apex, { owners }]) => [apex, owners]))
    for (const [apex] of taken) this.#waiting.delete(apex)
    const turn: Turn = { heavy: heavy.length > 0, catalog, touched, dropped: new Set() }
    if (turn.heavy) this.#heavy = turn
    else this.#light = turn
    for (const [apex, { gone }] of light) if (gone) this.#heavy?.dropped.add(apex)
    return turn
  }

  /** Ends a turn. @param left what of it is still to be done */
  end(turn: Turn, left: Touched): void {
    if (turn === this.#heavy) this.#heavy = null
    if (turn === this.#light) this.#light = null
    for (const [apex, owners] of left) {
      if (turn.dropped.has(apex)) continue
      const gone = this.#waiting.get(apex)?.gone ?? !turn.catalog.zones.has(apex)
      this.#join(apex, { owners, heavy: turn.heavy || (owners === null && !gone), gone })
    }
    for (const apex of turn.dropped) {
      if (!this.#waiting.has(apex)) this.#join(apex, { owners: null, heavy: false, gone: true })
    }
  }

  #join(apex: string, { owners, heavy, gone }: Waiting): void {
    const before = this.#waiting.get(apex)
    this.#waiting.set(apex, {
      owners: joinOwners(before?.owners, owners),
      heavy: heavy || (before?.heavy === true && !gone),
      gone,
    })
  }

  #nextLight(): (readonly [string, Waiting])[] {
    if (this.#light !== null) return []
    return [...this.#waiting].filter(
      ([apex, { heavy, gone }]) => !heavy && (gone || this.#heavy?.touched.has(apex) !== true),
    )
  }

  /** All or none: they may have changed together. */
  #nextHeavy(): (readonly [string, Waiting])[] {
    if (this.#heavy !== null) return []
    const waiting = [...this.#waiting].filter(([, { heavy }]) => heavy)
    return waiting.some(([apex]) => this.#light?.touched.has(apex)) ? [] : waiting
  }
}
