/**
 * Things in the order of their times, oldest first, for what counts only for a while: a thing is put at the end with a time no
 * earlier than the last one's, taken out from anywhere, and those that have become too old are taken from the front;
 * each in constant time. A Map keeps such an order too, but to delete and set again and again leaves holes at its front
 * that every look for the oldest has to cross.
 *
 * The links are the owner's, one per thing and list, so that nothing is allocated. Bound: one link per thing.
 */
export class AgeingLink<T> {
  readonly item: T
  /** Written by the list alone, like all of the following. */
  atMs = 0
  inside = false
  older: AgeingLink<T> | null = null
  newer: AgeingLink<T> | null = null

  constructor(item: T) {
    this.item = item
  }
}

export class AgeingList<T> {
  #oldest: AgeingLink<T> | null = null
  #newest: AgeingLink<T> | null = null

  /** Puts a link at the end, or moves it there. */
  append(link: AgeingLink<T>, atMs: number): void {
    this.remove(link)
    link.atMs = atMs
    link.inside = true
    link.older = this.#newest
    if (this.#newest === null) this.#oldest = link
    else this.#newest.newer = link
    this.#newest = link
  }

  /** Takes a link out; one that is not in is left alone. */
  remove(link: AgeingLink<T>): void {
    if (!link.inside) return
    if (link.older === null) this.#oldest = link.newer
    else link.older.newer = link.newer
    if (link.newer === null) this.#newest = link.older
    else link.newer.older = link.older
    link.inside = false
    link.older = null
    link.newer = null
  }

  /** Takes out the oldest thing when its time is before `thanMs`; else there is none. */
  takeOlder(thanMs: number): T | null {
    const oldest = this.#oldest
    if (oldest === null || oldest.atMs >= thanMs) return null
    this.remove(oldest)
    return oldest.item
  }
}
