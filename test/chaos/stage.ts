/** What a fault plays on: a server with a configuration, a member that is probed, and queries and writes that never cease. */
import { rm } from 'node:fs/promises'
import { askUntil } from '../e2e/ask.ts'
import { type Backend, put, soa, startBackend } from '../e2e/fixture.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { placeEmbeddedDatabase } from '../support/embedded-database.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { PatroniCluster, withoutPatroni } from '../support/patroni.ts'
import { type Pgbouncer, startPgbouncer } from '../support/pgbouncer.ts'
import { startPostgres } from '../support/postgres.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { missingPrograms } from '../support/program.ts'
import { DnsLoad } from './load.ts'
import type { LoadCounts, Question } from './load-thread.ts'
import { type WriteCounts, Writer } from './writer.ts'

export type Store = 'PostgreSQL' | 'embedded' | 'Patroni' | 'pgbouncer'
export type UdpBackend = 'batch' | 'dgram'

export interface StageOptions {
  readonly store: Store
  readonly udp: UdpBackend
}

export interface Outcome extends LoadCounts {
  readonly writes: WriteCounts
}

export const zone = 'example.test'
export const probed = `probed.${zone}`
export const told = `told.${zone}`
const perSecond = { udp: 400, tcp: 40 }
const writeEveryMs = 50

const questions: readonly Question[] = [
  { name: `ns1.${zone}`, type: 'A', rcode: 0, answer: '192.0.2.53' },
  { name: probed, type: 'A', rcode: 0, answer: '192.0.2.1' },
  { name: told, type: 'A', rcode: 0, answer: '192.0.2.[234]' },
  { name: `nobody.${zone}`, type: 'A', rcode: 3, answer: null },
  { name: `ns1.${zone}`, type: 'AAAA', rcode: 0, answer: null },
].map((question) => ({
  ...(question as Question),
  answer:
    question.answer === null
      ? null
      : `^${question.name.replaceAll('.', '\\.')} \\d+ A ${question.answer.replaceAll('.', '\\.')}$`,
}))

/** Where the database is, and what faults can be done to. */
interface Stand {
  readonly databaseUrl: string | null
  readonly postgres: PostgresServer | null
  readonly cluster: PatroniCluster | null
  readonly pgbouncer: Pgbouncer | null
}

async function openStore(store: Store, owned: AsyncDisposableStack): Promise<Stand> {
  const none = { databaseUrl: null, postgres: null, cluster: null, pgbouncer: null }
  if (store === 'embedded') return none
  if (store === 'Patroni') {
    const cluster = owned.use(await PatroniCluster.start())
    return { ...none, cluster, databaseUrl: await cluster.createDatabase('pooldns') }
  }
  const postgres = owned.use(await startPostgres())
  const databaseUrl = await postgres.createDatabase()
  if (store === 'PostgreSQL') return { ...none, postgres, databaseUrl }
  const pgbouncer = owned.use(await startPgbouncer(postgres))
  return { ...none, postgres, pgbouncer, databaseUrl: pgbouncer.through(databaseUrl) }
}

/** What a store needs and this host has not; null when it has all. */
export function withoutStore(store: Store): string | null {
  if (store === 'Patroni') return withoutPatroni()
  return store === 'pgbouncer' ? missingPrograms('pgbouncer') || null : null
}

export class Stage implements AsyncDisposable {
  readonly #stand: Stand
  /** What the probed member is. */
  readonly backend: Backend
  #daemon: DaemonProcess
  readonly #env: Readonly<Record<string, string>>
  readonly #owned: AsyncDisposableStack
  #load: DnsLoad | null = null
  #writer: Writer | null = null
  readonly #others = { sent: 0, lost: 0, wrong: 0 }

  private constructor(
    stand: Stand,
    backend: Backend,
    daemon: DaemonProcess,
    env: Readonly<Record<string, string>>,
    owned: AsyncDisposableStack,
  ) {
    this.#stand = stand
    this.backend = backend
    this.#daemon = daemon
    this.#env = env
    this.#owned = owned
  }

