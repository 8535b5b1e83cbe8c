/**
 * Errors that nobody caught. Each is a defect, and none of them may end DNS: what answers lives in threads of its own, from memory,
 * and whoever can cause such an error (a request, a stored row, a member's response) could otherwise keep the server down by
 * doing so again after each restart. So once DNS is served, an error is counted and told, and the process goes on.
 *
 * Two things do end it, with exit code 1, so that whoever runs it starts it anew:
 * - any such error before DNS is served: nobody is answered yet, and a start that is half done would look like one that waits;
 * - a broken invariant, at any time: the code says that what it holds can't be, and what it would answer can't be trusted.
 *
 * The supervisor, whose end is the end of the others, goes on from its first moment.
 */
import { AssertionError } from 'node:assert'
import type { Logger } from '../telemetry/log.ts'

/** What such errors are told to. */
interface Told {
  /** Bound DNS addresses; empty until DNS is served. */
  readonly dns: readonly unknown[]
  fault(error: unknown): void
}

/** @param daemon undefined until there is one */
export function containUncaught(log: Logger, daemon: () => Told | undefined): void {
  onUncaught(log, (error) => {
    const told = daemon()
    if (told === undefined || told.dns.length === 0) return false
    told.fault(error)
    return true
  })
}

/** @param goesOn takes an error that is no broken invariant, and says whether the process may go on */
export function onUncaught(log: Logger, goesOn: (error: unknown) => boolean): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      if (!(error instanceof AssertionError) && goesOn(error)) return
      log.fatal({ err: error }, event)
      process.exit(1)
    })
  }
}
