/**
 * What answers would be found in by another configuration than the one that is served: plans and maps are those of a preview, each made
 * when a question first meets it; zones are those that are served, but for the ones that would be others.
 *
 * Zones that stay are looked up in what is served at that moment: their images may lie in memory that is used for others once they
 * have been replaced, so none is held on to.
 */
import { ZoneImage } from '../../dataplane/image/image.ts'
import { LocationMap } from '../../dataplane/image/location-map.ts'
import { PlanImage } from '../../dataplane/image/plan.ts'
import { compilePlan } from '../../dataplane/image/plan-compiler.ts'
import type { AnswerState } from '../../dataplane/image/state.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import type { NameScan } from '../../dataplane/wire/name-scan.ts'
import type { MemberKey } from '../model/member-key.ts'
import type { PreviewedPlans } from './preview.ts'

/** The zones of a configuration that has others than those that are served. */
export interface PreviewedZones {
  /** Apexes of all of them. */
  readonly apexes: Iterable<string>
  /** Of those that are not as they are served. */
  readonly images: ReadonlyMap<string, SharedArrayBuffer>
}

interface Made {
  readonly image: PlanImage
  readonly members: readonly MemberKey[]
}

export class PreviewedState implements AnswerState {
  readonly #served: AnswerState
  readonly #plans: PreviewedPlans
  readonly #serviceIn: (slot: number) => string | undefined
  readonly #zones: OtherZones | null
  /** Null for a service that has no plan. Bounded by the services. */
  readonly #made = new Map<number, Made | null>()
  /** Bounded by the maps. */
  readonly #maps = new Map<number, LocationMap>()
  #zone: ZoneImage | undefined

  /**
   * @param serviceIn the service of which zone images name the plan by that slot
   * @param zones null where they are those that are served
   */
  constructor(
    served: AnswerState,
    plans: PreviewedPlans,
    serviceIn: (slot: number) => string | undefined,
    zones: PreviewedZones | null,
  ) {
    this.#served = served
    this.#plans = plans
    this.#serviceIn = serviceIn
    this.#zones = zones === null ? null : new OtherZones(served, zones)
  }

  findZone(name: NameScan, from: number): number {
    const zones = this.#zones ?? this.#served
    const label = zones.findZone(name, from)
    this.#zone = zones.zone
    return label
  }

  get zone(): ZoneImage | undefined {
    return this.#zone
  }

  plan(slot: number): PlanImage | undefined {
    return this.#planIn(slot)?.image
  }

  map(slot: number): LocationMap | undefined {
    const known = this.#maps.get(slot)
    if (known !== undefined) return known
    const image = this.#plans.maps.image(slot)
    if (image === undefined) return undefined
    const map = new LocationMap(image)
    this.#maps.set(slot, map)
    return map
  }

  /** The member that a plan counts in a place. */
  member(slot: number, counter: number): MemberKey {
    return this.#planIn(slot)!.members[counter]!
  }

  service(slot: number): string {
    return this.#serviceIn(slot)!
  }

  #planIn(slot: number): Made | null {
    const known = this.#made.get(slot)
    if (known !== undefined) return known
    const made = this.#make(slot)
    this.#made.set(slot, made)
    return made
  }

  #make(slot: number): Made | null {
    const service = this.#serviceIn(slot)
    const plan = service === undefined ? null : this.#plans.planOf(service)
    if (plan === null) return null
    const { trees, members } = plan
    return { image: new PlanImage(compilePlan(trees.ipv4, trees.ipv6)), members }
  }
}

class OtherZones {
  readonly #served: AnswerState
  /** By their wire form. */
  readonly #apexes: ReadonlyMap<string, string>
  readonly #images: ReadonlyMap<string, ZoneImage>
  zone: ZoneImage | undefined

  constructor(served: AnswerState, { apexes, images }: PreviewedZones) {
    this.#served = served
    this.#apexes = new Map(Array.from(apexes, (apex) => [textOf(hostnameToWire(apex)), apex]))
    this.#images = new Map(Array.from(images, ([apex, image]) => [apex, new ZoneImage(image)]))
  }

  findZone(name: NameScan, from: number): number {
    for (let label = from; label <= name.count; label++) {
      const apex = this.#apexes.get(textOf(name.bytes.subarray(name.offsets[label]!, name.length)))
      if (apex === undefined) continue
      this.zone = this.#images.get(apex) ?? this.#find(name, label)
      return label
    }
    return -1
  }

  /** One that stays. */
  #find(name: NameScan, label: number): ZoneImage | undefined {
    return this.#served.findZone(name, label) === label ? this.#served.zone : undefined
  }
}

const textOf = (wire: Uint8Array) => Buffer.from(wire).toString('latin1')
