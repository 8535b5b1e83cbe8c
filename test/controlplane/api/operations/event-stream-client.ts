import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'

export interface StreamedEvent {
  readonly id: string
  readonly event: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into events of every kind
  readonly data: any
}

export interface StreamClient extends AsyncDisposable {
  readonly response: IncomingMessage
  /** The next event, as soon as it is there; rejects when the stream ends. */
  next(): Promise<StreamedEvent>
  /** Resolves at the next comment. */
  comment(): Promise<void>
  /** Resolves when the stream has ended, in order or not. */
  readonly ended: Promise<void>
}

/** A client of Server-Sent Events that reads as they come. Throws with the status and body of a reply that is no stream. */
export async function openStream(
  origin: string,
  path: string,
  headers: Record<string, string>,
): Promise<StreamClient> {
  const sent = request(origin + path, { headers, agent: false })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.setEncoding('utf8')
  if (response.statusCode !== 200) {
    const body = (await response.toArray()).join('')
    throw Object.assign(new Error(body), { status: response.statusCode, headers: response.headers })
  }
  const ended = new Promise<void>((resolve) => {
    response.once('close', resolve)
    response.on('error', () => resolve())
  })
  const events: StreamedEvent[] = []
  let comments = 0
  let over = false
  let wake = Promise.withResolvers<void>()
  let text = ''
  response.on('data', (chunk: string) => {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop()!
    for (const block of blocks) {
      if (block.startsWith(':')) comments++
      else events.push(parse(block))
    }
    wake.resolve()
    wake = Promise.withResolvers()
  })
  void ended.then(() => {
    over = true
    wake.resolve()
  })
  return {
    response,
    ended,
    async next() {
      while (events.length === 0) {
        if (over) throw new Error('the stream has ended')
        await wake.promise
      }
      return events.shift()!
    },
    async comment() {
      const before = comments
      while (comments === before && !over) await wake.promise
    },
    async [Symbol.asyncDispose]() {
      sent.destroy()
      await ended
    },
  }
}

function parse(block: string): StreamedEvent {
  const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]))
  return { id: fields.get('id')!, event: fields.get('event')!, data: JSON.parse(fields.get('data')!) }
}
