/**
 * A binary min-heap of things that are due at a time, in which a thing knows its own place, so that it can be
 * taken out or moved in O(log n). Leaving dead entries in place and skipping them later would be shorter, but then
 * a configuration that changes every second would grow the heap by all members each time.
 *
 * Bound: one entry per scheduled job, which is one per check.
 */
export interface Due {
  dueMs: number
  /** Index in the heap, -1 outside. Written by the heap alone. */
  heapIndex: number
}

export class DueHeap<T extends Due> {
  readonly #items: T[] = []

  /** The item that is due first, or undefined when there is none. */
  peek(): T | undefined {
    return this.#items[0]
  }

  /** Puts an item in, or moves it to its place after its `dueMs` changed. */
  put(item: T): void {
    if (item.heapIndex === -1) {
      item.heapIndex = this.#items.length
      this.#items.push(item)
    }
    this.#sink(this.#rise(item.heapIndex))
  }

  /** Takes an item out; one that is not in is left alone. */
  remove(item: T): void {
    const index = item.heapIndex
    if (index === -1) return
    const last = this.#items.pop()!
    item.heapIndex = -1
    if (last === item) return
    this.#place(last, index)
    this.#sink(this.#rise(index))
  }

  #place(item: T, index: number): void {
    this.#items[index] = item
    item.heapIndex = index
  }

  #rise(start: number): number {
    const item = this.#items[start]!
    let index = start
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.#items[parentIndex]!
      if (parent.dueMs <= item.dueMs) break
      this.#place(parent, index)
      index = parentIndex
    }
    this.#place(item, index)
    return index
  }

  #sink(start: number): void {
    const item = this.#items[start]!
    let index = start
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      let child = left
      if (right < this.#items.length && this.#items[right]!.dueMs < this.#items[left]!.dueMs) child = right
      if (child >= this.#items.length || this.#items[child]!.dueMs >= item.dueMs) break
      this.#place(this.#items[child]!, index)
      index = child
    }
    this.#place(item, index)
  }
}
