/**
 * The scenario `feed-push`: what queries cost while a thousand rows a second are pushed into a feed that the service which is asked
 * steers by, and while none are, in turns. CPU time is that of the process that answers alone, which is what must not change.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { query } from '../support/dns-client.ts'
import { startPostgres } from '../support/postgres.ts'
import { processOf } from '../support/processes.ts'
import { divideCores, measure, type Sample } from './measure.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { median } from './statistics.ts'
import { significant, thousands } from './table.ts'

const rounds = 5
const rowsPerSecond = 1000
const postsPerSecond = 10
const queriesPerSecond = 5000
const asked = 'www.asked.test'
const soa = { mname: 'ns1.asked.test.', rname: 'hostmaster.asked.test.' }

export async function run({
  folder,
  cores,
  seconds,
  signal,
  report,
}: ScenarioOptions): Promise<ScenarioResult> {
  await using postgres = await startPostgres()
  await using daemon = await startDaemonProcess({
    env: { DATABASE_URL: await postgres.createDatabase(), POOLDNS_WORKERS: '1' },
  })
  await configure(daemon)
  const queryFile = join(folder, 'feed-push.queries')
  const message = query(asked, 'A')
  await writeFile(queryFile, Buffer.concat([Buffer.of(message.length >> 8, message.length & 0xff), message]))
  const load = {
    port: daemon.dns.port,
    queryFile,
    transport: 'udp',
    seconds,
    clients: 8,
    outstanding: 100,
    rate: queriesPerSecond,
    timeoutSeconds: 5,
    cores: divideCores(cores, 1).generator,
  } as const
  const without: Sample[] = []
  const during: Sample[] = []
  let rows = 0
  for (let round = 1; round <= rounds; round++) {
    without.push(await measure(processOf(daemon, 'data'), load, signal))
    const pushing = new Push(daemon)
    during.push(await measure(processOf(daemon, 'data'), load, signal))
    rows += await pushing.stop()
    report(
      `feed-push: round ${round}, ${shown(without.at(-1)!)} without, ${shown(during.at(-1)!)} with the push`,
    )
  }
  const row = (title: string, samples: readonly Sample[]) => [
    title,
    significant(median(samples.map(({ cpuMicrosecondsPerQuery }) => cpuMicrosecondsPerQuery))),
    thousands(samples.reduce((sum, { completed }) => sum + completed, 0)),
    String(samples.reduce((sum, { lost }) => sum + lost, 0)),
  ]
  const perSecond = Math.round(rows / (rounds * seconds))
  const table = {
    title: `feed-push: CPU of the process that answers, median of ${rounds} rounds of ${seconds} s`,
    columns: ['', 'us a query', 'queries', 'lost'],
    rows: [row('without', without), row(`with ${perSecond} rows a second`, during)],
    notes: [
      `At ${thousands(queriesPerSecond)} queries a second; the weights of both members change four times a second.`,
    ],
  }
  return { tables: [table], data: { without, during, perSecond } }
}

const shown = ({ cpuMicrosecondsPerQuery }: Sample) => `${cpuMicrosecondsPerQuery.toFixed(2)} us a query`

async function configure(daemon: DaemonProcess): Promise<void> {
  const weight = { feed: 'load', column: 'free', maxAge: '1h' }
  const json = {
    feeds: { load: { columns: { free: {} } } },
    pools: {
      web: {
        select: 'weighted',
        members: { e0: { address: '192.0.2.1', weight }, e1: { address: '192.0.2.2', weight } },
      },
    },
    services: { [asked]: { pools: ['web'] } },
    zones: { 'asked.test': { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] } },
  }
  const response = await daemon.request('/v1/config', { method: 'PUT', json })
  if (!response.ok) throw new Error(`PUT /v1/config: ${response.status} ${await response.text()}`)
}

/** Pushes rows, of a hundred entities, until it is stopped. */
class Push {
  readonly #daemon: DaemonProcess
  readonly #done: Promise<number>
  #stopped = false

  constructor(daemon: DaemonProcess) {
    this.#daemon = daemon
    this.#done = this.#run()
  }

  /** @returns how many rows there were */
  stop(): Promise<number> {
    this.#stopped = true
    return this.#done
  }

  async #run(): Promise<number> {
    const startedAt = performance.now()
    let posts = 0
    while (!this.#stopped) {
      await this.#post()
      posts++
      await delay(Math.max(0, startedAt + (posts * 1000) / postsPerSecond - performance.now()))
    }
    return posts * (rowsPerSecond / postsPerSecond)
  }

  async #post(): Promise<void> {
    const at = new Date().toISOString()
    const json = Array.from({ length: rowsPerSecond / postsPerSecond }, (_, nth) => ({
      time_instant: at,
      id_entity: `e${nth}`,
      free: 50 + Math.round(Math.random() * 100),
    }))
    const response = await this.#daemon.request('/v1/feeds/load/rows', { method: 'POST', json })
    if (!response.ok) throw new Error(`POST: ${response.status} ${await response.text()}`)
  }
}
