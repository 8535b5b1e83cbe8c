/** What is done to the server, and to what it stands on. Each ends what it began. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { runIn } from '../support/inspector.ts'
import { patience } from '../support/patience.ts'
import type { PatroniCluster } from '../support/patroni.ts'
import { processesOf } from '../support/processes.ts'
import { restartAllTheTime } from './restarts.ts'
import { probed, type Stage, type StageOptions, told } from './stage.ts'

export interface Fault extends StageOptions {
  readonly name: string
  /** Done once and again, each time after a write has been acknowledged since. */
  readonly strike: (stage: Stage) => Promise<void>
  /** How often, in a run of the usual length. */
  readonly times: number
  /** No server is there for a while, so nobody asks. */
  readonly silent?: boolean
}

const onPostgres = { store: 'PostgreSQL', udp: 'batch' } as const
const onPatroni = { store: 'Patroni', udp: 'batch' } as const
const onPgbouncer = { store: 'pgbouncer', udp: 'batch' } as const
const onEmbedded = { store: 'embedded', udp: 'batch' } as const

const kill = (which: 'control' | 'data') => async (stage: Stage) => {
  for (const pid of processesOf(stage.daemon, which)) process.kill(pid, 'SIGKILL')
}
const freeze = (which: 'control' | 'data') => async (stage: Stage) => {
  const [pid] = processesOf(stage.daemon, which)
  process.kill(pid!, 'SIGSTOP')
  await gone(pid!)
}

/** Resolves when a process is no more: somebody has seen to it, or it ended by itself. */
async function gone(pid: number): Promise<void> {
  const signal = patience()
  while (existsSync(`/proc/${pid}`)) {
    signal.throwIfAborted()
    await delay(5)
  }
}

/** At a moment that nobody chose: some writes are on their way then. */
const soon = () => delay(Math.random() * 400)

const isReady = ({ msg }: { readonly msg?: string }) => msg === 'ready'

async function restart(stage: Stage): Promise<void> {
  const from = stage.daemon.lines.length
  stage.daemon.signal('SIGHUP')
  await stage.daemon.line(isReady, { from })
}

async function killAll(stage: Stage): Promise<void> {
  const { daemon } = stage
  const all = [daemon.pid, ...processesOf(daemon, 'control'), ...processesOf(daemon, 'data')]
  for (const pid of all) process.kill(pid, 'SIGKILL')
  await daemon.exited
  // The memory of a process that was killed takes a while to be given back, in which it has its files.
  for (const pid of all) await gone(pid)
  await stage.startAgain()
}

/** Every allocation of a runaway, until the heap is full. */
const fillHeap = `const kept = []; setInterval(() => { for (let i = 0; i < 200; i++) kept.push(new Array(100_000).fill(i)) }, 1)`
const throwingMs = 2000
/** For so long whatever is called back by an emitter may throw, and whatever is awaited may fail. */
const throwEverywhere = `{
  const { EventEmitter } = require('node:events')
  const { emit } = EventEmitter.prototype
  EventEmitter.prototype.emit = function (...args) {
    const result = Reflect.apply(emit, this, args)
    if (Math.random() < 0.2) throw new Error('thrown on purpose')
    return result
  }
  setTimeout(() => { EventEmitter.prototype.emit = emit }, ${throwingMs})
}`
async function fillControl(stage: Stage): Promise<void> {
  const [pid] = processesOf(stage.daemon, 'control')
  await runIn(stage.daemon, pid!, fillHeap)
  await gone(pid!)
}

async function throwInControl(stage: Stage): Promise<void> {
  const [pid] = processesOf(stage.daemon, 'control')
  await runIn(stage.daemon, pid!, throwEverywhere)
  await delay(throwingMs)
}

