import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { type Answer, type DecodedPacket, decode, encode, type RecordType } from 'dns-packet'
import { patience, patienceLeftMs } from '../support/patience.ts'

export interface Answered {
  readonly rcode: string
  readonly authoritative: boolean
  /** Data of the answer section as text, sorted. */
  readonly answers: readonly string[]
  readonly packet: DecodedPacket
}

export interface Server {
  readonly host: string
  readonly port: number
}

/** One query over UDP, once: a lost one fails the test, since nothing on this machine may lose it. */
export async function ask(server: Server, name: string, type: RecordType = 'A'): Promise<Answered> {
  const socket = createSocket(server.host.includes(':') ? 'udp6' : 'udp4')
  try {
    const id = Math.floor(Math.random() * 65536)
    socket.send(encode({ type: 'query', id, questions: [{ name, type }] }), server.port, server.host)
    const [message] = (await once(socket, 'message', { signal: patience() })) as [Buffer]
    const packet = decode(message) as DecodedPacket & { rcode: string }
    if (packet.id !== id) throw new Error('the response has another id')
    return {
      rcode: packet.rcode,
      authoritative: packet.flag_aa,
      answers: (packet.answers ?? []).map(textOf).sort(),
      packet,
    }
  } finally {
    socket.close()
  }
}

function textOf(answer: Answer): string {
  const { data } = answer as { data: unknown }
  return typeof data === 'string'
    ? data
    : Array.isArray(data)
      ? data.map(String).join(' ')
      : JSON.stringify(data)
}

/** Asks until the answers are these; rejects with the last ones when they don't come. */
export async function askUntil(server: Server, name: string, wanted: readonly string[]): Promise<void> {
  const deadline = Date.now() + patienceLeftMs()
  const expected = [...wanted].sort().join()
  for (;;) {
    const { answers } = await ask(server, name)
    if (answers.join() === expected) return
    if (Date.now() > deadline) throw new Error(`answers are ${answers.join() || 'none'}, not ${expected}`)
    await delay(20)
  }
}
