/**
 * What a worker answers by: everything that was published, opened for reading, by kind and slot (`serving-set.ts`). A whole update is
 * applied between two queries: a query sees the old state or the new one.
 */
import type { NameScan } from '../wire/name-scan.ts'
import { type AnswerSettings, defaultAnswerSettings } from './answer-settings.ts'
import { compileDirectory, Directory } from './directory.ts'
import type { ZoneImage } from './image.ts'
import { ImageMemory } from './image-memory.ts'
import type { LocationMap } from './location-map.ts'
import type { PlanImage } from './plan.ts'
import { collectGarbage, reclaimOctets } from './reclaim.ts'
import {
  type KindName,
  kindNames,
  type Label,
  type Opened,
  type ServingUpdate,
  servingKinds,
} from './serving-set.ts'

/** What answers are found in. */
export type AnswerState = Pick<ServingState, 'findZone' | 'zone' | 'plan' | 'map'>

export class ServingState {
  generation = 0
  settings: AnswerSettings = defaultAnswerSettings
  /** What queries read of `#opened` stands beside it, to be found in one step. */
  readonly #opened = Object.fromEntries(kindNames.map((kind) => [kind, []])) as unknown as Opened
  readonly #zones = this.#opened.zones
  readonly #plans = this.#opened.plans
  readonly #maps = this.#opened.maps
  readonly #labels = this.#opened.labels
  #directory = new Directory(compileDirectory(new Map()))
  readonly #collect: () => void
  readonly #memory: ImageMemory
  /** Octets of images that were replaced since the last collection. */
  #replaced = 0

  /**
   * @param collect see `reclaim.ts`
   * @param memory in which images lie
   */
  constructor(collect = collectGarbage, memory = ImageMemory.none) {
    this.#collect = collect
    this.#memory = memory
  }

  apply(update: ServingUpdate): void {
    for (const kind of kindNames) this.#replaced += this.#apply(kind, update)
    this.#directory = this.#opened.directory[0] ?? this.#directory
    this.settings = this.#opened.settings[0] ?? this.settings
    this.generation = update.generation
    if (this.#replaced < reclaimOctets) return
    this.#replaced = 0
    this.#collect()
  }

  /** Label of the apex of the deepest zone that holds `name`, looking from label `from`; -1 for none. */
  findZone(name: NameScan, from: number): number {
    return this.#directory.find(name, from, this.#zones)
  }

  /** The zone that the last successful `findZone` found; undefined when it never had an image that can be read. */
  get zone(): ZoneImage | undefined {
    return this.#zones[this.#directory.slot]
  }

  /** Undefined while no plan that can be read has been in the slot. */
  plan(slot: number): PlanImage | undefined {
    return this.#plans[slot]
  }

  /** Undefined while no map is in the slot. */
  map(slot: number): LocationMap | undefined {
    return this.#maps[slot]
  }

  /** What is counted in a slot of the counters, as text; undefined where nobody has said so. */
  label(slot: number): Label | undefined {
    return this.#labels[slot]
  }

  /** @returns octets of what it let go of */
  #apply<K extends KindName>(kind: K, update: ServingUpdate): number {
    const { open, octets } = servingKinds[kind]
    const opened = this.#opened[kind]
    let replaced = 0
    for (const [slot, data] of update[kind] ?? []) {
      const before = opened[slot]
      if (before !== undefined) replaced += octets(before)
      opened[slot] = data === null ? undefined : open(data, this.#memory)
    }
    return replaced
  }
}