/** Processes of the PostgreSQL server, the postmaster first. */
function postgresProcesses(port: number): number[] {
  const all = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  const isPostmaster = (pid: string) => read(`/proc/${pid}/cmdline`).includes(`-p\0${port}\0`)
  const parentOf = (pid: string) => /^\d+ \(.*\) \S (\d+)/s.exec(read(`/proc/${pid}/stat`))?.[1]
  const postmaster = all.find(isPostmaster)
  if (postmaster === undefined) throw new Error(`no PostgreSQL has port ${port}`)
  return [postmaster, ...all.filter((pid) => parentOf(pid) === postmaster)].map(Number)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

async function freezePostgres(stage: Stage): Promise<void> {
  const frozen = postgresProcesses(stage.postgres!.port)
  for (const pid of frozen) process.kill(pid, 'SIGSTOP')
  await delay(awayMs)
  for (const pid of frozen.reverse()) process.kill(pid, 'SIGCONT')
}

async function killPostgres(stage: Stage): Promise<void> {
  await stage.postgres!.kill()
  await delay(awayMs)
  await stage.postgres!.restart()
}

async function killPgbouncer(stage: Stage): Promise<void> {
  await stage.pgbouncer!.kill()
  await delay(awayMs)
  await stage.pgbouncer!.restart()
}

/** Done to a cluster that has come to rest since the last time. */
const toCluster = (strike: (cluster: PatroniCluster) => Promise<void>) => async (stage: Stage) => {
  await stage.cluster!.whole()
  await strike(stage.cluster!)
}

/** How long the database is away, in milliseconds. */
const awayMs = 8000

/** Statements before and after the time that it lasts; whoever is connected is thrown out at both. */
const between =
  (begin: (database: string) => string, end: (database: string) => string) => async (stage: Stage) => {
    await using client = await connectTo(stage.postgres!.url)
    const database = new URL(stage.databaseUrl!).pathname.slice(1)
    const throwOut = `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}'`
    await client.query(begin(database))
    await client.query(throwOut)
    await delay(awayMs)
    await client.query(end(database))
    await client.query(throwOut)
  }

/** Takes every connection that the server gives, those of the daemon too. */
async function exhaust(stage: Stage): Promise<void> {
  await using taken = new AsyncDisposableStack()
  await using client = await connectTo(stage.postgres!.url)
  const database = new URL(stage.databaseUrl!).pathname.slice(1)
  const throwOut = `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}'`
  // The daemon may be quicker than this for what it has just lost.
  for (const endMs = performance.now() + awayMs; performance.now() < endMs; await delay(100)) {
    for (let next = await tryToConnect(stage); next !== null; next = await tryToConnect(stage))
      taken.use(next)
    await client.query(throwOut)
  }
}

const tryToConnect = (stage: Stage) => connectTo(stage.postgres!.url).catch(() => null)

async function connectTo(url: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

export const faults: readonly Fault[] = [
  { name: 'none', ...onPostgres, times: 1, strike: () => delay(5000) },
  { name: 'control plane: kill -9', ...onPostgres, times: 5, strike: kill('control') },
  { name: 'control plane: kill -9', ...onPostgres, udp: 'dgram', times: 5, strike: kill('control') },
  { name: 'control plane: kill -9', ...onEmbedded, times: 5, strike: kill('control') },
  { name: 'control plane hangs (SIGSTOP)', ...onPostgres, times: 2, strike: freeze('control') },
  { name: 'control plane: heap filled', ...onPostgres, times: 1, strike: fillControl },
  {
    name: 'control plane: every event handler throws',
    ...onPostgres,
    times: 2,
    strike: throwInControl,
  },
  { name: 'data plane: kill -9', ...onPostgres, times: 5, strike: kill('data') },
  { name: 'data plane: kill -9', ...onPostgres, udp: 'dgram', times: 5, strike: kill('data') },
  { name: 'data plane hangs (SIGSTOP)', ...onPostgres, times: 2, strike: freeze('data') },
  {
    name: 'both: kill -9 at once',
    ...onPostgres,
    times: 3,
    strike: async (stage) => {
      await kill('data')(stage)
      await kill('control')(stage)
    },
  },
  { name: 'restart (SIGHUP)', ...onPostgres, times: 10, strike: restart },
  { name: 'restart (SIGHUP)', ...onPostgres, udp: 'dgram', times: 10, strike: restart },
  { name: 'restart (SIGHUP)', ...onEmbedded, times: 5, strike: restart },
  ...(['batch', 'dgram'] as const).map((udp) => ({
    name: 'restart (SIGHUP) each second for a minute, and dnsperf',
    ...onPostgres,
    udp,
    times: 1,
    strike: (stage: Stage) => restartAllTheTime(stage, [probed, told]),
  })),
  { name: 'everything: kill -9, started again', ...onPostgres, silent: true, times: 5, strike: killAll },
  { name: 'everything: kill -9, started again', ...onEmbedded, silent: true, times: 5, strike: killAll },
  { name: 'database: kill -9', ...onPostgres, times: 2, strike: killPostgres },
  { name: 'database hangs (SIGSTOP)', ...onPostgres, times: 2, strike: freezePostgres },
  {
    name: 'database refuses connections',
    ...onPostgres,
    times: 2,
    strike: between(
      (database) => `alter database ${database} with allow_connections false`,
      (database) => `alter database ${database} with allow_connections true`,
    ),
  },
  {
    name: 'database only to be read',
    ...onPostgres,
    times: 2,
    strike: between(
      (database) => `alter database ${database} set default_transaction_read_only = on`,
      (database) => `alter database ${database} reset default_transaction_read_only`,
    ),
  },
  { name: 'database out of connections', ...onPostgres, times: 2, strike: exhaust },
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
  { name: 'pgbouncer: kill -9, started again', ...onPgbouncer, times: 2, strike: killPgbouncer },
]

export { soon }
