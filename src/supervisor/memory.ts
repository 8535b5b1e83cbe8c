import { createMemory } from '../dataplane/listener/shared-memory.ts'
import type { Syscalls } from '../dataplane/listener/syscalls.ts'
import type { Logger } from '../telemetry/log.ts'

/** Memory that the processes share, by its descriptor; null where there can be none, which the log says. */
export function makeMemory({ syscalls, log }: { syscalls: Syscalls; log: Logger }): number | null {
  try {
    return createMemory(syscalls)
  } catch (err) {
    log.warn({ err }, 'the processes share no memory: each has its own copy of what is served')
    return null
  }
}
