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
import type { DnsAnswer, DnsQuestion } from '../../dns-client/message.ts'
import { comparableRdata, decodeAnswer, encodeQuery } from '../../dns-client/message.ts'
import type { DnsMonitor } from '../../model/monitor.ts'
import type { Fault, ProbeResult } from '../verdict.ts'
import { fault, faultOfError, lostConnection, passed } from '../verdict.ts'
import { connect } from './connection.ts'
import type { ProbeTarget } from './probe-target.ts'

/** Rejects only when the monitor asks for what can't be asked. */
export async function probeDns(
  { address, port }: ProbeTarget,
  monitor: DnsMonitor,
  stop: AbortSignal,
): Promise<ProbeResult> {
  const question = { name: parseName(monitor.qname), type: parseType(monitor.qtype) }
  const wanted = monitor.expectData.map((text) => ({
    text,
    rdata: comparableRdata(question.type, parseRdata(monitor.qtype, text, rootName)),
  }))
  const byUdp = monitor.transport === 'udp' ? await askByUdp(address, port, question, stop) : null
  const answer =
    byUdp === null || byUdp === 'truncated' ? await askByTcp(address, port, question, stop) : byUdp
  if ('failure' in answer) return answer
  const rcode = rcodeName(answer.rcode)
  if (!monitor.expectRcodes.includes(rcode)) return fault('status', `rcode ${rcode}`)
  const missing = wanted.find(({ rdata }) => answer.data.every((one) => Buffer.compare(one, rdata) !== 0))
  return missing === undefined ? passed : fault('answer', `answer lacks ${monitor.qtype} ${missing.text}`)
}

function askByUdp(
  address: string,
  port: number,
  question: DnsQuestion,
  stop: AbortSignal,
): Promise<DnsAnswer | Fault | 'truncated'> {
  const { promise, resolve } = Promise.withResolvers<DnsAnswer | Fault | 'truncated'>()
  const id = randomInt(0x10000)
  let astray: string | null = null
  let over = false
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  const finish = (result: DnsAnswer | Fault | 'truncated'): void => {
    if (over) return
    over = true
    stop.removeEventListener('abort', onStop)
    socket.close()
    resolve(result)
  }
  const onStop = (): void => {
    const cause = stop.reason as Fault
    finish(
      astray === null || cause.failure !== 'timeout' ? cause : fault('protocol', `the response ${astray}`),
    )
  }
  stop.addEventListener('abort', onStop)
  const onError = (error: NodeJS.ErrnoException): void =>
    finish(fault('connect', `udp ${error.code ?? error.message}`))
  socket.on('error', onError)
  socket.on('message', (message) => {
    const answer = decodeAnswer(message, id, question, false)
    if (typeof answer === 'string') astray = answer
    else finish(answer.truncated ? 'truncated' : answer)
  })
  // The types leave it out, but an address that there is no way to is an error for the callback, and not an event.
  socket.connect(port, address, (error?: Error) => {
    if (error) onError(error)
    else if (!over) socket.send(encodeQuery(id, question))
  })
  if (stop.aborted) onStop()
  return promise
}

/** Messages go with two octets of length before them (RFC 1035 section 4.2.2). */
async function askByTcp(
  address: string,
  port: number,
  question: DnsQuestion,
  stop: AbortSignal,
): Promise<DnsAnswer | Fault> {
  const connection = await connect({ address, port, tls: null }, stop)
  if ('failure' in connection) return connection
  const { socket } = connection
  const { promise, resolve } = Promise.withResolvers<DnsAnswer | Fault>()
  const id = randomInt(0x10000)
  const finish = (result: DnsAnswer | Fault): void => {
    stop.removeEventListener('abort', onStop)
    socket.destroy()
    resolve(result)
  }
  const onStop = (): void => finish(stop.reason as Fault)
  stop.addEventListener('abort', onStop)
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
  if (stop.aborted) onStop()
  else {
    const query = encodeQuery(id, question)
    const length = Buffer.alloc(2)
    length.writeUInt16BE(query.length)
    socket.write(Buffer.concat([length, query]))
  }
  return promise
}
