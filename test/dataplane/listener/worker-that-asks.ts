/**
 * A DNS worker for tests that asks the main thread for the answer to every UPDATE. With `?patient` behind its name it waits for that
 * longer than a busy machine may take.
 */
import { workerData } from 'node:worker_threads'
import type { Client } from '../../../src/dataplane/answer/client.ts'
import { Responder } from '../../../src/dataplane/answer/responder.ts'
import { DnsWorker, type ResponderParts } from '../../../src/dataplane/listener/dns-worker.ts'
import type { Answerer } from '../../../src/dataplane/listener/listener.ts'
import { upcallLimits, type WorkerInput } from '../../../src/dataplane/listener/protocol.ts'
import type { Upcalls } from '../../../src/dataplane/listener/upcalls.ts'
import { patienceMs } from '../../support/patience.ts'

if (import.meta.url.endsWith('?patient')) Object.assign(upcallLimits, { timeoutMs: patienceMs })

const updateOpcode = 5
const servfail = 2

class Asking implements Answerer {
  readonly #responder: Responder
  readonly #upcalls: Upcalls
  /** What came of each request, by its id, once something has; undefined before. */
  readonly #outcomes = new Map<number, Uint8Array | null | undefined>()

  constructor({ state, counters, options, upcalls }: ResponderParts) {
    this.#responder = new Responder(state, counters, options)
    this.#upcalls = upcalls
  }

  get clock() {
    return this.#responder.clock
  }

  /** Over UDP: the first of the same requests asks, and one that comes after the answer gets it, or SERVFAIL for none. */
  endBatch(): void {
    this.#responder.endBatch()
  }

  respond(request: Uint8Array, length: number, client: Client, out: Uint8Array): number {
    if (!isUpdate(request)) return this.#responder.respond(request, length, client, out)
    const id = (request[0]! << 8) | request[1]!
    if (!this.#outcomes.has(id)) {
      this.#outcomes.set(id, undefined)
      this.#upcalls.ask(request.subarray(0, length), client, (response) => this.#outcomes.set(id, response))
    }
    const outcome = this.#outcomes.get(id)
    if (outcome === undefined) return 0
    out.set(outcome ?? request.subarray(0, length))
    if (outcome === null) out.set([0x80 | request[2]!, servfail], 2)
    return outcome?.length ?? length
  }

  answers(request: Uint8Array, client: Client): AsyncIterable<Uint8Array> | null {
    return isUpdate(request) ? this.#answer(request, client) : null
  }

  async *#answer(request: Uint8Array, client: Client): AsyncGenerator<Uint8Array> {
    const response = await new Promise<Uint8Array | null>((resolve) =>
      this.#upcalls.ask(request, client, resolve),
    )
    if (response !== null) yield response
  }
}

function isUpdate(request: Uint8Array): boolean {
  return ((request[2]! >> 3) & 0xf) === updateOpcode
}

await new DnsWorker(workerData as WorkerInput, (parts) => new Asking(parts)).run()
