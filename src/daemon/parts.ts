/**
 * What the daemon is made of, joined. Nothing here runs yet, but for the probes of canaries. `start.ts` says in which order the
 * parts start and stop, `announce.ts` who of them hears what.
 */
import { addressPolicy } from '../controlplane/health/probes/address-policy.ts'
import { HostResolver, type ResolutionChange } from '../controlplane/resolving/host-resolver.ts'
import { type Lookup, lookupBy } from '../controlplane/resolving/lookup.ts'
import type { Ground, Listeners } from './announce.ts'
import { AnswerSettingsSource } from './answer-settings.ts'
import { Answers } from './answers.ts'
import { Bootstraps } from './bootstraps.ts'
import { Configuration } from './configuration.ts'
import { serveBy } from './data-plane.ts'
import { Events } from './events.ts'
import type { Faults } from './faults.ts'
import { Feeds } from './feeds.ts'
import { GradualChanges } from './gradual.ts'
import { Health } from './health.ts'
import { makeDataPlane } from './make-data-plane.ts'
import { EndingOverrides } from './overrides.ts'
import { PendingOverrides } from './pending-overrides.ts'
import { makeProbeRecorder } from './probes.ts'
import { makeQueryRecorder } from './query-log.ts'
import { Readiness } from './readiness.ts'
import { Rollovers } from './rollovers.ts'
import { Signing } from './signing.ts'
import { SteeringFeeds } from './steering-feeds.ts'
import { counted, logged } from './telemetry.ts'

export type Parts = ReturnType<typeof joinParts>

export function joinParts(ground: Ground) {
  const { config, announce, faults, descriptors, tracing } = ground
  const dataPlane = makeDataPlane(ground)
  const serving = serveBy(
    dataPlane,
    config.dnstap !== null || config.queryLogEvery !== null,
    tracing?.changes ?? null,
  )
  const settings = new AnswerSettingsSource(config, ground.nodeId, serving.pump)
  const hosts = new HostResolver({
    lookup: toldOf(faults, lookupBy(config.resolvers)),
    // This host's own addresses may be answered: clients reach by them what they ask for.
    refuses: addressPolicy(config.probeAllow, { denied: config.probeDeny, ownAddresses: () => [] }),
    concurrency: descriptors.lookups,
    onChanges: (changes) => announce({ kind: 'resolved', changes, news: changes.filter(isNews) }),
  })
  const steeringFeeds = new SteeringFeeds(ground)
  const probes = makeProbeRecorder(ground)
  const health = new Health(
    ground,
    hosts,
    steeringFeeds.readings,
    () => configuration.publisher.served,
    () => signing,
    probes,
  )
  // The policy holds for webhooks too: whoever may configure one could let this node ask things of itself.
  const queryLog = makeQueryRecorder(ground, dataPlane)
  const events = new Events(ground, health.policy)
  const signing: Signing = new Signing(ground, () => configuration)
  const answers = new Answers(ground, {
    counters: serving.counters,
    facts: health.facts,
    hosts,
    readings: steeringFeeds.readings,
    signing: signing.services,
    others: () => health.peers.nodes.filter(({ id, live }) => live && id !== ground.nodeId),
  })
  const pending: PendingOverrides = new PendingOverrides(ground, () => configuration)
  const { words } = pending
  const configuration: Configuration = new Configuration({
    ...ground,
    serving,
    hosts,
    health,
    answers,
    feeds: steeringFeeds,
    signing,
    words,
  })
  const rollovers = new Rollovers(ground, {
    canSign: (apex) => signing.signs(apex),
    served: () => configuration.publisher.revision,
  })
  const bootstraps = new Bootstraps(ground)
  const overrides = new EndingOverrides(ground)
  const gradual: GradualChanges = new GradualChanges(ground, {
    answers,
    health,
    configuration: () => configuration,
  })
  const feeds = new Feeds(ground, health)
  const readiness = new Readiness()
  return {
    ...ground,
    dataPlane,
    serving,
    settings,
    hosts,
    steeringFeeds,
    health,
    probes,
    queryLog,
    events,
    answers,
    configuration,
    signing,
    rollovers,
    bootstraps,
    overrides,
    gradual,
    feeds,
    pending,
    readiness,
  }
}

/** A lookup whose failures by this host are told. */
function toldOf(faults: Faults, lookup: Lookup): Lookup {
  return async (host, signal) => {
    const answer = await lookup(host, signal)
    for (const family of [answer.a, answer.aaaa]) {
      if (family.kind === 'failed' && family.own !== undefined) faults.own('resolve', family.reason)
    }
    return answer
  }
}

export function listenersAmong(parts: Parts): Listeners {
  const { log, metrics, readiness, hosts, health, events, answers, configuration } = parts
  const { overrides, gradual, feeds, pending } = parts
  return {
    log: logged(log),
    metrics: counted(metrics, health.checker),
    events: events.hears,
    readiness: {
      'database-available': ({ kind }) => readiness.go(kind),
      'database-away': ({ kind, reason }) => readiness.go(kind, reason),
    },
    hosts: {
      catalog: ({ before, catalog: { pools, monitors, hosts: named } }) => {
        if (pools !== before.pools || monitors !== before.monitors) hosts.setHosts(named.keys())
      },
    },
    readings: parts.steeringFeeds.hears,
    health: health.hears,
    answers: answers.hears,
    overrides: overrides.hears,
    gradual: gradual.hears,
    feeds: feeds.hears,
    pending: pending.hears,
    configuration: configuration.hears,
    signing: parts.signing.hears,
    rollovers: parts.rollovers.hears,
    bootstraps: parts.bootstraps.hears,
  }
}

/** Whether more has changed than the time until which addresses are good. */
function isNews({ before, after }: ResolutionChange): boolean {
  return before.state !== after.state || before.since !== after.since || before.error !== after.error
}
