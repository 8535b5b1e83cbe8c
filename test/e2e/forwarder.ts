/** Stands between a server and who asks it by UDP, and changes an octet of the first signature of each response. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { hostnameToWire } from '../../src/dataplane/wire/name.ts'
import { apex } from './validators.ts'

interface Address {
  readonly host: string
  readonly port: number
}

export interface Forwarder {
  readonly dns: Address
  stop(): Promise<void>
}

/** The signer's name stands before each signature, whole. */
const signer = Buffer.from(hostnameToWire(apex))

export async function startForwarder(
  to: Address,
  at: Address = { host: '127.0.0.1', port: 0 },
): Promise<Forwarder> {
  const front = createSocket('udp4')
  const behind = new Set<ReturnType<typeof createSocket>>()
  front.on('message', (query, from) => {
    // One for each question, so that each response finds its way.
    const socket = createSocket('udp4')
    behind.add(socket)
    socket.once('message', (response) => {
      front.send(changed(response), from.port, from.address)
      behind.delete(socket)
      socket.close()
    })
    socket.send(query, to.port, to.host)
  })
  front.bind(at.port, at.host)
  await once(front, 'listening')
  return {
    dns: { host: at.host, port: front.address().port },
    async stop() {
      for (const socket of behind) socket.close()
      front.close()
      await once(front, 'close')
    },
  }
}

function changed(response: Buffer): Buffer {
  const question = response.indexOf(0, 12)
  const at = response.indexOf(signer, question)
  if (at < 0) return response
  const copy = Buffer.from(response)
  copy[at + signer.length + 20]! ^= 1
  return copy
}
