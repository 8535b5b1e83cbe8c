/**
 * Hands updates to the workers one generation at a time. While one is under way, what comes is merged into the next, so
 * a burst of changes costs the workers one swap and nothing waits in a queue: pending is at most one image a slot.
 */
import { type ServingChanges, ServingSet, type ServingUpdate } from '../../dataplane/image/serving-set.ts'

export class ImagePump {
  readonly #publish: (update: ServingUpdate) => Promise<void>
  readonly #pending = new ServingSet()
  #generation = 0
  #next: Promise<void> | undefined
  #running: Promise<void> = Promise.resolve()

  /** @param publish resolves when every worker serves the update; never called while one is under way */
  constructor(publish: (update: ServingUpdate) => Promise<void>) {
    this.#publish = publish
  }

  /** Resolves when what was pushed is served. */
  push(changes: ServingChanges): Promise<void> {
    this.#pending.add(changes)
    if (this.#next === undefined) {
      this.#next = this.#running.then(() => this.#flush())
      // A failure concerns those alone who pushed its images; the next ones go out all the same.
      this.#running = this.#next.catch(() => undefined)
    }
    return this.#next
  }

  #flush(): Promise<void> {
    this.#next = undefined
    const update = { ...this.#pending.changes(), generation: ++this.#generation }
    this.#pending.clear()
    return this.#publish(update)
  }
}
