/** A server with one service, and somebody who asks for it all the time. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { type DaemonOptions, type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, TcpClient, UdpClient } from '../support/dns-client.ts'
import { askUntil } from './ask.ts'
import { put, soa } from './fixture.ts'

export const name = 'www.example.test'
/** Often enough to come upon each moment, and little of a machine on which other tests run. */
const betweenQueriesMs = 2

/** @param databaseUrl undefined for the embedded database */
export async function startServer(
  databaseUrl: string | undefined,
  { env, ...options }: DaemonOptions = {},
): Promise<DaemonProcess> {
  await using begun = new AsyncDisposableStack()
  const daemon = begun.use(
    await startDaemonProcess({
      env: { DATABASE_URL: databaseUrl, POOLDNS_RRL: 'off', ...env },
      ...options,
    }),
  )
  await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  await put(daemon, '/v1/monitors/told', { type: 'static', state: 'up' })
  await putMember(daemon, 1)
  await put(daemon, `/v1/services/${name}`, { pools: ['web'] })
  await askUntil(daemon.dns, name, ['192.0.2.1'])
  begun.move()
  return daemon
}

/** Has the service answered with 192.0.2.`last`, and nothing else. */
export async function putMember(daemon: DaemonProcess, last: number): Promise<void> {
  await put(daemon, '/v1/pools/web', {
    monitor: 'told',
    members: { [`m${last}`]: { address: `192.0.2.${last}` } },
  })
}

/**
 * Asks some hundred queries a second, each when the one before is answered, until it is told to stop; over TCP on one connection, which must not end.
 *
 * @param transport `udp-again`: as a client does where answers may be lost, it asks again for what is not answered
 */
export function askAllTheTime(
  daemon: Pick<DaemonProcess, 'dns'>,
  transport: 'udp' | 'udp-again' | 'tcp' = 'udp',
) {
  let going = true
  /** Wrong answers: the first of them, so that a failure shows what came. */
  const counts = { sent: 0, right: 0, wrong: [] as string[] }
  const run = async () => {
    await using clients = new AsyncDisposableStack()
    const client =
      transport === 'tcp'
        ? clients.use(await TcpClient.open(daemon.dns))
        : clients.use(await UdpClient.open(daemon.dns))
    while (going) {
      const request = query(name, 'A', { id: counts.sent++ & 0xffff })
      const asksAgain = transport === 'udp-again' && client instanceof UdpClient
      const response = asksAgain ? await client.insist(request) : await client.exchange(request)
      if (response === null) throw new Error('the connection ended')
      const { rcode, answer } = readResponse(response)
      if (rcode === 0 && /^www\.example\.test \d+ A 192\.0\.2\.\d$/.test(answer.join())) counts.right++
      else if (counts.wrong.length < 10) counts.wrong.push(`rcode ${rcode}: ${answer.join()}`)
      await delay(betweenQueriesMs)
    }
  }
  const running = run()
  running.catch(() => undefined)
  return async () => {
    going = false
    await running
    return counts
  }
}

/** Nothing is lost: each query is answered before the next is sent, or the test waits for ever. */
export async function losesNothing(t: Test, stop: ReturnType<typeof askAllTheTime>): Promise<void> {
  const { sent, right, wrong } = await stop()
  t.ok(sent > 10, `${sent} queries`)
  t.same(wrong, [])
  t.equal(right, sent)
}
