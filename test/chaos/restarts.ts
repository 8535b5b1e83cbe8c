/** Restarts one after the other while dnsperf asks: it sends no query twice, and opens no connection anew. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { allowedCores, dnsperfArguments, parseTally, type Tally } from '../bench/measure.ts'
import { query, TcpClient } from '../support/dns-client.ts'
import { startProgram } from '../support/program.ts'
import type { LoadCounts } from './load-thread.ts'
import type { Stage } from './stage.ts'

const restarts = 60
/** From the beginning of one to that of the next, unless it takes longer. */
const everyMs = 1000
const perSecond = 1000
/** Connections, or sockets. */
const clients = 8
/** As the load of all the faults has it. */
const timeoutSeconds = 5
/** It is told to end before. */
const longestSeconds = 3600

/** Each is begun when the one before is done: those that are asked for meanwhile would be one. */
export async function restartAllTheTime(stage: Stage, names: readonly string[]): Promise<void> {
  const { daemon } = stage
  const queryFile = join(daemon.dataDir, 'queries')
  await writeFile(queryFile, Buffer.concat(names.map((name) => TcpClient.frame(query(name, 'A')))))
  await using owned = new AsyncDisposableStack()
  const cores = allowedCores().join()
  const loads = (['udp', 'tcp'] as const).map((transport) => {
    const load = { port: daemon.dns.port, queryFile, transport, clients, cores, timeoutSeconds }
    const args = dnsperfArguments({ ...load, seconds: longestSeconds, outstanding: 100, rate: perSecond })
    return owned.use(startProgram('taskset', args))
  })
  const beganMs = performance.now()
  for (let nth = 0; nth < restarts; nth++) await Promise.all([replaced(stage), delay(everyMs)])
  const tookSeconds = (performance.now() - beganMs) / 1000
  process.stderr.write(`  ${restarts} restarts in ${tookSeconds.toFixed(1)} s\n`)
  // It tells what it has counted then.
  await Promise.all(loads.map((load) => load.stop('SIGINT')))
  for (const { output } of loads) stage.count(countsOf(parseTally(output)))
}

async function replaced({ daemon }: Stage): Promise<void> {
  const from = daemon.lines.length
  daemon.signal('SIGHUP')
  await daemon.line(({ msg }) => msg === 'the processes were replaced', { from })
}

function countsOf({ sent, completed, lost, rcodes }: Tally): LoadCounts {
  return { sent, lost, late: 0, wrong: completed - (rcodes.NOERROR ?? 0), slowestMs: 0, examples: [] }
}
