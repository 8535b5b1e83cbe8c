/**
 * The scenario `scale`: a node with a million RRsets. Started from the database and again with its snapshot, edited in small
 * zones and in a large one, and made to read everything again while dnsperf asks.
 *
 * On a PostgreSQL server of its own that SQL fills, since a million RRsets through the API would measure the API. It takes
 * some minutes; other sizes are for those who change it.
 */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { ask } from '../e2e/ask.ts'
import { type DaemonChild, node, repository, spawnDaemon } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { startPostgres } from '../support/postgres.ts'
import { cpuOf, fill, memoryOf } from './large.ts'
import { parseTally } from './measure.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { percentile } from './statistics.ts'
import { significant, thousands } from './table.ts'

const execute = promisify(execFile)

export interface ScaleSizes {
  /** Small zones, `z1.test` and so on. */
  readonly zones: number
  /** In all of the small zones. */
  readonly rrsets: number
  /** RRsets of one more zone, `large.test`. */
  readonly large: number
  /** Edits of one RRset each, in each series of edits. */
  readonly edits: number
  /** While everything is read again. */
  readonly queriesPerSecond: number
}

const fullSizes: ScaleSizes = {
  zones: 10_000,
  rrsets: 1_000_000,
  large: 100_000,
  edits: 100,
  queriesPerSecond: 10_000,
}
const largeZone = 'large.test'
const editedZone = 'z1.test'
/** Seconds of queries while everything is read again: longer than that takes. */
const leastSeconds = 20
/** From here on it is a failure, and not a figure. */
const waitTimeoutMs = 300_000
const token = 'bench-admin-token-of-24-characters'

/** A gap in the revisions: the node can't follow the changes, and reads everything again. */
const gap = `
  with bumped as (update config_revision set revision = revision + 2 returning revision)
  insert into changes (revision, kind, key, stamp) select revision, 'zone', '${editedZone}', 'bench' from bumped`

interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: 's' | 'ms' | 'MB' | 'octets' | 'queries'
}

export function run(options: ScenarioOptions): Promise<ScenarioResult> {
  return runScale(options, fullSizes)
}

export async function runScale(options: ScenarioOptions, sizes: ScaleSizes): Promise<ScenarioResult> {
  options.signal.throwIfAborted()
  await using postgres = await startPostgres()
  // No statement is waited for then. Idempotent, and waited for on the way out.
  options.signal.addEventListener('abort', () => void postgres.stop(), { once: true })
  await using scale = await ScaleRun.prepare(await postgres.createDatabase(), options, sizes)
  await scale.fill()
  await scale.start()
  await scale.restart()
  return scale.result()
}

/** One database, one data directory and the figures; a daemon runs within `start` and within `restart`. */
class ScaleRun implements AsyncDisposable {
  readonly #options: ScenarioOptions
  readonly #sizes: ScaleSizes
  readonly #sql: pg.Client
  readonly #dataDir: string
  readonly #env: Readonly<Record<string, string>>
  readonly #dns: { readonly host: string; readonly port: number }
  readonly #http: string
  /** A few for each step. */
  readonly #figures: Figure[] = []

