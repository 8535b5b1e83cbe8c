/** What a thread has done with its time, as Linux tells it (proc(5), /proc/pid/task/tid/stat). */
import { readFileSync } from 'node:fs'

/**
 * `runs`: it runs, or wants to and waits for a processor; `waits-for-disk`: no signal would end that; `still`: it waits for
 * something else, or has been stopped.
 */
export type Doing = 'runs' | 'waits-for-disk' | 'still'

export interface ThreadTime {
  readonly doing: Doing
  /** Time that it had a processor for, since it began. */
  readonly ranMs: number
}

/** By the state that the kernel tells; every other one is `still`. */
const doings: Readonly<Record<string, Doing>> = { R: 'runs', D: 'waits-for-disk' }

/** A clock tick in what the kernel tells (USER_HZ), on every platform that Node runs on. */
const tickMs = 10
/** Places behind the name, which may hold anything. */
const at = { state: 0, user: 11, system: 12 } as const

/** @returns null where the system doesn't say, or there is no such thread */
export function threadTime(pid: number | 'self', thread: number): ThreadTime | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1')
  } catch {
    return null
  }
  return readStat(stat)
}

/** What the kernel's line on a thread says. */
export function readStat(stat: string): ThreadTime {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return {
    doing: doings[fields[at.state]!] ?? 'still',
    ranMs: tickMs * (Number(fields[at.user]) + Number(fields[at.system])),
  }
}
