/** What a fault plays on: a server with a configuration, a member that is probed, and queries and writes that never cease. */
import { rm } from 'node:fs/promises'
import { askUntil } from '../e2e/ask.ts'
import { type Backend, eventually, put, soa, startBackend } from '../e2e/fixture.ts'
import {
  type DaemonOptions,
  type DaemonProcess,
  type LogLine,
  startDaemonProcess,
} from '../support/daemon.ts'
import { placeEmbeddedDatabase } from '../support/embedded-database.ts'
import { freePort } from '../support/free-port.ts'
import { type Freezer, freezable } from '../support/freezing.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { openSmallDisk, withoutSmallDisks } from '../support/small-disk.ts'
import { DnsLoad } from './load.ts'
import type { LoadCounts, Question } from './load-thread.ts'
import { openStand, type Stand, type Store, withoutStore } from './stand.ts'
import { moreQuestions, Surroundings, withoutSurroundings } from './surroundings.ts'
import { type WriteCounts, type WriteLoad, Writer } from './writer.ts'

export type UdpBackend = 'batch' | 'dgram'

export interface StageOptions {
  readonly store: Store
  readonly udp: UdpBackend
  /** Whose files are on a small disk of their own: PostgreSQL's, or the data directory with all that is in it. */
  readonly smallDisk?: 'database' | 'data directory'
  /** Threads of the server can be frozen, which costs it time. */
  readonly freezable?: true
  /** It does all that it can do besides (`surroundings.ts`). */
  readonly busy?: true
}

export interface Outcome extends LoadCounts {
  /** Queries that were dropped and counted as such by the server: these are not among those that were lost. */
  readonly dropped: number
  readonly writes: WriteCounts
}

export const zone = 'example.test'
export const probed = `probed.${zone}`
export const told = `told.${zone}`
const adminToken = 'not-a-secret-while-chaos-reigns'
const perSecond = { udp: 400, tcp: 40 }

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

/** What a stage needs and this host has not; null when it has all. */
export function withoutStage({ store, smallDisk, busy }: StageOptions): string | null {
  const without = withoutStore(store) ?? (smallDisk === undefined ? null : withoutSmallDisks() || null)
  return without ?? (busy === true ? withoutSurroundings() : null)
}

export class Stage implements AsyncDisposable {
  readonly stand: Stand
  /** What the probed member is. */
  readonly backend: Backend
  readonly freezer: Freezer | null
  readonly surroundings: Surroundings | null
  #daemon: DaemonProcess
  readonly #options: DaemonOptions
  readonly #owned: AsyncDisposableStack
  #load: DnsLoad | null = null
  #writer: Writer | null = null
  readonly #before: LoadCounts[] = []
  /** By those that were killed. */
  readonly #said: LogLine[] = []
  #dropped = 0
  #sinceMs: number | null = null

  private constructor(
    parts: Pick<Stage, 'stand' | 'backend' | 'freezer' | 'surroundings'>,
    daemon: DaemonProcess,
    options: DaemonOptions,
    owned: AsyncDisposableStack,
  ) {
    this.stand = parts.stand
    this.backend = parts.backend
    this.freezer = parts.freezer
    this.surroundings = parts.surroundings
    this.#daemon = daemon
    this.#options = options
    this.#owned = owned
  }

