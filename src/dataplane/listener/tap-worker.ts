/** The entry of the thread that sends frames of dnstap: sending them costs those who answer nothing. */
import { parentPort, workerData } from 'node:worker_threads'
import type { TapTarget } from '../image/answer-settings.ts'
import { TapSender } from './tap-sender.ts'

export interface TapInput {
  readonly rings: readonly SharedArrayBuffer[]
  readonly target: TapTarget
}

const { rings, target } = workerData as TapInput
const sender = new TapSender(rings, target)
sender.start()
parentPort!.once('message', () => void sender.stop())
