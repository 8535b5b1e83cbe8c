/**
 * One question to one server over UDP. The socket is connected (the kernel takes datagrams of the server alone), port and id are drawn anew,
 * and what does not answer the question is passed over (RFC 5452 section 4).
 */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import {
  type DnsAnswer,
  type DnsQuestion,
  type DnsRecord,
  decodeAnswer,
  decodeSections,
  encodeQuery,
} from './message.ts'

export interface DnsServer {
  /** An address. */
  readonly host: string
  readonly port: number
}

/** What was answered; where that is truncated there are no sections. */
export interface DnsExchange extends DnsAnswer {
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
}

/** Never rejects. @returns why there is no answer, or that */
export async function exchangeByUdp(
  { host, port }: DnsServer,
  question: DnsQuestion,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<DnsExchange | { readonly failure: string }> {
  const { promise, resolve } = Promise.withResolvers<DnsExchange | { readonly failure: string }>()
  const fail = (failure: string) => resolve({ failure })
  const id = randomInt(0x1_0000)
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  const giveUp = () => fail('timeout')
  timeout.addEventListener('abort', giveUp, { once: true })
  if (timeout.aborted) giveUp()
  socket.on('error', (error) => fail(error.message))
  socket.on('message', (octets) => {
    const answer = decodeAnswer(octets, id, question, false)
    if (typeof answer === 'string') return
    const sections = answer.truncated ? { answers: [], authorities: [] } : decodeSections(octets)
    resolve({ ...answer, ...sections })
  })
  // Connected, so that a port that is closed says so. An address that there is no way to is an error for the callback.
  socket.connect(port, host, (error?: Error) => {
    if (error) fail(error.message)
    else socket.send(encodeQuery(id, question))
  })
  try {
    return await promise
  } finally {
    timeout.removeEventListener('abort', giveUp)
    socket.close()
  }
}

/** @param server as `address:port` or `[address]:port`, or an address alone */
export function serverOf(server: string): DnsServer {
  const [, inBrackets, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(server) ?? []
  const host = inBrackets ?? plain
  return host === undefined ? { host: server, port: 53 } : { host, port: Number(port) }
}
