/** The signing thread: signs answers of services, and keeps what it has signed. See `signing-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads'
import { beat, beatByEvents, beatIn } from '../../dataplane/life/signs.ts'
import type { CallAnswer } from '../threads/called-thread.ts'
import { SetSigner } from './set-signer.ts'
import type { SigningThreadData, ToSigner } from './signing-thread.ts'

const { directory, keyFile, signs } = workerData as SigningThreadData
beatIn(signs)
const signer = new SetSigner({ directory, keyFile })
/** Aborted by a stop. */
const stopping = new AbortController()
const say = (message: CallAnswer) => parentPort!.postMessage(message)
const done = (id: number, result?: unknown) => say({ kind: 'done', id, result })
const failed = (id: number, error: unknown) => say({ kind: 'failed', id, message: (error as Error).message })
const saying = (id: number, work: Promise<unknown>) =>
  void work.then(
    () => done(id),
    (error: unknown) => failed(id, error),
  )
const calling = (id: number, work: () => unknown) => {
  try {
    done(id, work())
  } catch (error) {
    failed(id, error)
  }
}
/** Files are written one after another. */
let writing: Promise<unknown> = Promise.resolve()
const inTurn = (work: () => Promise<unknown>) => {
  const turn = writing.then(work)
  writing = turn.catch(() => undefined)
  return turn
}

beatByEvents()
parentPort!.on('message', (message: ToSigner) => {
  beat()
  switch (message.kind) {
    case 'sign':
      return calling(message.id, () => message.requests.map((request) => signer.sign(request)))
    case 'retain':
      return calling(message.id, () => message.requests.forEach((request) => void signer.retain(request)))
    case 'forget':
      // At once: what is asked for behind it is not to be forgotten.
      for (const apex of message.apexes) signer.forget(apex)
      return saying(
        message.id,
        inTurn(() => Promise.all(message.apexes.map((apex) => signer.removeFiles(apex)))),
      )
    case 'persist':
      return saying(
        message.id,
        inTurn(() => signer.persist(stopping.signal)),
      )
    case 'stop':
      stopping.abort(new Error('the signing thread is stopping'))
      return parentPort!.close()
  }
})
