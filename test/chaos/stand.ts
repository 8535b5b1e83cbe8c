/** Where the database of a stage is, and what faults can be done to. */
import pg from 'pg'
import { PatroniCluster, withoutPatroni } from '../support/patroni.ts'
import { type Pgbouncer, startPgbouncer } from '../support/pgbouncer.ts'
import { startPostgres } from '../support/postgres.ts'
import { type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.ts'
import type { PostgresServer, PostgresStandby } from '../support/postgres-server.ts'
import { missingPrograms } from '../support/program.ts'
import { openSmallDisk, type SmallDisk } from '../support/small-disk.ts'

/** `network` is PostgreSQL behind one that can go silent, `pair` one with a standby that has all that was acknowledged. */
export type Store = 'PostgreSQL' | 'embedded' | 'Patroni' | 'pgbouncer' | 'network' | 'pair'

export interface Stand {
  /** Null for the embedded database. */
  readonly databaseUrl: string | null
  readonly postgres: PostgresServer | null
  readonly standby: PostgresStandby | null
  readonly cluster: PatroniCluster | null
  readonly pgbouncer: Pgbouncer | null
  readonly network: PostgresProxy | null
  readonly disk: SmallDisk | null
}

const nothing: Stand = {
  databaseUrl: null,
  postgres: null,
  standby: null,
  cluster: null,
  pgbouncer: null,
  network: null,
  disk: null,
}
/** Several times what a new cluster has. */
const diskMebibytes = 256

/** @param onSmallDisk the files of PostgreSQL */
export async function openStand(
  store: Store,
  onSmallDisk: boolean,
  owned: AsyncDisposableStack,
): Promise<Stand> {
  if (store === 'embedded') return nothing
  if (store === 'Patroni') {
    const cluster = owned.use(await PatroniCluster.start())
    return { ...nothing, cluster, databaseUrl: await cluster.createDatabase('pooldns') }
  }
  let disk: SmallDisk | null = null
  const place = async (data: string, owner: Parameters<SmallDisk['through']>[0]) => {
    disk = owned.use(await openSmallDisk(data, diskMebibytes))
    return disk.through(owner)
  }
  const postgres = owned.use(await startPostgres(onSmallDisk ? place : undefined))
  const databaseUrl = await postgres.createDatabase()
  const stand = { ...nothing, postgres, databaseUrl, disk }
  if (store === 'pgbouncer') {
    const pgbouncer = owned.use(await startPgbouncer(postgres))
    return { ...stand, pgbouncer, databaseUrl: pgbouncer.through(databaseUrl) }
  }
  if (store === 'network') {
    const network = owned.use(await startPostgresProxy(databaseUrl))
    return { ...stand, network, databaseUrl: network.through(databaseUrl) }
  }
  return store === 'pair' ? pairOf(stand, postgres, databaseUrl) : stand
}

/** With a standby that has each commit before anybody hears of it; the URL names both. */
async function pairOf(stand: Stand, postgres: PostgresServer, databaseUrl: string): Promise<Stand> {
  const standby = await postgres.startStandby()
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  try {
    await client.query(`alter system set synchronous_standby_names = '*'`)
    await client.query('select pg_reload_conf()')
  } finally {
    await client.end()
  }
  const both = databaseUrl.replace(`:${postgres.port}/`, `:${postgres.port},127.0.0.1:${standby.port}/`)
  return { ...stand, standby, databaseUrl: both }
}

/** What a store needs and this host has not; null when it has all. */
export function withoutStore(store: Store): string | null {
  if (store === 'Patroni') return withoutPatroni()
  return store === 'pgbouncer' ? missingPrograms('pgbouncer') || null : null
}
