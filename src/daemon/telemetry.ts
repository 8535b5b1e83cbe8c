/** What the log says of each event, and what metrics count of it. */
import type { Checker } from '../controlplane/health/checker.ts'
import { type HistoryBreak, isRefused } from '../controlplane/store/changes.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import type { Hearing } from './announce.ts'

/** Of services that change together, or what feeds say at once: ten thousand may share a pool. */
const mostLogged = 100

const breakWords: Readonly<Record<HistoryBreak, string>> = {
  back: 'the database went back before what this node serves: it was restored, and all of it is read again',
  other:
    'the database has another history than what this node serves: it was restored, and all of it is read again',
  empty: 'the database is empty, and was not: this node serves what it has, and takes no changes',
  foreign: 'the database is another one than before: this node serves what it has, and takes no changes',
}

const newerSchemaWords =
  'the database has the schema of a newer version: this node takes no changes, and follows what it can read, until it is that version'

export function logged(log: Logger): Hearing<'log'> {
  return {
    'database-available': () => log.info('the database is available'),
    'database-away': ({ reason }) => log.warn({ reason }, 'waiting for the database'),
    'thread-died': ({ thread, reason }) => log.error({ thread, reason }, 'a thread died and is replaced'),
    'history-broken': ({ found: { kind, revision } }) =>
      log[isRefused(kind) ? 'error' : 'warn']({ kind, revision }, breakWords[kind]),
    schema: ({ newer }) => {
      if (newer === null) log.info('the schema of the database is that of this version again')
      else log.warn({ migration: newer }, newerSchemaWords)
    },
    'worker-restarted': ({ transport, reason }) =>
      log.error({ transport, reason }, 'a DNS worker died and is being replaced'),
    operated: ({ events }) => {
      for (const { kind, at: _, ...event } of events) log.info(event, kind)
    },
    transitions: ({ transitions }) => {
      for (const { at: _, health: __, ...transition } of transitions) {
        const what = transition.address === undefined ? 'member' : 'address of a member'
        log.info(transition, `${what} changed state`)
      }
    },
    held: ({ key: { pool, member }, hold: { untilMs, falls }, address }) =>
      log.warn(
        { pool, member, ...(address === null ? {} : { address }), until: new Date(untilMs), falls },
        'member held down: it changes too often',
      ),
    certificate: ({ health: { pool, member }, news: { what, certificate, reason } }) => {
      const { name, notAfterMs } = certificate
      const said = { pool, member, name, notAfter: new Date(notAfterMs), reason }
      if (what === 'ends-soon') log.warn(said, "a member's certificate ends soon")
      else log.info(said, "a member's certificate was renewed")
    },
    suspicion: ({ suspicion, whyTrusted }) => {
      if (suspicion === null) {
        log.info({ reason: whyTrusted }, "this node's network is trusted again")
      } else if (suspicion.holds) {
        log.warn(
          { reason: suspicion.reason },
          'most members fail at once: they stay as they were until a canary has been heard',
        )
      } else {
        log.error({ reason: suspicion.reason }, "this node's own network is suspect: failures do not count")
      }
    },
    resolved: ({ news }) => {
      for (const { host, state, addresses, error } of news.map(({ after }) => after)) {
        if (error === null) log.info({ host, state, addresses }, 'host resolved')
        else log.warn({ host, state, addresses, error }, 'host not resolved as it should be')
      }
    },
    pools: ({ changes }) => {
      for (const change of changes) log.info(change, 'pool changed its condition')
    },
    steering: ({ changes }) => {
      for (const { what, ...change } of changes.slice(0, mostLogged)) {
        log[what === 'stale' ? 'warn' : 'info'](change, `a feed steers: ${what}`)
      }
    },
    services: ({ changes }) => {
      for (const change of changes.slice(0, mostLogged)) log.info(change, 'service changed')
    },
    drained: ({ members }) => {
      for (const { pool, member, at } of members) log.info({ pool, member, safeAt: at }, 'member drained')
    },
  }
}

export function counted(metrics: Metrics, checker: Checker): Hearing<'metrics'> {
  const { members, webhooks } = metrics
  return {
    'history-broken': ({ found }) => metrics.historyBroken(found.kind),
    catalog: ({ before, catalog }) => {
      if (catalog.webhooks !== before.webhooks) webhooks.retain(catalog.webhooks.keys())
      if (catalog.pools === before.pools && catalog.monitors === before.monitors) return
      const checked = [...checker.availability().values()].flatMap((states) => [...states.values()])
      members.retain(checked)
      for (const member of checked) members.state(member, member.state)
    },
    transitions: ({ transitions }) => {
      for (const transition of transitions) {
        if (transition.address === undefined) members.transition(transition, transition.to)
      }
    },
    'thread-died': ({ thread }) => metrics.threadRestarted(thread),
    'worker-restarted': () => metrics.workerRestarted(),
  }
}
