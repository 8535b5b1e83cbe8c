/**
 * A DNS worker thread: one transport, the serving state, and the control port that brings new generations. It knows nothing but what
 * it is started with and told there.
 *
 * Over TCP and node:dgram the thread lives in its event loop. A worker that was given sockets answers in batches: it blocks
 * in the kernel, and takes its messages from the port when the doorbell has rung. When the system calls fail for good it goes on
 * in the event loop.
 */
import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import { Responder } from '../answer/responder.ts'
import { Counters } from '../counters.ts'
import type { ServingUpdate } from '../image/serving-set.ts'
import { ServingState } from '../image/state.ts'
import type { BatchEnd, FromWorker, Listener, ToWorker, WorkerInput } from './protocol.ts'
import { askForShortTurns } from './short-turns.ts'
import { loadSyscalls, SyscallError } from './syscalls.ts'
import { startTcp, tcpLimitsOfProcess } from './tcp.ts'
import { UdpBatch } from './udp-batch.ts'
import { startUdp } from './udp-dgram.ts'

/** How long the batched listener waits in one go. The doorbell ends it; only the thread's termination has to wait for it. */
const waitMs = 250

const { transport, listen, counters: buffer, initial, control, batch } = workerData as WorkerInput

const say = (message: FromWorker) => control.postMessage(message)

const state = new ServingState()
state.apply(initial)
const counters = new Counters(buffer)
const limits = tcpLimitsOfProcess()
const responder = new Responder(state, counters, {
  stream: transport === 'tcp',
  idleTimeoutMs: limits.idleTimeoutMs,
})
const start = transport === 'tcp' ? startTcp : startUdp

// A socket that fails for good ends the thread; the fleet starts another one with the current images.
const fail = (error: Error) => {
  throw error
}

if (batch === null) await listenByEvents()
else await serveInBatches(batch)

async function listenByEvents(): Promise<void> {
  try {
    const listener = await start(listen, responder, counters, fail, limits)
    attend(listener)
    say({ kind: 'listening', bound: listener.bound, skipped: listener.skipped })
  } catch (error) {
    const { code = 'EUNKNOWN', message } = error as NodeJS.ErrnoException
    say({ kind: 'failed', code, message })
    control.close()
  }
}

async function serveInBatches(end: BatchEnd): Promise<void> {
  const syscalls = loadSyscalls()
  askForShortTurns(syscalls)
  const listener = new UdpBatch(syscalls, end, responder, counters)
  say({ kind: 'listening', bound: listen, skipped: [] })
  try {
    runBatches(listener, new Int32Array(end.doorbell.rings))
  } catch (error) {
    // Anything else is a fault of ours, and ends the thread as it does elsewhere.
    if (!(error instanceof SyscallError)) throw error
    // The old sockets are there until the main thread hears of it, so that the ports are never without an owner.
    attend(await startUdp(listen, responder, counters, fail))
    say({ kind: 'fell-back', reason: error.message })
  }
}

/** Takes messages as events from here on. */
function attend(listener: Listener): void {
  control.on('message', (message: ToWorker) => receive(message, listener))
}

/** Answers until it is told to stop. */
function runBatches(listener: UdpBatch, rings: Int32Array): void {
  let heard = 0
  for (;;) {
    const rung = Atomics.load(rings, 0)
    if (rung !== heard && !takeMessages(listener)) return
    heard = rung
    listener.turn(waitMs)
  }
}

/** @returns false when one of them said stop */
function takeMessages(listener: UdpBatch): boolean {
  for (;;) {
    const received = receiveMessageOnPort(control) as { message: ToWorker } | undefined
    if (received === undefined) return true
    if (received.message.kind === 'stop') {
      listener.drain()
      say({ kind: 'stopped' })
      control.close()
      return false
    }
    publish(received.message.update)
  }
}

function receive(message: ToWorker, listener: Listener): void {
  switch (message.kind) {
    case 'publish':
      publish(message.update)
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

function publish(update: ServingUpdate): void {
  state.apply(update)
  say({ kind: 'serving', generation: state.generation })
}
