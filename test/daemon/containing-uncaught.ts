/**
 * A process with the daemon's policy on errors that nobody caught: `containing-uncaught.ts serving|starting KIND...`. Brings about
 * each kind of error, one after another, and says at its end what was told.
 */
import assert from 'node:assert'
import { EventEmitter } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { containUncaught } from '../../src/daemon/uncaught.ts'
import { createLog } from '../../src/telemetry/log.ts'

const [state, ...kinds] = process.argv.slice(2)
const told: string[] = []
const dns = state === 'serving' ? ['127.0.0.1:53'] : []
containUncaught(createLog('info'), () => ({ dns, fault: (error) => told.push(String(error)) }))

const fail = (kind: string) => () => {
  throw new Error(kind)
}
const errors: Readonly<Record<string, () => void>> = {
  timer: () => void setTimeout(fail('timer'), 0),
  immediate: () => void setImmediate(fail('immediate')),
  rejection: () => void Promise.reject(new Error('rejection')),
  emitter: () => void setImmediate(() => new EventEmitter().emit('error', new Error('emitter'))),
  message: () => {
    const { port1, port2 } = new MessageChannel()
    port1.on('message', () => {
      port1.close()
      throw new Error('message')
    })
    port2.postMessage(1)
  },
  nothing: () => void Promise.reject(),
  invariant: () => void setImmediate(() => assert.ok(false, 'this can not be')),
}
for (const kind of kinds) {
  const before = told.length
  errors[kind]!()
  while (told.length === before) await delay(1)
}
process.stdout.write(`${JSON.stringify(told)}\n`)
