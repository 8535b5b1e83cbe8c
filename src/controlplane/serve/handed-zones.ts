/** The zones whose images have been handed over, with the services that those name, and the slots of both in the workers. */
import { compileBrokenZone } from '../../dataplane/image/compile.ts'
import { compileDirectory } from '../../dataplane/image/directory.ts'
import { only, type ServingChanges } from '../../dataplane/image/serving-set.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import type { CatalogZone } from '../catalog/catalog.ts'
import type { ZoneLeases } from '../dnssec/zone-leases.ts'
import type { Named, PlanSlots } from './plan-slots.ts'
import { type SlotImages, Slots } from './slots.ts'

export interface ZoneToServe {
  readonly image: SharedArrayBuffer
  /** Of which the image was compiled; left out where nothing is signed. */
  readonly zone?: CatalogZone
  readonly services: Named
  /** It is not as the database has it now, but what this node had before. */
  readonly isOld?: true
}

/** Zones by apex; null for one that is no more. */
export type ZonesToServe = ReadonlyMap<string, ZoneToServe | null>

/** Whether an image of a zone may be served, read from the database then. */
export type AdmittingLeases = Pick<ZoneLeases, 'admits' | 'forget'>

export class HandedZones {
  readonly #planSlots: PlanSlots
  readonly #leases: AdmittingLeases | null
  readonly #slots = new Slots()
  /** The services that the images name, by apex. Bounded by the zones. */
  readonly #zones = new Map<string, Named>()

  /** @param leases null: any image may be served */
  constructor(planSlots: PlanSlots, leases: AdmittingLeases | null = null) {
    this.#planSlots = planSlots
    this.#leases = leases
  }

  get apexes(): Iterable<string> {
    return this.#zones.keys()
  }

  /** With the slots of their images, and the services that those name with the slots of their plans. */
  get all() {
    return Array.from(this.#zones, ([apex, named]) => ({
      apex,
      slot: this.#slots.take(apex)!,
      services: named.map(({ name }) => ({ name, slot: this.#planSlots.take(name) })),
    }))
  }

  /** Every zone that there is now, and null for those that there were before. */
  instead(zones: ReadonlyMap<string, ZoneToServe>): ZonesToServe {
    return new Map([...Array.from(this.#zones.keys(), (apex) => [apex, null] as const), ...zones])
  }

  /**
   * @param readMs when they were read from the database, by the steady clock; null for what this node had before that
   * @returns what the workers have to be told of these zones
   */
  handOver(zones: ZonesToServe, readMs: number | null): Pick<ServingChanges, 'zones' | 'directory'> {
    const images: SlotImages = []
    let moved = false
    for (const [apex, zone] of zones) {
      const before = this.#zones.get(apex)
      // First, so that a service that both name is named throughout.
      if (zone !== null) this.#planSlots.hold(zone.services)
      if (before !== undefined) this.#planSlots.letGo(before)
      if (zone !== null) {
        moved ||= before === undefined
        this.#zones.set(apex, zone.services)
        images.push([this.#slots.take(apex)!, this.#imageOf(apex, zone, readMs)])
      } else if (this.#zones.delete(apex)) {
        moved = true
        this.#leases?.forget(apex)
        images.push([this.#slots.release(apex)!, null])
      }
    }
    if (!moved) return { zones: images }
    const apexes = Array.from(this.#zones.keys(), (apex) => {
      return [this.#slots.take(apex)!, hostnameToWire(apex)] as const
    })
    return { zones: images, directory: only(compileDirectory(new Map(apexes))) }
  }

  /** In the place of one that may not be served one that says nothing but that. */
  #imageOf(apex: string, { image, isOld }: ZoneToServe, readMs: number | null): SharedArrayBuffer {
    const isAdmitted = this.#leases?.admits(apex, isOld ? null : readMs) ?? true
    return isAdmitted ? image : compileBrokenZone(hostnameToWire(apex))
  }
}
