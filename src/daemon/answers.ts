/**
 * What decides answers on this node, before they are handed to the workers: location data, the planner, and what is known of
 * answers that clients still have.
 */

import type { Catalog } from '../controlplane/catalog/catalog.ts'
import { LocationSource } from '../controlplane/location/location-source.ts'
import { birthKeys } from '../controlplane/model/births.ts'
import type { Readings } from '../controlplane/model/feed-use.ts'
import type { NodeRecord } from '../controlplane/model/observation.ts'
import type { HostResolver } from '../controlplane/resolving/host-resolver.ts'
import type { AnswerCounters } from '../controlplane/serve/answer-counters.ts'
import { DrainWatch } from '../controlplane/serve/drain-watch.ts'
import { FedWatch } from '../controlplane/serve/fed-watch.ts'
import { FleetDrains } from '../controlplane/serve/fleet-drains.ts'
import { HandedOut, type HandedOutState } from '../controlplane/serve/handed-out.ts'
import { LocationMaps } from '../controlplane/serve/location-maps.ts'
import { type MemberFacts, Planner } from '../controlplane/serve/planner.ts'
import { PoolWatch } from '../controlplane/serve/pool-watch.ts'
import { ServiceWatch } from '../controlplane/serve/service-watch.ts'
import type { Ground, Hearing } from './announce.ts'
import type { ServiceSigning } from './service-signing.ts'

const now = () => new Date()

/** What answers are decided by. */
export interface AnswersOptions {
  readonly counters: AnswerCounters
  readonly facts: MemberFacts
  readonly hosts: HostResolver
  readonly readings: Readings
  readonly signing: ServiceSigning
  /** The other nodes. */
  readonly others: () => readonly NodeRecord[]
}

export class Answers implements AsyncDisposable {
  readonly source: LocationSource
  readonly locations: LocationMaps
  readonly pools = new PoolWatch()
  readonly fed = new FedWatch()
  readonly services = new ServiceWatch()
  readonly handedOut = new HandedOut(now)
  readonly drains: DrainWatch
  readonly #fleetDrains: FleetDrains
  readonly planner: Planner

  constructor(
    { config, log, announce, faults }: Ground,
    { counters, facts, hosts, readings, signing, others }: AnswersOptions,
  ) {
    this.#fleetDrains = new FleetDrains(others, now)
    const onProblem = (reason: string) => log.error({ reason }, 'location data')
    this.source = new LocationSource({
      paths: config.locationDatabases,
      onChange: () => announce({ kind: 'locations-changed' }),
      onLoaded: (databases) => log.info({ databases }, 'location data read'),
      onProblem,
      onDeath: (reason) => announce({ kind: 'thread-died', thread: 'location', reason }),
    })
    this.locations = new LocationMaps({
      areas: (request, signal) => this.source.areas(request, signal),
      onProblem,
    })
    this.drains = new DrainWatch({
      state: (pool, member) => this.clientsHave(pool, member),
      onDrained: (members) => announce({ kind: 'drained', members }),
      now,
    })
    this.planner = new Planner({
      answers: counters,
      facts,
      resolution: (host) => hosts.resolution(host),
      locations: this.locations,
      readings,
      signing: signing.plans,
      now,
      onRamp: (pools) => announce({ kind: 'weights-changed', pools }),
    })
    signing.signAhead(this.planner, facts, (error) => faults.internal('sign-ahead', error))
  }

  readonly hears: Hearing<'answers'> = {
    catalog: ({ before, catalog, ended }) => {
      // One that is there still has another endpoint now, and caches have the one before under its name.
      this.handedOut.forget(ended.members.filter((member) => !catalog.births.has(birthKeys.member(member))))
      this.drains.forget(ended.members)
      this.#fleetDrains.forget(ended.members)
      this.pools.forget(ended.pools)
      this.fed.forget(ended.pools)
      this.services.forget(ended.services)
      this.planner.lastKnown.forget(ended)
      if (catalog.overrides === before.overrides && catalog.pools === before.pools) return
      this.#watchDrains(catalog, before.revision < 0)
    },
    'overrides-ended': () => this.#watchDrains(this.planner.catalog, false),
    nodes: () => {
      this.#fleetDrains.look()
      this.drains.look()
    },
  }

  /** Whether a member is answered, and until when clients may have it, whichever node they ask. */
  clientsHave(pool: string, member: string): HandedOutState {
    return this.#fleetDrains.state(pool, member, this.handedOut.state(pool, member))
  }

  #watchDrains(catalog: Catalog, isFirst: boolean): void {
    const drained = catalog.drained(now())
    this.#fleetDrains.watch(drained, catalog, isFirst)
    this.drains.watch(drained)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.planner[Symbol.dispose]()
    this.drains[Symbol.dispose]()
    await this.source.stop()
  }
}