  private constructor(
    url: string,
    ports: readonly [number, number],
    options: ScenarioOptions,
    sizes: ScaleSizes,
  ) {
    const [dns, http] = ports
    this.#options = options
    this.#sizes = sizes
    this.#sql = new pg.Client(url)
    this.#dataDir = join(options.folder, 'data')
    this.#dns = { host: '127.0.0.1', port: dns }
    this.#http = `http://127.0.0.1:${http}`
    this.#env = {
      DATABASE_URL: url,
      POOLDNS_WORKERS: '1',
      POOLDNS_ADMIN_TOKEN: token,
      // Known before it is ready: the first answer comes earlier.
      POOLDNS_DNS_LISTEN: `127.0.0.1:${dns}`,
      POOLDNS_HTTP_LISTEN: `127.0.0.1:${http}`,
    }
  }

  /** @param url of an empty database */
  static async prepare(url: string, options: ScenarioOptions, sizes: ScaleSizes): Promise<ScaleRun> {
    const scale = new ScaleRun(url, [await freePort(), await freePort()], options, sizes)
    // The statement under way fails by it too; without one there is nobody to tell.
    scale.#sql.on('error', () => undefined)
    await scale.#sql.connect()
    return scale
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sql.end()
  }

  async fill(): Promise<void> {
    const { signal } = this.#options
    const env = { ...process.env, DATABASE_URL: this.#env.DATABASE_URL }
    await execute(node, [join(repository, 'src/main.ts'), 'migrate'], { env, signal })
    const { zones, large } = this.#sizes
    await this.#query(fill(`select 'z' || i || '.test' as apex from generate_series(1, ${zones}) i`), [
      this.#perZone,
    ])
    await this.#query(fill(`select '${largeZone}' as apex`), [large])
    await this.#query('update config_revision set revision = 1')
    await this.#query(`insert into changes (revision, kind, key) values (1, 'zone', '${editedZone}')`)
    await this.#query('vacuum analyze')
  }

  /** With nothing but the database. */
  async start(): Promise<void> {
    const startedAt = performance.now()
    await using daemon = await this.#spawn()
    await this.#firstAnswer()
    this.#addSince('first start: to the first answer', startedAt)
    await this.#ready(daemon)
    this.#addCpu('its CPU time, all threads', daemon)
    this.#addMemory(daemon)
    const readyAt = performance.now()
    await this.#snapshotWritten()
    this.#addSince('until the snapshot is written', readyAt)
    this.#addSnapshot()
    await this.#edit('edit in a small zone', 'z5.test')
    await this.#edit(`edit in a zone of ${thousands(this.#sizes.large)}`, largeZone)
    await this.#readAgain(daemon)
    this.#addMemory(daemon)
    await this.#snapshotWritten()
  }

  /** With the snapshot too. */
  async restart(): Promise<void> {
    const startedAt = performance.now()
    await using daemon = await this.#spawn()
    await this.#firstAnswer()
    this.#addSince('restart: to the first answer', startedAt)
    await this.#ready(daemon)
    this.#addSince('to ready', startedAt)
    await this.#revisionReached()
    this.#addSince('to the revision of the database', startedAt)
    this.#addMemory(daemon)
    await this.#edit('edit in a small zone', 'z5.test')
    const failed = daemon.lines.filter(({ level }) => level === 'error')
    if (failed.length > 0) throw new Error(`scale: the daemon had errors: ${JSON.stringify(failed)}`)
  }

  result(): ScenarioResult {
    const { zones, large } = this.#sizes
    const table = {
      title: `scale: ${thousands(this.#rrsets)} RRsets in ${thousands(zones + 1)} zones, one of them with ${thousands(large)}`,
      columns: ['', 'figure'],
      rows: this.#figures.map(({ name, value, unit }) => {
        const text = unit === 'queries' || unit === 'MB' ? thousands(value) : significant(value)
        return [name, `${text} ${unit}`]
      }),
      notes: ['Edits: from the PUT to an answer that shows it.'],
    }
    return { tables: [table], data: { sizes: this.#sizes, figures: this.#figures } }
  }

  get #perZone(): number {
    return Math.round(this.#sizes.rrsets / this.#sizes.zones)
  }

  get #rrsets(): number {
    return this.#sizes.zones * this.#perZone + this.#sizes.large
  }

  async #query(text: string, values: unknown[] = []): Promise<pg.QueryResult> {
    const { signal } = this.#options
    signal.throwIfAborted()
    try {
      return await this.#sql.query(text, values)
    } catch (error) {
      signal.throwIfAborted()
      throw error
    }
  }

  async #revision(): Promise<number> {
    const { rows } = await this.#query('select revision from config_revision')
    return Number(rows[0].revision)
  }

  #spawn(): Promise<DaemonChild> {
    this.#options.signal.throwIfAborted()
    return spawnDaemon({ env: this.#env, dataDir: this.#dataDir })
  }

  async #ready(daemon: DaemonChild): Promise<void> {
    const { signal } = this.#options
    const aborted = Promise.withResolvers<never>()
    const abort = () => aborted.reject(signal.reason)
    signal.addEventListener('abort', abort)
    const line = daemon.line(({ msg }) => msg === 'ready', { timeoutMs: waitTimeoutMs })
    try {
      await Promise.race([line, aborted.promise])
    } finally {
      signal.removeEventListener('abort', abort)
      // Nobody waits for it any more when the run is given up.
      line.catch(() => undefined)
    }
  }

  #firstAnswer(): Promise<void> {
    return this.#until('the first answer', 10, async () => {
      // Not the two seconds that an answer may take otherwise: what isn't bound yet doesn't answer.
      const answer = ask(this.#dns, 'host-1.z1.test').catch(() => null)
      return (await Promise.race([answer, delay(50, null)]))?.answers.length === 1
    })
  }

  async #revisionReached(): Promise<void> {
    const wanted = await this.#revision()
    await this.#until(`revision ${wanted}`, 20, async () => {
      const text = await (await fetch(`${this.#http}/metrics`)).text()
      return Number(/^pooldns_config_revision (\d+)$/m.exec(text)?.[1]) >= wanted
    })
  }

  /** Until it holds the revision of the database: its base is written last. */
  async #snapshotWritten(): Promise<void> {
    const wanted = await this.#revision()
    const base = join(this.#dataDir, 'snapshot/base.json')
    await this.#until(`the snapshot of revision ${wanted}`, 100, async () => {
      if (!existsSync(base)) return false
      return JSON.parse(await readFile(base, 'utf8')).status.revision >= wanted
    })
  }

  /** Looks every `everyMs` whether it has come. */
  async #until(what: string, everyMs: number, come: () => Promise<boolean>): Promise<void> {
    const { signal } = this.#options
    const deadline = performance.now() + waitTimeoutMs
    while (!(await come())) {
      if (performance.now() > deadline) throw new Error(`scale: ${what} did not come in ${waitTimeoutMs} ms`)
      await delay(everyMs, undefined, { signal })
    }
  }

  /** From the PUT to an answer that shows it, on this node. */
  async #edit(what: string, apex: string): Promise<void> {
    const tookMs: number[] = []
    for (let edit = 0; edit < this.#sizes.edits; edit++) {
      const address = `198.51.100.${edit % 250}`
      const owner = edit % 2 === 0 ? 'host-1' : `new-${edit}`
      const before = performance.now()
      await this.#put(`/v1/zones/${apex}/rrsets/${owner}/A`, { data: [address] })
      await this.#until('the edit', 1, async () => {
        return (await ask(this.#dns, `${owner}.${apex}`)).answers[0] === address
      })
      tookMs.push(performance.now() - before)
    }
    tookMs.sort((a, b) => a - b)
    for (const [name, percent] of [
      ['p50', 50],
      ['p99', 99],
      ['most', 100],
    ] as const)
      this.#add(`${what}: ${name}`, percentile(tookMs, percent), 'ms')
  }

  async #put(path: string, body: object): Promise<void> {
    const response = await fetch(this.#http + path, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: this.#options.signal,
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`scale: PUT ${path}: ${response.status} ${text}`)
  }

  /** All zones, while dnsperf asks. */
  async #readAgain(daemon: DaemonChild): Promise<void> {
    // Ends dnsperf also when the rest fails.
    const controller = new AbortController()
    const signal = AbortSignal.any([this.#options.signal, controller.signal])
    const load = this.#load(signal)
    load.catch(() => undefined)
    try {
      await delay(1000, undefined, { signal })
      const before = cpuOf(daemon)
      const startedAt = performance.now()
      await this.#query(gap)
      await this.#revisionReached()
      this.#addSince(
        `everything again, at ${thousands(this.#sizes.queriesPerSecond)} queries a second`,
        startedAt,
      )
      this.#addCpu('its CPU time, all threads', daemon, before)
      const output = await load
      this.#add('queries lost meanwhile', parseTally(output).lost, 'queries')
      const latency = Number(/Average Latency \(s\):\s+([\d.]+)/.exec(output)?.[1])
      this.#add('mean time to an answer meanwhile', 1000 * latency, 'ms')
    } finally {
      controller.abort()
      await load.catch(() => undefined)
    }
  }

  /** What dnsperf says at its end. */
  async #load(signal: AbortSignal): Promise<string> {
    const { folder, seconds, cores } = this.#options
    const queryFile = join(folder, 'scale.txt')
    const names = Array.from({ length: 10_000 }, (_, i) => `host-1.z${1 + (i % this.#sizes.zones)}.test A\n`)
    await writeFile(queryFile, names.join(''))
    const server = ['-s', this.#dns.host, '-p', String(this.#dns.port)]
    const duration = ['-l', String(Math.max(leastSeconds, seconds))]
    const args = [
      'dnsperf',
      ...server,
      '-d',
      queryFile,
      '-Q',
      String(this.#sizes.queriesPerSecond),
      ...duration,
    ]
    const { stdout } = await execute('taskset', ['-c', String(cores.at(-1)), ...args], { signal })
    return stdout
  }

  #add(name: string, value: number, unit: Figure['unit']): void {
    this.#figures.push({ name, value, unit })
    this.#options.report(`scale: ${name}: ${significant(value)} ${unit}`)
  }

  #addSince(name: string, startedAt: number, lessMs = 0): void {
    this.#add(name, (performance.now() - startedAt - lessMs) / 1000, 's')
  }

  #addCpu(name: string, daemon: DaemonChild, lessSeconds = 0): void {
    this.#add(name, cpuOf(daemon) - lessSeconds, 's')
  }

  #addMemory(daemon: DaemonChild): void {
    const parts = memoryOf(daemon)
    this.#add(
      'memory',
      parts.reduce((sum, { share }) => sum + share, 0),
      'MB',
    )
    for (const { name, share, resident } of parts) {
      this.#add(`its part of the ${name}`, share, 'MB')
      this.#add(`resident in the ${name}`, resident, 'MB')
    }
  }

  #addSnapshot(): void {
    const octets = this.#imageFiles().reduce((sum, file) => sum + statSync(file).size, 0)
    this.#add('snapshot', octets / 1e6, 'MB')
    this.#add('snapshot, an RRset', octets / this.#rrsets, 'octets')
  }

  #imageFiles(): string[] {
    const folder = join(this.#dataDir, 'snapshot/zones')
    return readdirSync(folder).map((file) => join(folder, file))
  }
}
