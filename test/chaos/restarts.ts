/** Restarts that are asked for once a second while dnsperf asks: it sends no query twice, and opens no connection anew. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { allowedCores, ask } from '../bench/measure.ts'
import { query, TcpClient } from '../support/dns-client.ts'
import { patience } from '../support/patience.ts'
import type { LoadCounts } from './load-thread.ts'
import type { Stage } from './stage.ts'

const restarts = 60
const everyMs = 1000
const perSecond = 1000
/** Connections, or sockets. */
const clients = 8
/** As the load of all the faults has it. */
const timeoutSeconds = 5

const isAsked = ({ msg }: { readonly msg?: string }) => msg?.startsWith('replacing the processes') ?? false
const isReady = ({ msg }: { readonly msg?: string }) => msg === 'ready'
const isReplaced = ({ msg }: { readonly msg?: string }) => msg === 'the processes were replaced'

/** Each that was asked for is told of when it is done; some are done together, since one may take longer than a second. */
export async function restartAllTheTime(stage: Stage, names: readonly string[]): Promise<void> {
  const { daemon } = stage
  const queryFile = join(daemon.dataDir, 'queries')
  await writeFile(queryFile, Buffer.concat(names.map((name) => TcpClient.frame(query(name, 'A')))))
  const stop = new AbortController()
  const cores = allowedCores().join()
  const loads = (['udp', 'tcp'] as const).map((transport) =>
    ask(
      {
        ...{ port: daemon.dns.port, queryFile, transport, clients, cores, timeoutSeconds },
        ...{ seconds: (restarts * everyMs) / 1000 + 10, outstanding: 100, rate: perSecond },
      },
      stop.signal,
    ),
  )
  const from = daemon.lines.length
  const said = (is: typeof isAsked) => daemon.lines.slice(from).filter(is).length
  try {
    for (let nth = 0; nth < restarts; nth++) {
      daemon.signal('SIGHUP')
      await delay(everyMs)
    }
    const signal = patience()
    for (; said(isReplaced) < restarts; await delay(100)) signal.throwIfAborted()
    for (const tally of await Promise.all(loads)) stage.count(countsOf(tally))
    process.stderr.write(`  asked for ${said(isAsked)} times, done by ${said(isReady)} restarts\n`)
  } finally {
    stop.abort()
  }
}

function countsOf({ sent, lost, rcodes }: Awaited<ReturnType<typeof ask>>): LoadCounts {
  const wrong = Object.entries(rcodes).reduce(
    (sum, [rcode, count]) => sum + (rcode === 'NOERROR' ? 0 : count),
    0,
  )
  return { sent, lost, wrong, slowestMs: 0, examples: [] }
}
