/** A collector of dnstap that counts what it gets, and stands still when it is told to. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { orAborted } from '../../src/controlplane/timing/clock.ts'
import { patience } from './patience.ts'

/** ACCEPT of Frame Streams, for frames of dnstap. */
function acceptFrame(): Buffer {
  const type = Buffer.from('protobuf:dnstap.Dnstap')
  const frame = Buffer.alloc(20 + type.length)
  frame.writeUInt32BE(12 + type.length, 4)
  frame.writeUInt32BE(1, 8)
  frame.writeUInt32BE(1, 12)
  frame.writeUInt32BE(type.length, 16)
  type.copy(frame, 20)
  return frame
}

export class TapCollector implements AsyncDisposable {
  readonly #server = createServer((socket) => this.#greet(socket))
  /** Of those that are connected. */
  readonly #sockets = new Set<Socket>()
  #more = Promise.withResolvers<void>()
  octets = 0

  static async start(): Promise<TapCollector> {
    const collector = new TapCollector()
    collector.#server.listen(0, '127.0.0.1')
    await once(collector.#server, 'listening')
    return collector
  }

  /** As `POOLDNS_DNSTAP` has it. */
  get address(): string {
    return `tcp:127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Resolves when more octets have come than these. */
  async moreThan(octets: number): Promise<void> {
    const signal = patience()
    while (this.octets <= octets) await orAborted(this.#more.promise, signal)
  }

  /** Reads no more, and keeps its connections: its peer finds no room any more. */
  standStill(): void {
    for (const socket of this.#sockets) socket.pause()
  }

  goOn(): void {
    for (const socket of this.#sockets) socket.resume()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #greet(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.once('data', () => socket.write(acceptFrame()))
    socket.on('data', ({ length }: Buffer) => {
      this.octets += length
      this.#more.resolve()
      this.#more = Promise.withResolvers()
    })
  }
}
