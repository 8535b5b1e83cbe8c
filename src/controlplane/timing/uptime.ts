/** Time since the machine was started, which goes on while processes are not there, and while it is suspended, and which nobody can set. */
import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'

const bootPath = '/proc/sys/kernel/random/boot_id'

export interface Uptime {
  /** Which start of the machine that was. */
  readonly boot: string
  nowMs(): number
}

/** Null where starts of the machine can't be told from each other. */
export function machineUptime(): Uptime | null {
  try {
    return { boot: readFileSync(bootPath, 'utf8').trim(), nowMs: () => uptime() * 1000 }
  } catch {
    return null
  }
}
