/** The entry of the thread that sends frames of dnstap: sending them costs those who answer nothing. */
import { parentPort, workerData } from 'node:worker_threads'
import type { TapTarget } from '../image/answer-settings.ts'
import { beatByEvents, beatIn } from '../life/signs.ts'
import { defaultTapTimes, TapSender } from './tap-sender.ts'

export interface TapInput {
  readonly rings: readonly SharedArrayBuffer[]
  readonly target: TapTarget
  /** Not 0 once there is a message, whoever waits on it being woken. */
  readonly told: Int32Array
  /** Where it gives its signs of life. */
  readonly signs: SharedArrayBuffer
}

const { rings, target, told, signs } = workerData as TapInput
beatIn(signs)
beatByEvents()
const sender = new TapSender(
  rings,
  target,
  defaultTapTimes,
  (ms) => Atomics.wait(told, 0, 0, ms) === 'timed-out',
)
sender.start()
parentPort!.once('message', () => void sender.stop())
