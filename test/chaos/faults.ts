/** What is done to the server, and to what it stands on, row by row. */
import { setTimeout as delay } from 'node:timers/promises'
import { floodAsFault } from './overload.ts'
import { restartAllTheTime } from './restarts.ts'
import { probed, type Stage, type StageOptions, told } from './stage.ts'
import * as database from './strikes/database.ts'
import * as disk from './strikes/disk.ts'
import * as processes from './strikes/processes.ts'

export interface Fault extends StageOptions {
  readonly name: string
  /** Done once and again, each time after a write has been acknowledged since. Ends what it began. */
  readonly strike: (stage: Stage) => Promise<void>
  /** How often, in a run of the usual length. */
  readonly times: number
}

const onPostgres = { store: 'PostgreSQL', udp: 'batch' } as const
const onDgram = { store: 'PostgreSQL', udp: 'dgram' } as const
const onPatroni = { store: 'Patroni', udp: 'batch' } as const
const onPgbouncer = { store: 'pgbouncer', udp: 'batch' } as const
const onNetwork = { store: 'network', udp: 'batch' } as const
const onEmbedded = { store: 'embedded', udp: 'batch' } as const
const onPair = { store: 'pair', udp: 'batch' } as const

const { between, toCluster } = database
const { freeze, freezeThread, kill, killAll, restart } = processes

const ofControl: readonly Fault[] = [
  { name: 'control plane: kill -9', ...onPostgres, times: 5, strike: kill('control') },
  { name: 'control plane: kill -9', ...onDgram, times: 5, strike: kill('control') },
  { name: 'control plane: kill -9', ...onEmbedded, times: 5, strike: kill('control') },
  { name: 'control plane hangs (SIGSTOP)', ...onPostgres, times: 2, strike: freeze('control') },
  { name: 'control plane: heap filled', ...onPostgres, times: 1, strike: processes.fillControl },
  {
    name: 'control plane: every event handler throws',
    ...onPostgres,
    times: 2,
    strike: processes.throwInControl,
  },
]

const ofData: readonly Fault[] = [
  { name: 'data plane: kill -9', ...onPostgres, times: 5, strike: kill('data') },
  { name: 'data plane: kill -9', ...onDgram, times: 5, strike: kill('data') },
  { name: 'data plane: kill -9', ...onEmbedded, times: 5, strike: kill('data') },
  { name: 'data plane hangs (SIGSTOP)', ...onPostgres, times: 2, strike: freeze('data') },
  {
    name: 'data plane: every event handler throws',
    ...onPostgres,
    freezable: true,
    times: 2,
    strike: processes.throwInData,
  },
  { name: 'both: kill -9 at once', ...onPostgres, times: 3, strike: kill('data', 'control') },
]

/**
 * Frozen for ever, as a defect would. They wait, for one that computes is found out by the time that it has had a processor: on a
 * machine as busy as this one that is no matter of seconds.
 */
const ofThreads: readonly Fault[] = (
  [
    ['a UDP worker', onPostgres, 'dns-udp'],
    ['a UDP worker', onDgram, 'dns-udp'],
    ['the TCP worker', onPostgres, 'dns-tcp'],
    ['the compile thread', onPostgres, 'compile'],
    ['the thread of the database', onEmbedded, 'database'],
  ] as const
).map(([what, on, thread]) => ({
  name: `${what} hangs`,
  ...on,
  freezable: true,
  times: 2,
  strike: freezeThread(thread, 'waiting'),
}))

const ofAll: readonly Fault[] = [
  { name: 'restart (SIGHUP)', ...onPostgres, times: 10, strike: restart },
  { name: 'restart (SIGHUP)', ...onDgram, times: 10, strike: restart },
  { name: 'restart (SIGHUP)', ...onEmbedded, times: 5, strike: restart },
  ...[onPostgres, onDgram].map((on) => ({
    name: 'sixty restarts (SIGHUP), each as soon as the one before is done, and dnsperf',
    ...on,
    times: 1,
    strike: (stage: Stage) => restartAllTheTime(stage, [probed, told]),
  })),
  { name: 'everything: kill -9, started again', ...onPostgres, times: 5, strike: killAll },
  { name: 'everything: kill -9, started again', ...onEmbedded, times: 5, strike: killAll },
  ...[onPostgres, onDgram].map((on) => ({
    name: 'overload: dnsperf asks for more than can be answered',
    ...on,
    times: 1,
    strike: floodAsFault,
  })),
]

