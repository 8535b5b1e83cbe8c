/**
 * Plans of services in signed zones: compiled with the signatures that there are. A set of members whose signature is missing is left out, and
 * the others have its share, until it has come and the service is planned anew, by what is known then: so whoever has failed leaves the
 * answers with the verdict, as in a zone that is not signed, while thousands of sets that hold another one in its place are still to be signed.
 *
 * Only where a part of a plan would have no answer at all is the plan before served for some milliseconds more: until a few sets of that part
 * have been signed, which go before everything else.
 *
 * A service is signed as the zone is whose image names it, and not as the configuration says. One that no image names yet goes by the
 * configuration. Answers and what proves them change in one step when a zone is signed, or is signed no more, or a zone cut moves the
 * service to another zone, or other keys take the place of those that there were at once. Not in a rollover: in each of its steps the zone
 * proves what was signed before, which is in caches in any case, so plans follow the zone in turns.
 */
import { answerSets, firstRrsets } from '../../dataplane/image/answer-sets.ts'
import { compilePlan } from '../../dataplane/image/plan-compiler.ts'
import type { PlanTrees } from '../../dataplane/image/plan-tree.ts'
import type { Catalog, CatalogService, CatalogZone } from '../catalog/catalog.ts'
import type { ServiceBook } from '../signing/service-book.ts'
import { isProven, type ServiceSignatures, signingTextOf } from '../signing/service-signatures.ts'
import { inTurns } from '../timing/in-turns.ts'
import type { ZonesToServe } from './handed-zones.ts'
import type { Named } from './plan-slots.ts'
import type { SignAhead } from './sign-ahead.ts'

/** Services that are to be signed otherwise, or not any more, once some zones are handed over. */
export interface Resigned {
  /** Their plans go with the zones. */
  readonly together: ReadonlySet<string>
  /** Their plans may follow. */
  readonly behind: ReadonlySet<string>
}

const none: ReadonlySet<string> = new Set()
export const nothingResigned: Resigned = { together: none, behind: none }

export class PlanSigning {
  readonly #signatures: ServiceSignatures
  /** Zones as they were handed over. Bounded by the zones. */
  readonly #zones = new Map<string, CatalogZone>()
  /** The services that images of zones name. Bounded by the zones. */
  readonly #named = new Map<string, Named>()
  /** The apex of the zone whose image names a service. Bounded by the services. */
  readonly #namedBy = new Map<string, string>()
  /** What the last plan of a service was signed by that there was of it. Bounded by the services. */
  readonly #signedBy = new Map<string, ServiceBook>()
  /** Services that are to be signed by another book than that. Bounded by the services. */
  readonly #behind = new Map<string, ServiceBook>()
  /** Null: nothing is signed ahead. */
  ahead: SignAhead | null = null

  constructor(signatures: ServiceSignatures) {
    this.#signatures = signatures
  }

  /** Null for a service whose answers are not signed. @param next zones that are about to be handed over */
  bookOf(service: string, catalog: Catalog, next = NextZones.none): ServiceBook | null {
    const found = catalog.services.get(service)!
    return this.#signatures.bookOf(found, this.#zoneOf(found, catalog, next))
  }

