/** A worker thread that answers nobody, and says each of those things that a real one says when something is wrong. */
import { workerData } from 'node:worker_threads'
import type { FromWorker, ToWorker, WorkerInput } from '../../../src/dataplane/listener/protocol.ts'

const { control, listen } = workerData as WorkerInput
const say = (message: FromWorker) => control.postMessage(message)
control.on('message', (message: ToWorker) => {
  if (message.kind === 'publish') say({ kind: 'serving', generation: message.update.generation })
  if (message.kind === 'stop') control.close()
})
say({ kind: 'listening', bound: listen, skipped: ['this one'], copies: [] })
say({ kind: 'error', error: new Error('odd'), code: null, count: 2 })
say({ kind: 'error', error: new Error('full'), code: 'EMFILE', count: 1 })
say({ kind: 'fell-back', reason: 'no such call', copies: [] })
