import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'

/** A text that may be large, as it is and by gzip, which is made for those who ask for it: once, by another thread. */
export class RenderedPage {
  readonly plain: Buffer
  #compressed: Promise<Buffer> | undefined

  constructor(plain: Buffer) {
    this.plain = plain
  }

  compressed(): Promise<Buffer> {
    this.#compressed ??= compress(this.plain, { level: constants.Z_BEST_SPEED })
    return this.#compressed
  }
}

const compress = promisify(gzip)

/**
 * A text that costs time to make, for callers who may come by the thousand: one rendering at a time, and whoever comes while one is
 * running shares the next with all who wait. So a caller never gets what was there before it asked, and there are two at
 * most, the one that is running and the one that they wait for. After each comes a rest, so that callers who never stop
 * take a quarter of the thread and not all of it.
 */
export class SharedRendering {
  readonly #render: () => Promise<Buffer>
  readonly #rest: (ms: number) => Promise<void>
  /** Settles when the last rendering has rested. */
  #rested: Promise<void> = Promise.resolve()
  /** The one that has not begun. */
  #next: Promise<RenderedPage> | null = null

  constructor(render: () => Promise<Buffer>, rest: (ms: number) => Promise<void> = pause) {
    this.#render = render
    this.#rest = rest
  }

  get(): Promise<RenderedPage> {
    this.#next ??= this.#begin()
    return this.#next
  }

  async #begin(): Promise<RenderedPage> {
    await this.#rested
    this.#next = null
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#rested = promise
    const startedAt = performance.now()
    try {
      return new RenderedPage(await this.#render())
    } finally {
      void this.#rest(restFactor * (performance.now() - startedAt)).then(resolve)
    }
  }
}

/** Of the time that a rendering took. */
const restFactor = 3

/** A rest that is not worth a timer is none: most renderings take a millisecond or two. */
const shortestRestMs = 1

function pause(ms: number): Promise<void> {
  if (ms < shortestRestMs) return Promise.resolve()
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
