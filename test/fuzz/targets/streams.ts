/** Messages on a connection, in whatever pieces they come: each is answered in its turn, and as it is alone. */
import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { startTcp } from '../../../src/dataplane/listener/tcp.ts'
import { answering } from '../../dataplane/listener/listening.ts'
import { type Target, targetOf } from '../target.ts'
import { message } from './queries.ts'

interface Written {
  readonly octets: Buffer
  /** Those that are whole, before anything that is not. */
  readonly whole: readonly Buffer[]
}

const framed = (octets: Buffer, length = octets.length) => {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(length)
  return Buffer.concat([head, octets])
}

/** Some messages; the last may say that it is longer than it is. */
const written: fc.Arbitrary<Written> = fc
  .tuple(fc.array(message, { maxLength: 12 }), fc.option(fc.tuple(message, fc.integer({ min: 1, max: 999 }))))
  .map(([whole, half]) => ({
    octets: Buffer.concat([
      ...whole.map((each) => framed(each)),
      ...(half === null ? [] : [framed(half[0], half[0].length + half[1])]),
    ]),
    whole,
  }))

export async function streams(): Promise<Target> {
  const parts = answering(true)
  const alone = answering(true)
  const listener = await startTcp([{ host: '127.0.0.1', port: 0 }], parts)
  const { port } = listener.bound[0]!
  const answer = await oneByOne(alone)
  const input = fc.tuple(written, fc.array(fc.nat(0xffff), { maxLength: 8 }))
  return targetOf(
    300,
    input,
    async ([{ octets, whole }, cuts]) => {
      const answers = whole.map(answer)
      // Who sends what gets silence is not read on, and may lose what was answered before.
      const silent = answers.indexOf(null)
      const expected = (silent < 0 ? answers : answers.slice(0, silent)) as readonly Buffer[]
      const received = await exchange(port, piecesOf(octets, cuts))
      let at = 0
      for (const [index, one] of expected.entries()) {
        if (received.length === at && silent >= 0) return null
        if (received.length < at + 2) return `${index} of ${expected.length} answers came`
        const length = received.readUInt16BE(at)
        const found = received.subarray(at + 2, at + 2 + length)
        if (!found.equals(one))
          return `answer ${index} is ${found.toString('hex')}, alone ${one.toString('hex')}`
        at += 2 + length
      }
      return at === received.length ? null : `${received.length - at} octets that nobody asked for`
    },
    async () => {
      await listener.stop()
    },
  )
}

/** What a message gets by itself: null for silence. */
async function oneByOne(parts: ReturnType<typeof answering>): Promise<(request: Buffer) => Buffer | null> {
  const { Client } = await import('../../../src/dataplane/answer/client.ts')
  const client = new Client()
  client.set('127.0.0.1', false)
  const out = Buffer.alloc(65_535)
  return (request) => {
    const end = parts.responder.respond(request, request.length, client, out)
    return end === 0 ? null : Buffer.from(out.subarray(0, end))
  }
}

function piecesOf(octets: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = cuts.map((cut) => cut % (octets.length + 1)).toSorted((one, other) => one - other)
  return [...ends, octets.length].map((end, index) => octets.subarray(ends[index - 1] ?? 0, end))
}

/** Sends pieces, a turn between them, and the end; all that comes back. */
async function exchange(port: number, pieces: readonly Buffer[]): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  // Who is closed on early sees it by what is missing.
  socket.on('error', () => undefined)
  socket.on('end', () => socket.end())
  await once(socket, 'connect')
  for (const piece of pieces) {
    socket.write(piece)
    await new Promise(setImmediate)
  }
  socket.end()
  await closed
  return Buffer.concat(received)
}
