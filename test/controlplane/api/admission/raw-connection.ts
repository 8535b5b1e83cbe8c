/** One connection to an HTTP server, for octets that no client library would send, and for those that would rather not read. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface RawReply {
  readonly status: number
  readonly head: string
  readonly body: string
}

export class RawConnection implements Disposable {
  readonly socket: Socket
  #text = ''
  #ended = false
  #wake = Promise.withResolvers<void>()

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('error', () => undefined)
    socket.once('close', () => {
      this.#ended = true
      this.#wake.resolve()
    })
  }

  static async open(origin: string): Promise<RawConnection> {
    const { hostname, port } = new URL(origin)
    const connection = new RawConnection(connect(Number(port), hostname))
    await once(connection.socket, 'connect')
    return connection
  }

  send(text: string): void {
    this.socket.write(text)
  }

  /** The next reply; null when the connection ends before it is there. */
  async reply(): Promise<RawReply | null> {
    this.#read()
    for (;;) {
      const reply = this.#parse()
      if (reply !== null || this.#ended) return reply
      await this.#wake.promise
      this.#wake = Promise.withResolvers()
    }
  }

  /** All replies until the connection ends. */
  async replies(): Promise<RawReply[]> {
    const replies: RawReply[] = []
    for (let reply = await this.reply(); reply !== null; reply = await this.reply()) replies.push(reply)
    return replies
  }

  /** Resolves when the connection has ended, which a client that does not read would never see. */
  async ended(): Promise<void> {
    this.socket.resume()
    if (!this.#ended) await once(this.socket, 'close')
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }

  /** Nothing is read before a reply is asked for. */
  #read(): void {
    if (this.socket.listenerCount('data') > 0) return
    this.socket.on('data', (chunk: string) => {
      this.#text += chunk
      this.#wake.resolve()
    })
  }

  #parse(): RawReply | null {
    const end = this.#text.indexOf('\r\n\r\n')
    if (end < 0) return null
    const head = this.#text.slice(0, end)
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1])
    const length = status === 100 ? 0 : Number(/^content-length: (\d+)/im.exec(head)?.[1])
    const start = end + 4
    if (this.#text.length < start + length) return null
    const body = this.#text.slice(start, start + length)
    this.#text = this.#text.slice(start + length)
    return { status, head, body }
  }
}

export function get(path: string, fields = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`
}

export function post(path: string, body: string, fields = ''): string {
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
  return `${head}Content-Length: ${body.length}\r\n${fields}\r\n${body}`
}
