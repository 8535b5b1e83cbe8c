/**
 * Zones at scale, by hand: `node test/bench/scale.ts [--zones 10000] [--rrsets 1000000] [--large 100000] [--entry FILE]`.
 * On a PostgreSQL server of its own that SQL fills, since a million RRsets through the API would measure the API. Prints
 * what is asked for: start to ready from the database, peak memory, restart to the first answer, edits from the PUT to
 * the answer, and a load of everything while dnsperf asks.
 */
import { execFile, execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import pg from 'pg'
import { ask } from '../e2e/ask.ts'
import { freePort, node, repository, spawnDaemon } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { cpuSeconds } from './measure.ts'

const { values } = parseArgs({
  options: {
    zones: { type: 'string', default: '10000' },
    rrsets: { type: 'string', default: '1000000' },
    /** RRsets of one more zone, `large.test`. */
    large: { type: 'string', default: '100000' },
    edits: { type: 'string', default: '100' },
    entry: { type: 'string', default: join(repository, 'src/main.ts') },
  },
})
const zones = Number(values.zones)
const rrsets = Number(values.rrsets)
const large = Number(values.large)
const edits = Number(values.edits)
const perZone = Math.round(rrsets / zones)
const readyWithinMs = 300_000
const token = 'bench-token-of-no-secret'

const say = (what: string, figure: string) => process.stdout.write(`| ${what} | ${figure} |\n`)
const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`

/** One in fifty is an MX, one in ten an AAAA, one in ten a TXT, the others A. */
const fill = `
  with z as (select 'z' || i || '.test' as apex, $1::int as n from generate_series(1, $2::int) i)
  , head as (
    insert into zones (apex, mname, rname, refresh_seconds, retry_seconds, expire_seconds, minimum_seconds, ttl_seconds, serial, revision)
    select apex, 'ns1.example.net.', 'hostmaster.example.net.', 3600, 600, 1209600, 60, 300, 1, 1 from z returning apex
  )
  insert into rrsets (zone, owner, type, ttl_seconds, data, revision)
  select apex, case when k = 0 then '@' else 'host-' || k end,
    case when k = 0 then 'NS' when k % 50 = 7 then 'MX' when k % 10 = 3 then 'AAAA' when k % 10 = 5 then 'TXT' else 'A' end,
    null,
    case when k = 0 then array['ns1.example.net.', 'ns2.example.net.'] when k % 50 = 7 then array['10 host-1.' || apex || '.']
      when k % 10 = 3 then array['2001:db8::' || to_hex(k % 65536)] when k % 10 = 5 then array['"v=spf1 -all"']
      else array['192.0.' || (k / 256 % 256) || '.' || k % 256] end, 1
  from z, generate_series(0, n - 1) k`

await using postgres = await startPostgres()
const url = await postgres.createDatabase()
const env = {
  DATABASE_URL: url,
  POOLDNS_WORKERS: '1',
  POOLDNS_ADMIN_TOKEN: token,
  POOLDNS_DNS_LISTEN: `127.0.0.1:${await freePort()}`,
  POOLDNS_HTTP_LISTEN: `127.0.0.1:${await freePort()}`,
}
const dns = { host: '127.0.0.1', port: Number(env.POOLDNS_DNS_LISTEN.split(':')[1]) }
execFileSync(node, [values.entry, 'migrate'], { env: { ...process.env, DATABASE_URL: url } })
const sql = new pg.Client(url)
await sql.connect()
await sql.query(fill, [perZone, zones])
if (large > 0) {
  await sql.query(fill.replace(`'z' || i || '.test'`, `'large.test'`), [large, 1])
}
await sql.query(`update config_revision set revision = 1`)
await sql.query(`insert into changes (revision, kind, key) values (1, 'zone', 'z1.test')`)
await sql.query('vacuum analyze')
process.stdout.write(`| ${zones * perZone + large} RRsets in ${zones + 1} zones | |\n| --- | --- |\n`)

const dataDir = await mkdtemp(join(tmpdir(), 'pooldns-scale-'))
try {
  await first()
  await second()
} finally {
  await sql.end()
  await rm(dataDir, { recursive: true, force: true })
}

async function first(): Promise<void> {
  const startedAt = performance.now()
  await using daemon = await spawnDaemon({ env, dataDir, entry: values.entry })
  await firstAnswer()
  say('first start, spawned to first answer', seconds(performance.now() - startedAt))
  await daemon.line(({ msg }) => msg === 'ready', { timeoutMs: readyWithinMs })
  const { user, system } = cpuSeconds(daemon.pid)
  say('its CPU, all threads', seconds(1000 * (user + system)))
  say('its memory: most, now', memory(daemon.pid))
  const snapshotFrom = performance.now()
  await snapshotSettled()
  say('snapshot settled after', seconds(performance.now() - snapshotFrom))
  say('snapshot, MB; octets an RRset', snapshotSize())
  await editing('edit in a small zone', 'z5.test')
  if (large > 0) await editing(`edit in a zone of ${large}`, 'large.test')
  await reload(daemon.pid)
  say('memory: most, now', memory(daemon.pid))
  await snapshotSettled()
}

async function second(): Promise<void> {
  const startedAt = performance.now()
  await using daemon = await spawnDaemon({ env, dataDir, entry: values.entry })
  await firstAnswer()
  say('restart to first answer', seconds(performance.now() - startedAt))
  await daemon.line(({ msg }) => msg === 'ready', { timeoutMs: readyWithinMs })
  say('restart to ready', seconds(performance.now() - startedAt))
  await revisionReached()
  say('restart to the revision of the database', seconds(performance.now() - startedAt))
  say('its memory: most, now', memory(daemon.pid))
  await editing('edit in a small zone', 'z5.test')
  const failed = daemon.lines.filter(({ level }) => level === 'error')
  if (failed.length > 0) process.stdout.write(`${JSON.stringify(failed)}\n`)
}

/** From the PUT to an answer that shows it, on this node. */
async function editing(what: string, apex: string): Promise<void> {
  const times: number[] = []
  for (let edit = 0; edit < edits; edit++) {
    const address = `198.51.100.${edit % 250}`
    const owner = edit % 2 === 0 ? 'host-1' : `new-${edit}`
    const before = performance.now()
    const response = await fetch(`http://${env.POOLDNS_HTTP_LISTEN}/v1/zones/${apex}/rrsets/${owner}/A`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ data: [address] }),
    })
    if (!response.ok) throw new Error(await response.text())
    while ((await ask(dns, `${owner}.${apex}`)).answers[0] !== address) await delay(1)
    times.push(performance.now() - before)
  }
  times.sort((a, b) => a - b)
  const at = (share: number) =>
    `${times[Math.min(times.length - 1, Math.floor(share * times.length))]!.toFixed(1)} ms`
  say(`${what}: p50, p99, most`, `${at(0.5)}, ${at(0.99)}, ${at(1)}`)
}

