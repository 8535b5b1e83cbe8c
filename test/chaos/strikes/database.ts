/** What is done to the database, and to the way to it. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { PatroniCluster } from '../../support/patroni.ts'
import { backUp, makeAnew, restore } from '../../support/postgres-backup.ts'
import type { Stage } from '../stage.ts'
import { killAll, restartDuring } from './processes.ts'

/** How long the database is away, in milliseconds. */
export const awayMs = 8000

export async function killPostgres({ stand }: Stage): Promise<void> {
  await stand.postgres!.kill()
  await delay(awayMs)
  await stand.postgres!.restart()
}

/** Kills it when writes have begun, and wait inside of it for a lock. */
export async function killPostgresInWrites({ stand }: Stage): Promise<void> {
  const client = await connectTo(databaseOf(stand))
  await client.query('begin')
  await client.query('select * from config_revision for update')
  const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  for (;;) if ((await client.query(waiting)).rowCount! > 0) break
  await stand.postgres!.kill()
  await delay(awayMs)
  await stand.postgres!.restart()
}

/** Goes silent when a write has said its COMMIT: the server has it, and nobody hears of it; then the server is killed. */
export async function silenceAtCommit({ stand, writer }: Stage): Promise<void> {
  const { network, postgres } = stand
  const unanswered = writer.refused()
  network!.silenceBehind('commit', () => true)
  await unanswered
  await postgres!.kill()
  await postgres!.restart()
  network!.cut()
  network!.speak()
}

export async function silence({ stand }: Stage): Promise<void> {
  stand.network!.silence()
  await delay(awayMs)
  stand.network!.speak()
}

/** The processes of the server are replaced while the database is away. */
export async function restartWithout(stage: Stage): Promise<void> {
  await stage.stand.postgres!.kill()
  await restartDuring(stage, awayMs, () => stage.stand.postgres!.restart())
}

/** All of the server is killed, and started while the database is away. */
export async function startWithout(stage: Stage): Promise<void> {
  await stage.stand.postgres!.kill()
  await killAll(stage)
  await delay(awayMs)
  await stage.stand.postgres!.restart()
  stage.struck()
}

export async function freezePostgres({ stand }: Stage): Promise<void> {
  const frozen = postgresProcesses(stand.postgres!.port)
  for (const pid of frozen) process.kill(pid, 'SIGSTOP')
  await delay(awayMs)
  for (const pid of frozen.reverse()) process.kill(pid, 'SIGCONT')
}

/** The processes of the PostgreSQL server, the postmaster first; none when it does not run. */
export function postgresProcesses(port: number): number[] {
  const all = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  const isPostmaster = (pid: string) => read(`/proc/${pid}/cmdline`).includes(`-p\0${port}\0`)
  const parentOf = (pid: string) => /^\d+ \(.*\) \S (\d+)/s.exec(read(`/proc/${pid}/stat`))?.[1]
  const postmaster = all.find(isPostmaster)
  if (postmaster === undefined) return []
  return [postmaster, ...all.filter((pid) => parentOf(pid) === postmaster)].map(Number)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

export async function killPgbouncer({ stand }: Stage): Promise<void> {
  await stand.pgbouncer!.kill()
  await delay(awayMs)
  await stand.pgbouncer!.restart()
}

/** The server that takes the writes is lost for good, and its standby takes its place. */
export async function failOver(stage: Stage): Promise<void> {
  await stage.stand.postgres!.kill()
  await delay(awayMs)
  await stage.stand.standby!.promote()
}

/** Done to a cluster that has come to rest since the last time. */
export const toCluster = (strike: (cluster: PatroniCluster) => Promise<void>) => async (stage: Stage) => {
  await stage.stand.cluster!.whole()
  await strike(stage.stand.cluster!)
}

/** Statements before and after the time that it lasts; whoever is connected is thrown out at both. */
export const between =
  (begin: (database: string) => string, end: (database: string) => string) =>
  async ({ stand }: Stage) => {
    await using client = await connectTo(stand.postgres!.url)
    const database = nameOf(stand)
    await client.query(begin(database))
    await throwOut(client, database)
    await delay(awayMs)
    await client.query(end(database))
    await throwOut(client, database)
  }

/** Takes every connection that the server gives, those of the daemon too. */
export async function exhaust({ stand }: Stage): Promise<void> {
  await using taken = new AsyncDisposableStack()
  await using client = await connectTo(stand.postgres!.url)
  const tryToConnect = () => connectTo(stand.postgres!.url).catch(() => null)
  // The daemon may be quicker than this for what it has just lost.
  for (const endMs = performance.now() + awayMs; performance.now() < endMs; await delay(100)) {
    for (let next = await tryToConnect(); next !== null; next = await tryToConnect()) taken.use(next)
    await throwOut(client, nameOf(stand))
  }
}

/** What was written since the backup is lost by that, and nothing else may be. */
export async function restoreBackup({ stand, writer }: Stage): Promise<void> {
  const copy = await backUpNow(stand, writer)
  await writer.next()
  await delay(2000)
  await writer.between(async (latest) => {
    await restore(stand.postgres!, stand.databaseUrl!, copy.name)
    latest.clear()
    for (const [name, text] of copy.latest) latest.set(name, text)
    await forgetBefore(stand)
  })
}

/** Somebody drops the database and makes it anew, the server is restarted, and then all is restored. */
export async function dropDatabase(stage: Stage): Promise<void> {
  const { stand, writer } = stage
  const copy = await writer.between(async () => {
    const name = `backup_${Date.now()}`
    await backUp(stand.postgres!, stand.databaseUrl!, name)
    await makeAnew(stand.postgres!, stand.databaseUrl!)
    return name
  })
  await writer.refused()
  await restartDuring(stage, awayMs, async () => {
    await restore(stand.postgres!, stand.databaseUrl!, copy)
    await forgetBefore(stand)
  })
}

type StandOfStage = Stage['stand']

async function backUpNow(stand: StandOfStage, writer: Stage['writer']) {
  const name = `backup_${Date.now()}`
  return writer.between(async (latest) => {
    await backUp(stand.postgres!, stand.databaseUrl!, name)
    return { name, latest: new Map(latest) }
  })
}

/** So that there can be another one of its name the next time. */
async function forgetBefore(stand: StandOfStage): Promise<void> {
  await using client = await connectTo(stand.postgres!.url)
  await throwOut(client, `${nameOf(stand)}_before`)
  await client.query(`drop database ${nameOf(stand)}_before with (force)`)
}

/** As the superuser, and past whatever is in front of the server. */
function databaseOf(stand: StandOfStage): string {
  return stand.postgres!.url.replace(/\/[^/]*$/, `/${nameOf(stand)}`)
}

const nameOf = ({ databaseUrl }: StandOfStage) => new URL(databaseUrl!).pathname.slice(1)

const throwOut = (client: pg.Client, database: string) =>
  client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [database])

async function connectTo(url: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}
