/** Asks many questions at once, over UDP and TCP, with a bound on how many are under way. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'

/** Fits the receive buffer of every server, so that as a rule nothing is lost. */
const window = 64
const resendAfterMs = 1000
const maxSends = 60

/**
 * Sends each message to a port of 127.0.0.1 over UDP, with its index (mod 65,536) as its ID, again when no response comes.
 *
 * @returns the responses in the order of the messages
 * @throws when one is not answered at all
 */
export async function exchangeUdp(port: number, messages: readonly Buffer[]): Promise<Buffer[]> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
  const responses = new Array<Buffer>(messages.length)
  /** What is under way, by ID; at most `window`. */
  const sent = new Map<number, { index: number; atMs: number; sends: number }>()
  let next = 0
  let timer: NodeJS.Timeout | undefined
  try {
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    await new Promise<void>((resolve, reject) => {
      const fill = () => {
        while (sent.size < window && next < messages.length) {
          const id = next & 0xffff
          sent.set(id, { index: next, atMs: performance.now(), sends: 1 })
          socket.send(withId(messages[next]!, id))
          next++
        }
        if (sent.size === 0) resolve()
      }
      socket.on('message', (response) => {
        const id = response.readUInt16BE(0)
        const entry = sent.get(id)
        if (entry === undefined) return
        sent.delete(id)
        responses[entry.index] = response
        fill()
      })
      socket.on('error', reject)
      timer = setInterval(() => {
        for (const [id, entry] of sent) {
          if (performance.now() - entry.atMs < resendAfterMs) continue
          if (entry.sends === maxSends)
            reject(new Error(`no response to ${messages[entry.index]!.toString('hex')}`))
          entry.sends++
          entry.atMs = performance.now()
          socket.send(withId(messages[entry.index]!, id))
        }
      }, resendAfterMs / 4)
      fill()
    })
  } finally {
    clearInterval(timer)
    socket.close()
  }
  return responses
}

function withId(message: Buffer, id: number): Buffer {
  message.writeUInt16BE(id, 0)
  return message
}

/** The same over one connection, pipelined. */
export async function exchangeTcp(port: number, messages: readonly Buffer[]): Promise<Buffer[]> {
  const responses = new Array<Buffer>(messages.length)
  if (messages.length === 0) return responses
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let pending = Buffer.alloc(0)
  let next = 0
  let received = 0
  const fill = () => {
    const frames: Buffer[] = []
    for (; next < messages.length && next - received < window; next++) {
      const message = withId(messages[next]!, next & 0xffff)
      frames.push(Buffer.of(message.length >>> 8, message.length & 0xff), message)
    }
    if (frames.length > 0) socket.write(Buffer.concat(frames))
  }
  try {
    await once(socket, 'connect')
    await new Promise<void>((resolve, reject) => {
      socket.on('data', (chunk) => {
        pending = Buffer.concat([pending, chunk])
        while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
          const end = 2 + pending.readUInt16BE(0)
          const response = pending.subarray(2, end)
          responses[indexOf(response.readUInt16BE(0), next)] = response
          received++
          pending = pending.subarray(end)
        }
        fill()
        if (received === messages.length) resolve()
      })
      socket.on('error', reject)
      socket.on('close', () => reject(new Error(`the server closed after ${received} responses`)))
      fill()
    })
  } finally {
    socket.destroy()
  }
  return responses
}

/** The latest index below `next` that has this ID. */
function indexOf(id: number, next: number): number {
  return next - 1 - ((next - 1 - id) & 0xffff)
}
