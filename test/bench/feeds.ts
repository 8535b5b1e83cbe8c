/**
 * The scenario `feeds`: rows into a feed by the command, with the memory that it takes, and two reads of a feed of ten million rows
 * that nothing keeps: the newest row of 10,000 entities, and a day of one of them. On the PostgreSQL that is installed here, with its
 * settings as they come. Reads go by HTTP, one after the other; each entity has a row a quarter of an hour.
 */
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { type DaemonProcess, node, repository, startDaemonProcess } from '../support/daemon.ts'
import { startSystemPostgres, withoutSystemPostgres } from '../support/system-postgres.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { median } from './statistics.ts'
import { significant } from './table.ts'

const importedRows = 1_000_000
const entities = 10_000
const rowsOfEntity = 1_000
const quarterMs = 900_000
const reads = 40
const columns = ['so2', 'no2', 'co', 'o3', 'pm10', 'pm2_5']

export async function run(options: ScenarioOptions): Promise<ScenarioResult> {
  const missing = withoutSystemPostgres()
  if (missing !== false) {
    options.report(`feeds: left out, ${missing}`)
    return { tables: [], data: { missing } }
  }
  await using postgres = await startSystemPostgres()
  const imported = await importRows(await postgres.createDatabase(), options)
  const read = await readRows(await postgres.createDatabase(), options)
  const table = {
    title: `feeds: PostgreSQL ${postgres.version}`,
    columns: ['', 'median', 'slowest'],
    rows: [
      [`${importedRows} rows by the command, s`, significant(imported.seconds), ''],
      ['its memory at the most, MB', significant(imported.peakMegabytes), ''],
      ...read.times.map(({ title, ms }) => [
        `${title}, ms`,
        significant(median(ms)),
        significant(Math.max(...ms)),
      ]),
    ],
    notes: [`Reads are of ${entities * rowsOfEntity} rows, ${reads} times each, uncached.`],
  }
  return { tables: [table], data: { version: postgres.version, imported, read } }
}

/** Loads a file by a process of the command. */
async function importRows(url: string, { folder, report, signal }: ScenarioOptions) {
  const path = join(folder, 'rows.csv')
  await pipeline(csv(), createWriteStream(path), { signal })
  const env = { ...process.env, DATABASE_URL: url, POOLDNS_DATA_DIR: join(folder, 'data') }
  const command = [join(repository, 'src/main.ts'), 'import-feed', path, '--feed', 'air_quality']
  const startedAt = performance.now()
  const child = spawn(node, command, { env, stdio: ['ignore', 'ignore', 'inherit'], signal })
  let peakKilobytes = 0
  const timer = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
    peakKilobytes = Math.max(peakKilobytes, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
  }, 100)
  const code = await new Promise((resolve) => child.once('close', resolve))
  clearInterval(timer)
  if (code !== 0) throw new Error(`import-feed ended with ${code}`)
  const seconds = (performance.now() - startedAt) / 1000
  report(`feeds: ${importedRows} rows in ${seconds.toFixed(1)} s, ${(peakKilobytes / 1024).toFixed(0)} MB`)
  return { seconds, peakMegabytes: peakKilobytes / 1024 }
}

function* csv(): Generator<string> {
  yield `time_instant,id_entity,${columns.join(',')}\n`
  const begin = Date.UTC(2026, 0, 1)
  for (let nth = 0; nth < importedRows; nth++) {
    const instant = new Date(begin + Math.floor(nth / 1_000) * quarterMs).toISOString()
    yield `${instant},aq_${nth % 1_000},${columns.map((_, column) => Math.sin(nth + column) * 50).join(',')}\n`
  }
}

async function readRows(url: string, { report, signal }: ScenarioOptions) {
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: url } })
  const declared = {
    columns: Object.fromEntries(columns.map((name) => [name, {}])),
    cache: '0s',
    retention: { rows: 100_000_000 },
  }
  await asked(daemon, '/v1/feeds/air_quality', { method: 'PUT', json: declared })
  const lastMs = Math.floor(Date.now() / quarterMs) * quarterMs
  const firstMs = lastMs - (rowsOfEntity - 1) * quarterMs
  // By these the parts are made that the others then go into.
  const days = Array.from({ length: 12 }, (_, nth) => firstMs + nth * 86_400_000).filter((ms) => ms <= lastMs)
  const seeds = [...days, lastMs].map((ms) => ({
    time_instant: new Date(ms).toISOString(),
    id_entity: 'aq_0',
  }))
  await asked(daemon, '/v1/feeds/air_quality/rows', { method: 'POST', json: seeds })
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    report('feeds: ten million rows are being written')
    await fill(client, firstMs, signal)
    const dayAgo = new Date(lastMs - 86_400_000).toISOString()
    const paths = [
      { title: `newest row of ${entities} entities`, path: `/air_quality?latest=true&limit=${entities}` },
      { title: 'a day of one entity', path: `/air_quality?entity=aq_5000&from=${dayAgo}` },
      { title: 'the same by hours', path: `/air_quality?entity=aq_5000&from=${dayAgo}&step=1h` },
    ]
    const times: { title: string; ms: number[] }[] = []
    for (const { title, path } of paths) {
      const ms: number[] = []
      for (let nth = 0; nth < reads; nth++) {
        signal.throwIfAborted()
        const startedAt = performance.now()
        await asked(daemon, path, {})
        ms.push(performance.now() - startedAt)
      }
      report(`feeds: ${title}: ${median(ms).toFixed(1)} ms, ${Math.max(...ms).toFixed(1)} ms at the most`)
      times.push({ title, ms })
    }
    return { times, plans: await plansOf(client, dayAgo) }
  } finally {
    await client.end()
  }
}

async function asked(daemon: DaemonProcess, path: string, request: Parameters<DaemonProcess['request']>[1]) {
  const response = await daemon.request(path, request)
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
}

async function fill(client: pg.Client, firstMs: number, signal: AbortSignal): Promise<void> {
  const values = `array[${columns.map((_, nth) => `sin(n + e + ${nth}) * 50`).join(', ')}]`
  const at = `to_timestamp(${firstMs / 1000}::double precision + n * ${quarterMs / 1000})`
  for (let from = 0; from < rowsOfEntity; from += 100) {
    signal.throwIfAborted()
    await client.query(`
      insert into feed_rows_1 (id_entity, time_instant, "values")
      select 'aq_' || e, ${at}, ${values} from generate_series(0, ${entities - 1}) e, generate_series(${from}, ${from + 99}) n
      on conflict do nothing`)
  }
  await client.query(`
    insert into feed_latest (store, id_entity, time_instant, "values", change)
    select 1, 'aq_' || e, ${at}, ${values}, 1 from generate_series(0, ${entities - 1}) e, (values (${rowsOfEntity - 1})) v(n)
    on conflict do nothing`)
  await client.query('vacuum analyze')
}

/** What the server does for the two reads. */
async function plansOf(client: pg.Client, dayAgo: string): Promise<readonly string[][]> {
  const plans: string[][] = []
  for (const query of [
    `select id_entity, time_instant, "values" from feed_latest where store = 1 order by id_entity limit ${entities + 1}`,
    `select id_entity, time_instant, "values" from feed_rows_1 where id_entity = 'aq_5000' and time_instant >= '${dayAgo}' order by id_entity, time_instant limit 1001`,
  ]) {
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain (analyze, buffers) ${query}`)
    plans.push(rows.map((row) => row['QUERY PLAN']))
  }
  return plans
}