  static async set({ store, udp }: StageOptions): Promise<Stage> {
    await using owned = new AsyncDisposableStack()
    const stand = await openStore(store, owned)
    const { databaseUrl } = stand
    const dataDir = await temporaryDataFolder('pooldns-chaos-')
    owned.defer(() => rm(dataDir, { recursive: true, force: true }))
    if (databaseUrl === null) await placeEmbeddedDatabase(dataDir)
    const backend = owned.use(await startBackend())
    const env = {
      ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
      POOLDNS_DATA_DIR: dataDir,
      POOLDNS_DNS_LISTEN: `127.0.0.1:${await freePort()}`,
      POOLDNS_HTTP_LISTEN: `127.0.0.1:${await freePort()}`,
      POOLDNS_UDP_BACKEND: udp,
      POOLDNS_RRL: 'off',
    }
    const daemon = await startDaemonProcess({ dataDir, env })
    const stage = new Stage(stand, backend, daemon, env, owned.move())
    // The one that runs in the end.
    stage.#owned.defer(async () => void (await stage.#daemon.stop()))
    await configure(daemon, backend)
    return stage
  }

  get databaseUrl(): string | null {
    return this.#stand.databaseUrl
  }

  get postgres(): PostgresServer | null {
    return this.#stand.postgres
  }

  get cluster(): PatroniCluster | null {
    return this.#stand.cluster
  }

  get pgbouncer(): Pgbouncer | null {
    return this.#stand.pgbouncer
  }

  get daemon(): DaemonProcess {
    return this.#daemon
  }

  /** Begins to write, and to ask when `asking`. */
  begin(asking: boolean): Writer {
    const { host, port } = this.#daemon.dns
    if (asking) this.#load = this.#owned.use(new DnsLoad({ host, port, questions, perSecond }))
    this.#writer = this.#owned.use(new Writer(this.#daemon, zone, writeEveryMs))
    return this.#writer
  }

  /** Starts the server again on the same data, after all of it has been killed. */
  async startAgain(): Promise<void> {
    this.#daemon = await startDaemonProcess({ dataDir: this.#daemon.dataDir, env: this.#env })
    this.#writer!.moveTo(this.#daemon)
  }

  /** Adds what somebody else has asked. */
  count({ sent, lost, wrong }: LoadCounts): void {
    this.#others.sent += sent
    this.#others.lost += lost
    this.#others.wrong += wrong
  }

  async end(): Promise<Outcome> {
    const own = (await this.#load?.stop()) ?? { sent: 0, lost: 0, wrong: 0, slowestMs: 0, examples: [] }
    const { sent, lost, wrong } = this.#others
    const sums = { sent: own.sent + sent, lost: own.lost + lost, wrong: own.wrong + wrong }
    return { ...own, ...sums, writes: await this.#writer!.stop() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

async function configure(daemon: DaemonProcess, backend: Backend): Promise<void> {
  const rrsets = [
    { name: '@', type: 'NS', data: ['ns1'] },
    { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
  ]
  await put(daemon, `/v1/zones/${zone}`, { soa, rrsets })
  await put(daemon, '/v1/monitors/web', {
    type: 'http',
    interval: '500ms',
    timeout: '400ms',
    rise: 1,
    fall: 2,
  })
  await put(daemon, '/v1/monitors/told', { type: 'static', state: 'up' })
  const one = { address: '192.0.2.1', probe: { address: '127.0.0.1', port: backend.port } }
  await put(daemon, '/v1/pools/probed', { monitor: 'web', unknown: 'down', members: { one } })
  const members = Object.fromEntries([2, 3, 4].map((n) => [`m${n}`, { address: `192.0.2.${n}` }]))
  await put(daemon, '/v1/pools/told', { monitor: 'told', select: 'weighted', answers: 2, members })
  // What a member that is wrongly down would show.
  await put(daemon, `/v1/services/${probed}`, { pools: ['probed'], whenAllDown: 'nodata', ttl: 5 })
  await put(daemon, `/v1/services/${told}`, { pools: ['told'], ttl: 5 })
  await askUntil(daemon.dns, probed, ['192.0.2.1'])
}
