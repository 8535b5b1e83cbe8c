/**
 * The DNS probe: one query, over UDP or TCP, and what answers it. A truncated answer over UDP is asked for again over TCP
 * (RFC 7766 section 5), under the same deadline.
 *
 * Over UDP anybody may send us something, so the socket is connected (the kernel takes datagrams of the member alone), port and
 * id are drawn anew for each probe, and what does not answer the question is passed over (RFC 5452 section 4). When nothing
 * better comes until the deadline, the reason says what came.
 */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { rcodeName } from '../../../dataplane/wire/constants.ts'
import { parseName, rootName } from '../../../dataplane/wire/name.ts'
import { parseRdata, parseType } from '../../../dataplane/wire/rdata.ts'
import {
  comparableRdata,
  type DnsAnswer,
  type DnsQuestion,
  decodeAnswer,
  encodeQuery,
} from '../../dns-client/message.ts'
import type { DnsMonitor } from '../../model/monitor.ts'
import {
  type Fault,
  fault,
  faultOfError,
  faultOfFilter,
  faultOfWay,
  lostConnection,
  ownFault,
  type ProbeResult,
  passed,
} from '../verdict.ts'
import { connect } from './connection.ts'
import { Ending } from './ending.ts'
import type { ProbeContext, ProbeTarget } from './probe-target.ts'

/** Datagrams that answer something else: a member that sends them for as long as it is listened to costs no more than these. */
const mostStrays = 64

/** Rejects only when the monitor asks for what can't be asked. */
export async function probeDns(
  target: ProbeTarget,
  monitor: DnsMonitor,
  context: ProbeContext,
): Promise<ProbeResult> {
  const question = { name: parseName(monitor.qname), type: parseType(monitor.qtype) }
  const wanted = monitor.expectData.map((text) => ({
    text,
    rdata: comparableRdata(question.type, parseRdata(monitor.qtype, text, rootName)),
  }))
  const byUdp = monitor.transport === 'udp' ? await askByUdp(target, question, context) : 'truncated'
  const answer = byUdp === 'truncated' ? await askByTcp(target, question, context) : byUdp
  if ('failure' in answer) return answer
  const rcode = rcodeName(answer.rcode)
  if (!monitor.expectRcodes.includes(rcode)) return fault('status', `rcode ${rcode}`)
  const missing = wanted.find(({ rdata }) => answer.data.every((one) => Buffer.compare(one, rdata) !== 0))
  return missing === undefined ? passed : fault('answer', `answer lacks ${monitor.qtype} ${missing.text}`)
}

async function askByUdp(
  { address, port }: ProbeTarget,
  question: DnsQuestion,
  { stop, lacks }: ProbeContext,
): Promise<DnsAnswer | Fault | 'truncated'> {
  const id = randomInt(0x10000)
  let astray: string | null = null
  let strays = 0
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  const ending = new Ending<DnsAnswer | 'truncated'>(stop, () => socket.close())
  const onError = (error: NodeJS.ErrnoException): void =>
    ending.finish(
      faultOfFilter(error, address, error.syscall === 'recvmsg') ??
        faultOfWay(error, address, lacks) ??
        ownFault(error) ??
        fault('connect', `udp ${error.code ?? error.message}`),
    )
  socket.on('error', onError)
  socket.on('message', (message) => {
    const answer = decodeAnswer(message, id, question, false)
    if (typeof answer === 'string') {
      astray = answer
      if (++strays === mostStrays) ending.finish(fault('protocol', `the response ${astray}, ${strays} times`))
    } else ending.finish(answer.truncated ? 'truncated' : answer)
  })
  // The types leave it out, but an address that there is no way to is an error for the callback, and not an event.
  socket.connect(port, address, (error?: Error) => {
    if (error) onError(error)
    else if (!ending.over) socket.send(encodeQuery(id, question))
  })
  const result = await ending.result
  const late = result !== 'truncated' && 'failure' in result && result.failure === 'timeout'
  return late && astray !== null ? fault('protocol', `the response ${astray}`) : result
}

/** Messages go with two octets of length before them (RFC 1035 section 4.2.2). */
async function askByTcp(
  { address, port }: ProbeTarget,
  question: DnsQuestion,
  context: ProbeContext,
): Promise<DnsAnswer | Fault> {
  const socket = await connect({ address, port, tls: null }, context)
  if ('failure' in socket) return socket
  const { finish, result } = new Ending<DnsAnswer>(context.stop, () => socket.destroy())
  const id = randomInt(0x10000)
  const received: Buffer[] = []
  let missing = 2
  let head: Buffer | null = null
  socket.on('error', (error) => finish(faultOfError(error, 'exchanging')))
  socket.once('close', () => finish(lostConnection))
  // Paused until it is asked: exactly as much is taken as belongs to the message, at most 64 KiB.
  socket.on('readable', () => {
    for (;;) {
      const part = socket.read(Math.min(missing, socket.readableLength)) as Buffer | null
      if (part === null) return
      received.push(part)
      missing -= part.length
      if (missing > 0) continue
      const whole = Buffer.concat(received.splice(0))
      if (head === null) {
        head = whole
        missing = head.readUInt16BE(0)
        if (missing > 0) continue
      }
      const answer = decodeAnswer(whole, id, question, true)
      finish(typeof answer === 'string' ? fault('protocol', `the response ${answer}`) : answer)
      return
    }
  })
  const query = encodeQuery(id, question)
  socket.write(Buffer.concat([Buffer.of(query.length >> 8, query.length & 0xff), query]))
  return result
}
