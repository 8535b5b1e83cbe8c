/**
 * What a worker serves: the directory, the zone images, the plan images and the location maps, by slot. Slots are given out by the
 * publisher and stay with a zone, a service or a map as long as it exists, so that an image can name another by number.
 * A whole update is applied between two queries: a query sees the old state or the new one.
 */
import type { NameScan } from '../wire/name-scan.ts'
import { type AnswerSettings, defaultAnswerSettings } from './answer-settings.ts'
import { compileDirectory, Directory } from './directory.ts'
import { ZoneImage } from './image.ts'
import { LocationMap } from './location-map.ts'
import { PlanImage } from './plan.ts'
import { collectGarbage, reclaimOctets } from './reclaim.ts'

/** What changes from one generation to the next. Structured-clonable; the images are shared, not copied. */
export interface ServingUpdate {
  readonly generation: number
  /** Present when zones came or went. */
  readonly directory?: SharedArrayBuffer
  /** Slot and image; null empties the slot. */
  readonly zones: readonly (readonly [slot: number, image: SharedArrayBuffer | null])[]
  readonly plans: readonly (readonly [slot: number, image: SharedArrayBuffer | null])[]
  /** Location maps. Absent when none changed. */
  readonly maps?: readonly (readonly [slot: number, image: SharedArrayBuffer | null])[]
  /** Present when they changed. */
  readonly settings?: AnswerSettings
}

export class ServingState {
  generation = 0
  settings: AnswerSettings = defaultAnswerSettings
  readonly #zones: (ZoneImage | undefined)[] = []
  readonly #plans: (PlanImage | undefined)[] = []
  readonly #maps: (LocationMap | undefined)[] = []
  #directory = new Directory(compileDirectory(new Map()))
  readonly #collect: () => void
  /** Octets of images that were replaced since the last collection. */
  #replaced = 0

  /** @param collect see `reclaim.ts` */
  constructor(collect = collectGarbage) {
    this.#collect = collect
  }

  apply(update: ServingUpdate): void {
    for (const [slot, image] of update.zones) {
      this.#replaced += this.#zones[slot]?.bytes.length ?? 0
      this.#zones[slot] = image === null ? undefined : new ZoneImage(image)
    }
    for (const [slot, image] of update.plans)
      this.#plans[slot] = image === null ? undefined : new PlanImage(image)
    for (const [slot, image] of update.maps ?? []) {
      this.#replaced += this.#maps[slot]?.length ?? 0
      this.#maps[slot] = image === null ? undefined : new LocationMap(image)
    }
    if (update.directory !== undefined) this.#directory = new Directory(update.directory)
    this.settings = update.settings ?? this.settings
    this.generation = update.generation
    if (this.#replaced < reclaimOctets) return
    this.#replaced = 0
    this.#collect()
  }

  /** Label of the apex of the deepest zone that holds `name`, looking from label `from`; -1 for none. */
  findZone(name: NameScan, from: number): number {
    return this.#directory.find(name, from, this.#zones)
  }

  /** The zone that the last successful `findZone` found. */
  get zone(): ZoneImage {
    return this.#zones[this.#directory.slot]!
  }

  /** Its slot. */
  get zoneSlot(): number {
    return this.#directory.slot
  }

  plan(slot: number): PlanImage {
    return this.#plans[slot]!
  }

  /** Undefined while no map is in the slot. */
  map(slot: number): LocationMap | undefined {
    return this.#maps[slot]
  }
}
