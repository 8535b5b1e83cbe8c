/**
 * What the daemon is made of, joined: nothing here runs yet. In which order the parts start and stop is in `start.ts`; who of
 * them hears what, in `announce.ts`.
 */
import type { Config } from '../config.ts'
import { HostResolver } from '../controlplane/resolving/host-resolver.ts'
import { lookupBy } from '../controlplane/resolving/lookup.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import type { Announce, Hearing, Listeners } from './announce.ts'
import { AnswerSettingsSource } from './answer-settings.ts'
import { Answers } from './answers.ts'
import { Configuration } from './configuration.ts'
import { makeDataPlane, serveBy } from './data-plane.ts'
import { Events } from './events.ts'
import type { Ground } from './ground.ts'
import { Health } from './health.ts'
import { EndingOverrides } from './overrides.ts'
import { Readiness } from './readiness.ts'
import { counted, logged } from './telemetry.ts'

export type Parts = ReturnType<typeof joinParts>

export function joinParts(ground: Ground) {
  const { config, announce } = ground
  const dataPlane = makeDataPlane(config, announce)
  const serving = serveBy(dataPlane)
  const settings = new AnswerSettingsSource(config, ground.nodeId, serving.pump)
  const hosts = makeHosts(config, announce)
  const health = new Health(ground, hosts, () => configuration.publisher.revision)
  // The policy holds for webhooks too: whoever may configure one could let this node ask things of itself.
  const events = new Events(ground, health.policy)
  const answers = new Answers(ground, serving.counters, health.facts, hosts)
  const configuration: Configuration = new Configuration(ground, { serving, hosts, health, answers })
  const overrides = new EndingOverrides(ground)
  const readiness = new Readiness()
  return {
    ...ground,
    dataPlane,
    serving,
    settings,
    hosts,
    health,
    events,
    answers,
    configuration,
    overrides,
    readiness,
  }
}

export function listenersAmong(parts: Parts, log: Logger, metrics: Metrics): Listeners {
  const { readiness, hosts, health, events, answers, configuration, overrides } = parts
  return {
    log: logged(log),
    metrics: counted(metrics, health.checker),
    record: events.records,
    webhooks: events.sends,
    readiness: readiness.hears,
    hosts: resolving(hosts),
    health: health.hears,
    answers: answers.hears,
    overrides: overrides.hears,
    configuration: configuration.hears,
  }
}

function makeHosts({ resolvers }: Config, announce: Announce): HostResolver {
  return new HostResolver({
    lookup: lookupBy(resolvers),
    onChanges: (changes) => {
      const news = changes.filter(
        ({ before, after }) =>
          before.state !== after.state || before.since !== after.since || before.error !== after.error,
      )
      announce({ kind: 'resolved', changes, news })
    },
  })
}

function resolving(hosts: HostResolver): Hearing<'hosts'> {
  return {
    catalog: ({ before, catalog }) => {
      if (catalog.pools !== before.pools || catalog.monitors !== before.monitors) {
        hosts.setHosts(catalog.hosts.keys())
      }
    },
  }
}
