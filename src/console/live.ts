/**
 * What is so now: the overview of the node that is asked. Events (Server-Sent Events) have it read again at once; polling is the truth
 * behind them. What it says is shown until there is something newer, with its age as soon as that is more than it should be.
 */
import { effect, signal } from '@preact/signals'
import type { OverviewReply } from '../controlplane/api/operations/overview.ts'
import { ApiError, ask, get, session } from './api.ts'

export const overview = signal<OverviewReply | null>(null)
/** When the last word of the server came, by this browser's clock. */
export const heardAt = signal(0)
/** Why there is no newer one; empty while all is well. */
export const trouble = signal('')
/** This browser's clock, each second. */
export const now = signal(Date.now())
/** How much the server's clock is before this one, in milliseconds. */
export const skew = signal(0)
/** Counts what has happened; views that show more than the overview read again when it changes. */
export const happened = signal(0)

const pollMs = 2_000
/** Events come in swarms. */
const settleMs = 60
/** Older than this is told. */
export const staleMs = 6_000

setInterval(() => {
  now.value = Date.now()
}, 1_000)

export const isStale = () => heardAt.value > 0 && now.value - heardAt.value > staleMs
/** The server's time. */
export const serverNow = () => now.value + skew.value

/** Reads the overview now and then for as long as somebody is signed in. */
export function goLive(): void {
  effect(() => {
    if (session.value === null || session.value === undefined) return
    const stop = new AbortController()
    void poll(stop.signal)
    void follow(stop.signal)
    return () => {
      stop.abort()
      overview.value = null
      heardAt.value = 0
    }
  })
}

/** Ends the wait for the next poll. */
let hasten = () => {}
export const refresh = () => hasten()

async function poll(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const began = performance.now()
    try {
      const found = await get<OverviewReply>('/v1/overview', { signal, patienceMs: 5_000 })
      overview.value = found
      heardAt.value = Date.now()
      now.value = Date.now()
      skew.value = Date.parse(found.at) - Date.now()
      trouble.value = ''
    } catch (error) {
      if (signal.aborted) return
      trouble.value =
        error instanceof ApiError && error.status !== 0
          ? error.message
          : 'The server does not answer. DNS may well go on; this page can not tell.'
    }
    // A server that is slow is not asked all the time.
    const pauseMs = document.hidden ? 15_000 : Math.max(pollMs, 4 * (performance.now() - began))
    await pause(pauseMs, signal)
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms)
    function done() {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
    hasten = done
  })
}

addEventListener('visibilitychange', () => {
  if (!document.hidden) refresh()
})

/** Reads the stream of events. Not by EventSource, which sends no fields. */
async function follow(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const { body } = await ask('/v1/events/stream', { signal, patienceMs: null })
      let settling: ReturnType<typeof setTimeout> | undefined
      for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
        if (!chunk.includes('data:')) continue
        clearTimeout(settling)
        settling = setTimeout(() => {
          happened.value++
          refresh()
        }, settleMs)
      }
    } catch {
      // Polling goes on, and says what is the matter.
    }
    await new Promise((resolve) => setTimeout(resolve, 2_000))
  }
}
