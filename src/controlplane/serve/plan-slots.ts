/**
 * The slots of services' plans, by which zone images name them. A service that leaves the configuration is still named by
 * the image of its zone until another one is served, and by those under way; queries meet it there. So its slot, and with
 * that its plan, stays until nothing names it: no other service may be answered in its place.
 */
import { Slots } from './slots.ts'

/** The services that an image names. */
export type Named = readonly { readonly name: string }[]

export class PlanSlots {
  readonly #slots = new Slots()
  /** How many images, served or under way, name a service. Bounded by the services that have a slot. */
  readonly #named = new Map<string, number>()

  /** The slot of a service, a new one if it has none. */
  take(service: string): number {
    return this.#slots.take(service)!
  }

  /** The service that has a slot. */
  serviceIn(slot: number): string | undefined {
    return [...this.#slots].find(([, held]) => held === slot)?.[0]
  }

  /** Services and their slots, now. */
  get all(): IterableIterator<[service: string, slot: number]> {
    return this.#slots[Symbol.iterator]()
  }

  /** Notes one more image that names these. */
  hold(services: Named): void {
    for (const { name } of services) this.#named.set(name, (this.#named.get(name) ?? 0) + 1)
  }

  /** Says that an image that named these is gone. */
  letGo(services: Named): void {
    for (const { name } of services) {
      const left = this.#named.get(name)! - 1
      if (left === 0) this.#named.delete(name)
      else this.#named.set(name, left)
    }
  }

  /** Services that have left the configuration, but are named. */
  leaving(services: ReadonlyMap<string, unknown>): Set<string> {
    return new Set([...this.#named.keys()].filter((name) => !services.has(name)))
  }

  /** Frees the slots of services that are neither of the configuration nor named. */
  free(services: ReadonlyMap<string, unknown>): [name: string, slot: number][] {
    const left = [...this.#slots].filter(([name]) => !services.has(name) && !this.#named.has(name))
    for (const [name] of left) this.#slots.release(name)
    return left
  }
}
