/**
 * Keeps the memory of requests that hold all of the configuration close to what they need.
 *
 * Of a document of 10,000 services and 50,000 members a request makes hundreds of megabytes of objects, most of which are garbage
 * at once. The collector lets a heap grow to several times what is in use before it looks, since that is quickest, and looks
 * for no reason of its own afterwards: a server that was handed a few such documents kept a gigabyte. So while there is such a
 * request the heap grows by a third at a time, which costs a few per cent of its time, and when the last of them has gone what
 * they have left is collected and given back to the system. That takes a tenth of a second of the main thread, and so waits for a
 * moment without a next one.
 *
 * Rejected: a limit of the heap, which ends the process of whoever has a larger configuration; a thread or process for such
 * requests, which would have to be handed the configuration that this one has.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import type { FastifyInstance } from 'fastify'
import { giveBackMemory } from '../../../dataplane/image/reclaim.ts'

/** Per cent by which the heap may grow between two collections while there are such requests; 0 leaves it to the engine. */
const growth = { meanwhile: 33, otherwise: 0 } as const
/** Time without one, after which it is tidied up: a plan and its application are two requests. */
const quietMs = 1_000
/** What is worth it. */
const worthOctets = 48 * 1024 * 1024

/** Of a process: its engine has one heap for each thread and one setting. */
class LargeWork {
  #under = 0
  /** Octets of the heap when it had nothing of such requests; null before the first. */
  #tidy: number | null = null
  #timer: NodeJS.Timeout | undefined

  /** Until it is given back. */
  enter(): Disposable {
    clearTimeout(this.#timer)
    this.#tidy ??= getHeapStatistics().total_heap_size
    if (this.#under++ === 0) {
      setFlagsFromString(`--heap-growing-percent=${growth.meanwhile}`)
    }
    let isOver = false
    return {
      [Symbol.dispose]: () => {
        if (isOver) return
        isOver = true
        if (--this.#under === 0) this.#leave()
      },
    }
  }

  #leave(): void {
    setFlagsFromString(`--heap-growing-percent=${growth.otherwise}`)
    this.#timer = setTimeout(() => {
      if (getHeapStatistics().total_heap_size - this.#tidy! < worthOctets) return
      giveBackMemory()
      this.#tidy = getHeapStatistics().total_heap_size
    }, quietMs).unref()
  }
}

export const largeWork = new LargeWork()

/** The routes that `app` registers from now on are such requests, from their first octet to the last one of the reply. */
export function keepSmall(app: FastifyInstance): void {
  app.addHook('onRequest', async (_request, { raw }) => {
    const work = largeWork.enter()
    raw.once('close', () => work[Symbol.dispose]())
    // Its client may have gone while its token was looked up.
    if (raw.closed) work[Symbol.dispose]()
  })
}