/** A gap in the revisions makes the node read everything again, while dnsperf asks. */
async function reload(pid: number): Promise<void> {
  const queryFile = join(dataDir, '..', `pooldns-scale-${process.pid}.txt`)
  const names = Array.from({ length: 10_000 }, (_, i) => `host-1.z${1 + (i % zones)}.test A\n`)
  await writeFile(queryFile, names.join(''))
  const args = ['-s', dns.host, '-p', String(dns.port), '-d', queryFile, '-Q', '10000', '-l', '20']
  const load = promisify(execFile)('dnsperf', args)
  await delay(1000)
  const before = cpuSeconds(pid)
  const startedAt = performance.now()
  await sql.query(`
    with bumped as (update config_revision set revision = revision + 2 returning revision)
    insert into changes (revision, kind, key, stamp) select revision, 'zone', 'z1.test', 'bench' from bumped`)
  await revisionReached()
  const after = cpuSeconds(pid)
  say('everything again, at 10,000 queries a second', seconds(performance.now() - startedAt))
  say('its CPU, all threads', seconds(1000 * (after.user + after.system - before.user - before.system)))
  const { stdout } = await load
  const line = (name: string) => new RegExp(`${name}:?\\s+(.*)`).exec(stdout)?.[1] ?? '?'
  say('queries lost; latency', `${line('Queries lost')}; ${line('Average Latency \\(s\\)')}`)
  await rm(queryFile)
}

async function revisionReached(): Promise<void> {
  const { rows } = await sql.query<{ revision: string }>('select revision from config_revision')
  for (;;) {
    const text = await (await fetch(`http://${env.POOLDNS_HTTP_LISTEN}/metrics`)).text()
    if (Number(/^pooldns_config_revision (\d+)$/m.exec(text)?.[1]) >= Number(rows[0]!.revision)) return
    await delay(20)
  }
}

async function firstAnswer(): Promise<void> {
  const deadline = performance.now() + readyWithinMs
  while (performance.now() < deadline) {
    const answered = await Promise.race([ask(dns, 'host-1.z1.test').catch(() => null), delay(50, null)])
    if (answered?.answers.length === 1) return
    await delay(10)
  }
  throw new Error('no answer')
}

/** Until the base has been written and nothing in the folder is being written. */
async function snapshotSettled(): Promise<void> {
  for (let last = ''; ; ) {
    await delay(3000)
    let now = ''
    try {
      now = `${statSync(join(dataDir, 'snapshot/base.json')).mtimeMs} ${readdirSync(join(dataDir, 'snapshot/zones')).length}`
    } catch {}
    if (now !== '' && now === last) return
    last = now
  }
}

function snapshotSize(): string {
  const folder = join(dataDir, 'snapshot/zones')
  const size = readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0)
  return `${(size / 1e6).toFixed(1)}; ${(size / (zones * perZone + large)).toFixed(1)}`
}

function memory(pid: number): string {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mb = (name: string) =>
    `${Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]) / 1024)} MB`
  return `${mb('VmHWM')}, ${mb('VmRSS')}`
}
