/** What the log says of each event, and what metrics count of it. */
import type { Checker } from '../controlplane/health/checker.ts'
import { isUnavailable } from '../controlplane/model/errors.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import { version } from '../version.ts'
import type { Hearing } from './announce.ts'

export function logged(log: Logger): Hearing<'log'> {
  return {
    'database-available': () => log.info('the database is available'),
    'database-away': ({ reason }) => log.warn({ reason }, 'waiting for the database'),
    'snapshot-served': ({ revision, writtenAt }) => log.warn({ revision, writtenAt }, 'serving the snapshot'),
    'demo-loaded': () => log.info('the demo was loaded into the empty database'),
    checked: ({ backend, dns, http, revision }) => {
      log.info(backend, 'UDP backend')
      log.info({ dns, http, version, revision }, 'ready')
    },
    'worker-restarted': ({ transport, reason }) =>
      log.error({ transport, reason }, 'a DNS worker died and is being replaced'),
    'udp-fell-back': ({ reason }) =>
      log.error({ reason }, 'batched UDP failed; listening with node:dgram instead'),
    'address-skipped': ({ address }) =>
      log.warn({ address }, 'address left out: the host has no such family'),
    ...loggedOfMembers(log),
    operated: ({ events }) => {
      for (const { kind, at: _, ...event } of events) log.info(event, kind)
    },
    'locations-loaded': ({ databases }) => log.info({ databases }, 'location data read'),
    'location-problem': ({ reason }) => log.error({ reason }, 'location data'),
    'events-lost': ({ count }) =>
      log.warn({ count }, 'events were not stored: the database was away for too long'),
    'webhook-problem': ({ webhook, problem, detail }) =>
      log.warn({ webhook, ...detail }, `webhook: ${problem}`),
    'row-left-out': ({ reason }) => log.error({ reason }, 'a row of the database was left out'),
    'snapshot-part-left-out': ({ reason }) => log.error({ reason }, 'a part of the snapshot was left out'),
    'addresses-not-read': ({ error }) =>
      log.warn({ err: error }, 'the last good addresses of hosts were not read'),
    failed: ({ what, error }) => {
      // That the database is away is said once, not by everybody who finds it so.
      if (isUnavailable(error)) return
      log.error({ err: error }, what)
    },
  }
}

function loggedOfMembers(log: Logger) {
  return {
    transitions: ({ transitions }) => {
      for (const { at: _, ...transition } of transitions) log.info(transition, 'member changed state')
    },
    held: ({ key: { pool, member }, hold: { untilMs, falls } }) =>
      log.warn({ pool, member, until: new Date(untilMs), falls }, 'member held down: it changes too often'),
    suspicion: ({ suspicion }) => {
      if (suspicion === null) {
        log.info({ reason: 'members answer again' }, "this node's network is trusted again")
      } else {
        log.error({ reason: suspicion.reason }, "this node's own network is suspect: failures do not count")
      }
    },
    'canaries-silent': ({ canaries }) =>
      log.warn({ canaries }, 'no canary has answered yet: they do not count'),
    resolved: ({ news }) => {
      for (const { host, state, addresses, error } of news.map(({ after }) => after)) {
        if (error === null) log.info({ host, state, addresses }, 'host resolved')
        else log.warn({ host, state, addresses, error }, 'host not resolved as it should be')
      }
    },
    pools: ({ changes }) => {
      for (const change of changes) log.info(change, 'pool changed its condition')
    },
    drained: ({ members }) => {
      for (const { pool, member, at } of members) log.info({ pool, member, safeAt: at }, 'member drained')
    },
  } satisfies Partial<Hearing<'log'>>
}

export function counted(metrics: Metrics, checker: Checker): Hearing<'metrics'> {
  const { members, webhooks } = metrics
  return {
    catalog: ({ before, catalog }) => {
      if (catalog.webhooks !== before.webhooks) webhooks.retain(catalog.webhooks.keys())
      if (catalog.pools === before.pools && catalog.monitors === before.monitors) return
      const checked = [...checker.availability()].flatMap(([pool, states]) =>
        Array.from(states, ([member, { state }]) => ({ pool, member, state })),
      )
      members.retain(checked)
      for (const member of checked) members.state(member, member.state)
    },
    transitions: ({ transitions }) => {
      for (const transition of transitions) members.transition(transition, transition.to)
    },
    probed: ({ key, verdict }) => members.probe(key, verdict.durationMs, verdict.ok ? null : verdict.failure),
    delivered: ({ webhook, outcome }) => webhooks.delivery(webhook, outcome),
    'worker-restarted': () => metrics.workerRestarted(),
  }
}
