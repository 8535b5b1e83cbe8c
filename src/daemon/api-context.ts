import type { ApiContext } from '../controlplane/api/context.ts'
import { ImageRrsets } from '../controlplane/compile/image-rrsets.ts'
import { explain } from '../controlplane/explain/explain.ts'
import { NodesBehind } from '../controlplane/fleet/nodes-behind.ts'
import { defaultStaleMs } from '../controlplane/fleet/peers.ts'
import type { FoundBreak } from '../controlplane/follow/follower.ts'
import type { Problem } from '../controlplane/model/errors.ts'
import { preview } from '../controlplane/serve/preview.ts'
import { serviceStatus } from '../controlplane/serve/service-status.ts'
import { ZoneImage } from '../dataplane/image/image.ts'
import { version } from '../version.ts'
import { dnsCounters } from './metrics-sources.ts'
import type { Parts } from './parts.ts'
import { replaying } from './replaying.ts'

const now = () => new Date()

/** How long a preview waits for location maps. */
const previewPatience = () => AbortSignal.timeout(10_000)

/** Threads that don't do what they are for, while everything else is served. */
function notAtWork({ configuration, dataPlane, signing }: Parts): Problem[] {
  const { trouble } = configuration.compiler
  const { trouble: unsigned } = signing.services.thread
  return [
    ...(dataPlane.live('udp') > 0 ? [] : ['no thread answers over UDP']),
    ...(dataPlane.live('tcp') > 0 ? [] : ['no thread answers over TCP']),
    ...(trouble === null ? [] : [`changes can't be compiled: ${trouble}`]),
    ...(unsigned === null ? [] : [`answers of services can't be signed: ${unsigned}`]),
  ].map((message) => ({ path: 'serving', message }))
}

/** Whether clients are answered by what the control plane before us said, while this one comes up. */
function answersWithoutUs({ readiness, serving, supervision }: Parts): boolean {
  return (
    readiness.step !== 'stopping' && supervision?.isAnswering === true && (serving.shared?.isRead ?? true)
  )
}

const emptiedWarning = ({ kind, revision }: FoundBreak) =>
  `the database is ${kind === 'empty' ? 'empty, and was not' : 'another one than before'}: revision ${revision} is served from what ` +
  'this node has, and no changes are taken'

const schemaWarning = (migration: string) =>
  `the database has the schema of a newer version (${migration}): no changes are taken, and what can be read of it is followed`

/** What the API is handed of the parts. */
export function apiContext(parts: Parts, adminTokenHash: Uint8Array): ApiContext {
  const { config, nodeId, database, cache, feedWriter, log, metrics, faults, descriptors, announce } = parts
  const {
    answers,
    configuration,
    dataPlane,
    events,
    gradual,
    health,
    hosts,
    pending,
    signing,
    steeringFeeds,
  } = parts
  const { readiness, serving } = parts
  const { publisher } = configuration
  const { checker } = health
  const resolution = (host: string) => hosts.resolution(host)
  return {
    database,
    cache,
    feedWriter,
    log,
    now,
    adminTokenHash,
    tracing: parts.tracing,
    httpHosts: config.httpHosts,
    identityProvider: config.identityProvider,
    trustedProxies: config.trustedProxies,
    publisher,
    stopping: parts.signal,
    fleet: new NodesBehind({ database, self: nodeId, liveForMs: defaultStaleMs }),

    memory: () =>
      publisher.catalog.revision < 0
        ? null
        : {
            catalog: publisher.catalog,
            whole: configuration.follower.hasLoaded,
            rrsetsOf: (zone) => {
              const image = serving.ownZones.image(zone.apex)
              return image === undefined ? null : new ImageRrsets(zone, image)
            },
          },
    pending,
    signing: {
      ...signing.forApi,
      served: (apex) => {
        const image = serving.ownZones.image(apex)
        if (image === undefined || !image.isSigned) return null
        // The memory of the one that is served may be used for another one meanwhile.
        return {
          image: new ZoneImage(image.bytes.slice()),
          answer: (name, type) => serving.ownZones.explain(name, type, '127.0.0.1').message,
        }
      },
    },

    spoolDirectory: config.dataDir,
    serviceStatus: (name) => serviceStatus(publisher.selections(name), publisher.unplanned(name)),
    poolCondition: (name) => answers.pools.conditionOf(name),
    conditions: {
      pools: () => answers.pools.conditions(),
      services: () => answers.services.conditions(),
      feedUses: () => answers.planner.fedUses(),
      since: (kind, name) => (kind === 'pool' ? answers.pools : answers.services).since(name),
    },
    resolution,
    handedOut: (pool, member) => answers.clientsHave(pool, member),
    webhookStatus: (name) => events.sender.status(name),
    tryWebhook: (webhook, actor) => events.tryWebhook(webhook, actor),

    health: {
      availability: () => checker.availability(),
      vitals: (pool, member) => checker.vitals(pool, member),
      suspicion: () => health.suspicion,
      reportTtlMs: (pool, member) => checker.reportTtlMs({ pool, member }),
      report: (report) => health.report(report),
      waitsForFailBack: (pool, member) => checker.waitsForFailBack({ pool, member }),
    },
    tell: (event) => announce({ kind: 'operated', events: [event] }),
    events: events.feed,
    gradual: {
      current: () => gradual.mover.current,
      failureOf: (change) => gradual.failureOf(change),
    },
    preview: (catalog) =>
      preview(
        {
          planner: answers.planner,
          locations: answers.locations,
          resolution,
          readings: (each) => steeringFeeds.foresee(each),
        },
        catalog,
        previewPatience(),
      ),
    answersOf: (service) => serving.counters.readOf(service),
    traffic: async () => {
      await dataPlane.refresh()
      return dnsCounters(dataPlane, serving.counters)
    },
    replay: replaying(parts),
    explain: (question) =>
      explain(question, {
        publisher,
        answer: ({ name, type, client }) => serving.ownZones.explain(name, type, client),
        judge: (pool, asked) => answers.planner.begin().judge(pool.name, asked),
        placeOf: (address, signal) => answers.source.placeOf(address, signal),
        now,
      }),

    version,
    kubernetes: config.kubernetes,
    metricsAccess: config.metricsAccess,
    httpLimits: { connections: descriptors.httpConnections },
    onNotAccepted: (error) => faults.own('accept-http', error.message),
    node: {
      id: nodeId,
      liveForMs: defaultStaleMs,
      known: () => health.peers.nodes,
      revision: () => publisher.revision,
    },
    readiness: {
      canAnswer: () => (readiness.serving ? dataPlane.live('udp') > 0 : answersWithoutUs(parts)),
      missing: () => [
        ...readiness.missing,
        ...(readiness.serving ? notAtWork(parts) : []),
        ...signing.missing,
      ],
      warnings: () => {
        const { refused } = configuration.follower
        return [
          ...(refused === null ? [] : [emptiedWarning(refused)]),
          ...(database.newerSchema === null ? [] : [schemaWarning(database.newerSchema)]),
          ...configuration.lag.warnings,
          ...signing.withheldWarnings,
        ]
      },
    },
    badRows: () => configuration.follower.badRows,
    snapshot: {
      writtenAt: () => configuration.snapshots.writtenAt,
      troubles: () => configuration.snapshots.troubles,
    },
    metrics,

    ownZones: serving.ownZones,
    publicTools: config.publicTools,
    publicToolsAnywhere: config.publicToolsAnywhere,
    resolvers: config.resolvers,
  }
}
