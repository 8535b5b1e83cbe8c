/**
 * A validating resolver that has the keys of the zone `example.test` from one of two servers, and all else from the other one, as one that asks now
 * the one and now the other may have them. What a server answers with SERVFAIL, or not at all, the other one is asked for.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { pause } from '../../src/controlplane/timing/clock.ts'
import type { DaemonProcess } from '../support/daemon.ts'
import { flagBits, query, typeNumbers, UdpClient } from '../support/dns-client.ts'

type Address = DaemonProcess['dns']

/** How long a server is waited for. Below what unbound waits for. */
const patienceMs = 300

export interface Mixer extends AsyncDisposable {
  readonly dns: Address
}

/** Asks `keys` for DNSKEY, and `rest` for all else. */
export async function startMixer(keys: Address, rest: Address): Promise<Mixer> {
  const front = createSocket('udp4')
  front.on('message', async (question, from) => {
    const order = typeOf(question) === typeNumbers.DNSKEY ? [keys, rest] : [rest, keys]
    const response = (await asked(question, order[0]!)) ?? (await asked(question, order[1]!))
    if (response !== null) front.send(response, from.port, from.address)
  })
  front.bind(0, '127.0.0.1')
  await once(front, 'listening')
  return {
    dns: { host: '127.0.0.1', port: front.address().port },
    [Symbol.asyncDispose]: async () => void front.close(),
  }
}

/** Null for SERVFAIL, and when nothing comes. */
async function asked(question: Buffer, to: Address): Promise<Buffer | null> {
  const socket = createSocket('udp4')
  const answered = new Promise<Buffer | null>((resolve) => {
    socket.once('message', (response) => resolve((response[3]! & 15) === 2 ? null : response))
    socket.once('error', () => resolve(null))
    setTimeout(() => resolve(null), patienceMs).unref()
  })
  socket.connect(to.port, to.host, () => socket.send(question, () => {}))
  const response = await answered
  socket.close()
  return response
}

/** Of the question. */
function typeOf(message: Buffer): number {
  let at = 12
  while (message[at] !== 0) at += message[at]! + 1
  return message.readUInt16BE(at + 1)
}

/** The RCODE of what a server answers by itself. */
export async function rcodeOf({ dns }: Pick<DaemonProcess, 'dns'>, name: string): Promise<number> {
  await using client = await UdpClient.open(dns)
  const response = await client.insist(query(name, 'A', { flags: flagBits.rd, edns: {} }))
  return response[3]! & 15
}

interface Ask {
  (name: string, type: string): Promise<{ readonly rcode: number; readonly flags: string }>
  bogus(): readonly string[]
}

/** Asks resolvers all the time, each in its turn, until it is stopped; returns what was not validated. */
export function watchResolvers(resolvers: readonly Ask[]) {
  const stop = new AbortController()
  const wrong: string[] = []
  let asked = 0
  const done = (async () => {
    for (let i = 0; !stop.signal.aborted; i++) {
      const [name, type] = (
        [
          ['www', 'A'],
          [`nope${i}`, 'A'],
          ['@', 'DNSKEY'],
          ['@', 'SOA'],
        ] as const
      )[i % 4]!
      for (const [at, ask] of resolvers.entries()) {
        const { rcode, flags } = await ask(name, type)
        asked++
        if ((rcode !== 0 && rcode !== 3) || !flags.includes(' ad'))
          wrong.push(`resolver ${at}, ${name} ${type}: ${rcode} ${flags}, ${new Date().toISOString()}`)
      }
      await pause(25, stop.signal)
    }
  })()
  return async () => {
    stop.abort()
    await done
    return { wrong: [...wrong, ...resolvers.flatMap((ask) => ask.bogus())], asked }
  }
}
