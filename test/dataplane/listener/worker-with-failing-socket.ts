/** Runs the DNS worker of this thread's `workerData`, and makes its UDP socket fail when it is told to. */
import type { Socket } from 'node:dgram'
import { subscribe } from 'node:diagnostics_channel'
import { parentPort } from 'node:worker_threads'

subscribe('udp.socket', (message) => {
  const { socket } = message as { socket: Socket }
  parentPort!.on('message', () => socket.emit('error', new Error('recvmsg EIO')))
  // The worker ends by itself, as it does without us.
  parentPort!.unref()
})
await import('../../../src/dataplane/listener/worker.ts')
