/**
 * The scenario `failover`: how long a member that fails stays in the answers. Members are real HTTP servers in this process,
 * which note when their first failing response went out and when the one went out that makes `fall`; a client asks without a
 * pause until the member is gone. From the first failing response it may take `fall` intervals and `budgetMs`.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { type Pooldns, startPooldns } from './contestants.ts'
import { divideCores } from './measure.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { percentile } from './statistics.ts'
import { significant } from './table.ts'
import { zone } from './zone-data.ts'

const trials = 20
const fall = 3
const intervalMs = 500
/** What the whole may take beyond `fall` intervals. */
const budgetMs = 50
const name = `failing.${zone}`
const goneWithinMs = 10_000

/** Times of one member, in milliseconds of this process's clock. */
interface Trial {
  /** From its first failing response to the first answer without it. */
  readonly fromFirst: number
  /** From the failing response that made `fall`. */
  readonly fromVerdict: number
}

class FailingMember implements AsyncDisposable {
  failing = false
  /** When each failing response was sent. */
  readonly failedAt: number[] = []
  readonly #server: Server

  constructor() {
    this.#server = createServer((_request, response) => {
      if (this.failing) this.failedAt.push(performance.now())
      response.writeHead(this.failing ? 503 : 200).end()
    })
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

export async function run({ cores, signal, report }: ScenarioOptions): Promise<ScenarioResult> {
  await using pooldns = await startPooldns('batch', 1, divideCores(cores, 1).server)
  const data = await failures(pooldns, signal)
  report(`failover: ${trials} members failed, one after the other`)
  const row = (title: string, pick: (trial: Trial) => number) => {
    const ascending = Float64Array.from(data, pick).sort()
    return [title, ...[50, 90, 100].map((percent) => significant(percentile(ascending, percent)))]
  }
  const allowed = fall * intervalMs + budgetMs
  const late = data.filter(({ fromFirst }) => fromFirst >= allowed).length
  const table = {
    title: `failover: milliseconds until a failing member is out of the answers (fall ${fall}, every ${intervalMs} ms)`,
    columns: ['', 'p50', 'p90', 'max'],
    rows: [
      row('from its first failing response', ({ fromFirst }) => fromFirst),
      row('from the one that made `fall`', ({ fromVerdict }) => fromVerdict),
    ],
    notes: [`${late} of ${trials} took ${fall} intervals and ${budgetMs} ms or longer from the first.`],
  }
  return { tables: [table], data }
}

/** Has the members of a service fail one after the other, while a client asks. */
async function failures(pooldns: Pooldns, signal: AbortSignal): Promise<Trial[]> {
  await using stack = new AsyncDisposableStack()
  // One stays well: without any, all would be answered again.
  const members = Array.from({ length: trials + 1 }, () => stack.use(new FailingMember()))
  await putService(pooldns, await Promise.all(members.map((member) => member.listen())))
  const client = stack.use(await UdpClient.open({ host: '127.0.0.1', port: pooldns.port }))
  await until(client, (addresses) => addresses.length === members.length, signal)
  const data: Trial[] = []
  for (const [index, member] of members.slice(1).entries()) {
    member.failing = true
    await until(client, (addresses) => !addresses.includes(addressOf(index + 1)), signal)
    const goneAt = performance.now()
    const [first, verdict] = [member.failedAt[0]!, member.failedAt[fall - 1]!]
    data.push({ fromFirst: goneAt - first, fromVerdict: goneAt - verdict })
  }
  return data
}

const addressOf = (index: number) => `10.6.0.${index + 1}`

async function putService(pooldns: Pooldns, ports: readonly number[]): Promise<void> {
  const monitor = { interval: `${intervalMs}ms`, timeout: '200ms', rise: 1, fall }
  await pooldns.request('/v1/monitors/failing', { method: 'PUT', json: monitor })
  const members = Object.fromEntries(
    ports.map((port, index) => [
      `m${index}`,
      { address: addressOf(index), probe: { address: '127.0.0.1', port } },
    ]),
  )
  await pooldns.request('/v1/pools/failing', { method: 'PUT', json: { monitor: 'failing', members } })
  await pooldns.request(`/v1/services/${name}`, { method: 'PUT', json: { pools: ['failing'] } })
}

/** Asks without a pause. */
async function until(
  client: UdpClient,
  holds: (addresses: readonly string[]) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(goneWithinMs)])
  for (;;) {
    deadline.throwIfAborted()
    client.send(query(name, 'A', { edns: { payload: 4096, flags: 0x8000 } }))
    const { answer } = readResponse(await client.next())
    const addresses = answer.filter((line) => / A /.test(line)).map((line) => line.split(' ').at(-1)!)
    if (holds(addresses)) return
  }
}
