/**
 * Signed zones in the daemon: keys for zones that are to be signed, and signatures that are made anew in time.
 *
 * A renewal is a write that raises the zone's serial, so that secondaries fetch it, and every node signs what is due along with it. The
 * nodes' signatures may differ, as each makes its own: all are good, by the same key and of the same data, so a validator may ask any node. While
 * the database is away a node signs for itself.
 */
import type { ApiContext } from '../controlplane/api/context.ts'
import type { Catalog } from '../controlplane/catalog/catalog.ts'
import { readKeyFile } from '../controlplane/dnssec/key-file.ts'
import { askParentDs } from '../controlplane/dnssec/parent-ds.ts'
import { leaseMs } from '../controlplane/dnssec/rollover-nodes.ts'
import { SigningWatch, type WatchedZone } from '../controlplane/dnssec/signing-watch.ts'
import { openKey, sealKey } from '../controlplane/dnssec/zone-key.ts'
import { ZoneLeases } from '../controlplane/dnssec/zone-leases.ts'
import type { Follower } from '../controlplane/follow/follower.ts'
import { isUnavailable, type Problem } from '../controlplane/model/errors.ts'
import { areRolledOver } from '../controlplane/model/rollover.ts'
import type { Publisher } from '../controlplane/serve/publisher.ts'
import { batches } from '../controlplane/store/batches.ts'
import { renewZones } from '../controlplane/store/zones.ts'
import { monotonicClock, wallClock } from '../controlplane/timing/clock.ts'
import { machineUptime } from '../controlplane/timing/uptime.ts'
import type { Ground, Hearing } from './announce.ts'
import { keyFileOf, orConflict, secretOf } from './key-file.ts'
import { ServiceSigning } from './service-signing.ts'

/** Zones that other nodes are told of by name. */
const mostTold = 100
/** Zones in one write: others wait for each, and not for all of them. */
const renewedTogether = 200

/** What is served, as far as it matters here. */
interface Served {
  readonly publisher: Publisher
  readonly follower: Pick<Follower, 'recompile'>
  /** Signs zones anew out of what this node has. */
  resign(apexes: readonly string[]): Promise<void>
  /** Has zones answered with SERVFAIL. */
  withhold(apexes: readonly string[]): Promise<void>
}

export class Signing implements Disposable {
  readonly watch: SigningWatch
  readonly services: ServiceSigning
  readonly leases: ZoneLeases
  /** Leases are to be on disk. */
  onLeases: () => void = () => {}
  /** Whether no other node is known. */
  #isAlone = true
  readonly #ground: Ground
  readonly #configuration: () => Served

  constructor(ground: Ground, configuration: () => Served) {
    this.#ground = ground
    this.#configuration = configuration
    this.services = new ServiceSigning(ground, () => configuration().publisher)
    this.leases = new ZoneLeases({
      steady: monotonicClock,
      wall: wallClock(),
      uptime: machineUptime(),
      onExpired: (apexes) =>
        void configuration().withhold(apexes).catch(ground.faults.retried('zones were not withheld')),
      onReached: (apexes) => configuration().follower.recompile(new Map(apexes.map((apex) => [apex, []]))),
      onChange: (zone, since) => {
        if (since === null)
          ground.log.info({ zone }, 'the zone is answered again: the database has been followed')
        else
          ground.log.error(
            { zone, since },
            'the zone is answered with SERVFAIL: its keys were rolled over when the database was lost',
          )
      },
      onWanted: () => this.onLeases(),
    })
    this.watch = new SigningWatch({
      clock: wallClock(),
      onDue: (zones) => void this.#sign(zones).catch(ground.faults.retried('zones were not signed anew')),
    })
  }

  readonly hears: Hearing<'signing'> = {
    catalog: ({ before, catalog }) => {
      this.watch.retain((apex) => (catalog.zones.get(apex)?.dnssec ?? null) !== null)
      if (catalog.zones !== before.zones) this.#wantLeases(catalog)
    },
  }

