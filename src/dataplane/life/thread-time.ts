/** What a thread has done with its time, as Linux tells it (proc(5), /proc/pid/task/tid/stat). */
import { readdirSync, readFileSync } from 'node:fs'

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

/**
 * Of all threads of a process together: it runs while one of them does. A process that is being started waits for threads of the runtime,
 * which compile and read for it.
 *
 * @returns null where the system doesn't say, or there is no such process
 */
export function processTime(pid: number): ThreadTime | null {
  let threads: string[]
  try {
    threads = readdirSync(`/proc/${pid}/task`)
  } catch {
    return null
  }
  const times = threads.map((thread) => threadTime(pid, Number(thread))).filter((time) => time !== null)
  const doing = (['runs', 'waits-for-disk'] as const).find((each) =>
    times.some((time) => time.doing === each),
  )
  return { doing: doing ?? 'still', ranMs: times.reduce((sum, { ranMs }) => sum + ranMs, 0) }
}

/** What the kernel's line on a thread says. */
export function readStat(stat: string): ThreadTime {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return {
    doing: doings[fields[at.state]!] ?? 'still',
    ranMs: tickMs * (Number(fields[at.user]) + Number(fields[at.system])),
  }
}