  /**
   * Apexes of zones of services that are answered by a plan that is signed as their zone was before: by other keys, or not at all. That
   * others of their sets are still to be signed by the keys of now, as always where weights follow a feed, is no matter: those are not answered.
   */
  get apexesBehind(): ReadonlySet<string> {
    return new Set(Array.from(this.#behind.values(), ({ apex }) => apex))
  }

  /** Has signed what the plan lacks. @returns null when it would leave questions without an answer */
  compile(service: string, catalog: Catalog, trees: PlanTrees): SharedArrayBuffer | null {
    const book = this.bookOf(service, catalog)
    if (book === null) {
      this.#signedBy.delete(service)
      this.#behind.delete(service)
      return compilePlan(trees.ipv4, trees.ipv6)
    }
    book.begin()
    const { ttlSeconds, missing } = book
    // Also while it can't be planned at all.
    if (this.#signedBy.get(service) !== book) this.#behind.set(service, book)
    const image = compilePlan(trees.ipv4, trees.ipv6, { ttlSeconds, signatures: book })
    this.ahead?.mark(service)
    const first = missing.size === 0 ? [] : firstRrsets(trees, (key) => book.knows(key))
    if (first.length > 0) {
      this.#signatures.need(book, book.lacking(first), 'first')
      return null
    }
    this.#signatures.need(book, missing, 'answers')
    this.#signedBy.set(service, book)
    this.#behind.delete(service)
    return image
  }

  /**
   * Has signed what services would be answered with by a catalog. Resolves when that is done, or can't be.
   *
   * @param next zones that are to be handed over
   * @returns whether anything else may have happened meanwhile
   */
  async prepare(
    services: Iterable<string>,
    catalog: Catalog,
    treesOf: (service: string) => PlanTrees,
    next: ZonesToServe = noZones,
  ): Promise<boolean> {
    const zones = new NextZones(next)
    let lacks = false
    const ask = (service: string) => {
      const book = catalog.services.has(service) ? this.bookOf(service, catalog, zones) : null
      if (book === null) return
      const lacking = book.lacking(answerSets(treesOf(service)))
      this.#signatures.ask(book, lacking, 'step')
      lacks ||= lacking.size > 0
    }
    const isLong = await inTurns(services, (some) => {
      for (const service of some) ask(service)
    })
    if (lacks) await this.#signatures.settled()
    return isLong || lacks
  }

  /** Whether any service may be signed: by a catalog, or by what has been handed over. */
  isNeeded({ zones }: Catalog): boolean {
    for (const all of [zones, this.#zones]) {
      for (const { dnssec = null } of all.values()) if (dnssec !== null) return true
    }
    return false
  }

  /** Services that may have to be signed otherwise once these zones are handed over. */
  concernedBy(zones: ZonesToServe): Set<string> {
    const concerned = new Set<string>()
    for (const [apex, handed] of zones) {
      const isOther = signingTextOf(this.#zones.get(apex)) !== signingTextOf(handed?.zone)
      for (const { name } of handed?.services ?? []) {
        if (isOther || this.#namedBy.get(name) !== apex) concerned.add(name)
      }
      if (handed !== null && !isOther) continue
      for (const { name } of this.#named.get(apex) ?? [])
        if (this.#namedBy.get(name) === apex) concerned.add(name)
    }
    return concerned
  }

  /** Those of them that are. */
  resignedBy(zones: ZonesToServe, catalog: Catalog): Resigned {
    const concerned = this.concernedBy(zones)
    if (concerned.size === 0) return nothingResigned
    const next = new NextZones(zones)
    const [together, behind] = [new Set<string>(), new Set<string>()]
    for (const name of concerned) {
      const service = catalog.services.get(name)
      if (service === undefined) continue
      const zone = this.#zoneOf(service, catalog, next)
      const before = this.#signedBy.get(name) ?? null
      const after = this.#signatures.bookOf(service, zone)
      if (before === after) continue
      const isFollowed = before?.apex === after?.apex && isProven(before!.keys, zone!)
      if (isFollowed) behind.add(name)
      else together.add(name)
    }
    return { together, behind }
  }

  /** Notes that these zones are handed over. */
  hand(zones: ZonesToServe): void {
    // First those that are let go of, since another zone may take their services in the same step.
    for (const [apex, handed] of zones) {
      if (handed !== null) continue
      for (const { name } of this.#named.get(apex) ?? []) {
        if (this.#namedBy.get(name) === apex) this.#namedBy.delete(name)
      }
      this.#named.delete(apex)
      this.#zones.delete(apex)
    }
    for (const [apex, handed] of zones) {
      if (handed === null) continue
      this.#named.set(apex, handed.services)
      for (const { name } of handed.services) this.#namedBy.set(name, apex)
      if (handed.zone === undefined) this.#zones.delete(apex)
      else this.#zones.set(apex, handed.zone)
    }
  }

  /** Forgets what is not of a catalog any more. */
  retain(catalog: Catalog): void {
    for (const known of [this.#namedBy, this.#signedBy, this.#behind]) {
      for (const name of known.keys()) if (!catalog.services.has(name)) known.delete(name)
    }
    this.#signatures.retain(catalog.services, (service) => this.#zoneOf(service, catalog))
  }

  /** The zone that a service is signed as. */
  #zoneOf(service: CatalogService, catalog: Catalog, next = NextZones.none): CatalogZone | undefined {
    const before = this.#namedBy.get(service.name)
    const stays = before !== undefined && !next.isGone(before)
    const apex = next.apexOf(service.name) ?? (stays ? before : service.zone)
    return next.zone(apex) ?? this.#zones.get(apex) ?? catalog.zones.get(apex)
  }
}

/** Zones that are about to be handed over. */
class NextZones {
  static readonly none = new NextZones(new Map())
  readonly #zones: ZonesToServe
  readonly #apexes = new Map<string, string>()

  constructor(zones: ZonesToServe) {
    this.#zones = zones
    for (const [apex, handed] of zones) {
      for (const { name } of handed?.services ?? []) this.#apexes.set(name, apex)
    }
  }

  apexOf(service: string): string | undefined {
    return this.#apexes.get(service)
  }

  zone(apex: string): CatalogZone | undefined {
    return this.#zones.get(apex)?.zone
  }

  isGone(apex: string): boolean {
    return this.#zones.get(apex) === null
  }
}

const noZones: ZonesToServe = new Map()
