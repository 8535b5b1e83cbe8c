/** A thread that beats by its event loop, and waits in it when it is told to. */
import { parentPort, workerData } from 'node:worker_threads'
import { beatByEvents, beatIn } from '../../../src/dataplane/life/signs.ts'

const { signs, gate } = workerData as { signs: SharedArrayBuffer; gate: Int32Array }
beatIn(signs)
beatByEvents()
parentPort!.on('message', (word: string) => {
  if (word === 'end') parentPort!.close()
  if (word !== 'wait') return
  parentPort!.postMessage('waits')
  Atomics.wait(gate, 0, 0)
})
