/** The entry of a DNS worker thread. */
import { workerData } from 'node:worker_threads'
import { Responder } from '../answer/responder.ts'
import { DnsWorker } from './dns-worker.ts'
import type { WorkerInput } from './protocol.ts'

const worker = new DnsWorker(
  workerData as WorkerInput,
  ({ state, counters, options }) => new Responder(state, counters, options),
)
await worker.run()
