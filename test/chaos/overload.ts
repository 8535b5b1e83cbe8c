/**
 * More queries than can be answered: what becomes of them, and how long everything else takes meanwhile. dnsperf keeps so many under way
 * that whatever is answered makes room for the next; it runs on the same processors, as everything here does.
 */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { parseTally } from '../bench/measure.ts'
import { median } from '../bench/statistics.ts'
import { query, readResponse, TcpClient } from '../support/dns-client.ts'
import { probed, Stage, type StageOptions, told, zone } from './stage.ts'

const run = promisify(execFile)

const seconds = 15
const rounds = 20
/** Of dnsperf: far more than there is room for in the sockets of the server. */
const outstanding = 60_000
/** A query that was dropped makes room for another one after so many seconds. */
const timeoutSeconds = 1
/** As long as the load of all the faults waits for a reply. */
const patientSeconds = 5

export const overloadColumns = [
  'load',
  'on',
  'asked/s',
  'answered/s',
  'dropped by the kernel/s, as counted',
  'to an answer, ms: mean (longest)',
  '/health, ms',
  'PUT of an RRset, ms',
  'verdict to answer, ms',
]

/**
 * Among the other faults: what is neither answered nor counted as dropped is lost. Queries of the usual load are dropped like any
 * other, since there is one queue for all.
 */
export async function floodAsFault(stage: Stage): Promise<void> {
  const before = await kernelDrops(stage)
  const { sent, completed, lost, rcodes } = parseTally(await flood(stage, patientSeconds))
  // The listener in the event loop asks each second.
  await delay(1500)
  const dropped = (await kernelDrops(stage)) - before
  process.stderr.write(`  dnsperf got no answer to ${lost}, the server has counted ${dropped} as dropped\n`)
  stage.countDropped(dropped)
  const wrong = completed - (rcodes.NOERROR ?? 0) - (rcodes.NXDOMAIN ?? 0)
  stage.count({ sent, lost, late: 0, wrong, slowestMs: 0, examples: [] })
  stage.struck()
}

/** A row at rest and one under a flood. */
export async function overload(options: StageOptions): Promise<string[][]> {
  await using stage = await Stage.set(options)
  const atRest = await times(stage)
  const before = await kernelDrops(stage)
  const flooding = flood(stage, timeoutSeconds)
  // It is under way.
  await delay(1000)
  const meanwhile = await times(stage)
  const output = await flooding
  const { sent, completed } = parseTally(output)
  // The listener in the event loop asks each second.
  await delay(1500)
  const dropped = (await kernelDrops(stage)) - before
  const perSecond = [sent, completed, dropped].map((count) => String(Math.round(count / seconds)))
  const on = `${options.store}, ${options.udp}`
  return [
    ['none', on, '–', '–', '–', '–', ...atRest],
    ['flood', on, ...perSecond, latencyOf(output), ...meanwhile],
  ]
}

async function flood({ daemon }: Stage, timeout: number): Promise<string> {
  const file = join(daemon.dataDir, 'queries')
  await writeFile(file, `${told} A\nns1.${zone} A\nnobody.${zone} A\n`)
  const { host, port } = daemon.dns
  const args = ['-s', host, '-p', port, '-d', file, '-l', seconds, '-t', timeout, '-c', 64, '-q', outstanding]
  const { stdout } = await run('dnsperf', args.map(String), { maxBuffer: 1 << 26 })
  return stdout
}

function latencyOf(output: string): string {
  const [, mean, longest] = /Average Latency \(s\):\s+([\d.]+) \(min [\d.]+, max ([\d.]+)\)/.exec(output)!
  return `${(1000 * Number(mean)).toFixed(0)} (${(1000 * Number(longest)).toFixed(0)})`
}

async function kernelDrops({ daemon }: Stage): Promise<number> {
  const metrics = await (await daemon.request('/metrics')).text()
  return Number(/^pooldns_dns_dropped_total\{reason="receive-queue"\} (\d+)$/m.exec(metrics)?.[1] ?? 0)
}

async function times(stage: Stage): Promise<string[]> {
  const health: number[] = []
  const writes: number[] = []
  for (let round = 0; round < rounds; round++) {
    health.push(await timeOf(() => stage.daemon.request('/health')))
    const put = { method: 'PUT', json: { ttl: 5, data: [`"${round}"`] } }
    writes.push(await timeOf(() => stage.daemon.request(`/v1/zones/${zone}/rrsets/w/TXT`, put)))
    await delay(50)
  }
  return [show(health), show(writes), show([await verdictToAnswer(stage), await verdictToAnswer(stage)])]
}

async function timeOf(ask: () => Promise<Response>): Promise<number> {
  const beganMs = performance.now()
  const response = await ask()
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`)
  return performance.now() - beganMs
}

/** From the response that makes the member down, or up again, to the first answer that has it so. */
async function verdictToAnswer({ daemon, backend }: Stage): Promise<number> {
  // Over a connection: what is asked over UDP may be dropped.
  using client = await TcpClient.open(daemon.dns)
  const { healthy } = backend
  backend.healthy = !healthy
  // The monitor has two failures for one, and one success.
  for (let asked = 0; asked < (healthy ? 2 : 1); asked++) await backend.asked()
  const beganMs = performance.now()
  for (;;) {
    const response = await client.exchange(query(probed, 'A'))
    if (response === null) throw new Error('the connection ended')
    if (readResponse(response).answer.length === (healthy ? 0 : 1)) return performance.now() - beganMs
  }
}

function show(ms: readonly number[]): string {
  return `${median(ms).toFixed(1)} (${Math.max(...ms).toFixed(1)})`
}
