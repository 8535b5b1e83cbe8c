/** An answerer for tests that answers AXFR by many messages, and all else as the responder does. */
import { Client } from '../../../src/dataplane/answer/client.ts'
import type { Answerer } from '../../../src/dataplane/listener/listener.ts'
import { streamPayload, types } from '../../../src/dataplane/wire/constants.ts'
import { query } from '../../support/dns-client.ts'

export class Transferring implements Answerer {
  readonly clock: Answerer['clock']
  readonly #responder: Answerer
  readonly #messages: number
  readonly #begun: Promise<void>
  /** Messages that have been asked for. */
  made = 0
  /** The addresses that asked, in octets. */
  readonly clients: number[][] = []
  readonly #over = Promise.withResolvers<void>()

  /**
   * @param messages how many there are of a transfer
   * @param begun what the first one waits for
   */
  constructor(responder: Answerer, messages: number, begun = Promise.resolve()) {
    this.clock = responder.clock
    this.#responder = responder
    this.#messages = messages
    this.#begun = begun
  }

  /** Resolves when a transfer has come to its end, or has been given up. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  respond(request: Uint8Array, length: number, client: Client, out: Uint8Array): number {
    return this.#responder.respond(request, length, client, out)
  }

  endBatch(): void {
    this.#responder.endBatch()
  }

  answers(request: Uint8Array, client: Client): AsyncIterable<Uint8Array> | null {
    if (request.at(-3) !== types.axfr) return null
    this.clients.push([...client.octets.subarray(0, client.length)])
    return this.#transfer()
  }

  /** Messages of about 50,000 octets whose ids count from 0, in one buffer. */
  async *#transfer(): AsyncGenerator<Uint8Array> {
    const out = new Uint8Array(streamPayload)
    const client = new Client()
    client.set('127.0.0.1', false)
    try {
      await this.#begun
      for (let id = 0; id < this.#messages; id++) {
        this.made++
        const request = query('big.example.test', 'TXT', { id })
        yield out.subarray(0, this.#responder.respond(request, request.length, client, out))
      }
    } finally {
      this.#over.resolve()
    }
  }
}
