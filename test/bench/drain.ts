/**
 * The scenario `drain`: how long a drain takes to become an answer while a master file of 400,000 RRs is imported. One
 * override after the other is PUT from before the import until its zone is served, each after the one before is seen in an
 * answer. They are told apart by what the import does as they begin: nothing, its transaction, or (once that has
 * committed) what brings the zone to the workers.
 *
 * On a PostgreSQL server of its own. Within the transaction an override waits for the revision lock for as long as the
 * import holds it, so its time is told once more from its own commit.
 */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { ask } from '../e2e/ask.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { percentile } from './statistics.ts'
import { significant, thousands } from './table.ts'

const rrs = 400_000
const importedZone = 'large.test'
const zone = 'bench.test'
const service = `www.${zone}`
const [drained, other] = ['192.0.2.1', '192.0.2.2']
/** Overrides before the import. */
const idleOverrides = 20
/** From here on it is a failure, and not a figure. */
const seenWithinMs = 300_000

type Phase = 'before' | 'transaction' | 'compiling'

const phases: Readonly<Record<Phase, string>> = {
  before: 'before the import',
  transaction: 'while its transaction runs',
  compiling: 'while its zone is compiled',
}

/** One override, in milliseconds. */
interface Override {
  readonly phase: Phase
  /** From its PUT to the reply, and to the first answer that shows it. */
  readonly replyMs: number
  readonly answerMs: number
  /** From its commit to that answer; null where that was not looked for. */
  readonly fromCommitMs: number | null
  /** The reply said that the workers have it. */
  readonly published: boolean
}

export async function run({ signal, report }: ScenarioOptions): Promise<ScenarioResult> {
  signal.throwIfAborted()
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: url, POOLDNS_WORKERS: '1' } })
  await using drains = await DrainRun.prepare(daemon, url, signal)
  for (let count = 0; count < idleOverrides; count++) await drains.override()
  report(`drain: importing ${thousands(rrs)} RRs`)
  const tookMs = await drains.during()
  report(`drain: imported and served after ${significant(tookMs / 1000)} s`)
  return result(drains.overrides, tookMs)
}

function result(overrides: readonly Override[], tookMs: number): ScenarioResult {
  const rows = (Object.keys(phases) as Phase[]).flatMap((phase) => {
    const of = overrides.filter((override) => override.phase === phase)
    const figures = (title: string, ms: (override: Override) => number | null) => {
      const ascending = of.flatMap((override) => ms(override) ?? []).sort((a, b) => a - b)
      if (ascending.length === 0) return []
      const spread = [50, 100].map((percent) => significant(percentile(ascending, percent)))
      return [[`${phases[phase]}: ${title}`, String(ascending.length), ...spread]]
    }
    const pending = of.filter(({ published }) => !published).length
    return [
      ...figures(`to the reply${pending === 0 ? '' : ` (${pending} pending)`}`, ({ replyMs }) => replyMs),
      ...figures('to an answer', ({ answerMs }) => answerMs),
      ...figures('from the commit to an answer', ({ fromCommitMs }) => fromCommitMs),
    ]
  })
  const table = {
    title: `drain: milliseconds from the PUT of an override, around an import of ${thousands(rrs)} RRs`,
    columns: ['', 'overrides', 'p50', 'max'],
    rows,
    notes: [`The import took ${significant(tookMs / 1000)} s from its PUT to an answer from its zone.`],
  }
  return { tables: [table], data: { rrs, tookMs, overrides } }
}

/** A pool of two, of whom one is drained and undrained. */
class DrainRun implements AsyncDisposable {
  readonly #daemon: DaemonProcess
  readonly #sql: pg.Client
  readonly #signal: AbortSignal
  #phase: Phase = 'before'
  #isDrained = false
  /** Bounded by the time that the import takes. */
  readonly overrides: Override[] = []

  private constructor(daemon: DaemonProcess, url: string, signal: AbortSignal) {
    this.#daemon = daemon
    this.#sql = new pg.Client(url)
    this.#signal = signal
  }

