/** Fleets for tests, what they serve, and how to ask them. */
import type { Worker } from 'node:worker_threads'
import type { Test } from 'tap'
import type { ServingUpdate } from '../../../src/dataplane/image/serving-set.ts'
import { Fleet, type FleetOptions } from '../../../src/dataplane/listener/fleet.ts'
import { query, type Response, readResponse, TcpClient, UdpClient } from '../../support/dns-client.ts'
import { servingUpdate } from '../zone-text.ts'

// The threads that the fleet starts, as the platform tells of them.
const threads: Worker[] = []
process.on('worker', (worker) => threads.push(worker))
export const alive = (name: string) =>
  threads.filter(({ threadId, threadName }) => threadId !== -1 && threadName === name)

/** 50,000 octets of TXT at `big.two.test`. */
const bigLines = Array.from({ length: 180 }, (_, i) => `big 300 TXT ${String(i).padStart(250, 'x')}`)

/** Two zones whose RRs all have the generation as their TTL; `a.one.test` leads from one into the other. */
export function generation(number: number): ServingUpdate {
  return servingUpdate(
    [
      { apex: 'one.test', lines: [`a ${number} CNAME x.two.test.`] },
      { apex: 'two.test', lines: [`x ${number} A 192.0.2.1`, ...bigLines] },
    ],
    [],
    number,
  )
}
export const question = query('a.one.test', 'A')

/** The generation that a response was made from; fails when it was made from two. */
export function generationOf(response: Response): number {
  const ttls = new Set(response.answer.map((line) => Number(line.split(' ')[1])))
  if (response.answer.length !== 2 || ttls.size !== 1) throw new Error(JSON.stringify(response))
  return [...ttls][0]!
}

export interface Started {
  readonly fleet: Fleet
  readonly restarts: string[]
  /** Resolves with the next restart. */
  restarted(): Promise<void>
}

/** A fleet on a free port of 127.0.0.1 that stops with the test. */
export async function startFleet(
  t: Test,
  options: Partial<FleetOptions> = {},
  initial?: ServingUpdate,
): Promise<Started> {
  const restarts: string[] = []
  const waiting: (() => void)[] = []
  const fleet = new Fleet({
    listen: [{ host: '127.0.0.1', port: 0 }],
    udpWorkers: 1,
    udpBackend: 'auto',
    onRestart: (transport, reason) => {
      restarts.push(`${transport}: ${reason}`)
      for (const resolve of waiting.splice(0)) resolve()
    },
    onFallback: (reason) => t.fail(reason),
    onSkipped: (message) => t.fail(message),
    ...options,
  })
  t.teardown(() => fleet.stop())
  if (initial !== undefined) await fleet.publish(initial)
  await fleet.start()
  return { fleet, restarts, restarted: () => new Promise((resolve) => waiting.push(resolve)) }
}

/** Asks again as long as nothing comes, for a worker may be gone. */
export async function askUdp(fleet: Fleet, request = question): Promise<Response> {
  await using client = await UdpClient.open(fleet.bound[0]!)
  return readResponse(await client.insist(request))
}

/** Asks once, for those who count the questions: while all workers live none is lost. */
export async function askUdpOnce(fleet: Fleet, request = question): Promise<Response> {
  await using client = await UdpClient.open(fleet.bound[0]!)
  return readResponse(await client.exchange(request))
}

export async function askTcp(fleet: Fleet, request = question): Promise<Response> {
  for (;;) {
    try {
      using client = await TcpClient.open(fleet.bound[0]!)
      const message = await client.exchange(request)
      if (message !== null) return readResponse(message)
    } catch (error) {
      // Between a worker and its successor nobody listens.
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
