/** The compile thread: keeps the zones' images, compiles, and reads and writes the files. See `compile-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads'
import { beat, beatByEvents, beatIn } from '../../dataplane/life/signs.ts'
import type { CallAnswer } from '../threads/called-thread.ts'
import type { CompileThreadData, ToCompiler } from './compile-thread.ts'
import { readImages, sweepImages, writeImages } from './image-files.ts'
import { ZoneImages } from './zone-images.ts'

const { directory, version, signs } = workerData as CompileThreadData
beatIn(signs)
const images = new ZoneImages()
/** Whether the directory holds nothing but images of ours: looking takes long with many zones, so it is done once. */
let swept = false
/** Aborted by a stop. */
const stopping = new AbortController()
const say = (message: CallAnswer) => parentPort!.postMessage(message)

beatByEvents()
parentPort!.on('message', (message: ToCompiler) => {
  // Several may come in one turn of the event loop.
  beat()
  switch (message.kind) {
    case 'begin':
      return images.begin(message.order)
    case 'edit':
      return say({ kind: 'done', id: message.id, result: images.edit(message.order) })
    case 'rows':
      images.add(message.rows)
      return say({ kind: 'done', id: message.id, result: undefined })
    case 'finish':
      return say({ kind: 'done', id: message.id, result: images.finish() })
    case 'load':
      return void load(message.id)
    case 'persist':
      return void persist(message.id)
    case 'stop':
      stopping.abort(new Error('the compile thread is stopping'))
      return parentPort!.close()
  }
})

async function load(id: number): Promise<void> {
  const result = await readImages(directory, version)
  images.restore(result.zones)
  say({ kind: 'done', id, result })
}

async function persist(id: number): Promise<void> {
  const unwritten = images.takeUnwritten()
  try {
    await writeImages(directory, version, unwritten.changed, unwritten.gone, stopping.signal)
    if (!swept) await sweepImages(directory, images.held.keys())
    swept = true
    say({ kind: 'done', id, result: undefined })
  } catch (error) {
    images.giveBack(unwritten)
    say({ kind: 'failed', id, message: (error as Error).message })
  }
}