  static async prepare(daemon: DaemonProcess, url: string, signal: AbortSignal): Promise<DrainRun> {
    const run = new DrainRun(daemon, url, signal)
    await run.#sql.connect()
    const soa = { mname: `ns.${zone}.`, rname: `hostmaster.${zone}.` }
    await run.#put(`/v1/zones/${zone}`, { soa, rrsets: [{ name: '@', type: 'NS', data: [`ns.${zone}.`] }] })
    await run.#put('/v1/pools/web', { members: { m1: { address: drained }, m2: { address: other } } })
    await run.#put(`/v1/services/${service}`, { pools: ['web'], ttl: 5 })
    return run
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sql.end()
  }

  /** Overrides from the beginning of an import until its zone is served. @returns how long that was, in milliseconds */
  async during(): Promise<number> {
    const startedAt = performance.now()
    this.#phase = 'transaction'
    let served = false
    const imported = this.#import().then(() => {
      served = true
      return performance.now() - startedAt
    })
    imported.catch(() => {
      served = true
    })
    while (!served) await this.override()
    return await imported
  }

  /** Drains the member, or ends that, and looks for an answer that shows it. */
  async override(): Promise<void> {
    const phase = this.#phase
    const startedAt = performance.now()
    const since = () => performance.now() - startedAt
    this.#isDrained = !this.#isDrained
    const before = await this.#revision()
    let replyMs = Number.NaN
    const reply = this.#put('/v1/pools/web/members/m1/override', {
      state: this.#isDrained ? 'drain' : 'up',
      reason: 'bench',
    }).then((response) => {
      replyMs = since()
      return response.headers.get('pooldns-published') === 'yes'
    })
    const committed = phase === 'before' ? null : this.#committed(before).then(since)
    const wanted = this.#isDrained ? 1 : 2
    await this.#until(async () => (await ask(this.#daemon.dns, service)).answers.length === wanted)
    const answerMs = since()
    const published = await reply
    const committedMs = await committed
    const fromCommitMs = committedMs === null ? null : Math.max(0, answerMs - committedMs)
    this.overrides.push({ phase, replyMs, answerMs, fromCommitMs, published })
  }

  async #import(): Promise<void> {
    const lines = ['$TTL 300', '@ SOA ns.example.net. hostmaster.example.net. 1 3600 600 1209600 60']
    lines.push('@ NS ns.example.net.')
    for (let nth = lines.length - 2; nth < rrs; nth++) {
      lines.push(`host-${nth} A 10.${(nth >> 16) & 255}.${(nth >> 8) & 255}.${nth & 255}`)
    }
    const body = `${lines.join('\n')}\n`
    const headers = { 'content-type': 'text/dns' }
    const reply = this.#daemon.request(`/v1/zones/${importedZone}/zonefile`, { method: 'PUT', headers, body })
    const failed = reply.then(async (response) => {
      if (!response.ok) throw new Error(`drain: the import: ${response.status} ${await response.text()}`)
    })
    const committed = this.#until(async () => {
      const { rowCount } = await this.#sql.query(`select from zones where apex = '${importedZone}'`)
      return rowCount === 1
    })
    await Promise.all([failed, committed.then(() => this.#served())])
  }

  async #served(): Promise<void> {
    this.#phase = 'compiling'
    await this.#until(
      async () => (await ask(this.#daemon.dns, `host-1.${importedZone}`)).answers.length === 1,
    )
  }

  async #revision(): Promise<number> {
    const { rows } = await this.#sql.query<{ revision: string }>(
      `select coalesce(max(revision), 0) as revision from changes where kind = 'override'`,
    )
    return Number(rows[0]!.revision)
  }

  async #committed(before: number): Promise<void> {
    await this.#until(async () => (await this.#revision()) > before)
  }

  async #put(path: string, json: object): Promise<Response> {
    const response = await this.#daemon.request(path, { method: 'PUT', json, signal: this.#signal })
    if (!response.ok) throw new Error(`drain: PUT ${path}: ${response.status} ${await response.text()}`)
    return response
  }

  async #until(come: () => Promise<boolean>): Promise<void> {
    const deadline = AbortSignal.any([this.#signal, AbortSignal.timeout(seenWithinMs)])
    while (!(await come())) await delay(2, undefined, { signal: deadline })
  }
}
