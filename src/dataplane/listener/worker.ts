/**
 * A DNS worker thread: one transport, the serving state, and the control port that brings new generations. It knows nothing but what
 * it is started with and told there.
 */
import { workerData } from 'node:worker_threads'
import { Responder } from '../answer/responder.ts'
import { Counters } from '../counters.ts'
import { ServingState } from '../zone/state.ts'
import type { FromWorker, Listener, ToWorker, WorkerInput } from './protocol.ts'
import { defaultTcpLimits, startTcp } from './tcp.ts'
import { startUdp } from './udp-dgram.ts'

const { transport, listen, counters: buffer, initial, control } = workerData as WorkerInput

const say = (message: FromWorker) => control.postMessage(message)

const state = new ServingState()
state.apply(initial)
const counters = new Counters(buffer)
const responder = new Responder(state, counters, {
  stream: transport === 'tcp',
  idleTimeoutMs: defaultTcpLimits.idleTimeoutMs,
})
const start = transport === 'tcp' ? startTcp : startUdp

// A socket that fails for good ends the thread; the fleet starts another one with the current images.
const fail = (error: Error) => {
  throw error
}

try {
  const listener = await start(listen, responder, counters, fail)
  control.on('message', (message: ToWorker) => receive(message, listener))
  say({ kind: 'listening', bound: listener.bound, skipped: listener.skipped })
} catch (error) {
  const { code = 'EUNKNOWN', message } = error as NodeJS.ErrnoException
  say({ kind: 'failed', code, message })
  control.close()
}

function receive(message: ToWorker, listener: Listener): void {
  switch (message.kind) {
    case 'publish':
      state.apply(message.update)
      say({ kind: 'serving', generation: state.generation })
      break
    case 'stop':
      // One turn of the event loop first: what has arrived is read in it.
      setImmediate(async () => {
        await listener.stop()
        say({ kind: 'stopped' })
        control.close()
      })
      break
  }
}
