/** A process that says that it is alive until nobody hears it any more, or until it is told to wait for a thread that never ends. */
import { Worker } from 'node:worker_threads'
import { type Channel, sayAlive } from '../../../src/dataplane/life/child-signs.ts'

process.on('message', () => {
  const word = new Int32Array(new SharedArrayBuffer(4))
  new Worker('require("node:worker_threads").workerData[0] = 1; for (;;);', { eval: true, workerData: word })
  // The thread begins when this one has come to rest.
  setInterval(() => {
    if (Atomics.load(word, 0) === 1) Atomics.wait(word, 0, 1)
  }, 1)
})
sayAlive(process as Channel, () => true)