  static async set({ store, udp, smallDisk, ...also }: StageOptions): Promise<Stage> {
    await using owned = new AsyncDisposableStack()
    const dataDir = await temporaryDataFolder('pooldns-chaos-')
    owned.defer(() => rm(dataDir, { recursive: true, force: true }))
    const stand = await openStand(store, smallDisk === 'database', owned)
    const { databaseUrl } = stand
    if (databaseUrl === null) await placeEmbeddedDatabase(dataDir)
    const disk = smallDisk === 'data directory' ? owned.use(await openSmallDisk(dataDir, 256)) : stand.disk
    const freezer = also.freezable === true ? owned.use(freezable()) : null
    const backend = owned.use(await startBackend())
    const surroundings = also.busy === true ? owned.use(await Surroundings.start()) : null
    const env = {
      ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
      POOLDNS_DATA_DIR: dataDir,
      POOLDNS_DNS_LISTEN: `127.0.0.1:${await freePort()}`,
      POOLDNS_HTTP_LISTEN: `127.0.0.1:${await freePort()}`,
      POOLDNS_UDP_BACKEND: udp,
      POOLDNS_RRL: 'off',
      // The disk may be seen by the server alone, and not by whoever reads what it would write there.
      POOLDNS_ADMIN_TOKEN: adminToken,
      ...surroundings?.env,
    }
    const through = smallDisk === 'data directory' ? disk!.through() : []
    const options = { dataDir, env, through, nodeArgs: freezer?.nodeArgs ?? [] }
    const daemon = await startDaemonProcess(options)
    const stage = new Stage(
      { stand: { ...stand, disk }, backend, freezer, surroundings },
      daemon,
      options,
      owned.move(),
    )
    // The one that runs in the end.
    stage.#owned.defer(async () => void (await stage.#daemon.stop()))
    await configure(daemon, backend)
    await surroundings?.configure(daemon, 'told')
    await hasSnapshot(daemon, new Date())
    return stage
  }

  get daemon(): DaemonProcess {
    return this.#daemon
  }

  get writer(): Writer {
    return this.#writer!
  }

  /** Begins to write and to ask. */
  begin(writes: WriteLoad): Writer {
    this.ask()
    this.surroundings?.begin(() => this.#daemon)
    this.#writer = this.#owned.use(new Writer(this.#daemon, zone, writes))
    return this.#writer
  }

  ask(): void {
    const { host, port } = this.#daemon.dns
    const asked = this.surroundings === null ? questions : [...questions, ...moreQuestions]
    this.#load = this.#owned.use(new DnsLoad({ host, port, questions: asked, perSecond }))
  }

  /** Asks nothing for a while, for nobody will be there: resolves when all that was asked is answered or lost. */
  async askNothing(): Promise<void> {
    const load = this.#load
    this.#load = null
    if (load !== null) this.#before.push(await load.stop())
  }

  /** Says that recovery is counted from now on; else it is once the strike is over. */
  struck(): void {
    this.#sinceMs = performance.now()
  }

  takeStruckMs(): number {
    const sinceMs = this.#sinceMs ?? performance.now()
    this.#sinceMs = null
    return sinceMs
  }

  /** All that the server has said. */
  get log(): string {
    return [...this.#said, ...this.#daemon.lines].map((line) => `${JSON.stringify(line)}\n`).join('')
  }

  /** Starts the server again on the same data, after all of it has been killed. */
  async startAgain(): Promise<void> {
    this.#said.push(...this.#daemon.lines)
    this.#daemon = await startDaemonProcess(this.#options)
    this.#writer!.moveTo(this.#daemon)
  }

  /** Adds what somebody else has asked. */
  count(counts: LoadCounts): void {
    this.#before.push(counts)
  }

  /** Queries that nobody lost: the server dropped them, and says so. */
  countDropped(queries: number): void {
    this.#dropped += queries
  }

  async end(): Promise<Outcome> {
    await this.askNothing()
    const sum = (of: 'sent' | 'lost' | 'late' | 'wrong') =>
      this.#before.reduce((all, each) => all + each[of], 0)
    return {
      sent: sum('sent'),
      lost: Math.max(0, sum('lost') - this.#dropped),
      late: sum('late'),
      wrong: sum('wrong'),
      slowestMs: Math.max(...this.#before.map(({ slowestMs }) => slowestMs)),
      examples: this.#before.flatMap(({ examples }) => examples).slice(0, 5),
      dropped: this.#dropped,
      writes: await this.#writer!.stop(),
    }
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
    // A machine that is busy may keep a response from coming for seconds, which would be no wrong answer.
    interval: '5s',
    timeout: '5s',
    recheck: '500ms',
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

/** Waits until a start without the database would serve what is configured. */
async function hasSnapshot(daemon: DaemonProcess, since: Date): Promise<void> {
  await eventually(async () => {
    const { snapshot } = (await (await daemon.request('/ready')).json()) as {
      readonly snapshot?: { readonly writtenAt: string | null }
    }
    return new Date(snapshot?.writtenAt ?? 0) > since ? true : undefined
  })
}
