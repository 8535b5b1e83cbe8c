/**
 * The scenario `signed-scale`: a zone of a hundred thousand RRsets and one of a million are signed, edited, and served again after a restart.
 * On a PostgreSQL server that SQL fills, as in `scale`.
 */
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { type DaemonProcess, node, repository, startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { startPostgres } from '../support/postgres.ts'
import { cpuOf, fill, memoryOf } from './large.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { percentile } from './statistics.ts'
import { significant, type Table, thousands } from './table.ts'

const sizes = [100_000, 1_000_000] as const
const edits = 30
const zone = 'large.test'
/** From here on it is a failure, and not a figure. */
const waitTimeoutMs = 1_800_000

interface Figures {
  readonly rrsets: number
  readonly signedSeconds: number
  readonly signingCpuSeconds: number
  readonly signatures: number
  /** Of the process that answers, more than of the same zone unsigned, by RRset; each after a restart. */
  readonly octetsAnRRset: number
  readonly editMs: { readonly p50: number; readonly most: number }
  readonly editCpuMs: number
  readonly restartSeconds: number
  readonly signaturesAfterRestart: number
}

export async function run(options: ScenarioOptions): Promise<ScenarioResult> {
  const data: Figures[] = []
  for (const rrsets of sizes) data.push(await measureZone(options, rrsets))
  return { tables: [tableOf(data)], data }
}

async function measureZone(options: ScenarioOptions, rrsets: number): Promise<Figures> {
  const { signal, report } = options
  const dataDir = join(options.folder, String(rrsets))
  await mkdir(dataDir)
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await fillDatabase(url, rrsets, signal)
  const env = { DATABASE_URL: url, POOLDNS_WORKERS: '1' }
  const start = () => startDaemonProcess({ env, dataDir })
  // What an import leaves behind is gone after a restart.
  await (await start()).stop()
  let unsigned: number
  let before: Omit<Figures, 'octetsAnRRset' | 'restartSeconds' | 'signaturesAfterRestart'>
  {
    await using daemon = await start()
    unsigned = served(daemon)
    const [startedAt, cpu] = [performance.now(), cpuOf(daemon)]
    await daemon.request(`/v1/zones/${zone}/dnssec`, { method: 'PUT', json: {} })
    await signed(daemon, signal)
    const signedSeconds = (performance.now() - startedAt) / 1000
    const signingCpuSeconds = cpuOf(daemon) - cpu
    report(`signed-scale: ${thousands(rrsets)} RRsets signed in ${significant(signedSeconds)} s`)
    const signatures = await signaturesMade(daemon)
    before = { rrsets, signedSeconds, signingCpuSeconds, signatures, ...(await edited(daemon, signal)) }
  }
  const startedAt = performance.now()
  await using daemon = await start()
  await signed(daemon, signal)
  const restartSeconds = (performance.now() - startedAt) / 1000
  report(`signed-scale: ${thousands(rrsets)} RRsets served again in ${significant(restartSeconds)} s`)
  const octetsAnRRset = ((served(daemon) - unsigned) * 1024 * 1024) / rrsets
  return { ...before, octetsAnRRset, restartSeconds, signaturesAfterRestart: await signaturesMade(daemon) }
}

async function fillDatabase(url: string, rrsets: number, signal: AbortSignal): Promise<void> {
  const env = { ...process.env, DATABASE_URL: url }
  await promisify(execFile)(node, [join(repository, 'src/main.ts'), 'migrate'], { env, signal })
  const sql = new pg.Client(url)
  await sql.connect()
  try {
    await sql.query(fill(`select '${zone}' as apex`), [rrsets])
    await sql.query('update config_revision set revision = 1')
    await sql.query(`insert into changes (revision, kind, key) values (1, 'zone', '${zone}')`)
    await sql.query('vacuum analyze')
  } finally {
    await sql.end()
  }
}

/** Megabytes of the process that answers. */
function served(daemon: DaemonProcess): number {
  return memoryOf(daemon).find(({ name }) => name === 'data plane')!.share
}

async function signaturesMade(daemon: DaemonProcess): Promise<number> {
  const text = await (await daemon.request('/metrics')).text()
  return Number(/^pooldns_dnssec_signatures_made_total (\S+)$/m.exec(text)![1])
}

/** What a name has: its data, and whether it is signed. */
async function lookUp(
  client: UdpClient,
  name: string,
): Promise<{ readonly data: string; readonly isSigned: boolean }> {
  client.send(query(name, 'A', { edns: { payload: 1232, flags: 0x8000 } }))
  const { answer } = readResponse(await client.next())
  return {
    data:
      answer
        .find((line) => / A /.test(line))
        ?.split(' ')
        .at(-1) ?? '',
    isSigned: answer.some((line) => / RRSIG /.test(line)),
  }
}

async function signed(daemon: DaemonProcess, signal: AbortSignal): Promise<void> {
  await using client = await UdpClient.open(daemon.dns)
  await until(signal, 20, async () => (await lookUp(client, `host-1.${zone}`)).isSigned)
}

/** From the PUT to a signed answer that shows it. */
async function edited(
  daemon: DaemonProcess,
  signal: AbortSignal,
): Promise<Pick<Figures, 'editMs' | 'editCpuMs'>> {
  await using client = await UdpClient.open(daemon.dns)
  const tookMs: number[] = []
  const cpu = cpuOf(daemon)
  for (let edit = 0; edit < edits; edit++) {
    const address = `198.51.100.${edit}`
    const owner = edit % 2 === 0 ? 'host-1' : `new-${edit}`
    const before = performance.now()
    const reply = await daemon.request(`/v1/zones/${zone}/rrsets/${owner}/A`, {
      method: 'PUT',
      json: { data: [address] },
    })
    if (!reply.ok) throw new Error(`PUT ${owner}: ${reply.status} ${await reply.text()}`)
    await until(signal, 1, async () => {
      const { data, isSigned } = await lookUp(client, `${owner}.${zone}`)
      return data === address && isSigned
    })
    tookMs.push(performance.now() - before)
  }
  const ascending = tookMs.sort((a, b) => a - b)
  return {
    editMs: { p50: percentile(ascending, 50), most: percentile(ascending, 100) },
    editCpuMs: (1000 * (cpuOf(daemon) - cpu)) / edits,
  }
}

async function until(signal: AbortSignal, everyMs: number, come: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + waitTimeoutMs
  while (!(await come())) {
    if (performance.now() > deadline) throw new Error(`it did not come in ${waitTimeoutMs} ms`)
    await delay(everyMs, undefined, { signal })
  }
}

function tableOf(data: readonly Figures[]): Table {
  const row = (title: string, cell: (figures: Figures) => string) => [title, ...data.map(cell)]
  return {
    title: 'signed-scale: one zone, signed with NSEC and algorithm 13',
    columns: ['', ...data.map(({ rrsets }) => `${thousands(rrsets)} RRsets`)],
    rows: [
      row('from the command to a signed answer', (each) => `${significant(each.signedSeconds)} s`),
      row('CPU time meanwhile, all threads', (each) => `${significant(each.signingCpuSeconds)} s`),
      row('signatures made', (each) => thousands(each.signatures)),
      row(
        'memory of the process that answers, an RRset',
        (each) => `${significant(each.octetsAnRRset)} octets more`,
      ),
      row('an edit, to a signed answer: p50', (each) => `${significant(each.editMs.p50)} ms`),
      row('most', (each) => `${significant(each.editMs.most)} ms`),
      row('CPU time of an edit, all threads', (each) => `${significant(each.editCpuMs)} ms`),
      row('a restart, to a signed answer', (each) => `${significant(each.restartSeconds)} s`),
      row('signatures made after it', (each) => thousands(each.signaturesAfterRestart)),
    ],
  }
}
