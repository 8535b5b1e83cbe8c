/** What is done again and again, whatever happens. */
import { pruneFleet } from '../controlplane/store/fleet.ts'
import { prune } from '../controlplane/store/retention.ts'
import { failing } from './announce.ts'
import type { Parts } from './parts.ts'

const pruneEveryMs = 3_600_000
/** Well within the time in which a new cookie secret is accepted but does not sign yet. */
const cookieKeysEveryMs = 60_000
/** How often probe times are looked at for services that steer by them. */
const latencyEveryMs = 1000

/** Begins; ends when it is disposed of. */
export function upkeep({ announce, configuration, database, settings }: Parts): Disposable {
  const timers = [
    every(pruneEveryMs, () => {
      database
        .record(async (tx) => {
          await prune(tx)
          await pruneFleet(tx)
        })
        .catch(failing(announce, 'old rows were not pruned'))
    }),
    every(cookieKeysEveryMs, () => {
      settings.follow(database).catch(failing(announce, 'the cookie secrets were not read'))
    }),
    every(latencyEveryMs, () => void configuration.publisher.refreshLatencies()),
  ]
  return { [Symbol.dispose]: () => timers.forEach(clearInterval) }
}

function every(ms: number, run: () => void): NodeJS.Timeout {
  return setInterval(run, ms).unref()
}
