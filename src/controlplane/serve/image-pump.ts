/**
 * Hands updates to the workers one generation at a time. While one is under way, what comes is merged into the next, so
 * a burst of changes costs the workers one swap and nothing waits in a queue: pending is at most one image a slot.
 */
import type { AnswerSettings } from '../../dataplane/image/answer-settings.ts'
import type { ServingUpdate } from '../../dataplane/image/state.ts'

export type Images = Omit<ServingUpdate, 'generation'>

export class ImagePump {
  readonly #publish: (update: ServingUpdate) => Promise<void>
  readonly #zones = new Map<number, SharedArrayBuffer | null>()
  readonly #plans = new Map<number, SharedArrayBuffer | null>()
  readonly #maps = new Map<number, SharedArrayBuffer | null>()
  #directory: SharedArrayBuffer | undefined
  #settings: AnswerSettings | undefined
  #generation = 0
  #next: Promise<void> | undefined
  #running: Promise<void> = Promise.resolve()

  /** @param publish resolves when every worker serves the update; never called while one is under way */
  constructor(publish: (update: ServingUpdate) => Promise<void>) {
    this.#publish = publish
  }

  /** Resolves when what was pushed is served. */
  push(images: Images): Promise<void> {
    for (const [slot, image] of images.zones) this.#zones.set(slot, image)
    for (const [slot, image] of images.plans) this.#plans.set(slot, image)
    for (const [slot, image] of images.maps ?? []) this.#maps.set(slot, image)
    this.#directory = images.directory ?? this.#directory
    this.#settings = images.settings ?? this.#settings
    if (this.#next === undefined) {
      this.#next = this.#running.then(() => this.#flush())
      // One that fails is whose images it had; the next ones go out all the same.
      this.#running = this.#next.catch(() => undefined)
    }
    return this.#next
  }

  #flush(): Promise<void> {
    this.#next = undefined
    const update: ServingUpdate = {
      generation: ++this.#generation,
      zones: [...this.#zones],
      plans: [...this.#plans],
      ...(this.#maps.size === 0 ? {} : { maps: [...this.#maps] }),
      ...(this.#directory === undefined ? {} : { directory: this.#directory }),
      ...(this.#settings === undefined ? {} : { settings: this.#settings }),
    }
    this.#zones.clear()
    this.#plans.clear()
    this.#maps.clear()
    this.#directory = undefined
    this.#settings = undefined
    return this.#publish(update)
  }
}