  /** Takes in how many nodes there are, this one included, live or silent. */
  heard(nodes: number): void {
    const isAlone = nodes <= 1
    if (isAlone === this.#isAlone) return
    this.#isAlone = isAlone
    this.#wantLeases(this.#configuration().publisher.catalog)
  }

  #wantLeases({ zones }: Catalog): void {
    const wanted = new Map<string, number>()
    if (!this.#isAlone)
      for (const { apex, dnssec, keys } of zones.values())
        if (dnssec !== null && keys !== undefined && areRolledOver(keys)) wanted.set(apex, leaseMs(dnssec))
    this.leases.want(wanted)
  }

  /** What is known of zones that are signed, or should be, with their services. */
  get zones(): WatchedZone[] {
    return Array.from(this.watch.zones, (zone) => this.#whole(zone))
  }

  /** How many signatures were made since this node was started. */
  get made(): number {
    return this.watch.made + this.services.watch.made
  }

  /** Whether this node serves a zone as its keys are now, services in it too. */
  signs(apex: string): boolean {
    const zone = this.watch.zone(apex)
    if (zone === null || this.#whole(zone).trouble !== null) return false
    return !this.services.plans.apexesBehind.has(apex)
  }

  /** Zones that it can't sign, or has not yet, for other nodes: as `schema/fleet.ts` has them. */
  get unsigned(): string[] {
    // By name: other zones' rollovers go on.
    const unsigned = new Set(this.services.plans.apexesBehind)
    for (const { apex, trouble } of this.zones) if (trouble !== null) unsigned.add(apex)
    return unsigned.size > mostTold ? ['*'] : [...unsigned]
  }

  /** What the API is handed. */
  get forApi(): Omit<ApiContext['signing'], 'served'> {
    const { config } = this.#ground
    const keyFile = keyFileOf(config)
    return {
      zone: (apex) => {
        const zone = this.watch.zone(apex)
        return zone === null ? null : this.#whole(zone)
      },
      hasEnded: (apex) => {
        const zone = this.watch.zone(apex)
        return zone !== null && this.watch.hasEnded(zone)
      },
      seal: (apex, parts, isFirst) => sealKey(secretOf(keyFile, isFirst), apex, parts),
      open: (apex, key) =>
        orConflict("the key can't be opened", () => openKey(readKeyFile(keyFile), apex, key)),
      parentDs: (apex, signal) => askParentDs(apex, config.resolvers, signal),
    }
  }

  /** Zones that are answered with SERVFAIL since the others may have gone on without this node. */
  get withheldWarnings(): string[] {
    return Array.from(
      this.leases.withheld,
      ([apex, since]) => `zone ${apex} is SERVFAIL: ${withheldWords(since)}`,
    )
  }

  /** Why zones are not signed as they should be, one each. */
  get missing(): Problem[] {
    return this.zones.flatMap((zone) => {
      const { apex, trouble, beginsAt } = zone
      if (this.watch.isEarly(zone)) {
        const message = `zone ${apex}: signatures are good from ${new Date(beginsAt * 1000).toISOString()} on: the clock of this server is behind, or was ahead`
        return [{ path: 'dnssec', message: trouble === null ? message : `${message}; ${trouble}` }]
      }
      if (trouble === null) return []
      if (this.leases.withheld.has(apex))
        return { path: 'dnssec', message: `zone ${apex} is SERVFAIL: ${trouble}` }
      const state = this.watch.hasEnded(zone) ? 'it is SERVFAIL' : 'what was signed before is served'
      return { path: 'dnssec', message: `zone ${apex} can't be signed, ${state}: ${trouble}` }
    })
  }

  start(): void {
    this.watch.start()
    this.services.start()
  }

  [Symbol.dispose](): void {
    this.watch[Symbol.dispose]()
    this.leases[Symbol.dispose]()
    this.services[Symbol.dispose]()
  }

  /** A zone with its services, which have signatures of their own. It is SERVFAIL when its own have ended. */
  #whole(zone: WatchedZone): WatchedZone {
    const services = this.services.watch.zone(zone.apex)
    const since = this.leases.withheld.get(zone.apex)
    if (since !== undefined) return { ...zone, trouble: withheldWords(since) }
    if (services === null) return zone
    return {
      ...zone,
      beginsAt: Math.max(zone.beginsAt, services.beginsAt),
      expiresAt: Math.min(zone.expiresAt, services.expiresAt),
      renewAt: Math.min(zone.renewAt, services.renewAt),
      signatures: zone.signatures + services.signatures,
      made: zone.made + services.made,
      madeInAll: zone.madeInAll + services.madeInAll,
      trouble: zone.trouble ?? services.trouble,
    }
  }

  async #sign(zones: readonly WatchedZone[]): Promise<void> {
    const { database, log, signal } = this.#ground
    const { follower } = this.#configuration()
    const due = zones.filter(({ trouble }) => trouble === null).map(({ apex }) => apex)
    const troubled = zones.filter(({ trouble }) => trouble !== null).map(({ apex }) => apex)
    if (signal.aborted) return
    if (!database.up) return await this.#configuration().resign(zones.map(({ apex }) => apex))
    // What could not be signed may be of rows that are not in its image.
    follower.recompile(new Map(troubled.map((apex) => [apex, null])))
    if (due.length === 0) return
    const by = { actor: 'dnssec', source: 'dnssec', message: 'signatures are made anew' } as const
    try {
      for (const zones of batches(due, renewedTogether)) {
        await database.write(by, (write) => renewZones(write, zones, new Date()))
        log.info({ zones }, 'signatures of zones are made anew')
      }
    } catch (error) {
      if (isUnavailable(error)) return await this.#configuration().resign(due)
      follower.recompile(new Map(due.map((apex) => [apex, []])))
      throw error
    }
  }
}

/** Why a zone is withheld. */
function withheldWords(since: Date): string {
  return (
    `its keys were rolled over when this server last reached the others through the database, on ${since.toISOString()}, and they may have gone on ` +
    'without it: it is answered again once the database has been followed'
  )
}
