/**
 * Gives back the memory of images that are served no more. The collector frees them, but does not know that it is worth its
 * while: shared memory counts for nothing in the heap of a thread, and a worker that allocates nothing per query may not
 * collect for hours, while every edit of a zone of 100,000 RRsets leaves 11 MB behind.
 *
 * So whoever lets go of images asks for a collection, once in `reclaimOctets` of them: some milliseconds in a worker, whose
 * heap is small. Rejected: writing into the images in use (a query would see mixtures), and a pool of buffers to write the
 * next image to (nobody knows when the last reader has gone).
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What the images that a thread has let go of may hold before it collects. */
export const reclaimOctets = 256 * 1024 * 1024

/**
 * The function is there in contexts that are made while the flag is set. It is not left set: code that was compiled under other flags, Node's
 * own too, is compiled anew in each thread that starts, in 37 ms of CPU. Flags are those of the process, so another thread may take it away
 * in between.
 */
function findCollector(): (options?: object) => void {
  let found: unknown
  do {
    setFlagsFromString('--expose-gc')
    found = runInNewContext('globalThis.gc')
  } while (found === undefined)
  setFlagsFromString('--no-expose-gc')
  return found as (options?: object) => void
}

/** Collects garbage, all of it, at once. */
export const collectGarbage = findCollector()

/** The same, and gives back to the system what the heap has grown by; it takes several times as long. */
export const giveBackMemory = () => collectGarbage({ type: 'major', flavor: 'last-resort' })

/** When a start is over, with all that comes right behind it. */
const afterStartMs = 10_000
/** A heap above this is no small one after a start either, and to collect it would hold up its thread: 70 ms for 34 MB, 180 for 90. */
const smallHeapOctets = 48 * 1024 * 1024

/**
 * Gives back what the start of this thread has left, a while later: a thread with nothing to do would never collect, and up to half of
 * its heap is what loading its code has left. That takes some tens of milliseconds of the thread, once, so none that answers DNS does it.
 *
 * @param mostOctets of a heap that is collected
 */
export function giveBackAfterStart(mostOctets = smallHeapOctets): void {
  setTimeout(() => {
    if (getHeapStatistics().total_heap_size <= mostOctets) giveBackMemory()
  }, afterStartMs).unref()
}
