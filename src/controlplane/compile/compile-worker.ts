/** The compile thread: keeps the zones' images, compiles, and reads and writes the files. See `compile-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads'
import { ImageMemory, memoryAt, type PlacedImage } from '../../dataplane/image/image-memory.ts'
import { collectGarbage, reclaimOctets } from '../../dataplane/image/reclaim.ts'
import { beat, beatByEvents, beatIn } from '../../dataplane/life/signs.ts'
import type { CallAnswer } from '../threads/called-thread.ts'
import type { CompileThreadData, Done, LoadedZones, ToCompiler } from './compile-thread.ts'
import { readImages, sweepImages, writeImages } from './image-files.ts'
import { readBooks, writeBooks } from './signature-files.ts'
import { SignedZones } from './signed-zones.ts'
import { ZoneImages } from './zone-images.ts'

const { directory, version, memory, keyFile, signs } = workerData as CompileThreadData
beatIn(signs)
const images = new ZoneImages(
  memory === null ? ImageMemory.none : memoryAt(memory),
  new SignedZones(keyFile ?? null),
)
/** Octets of images that were adopted since the last collection. */
let adopted = 0
/** Whether the directory holds nothing but images of ours: looking takes long with many zones, so it is done once. */
let swept = false
/** Aborted by a stop. */
const stopping = new AbortController()
const say = (message: CallAnswer) => parentPort!.postMessage(message)
const done = (id: number, result?: unknown) =>
  say({ kind: 'done', id, result: { result, left: images.takeLeft() } satisfies Done })

beatByEvents()
parentPort!.on('message', (message: ToCompiler) => {
  // Several may come in one turn of the event loop.
  beat()
  switch (message.kind) {
    case 'begin':
      return images.begin(message.order)
    case 'edit':
      return done(message.id, images.edit(message.order))
    case 'preview':
      return done(message.id, images.preview(message.zones))
    case 'rows':
      images.add(message.rows)
      return done(message.id)
    case 'finish':
      return done(message.id, images.finish())
    case 'load':
      return void load(message.id)
    case 'restore':
      images.restore(message.zones)
      return done(message.id)
    case 'persist':
      return void persist(message.id)
    case 'adopt':
      return adopt(message.id, message.images)
    case 'stop':
      stopping.abort(new Error('the compile thread is stopping'))
      return parentPort!.close()
  }
})

async function load(id: number): Promise<void> {
  const result = await readImages(directory, version)
  images.restore(result.zones)
  const books = readBooks(directory, result.zones)
  for (const [apex, book] of books.found) images.signed.restore(apex, book)
  for (const { zone } of result.zones) {
    beat()
    images.signed.tryKeys(zone)
  }
  const damaged = [...result.damaged, ...books.damaged]
  done(id, { zones: result.zones, damaged, signed: images.signed.reports() } satisfies LoadedZones)
}

async function persist(id: number): Promise<void> {
  const unwritten = images.takeUnwritten()
  try {
    await writeBooks(directory, unwritten.changed, images.signed.books)
    await writeImages(directory, version, unwritten.changed, unwritten.gone, stopping.signal)
    if (!swept) await sweepImages(directory, images.held.keys())
    swept = true
    images.endWriting()
    done(id)
  } catch (error) {
    images.endWriting()
    images.giveBack(unwritten)
    say({ kind: 'failed', id, message: (error as Error).message })
  }
}

/** What was held instead is garbage, of which the collector knows nothing. */
function adopt(id: number, placed: readonly PlacedImage[]): void {
  images.adopt(placed)
  done(id)
  adopted += placed.reduce((sum, { octets }) => sum + octets, 0)
  if (adopted < reclaimOctets / 2) return
  adopted = 0
  collectGarbage()
}
