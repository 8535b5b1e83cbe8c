/**
 * A DNS worker for tests that hangs at every STATUS query: busy for ever with an id of 1, waiting for ever with 2, and with any other
 * in the kernel, reading the descriptor of that number.
 */
import { workerData } from 'node:worker_threads'
import { Responder } from '../../../src/dataplane/answer/responder.ts'
import { DnsWorker } from '../../../src/dataplane/listener/dns-worker.ts'
import type { WorkerInput } from '../../../src/dataplane/listener/protocol.ts'
import { loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'

const statusOpcode = 2

function hang(id: number): void {
  if (id === 1) for (;;);
  if (id === 2) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  const syscalls = loadSyscalls()
  syscalls.read(id, syscalls.address(new Uint8Array(64)), 8)
}

await new DnsWorker(workerData as WorkerInput, ({ state, counters, options }) => {
  const responder = new Responder(state, counters, options)
  return {
    clock: responder.clock,
    endBatch: () => responder.endBatch(),
    respond: (request, length, client, out) => {
      if (((request[2]! >> 3) & 0xf) === statusOpcode) hang((request[0]! << 8) | request[1]!)
      return responder.respond(request, length, client, out)
    },
  }
}).run()
