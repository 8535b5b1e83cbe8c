/** A DNS worker for tests whose code throws for every STATUS query: an error with a code, or what is no error at all. */
import { workerData } from 'node:worker_threads'
import { Responder } from '../../../src/dataplane/answer/responder.ts'
import { DnsWorker } from '../../../src/dataplane/listener/dns-worker.ts'
import type { WorkerInput } from '../../../src/dataplane/listener/protocol.ts'

const statusOpcode = 2

await new DnsWorker(workerData as WorkerInput, ({ state, counters, options }) => {
  const responder = new Responder(state, counters, options)
  return {
    clock: responder.clock,
    endBatch: () => responder.endBatch(),
    respond: (request, length, client, out) => {
      if (((request[2]! >> 3) & 0xf) !== statusOpcode) return responder.respond(request, length, client, out)
      if (request[1] === 1) throw Object.assign(new TypeError('keep is not a function'), { code: 'ECODE' })
      throw 'no error at all'
    },
  }
}).run()
