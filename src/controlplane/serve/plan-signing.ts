/**
 * Plans of services in signed zones: compiled with the signatures that there are. A set of members whose signature is missing is left out, and
 * the others have its share, until it has come and the service is planned anew, by what is known then: so whoever has failed leaves the
 * answers with the verdict, as in a zone that is not signed, while thousands of sets that hold another one in its place are still to be signed.
 *
 * Only where a part of a plan would have no answer at all is the plan before served for some milliseconds more: until a few sets of that part
 * have been signed, which go before everything else.
 *
 * A service is signed as the zone is whose image names it, and not as the configuration says: answers and what proves them change in one
 * step when a zone is signed, or is signed no more, or its keys change, or a zone cut moves the service to another zone. One that no
 * image names yet goes by the configuration.
 */
import { answerSets, firstRrsets } from '../../dataplane/image/answer-sets.ts'
import { compilePlan } from '../../dataplane/image/plan-compiler.ts'
import type { PlanTrees } from '../../dataplane/image/plan-tree.ts'
import type { Catalog, CatalogService, CatalogZone } from '../catalog/catalog.ts'
import type { ServiceBook } from '../signing/service-book.ts'
import { type ServiceSignatures, signingTextOf } from '../signing/service-signatures.ts'
import type { ZonesToServe } from './handed-zones.ts'
import type { SignAhead } from './sign-ahead.ts'

export class PlanSigning {
  readonly #signatures: ServiceSignatures
  /** Zones as they were handed over. Bounded by the zones. */
  readonly #zones = new Map<string, CatalogZone>()
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
  bookOf(service: string, catalog: Catalog, next?: NextZones): ServiceBook | null {
    const found = catalog.services.get(service)!
    return this.#signatures.bookOf(found, next?.zoneOf(found) ?? this.#zoneOf(found, catalog))
  }

  /**
   * Apexes of zones of services that are answered by a plan that is signed as their zone was before: by other keys, or not at all. That
   * others of their sets are still to be signed by the keys of now, as always where weights follow a feed, is no matter: those are not answered.
   */
  get apexesBehind(): ReadonlySet<string> {
    return new Set(Array.from(this.#behind.values(), ({ apex }) => apex))
  }

  /** Has signed what the plan lacks. @returns null when it would leave questions without an answer */
  compile(book: ServiceBook, trees: PlanTrees): SharedArrayBuffer | null {
    book.begin()
    const { service, ttlSeconds, missing } = book
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
   * @returns whether anything was missing
   */
  async prepare(
    services: Iterable<string>,
    catalog: Catalog,
    treesOf: (service: string) => PlanTrees,
    next: ZonesToServe = noZones,
  ): Promise<boolean> {
    const zones = new NextZones(next)
    let lacks = false
    for (const service of services) {
      const book = catalog.services.has(service) ? this.bookOf(service, catalog, zones) : null
      if (book === null) continue
      const lacking = book.lacking(answerSets(treesOf(service)))
      this.#signatures.ask(book, lacking, 'step')
      lacks ||= lacking.size > 0
    }
    if (lacks) await this.#signatures.settled()
    return lacks
  }

  /** Whether any service may be signed: by a catalog, or by what has been handed over. */
  isNeeded({ zones }: Catalog): boolean {
    for (const all of [zones, this.#zones]) {
      for (const { dnssec = null } of all.values()) if (dnssec !== null) return true
    }
    return false
  }

  /** Services that are signed in another way, or not any more, once these zones are handed over. */
  changedBy(zones: ZonesToServe): Set<string> {
    const changed = new Set<string>()
    for (const [apex, handed] of zones) {
      const before = this.#zones.get(apex)
      const isOther = signingTextOf(before) !== signingTextOf(handed?.zone)
      for (const { name } of handed?.services ?? []) {
        const was = this.#namedBy.get(name)
        if (isOther || was !== apex) changed.add(name)
      }
      if (handed !== null && !isOther) continue
      for (const [name, was] of this.#namedBy) if (was === apex) changed.add(name)
    }
    return changed
  }

  /** Notes that these zones are handed over. */
  hand(zones: ZonesToServe): void {
    for (const [apex, handed] of zones) {
      if (handed?.zone === undefined) this.#zones.delete(apex)
      else this.#zones.set(apex, handed.zone)
    }
    // First those that are let go of, since another zone may take them in the same step.
    for (const [name, apex] of this.#namedBy) if (zones.get(apex) === null) this.#namedBy.delete(name)
    for (const [apex, handed] of zones) {
      for (const { name } of handed?.services ?? []) this.#namedBy.set(name, apex)
    }
  }

  /** Forgets what is not of a catalog any more. */
  retain(catalog: Catalog): void {
    for (const name of this.#namedBy.keys()) if (!catalog.services.has(name)) this.#namedBy.delete(name)
    for (const known of [this.#signedBy, this.#behind]) {
      for (const name of known.keys()) {
        if (!catalog.services.has(name) || this.bookOf(name, catalog) === null) known.delete(name)
      }
    }
    this.#signatures.retain(catalog.services, (service) => this.#zoneOf(service, catalog))
  }

  #zoneOf({ name, zone }: CatalogService, { zones }: Catalog): CatalogZone | undefined {
    const apex = this.#namedBy.get(name) ?? zone
    return this.#zones.get(apex) ?? zones.get(apex)
  }
}

/** Zones that are about to be handed over. */
class NextZones {
  readonly #zones = new Map<string, CatalogZone>()

  constructor(zones: ZonesToServe) {
    for (const handed of zones.values()) {
      if (handed?.zone === undefined) continue
      for (const { name } of handed.services) this.#zones.set(name, handed.zone)
    }
  }

  zoneOf({ name }: CatalogService): CatalogZone | undefined {
    return this.#zones.get(name)
  }
}

const noZones: ZonesToServe = new Map()