const ofDatabase: readonly Fault[] = [
  { name: 'database: kill -9', ...onPostgres, times: 2, strike: database.killPostgres },
  {
    name: 'database: kill -9 with writes under way',
    ...onPostgres,
    times: 2,
    strike: database.killPostgresInWrites,
  },
  {
    name: 'database: kill -9, its answer to a COMMIT lost',
    ...onNetwork,
    times: 2,
    strike: database.silenceAtCommit,
  },
  { name: 'database away at a restart (SIGHUP)', ...onPostgres, times: 2, strike: database.restartWithout },
  {
    name: 'database away at a start, after kill -9 of everything',
    ...onPostgres,
    times: 2,
    strike: database.startWithout,
  },
  { name: 'database hangs (SIGSTOP)', ...onPostgres, times: 2, strike: database.freezePostgres },
  { name: 'network to the database goes silent', ...onNetwork, times: 2, strike: database.silence },
  {
    name: 'database refuses connections',
    ...onPostgres,
    times: 2,
    strike: between(
      (name) => `alter database ${name} with allow_connections false`,
      (name) => `alter database ${name} with allow_connections true`,
    ),
  },
  {
    name: 'database refuses logins',
    ...onPostgres,
    times: 2,
    strike: between(
      () => 'alter role postgres nologin',
      () => 'alter role postgres login',
    ),
  },
  {
    name: 'database only to be read',
    ...onPostgres,
    times: 2,
    strike: between(
      (name) => `alter database ${name} set default_transaction_read_only = on`,
      (name) => `alter database ${name} reset default_transaction_read_only`,
    ),
  },
  { name: 'database out of connections', ...onPostgres, times: 2, strike: database.exhaust },
  { name: 'database restored from an older backup', ...onPostgres, times: 2, strike: database.restoreBackup },
  {
    name: 'database dropped and made anew, the server restarted; then restored',
    ...onPostgres,
    times: 2,
    strike: database.dropDatabase,
  },
  { name: 'database lost, its standby promoted', ...onPair, times: 1, strike: database.failOver },
]

const ofDisks: readonly Fault[] = [
  {
    name: 'disk of the database full',
    ...onPostgres,
    smallDisk: 'database',
    times: 2,
    strike: disk.fillDisk,
  },
  {
    name: 'database can not start on its full disk, the server restarted',
    ...onPostgres,
    smallDisk: 'database',
    times: 2,
    strike: disk.startDatabaseOnFullDisk,
  },
  {
    name: 'disk of the data directory full, the server restarted',
    ...onPostgres,
    smallDisk: 'data directory',
    times: 2,
    strike: disk.fillDataDirectory,
  },
  {
    name: 'disk of the data directory full, the server restarted',
    ...onEmbedded,
    smallDisk: 'data directory',
    times: 2,
    strike: disk.fillDataDirectory,
  },
  {
    name: 'disk of the embedded database full',
    ...onEmbedded,
    smallDisk: 'data directory',
    times: 2,
    strike: disk.fillDisk,
  },
  {
    name: 'everything: kill -9, started on a full disk',
    ...onEmbedded,
    smallDisk: 'data directory',
    times: 2,
    strike: disk.startOnFullDisk,
  },
]

const ofClusters: readonly Fault[] = [
  {
    name: 'cluster: leader killed (kill -9 of PostgreSQL and Patroni)',
    ...onPatroni,
    times: 2,
    strike: toCluster((cluster) => cluster.killLeader()),
  },
  {
    name: 'cluster: another leader (switchover)',
    ...onPatroni,
    times: 2,
    strike: toCluster((cluster) => cluster.switchOver()),
  },
  {
    name: 'cluster: leader partitioned (SIGSTOP), and back',
    ...onPatroni,
    times: 2,
    strike: toCluster((cluster) => cluster.partitionLeader()),
  },
  { name: 'pgbouncer: kill -9, started again', ...onPgbouncer, times: 2, strike: database.killPgbouncer },
]

/** With all that there is to do: signed zones, feeds, the query log, dnstap, OpenTelemetry, a webhook, a shared cache. */
const ofBusy: readonly Fault[] = (
  [
    ['all who are told hang', { strike: processes.hangSurroundings }],
    ['the signing thread hangs', { strike: freezeThread('signing', 'waiting'), freezable: true }],
    ['the dnstap thread hangs', { strike: freezeThread('dnstap', 'waiting'), freezable: true }],
    ['control plane: kill -9', { strike: kill('control') }],
    ['data plane: kill -9', { strike: kill('data') }],
    ['restart (SIGHUP)', { strike: restart }],
    ['everything: kill -9, started again', { strike: killAll }],
    ['database hangs (SIGSTOP)', { strike: database.freezePostgres }],
    ['database: kill -9 with writes under way', { strike: database.killPostgresInWrites }],
    ['disk of the database full', { strike: disk.fillDisk, smallDisk: 'database' }],
    [
      'disk of the data directory full, the server restarted',
      { strike: disk.fillDataDirectory, smallDisk: 'data directory' },
    ],
  ] as const
).map(([what, how]) => ({ name: `busy: ${what}`, ...onPostgres, busy: true, times: 2, ...how }))

export const faults: readonly Fault[] = [
  { name: 'none', ...onPostgres, times: 1, strike: () => delay(5000) },
  ...ofControl,
  ...ofData,
  ...ofThreads,
  ...ofAll,
  ...ofDatabase,
  ...ofDisks,
  ...ofClusters,
  ...ofBusy,
]
