/**
 * Who goes first when memory runs out: the kernel ends the process of the highest score, by default the largest one, which the data plane
 * may be. The control plane is raised above the others (proc(5), /proc/pid/oom_score_adj), for it is started again while DNS is
 * answered. Whoever may end a process may raise its score, so that takes no right.
 */
import { readFileSync, writeFileSync } from 'node:fs'

/** Half of the machine's memory, as the kernel counts it. */
const above = 500
const highest = 1000

/** Has the kernel end that process before this one. */
export function goesFirst(pid: number): void {
  try {
    const own = Number(readFileSync('/proc/self/oom_score_adj', 'latin1'))
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(Math.min(own + above, highest)))
  } catch {
    // It has ended already, or there is no such file: the kernel chooses as it would have.
  }
}
