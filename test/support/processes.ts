/** The processes of a server that was started as one (`daemon.ts`). */
import { readdirSync, readFileSync } from 'node:fs'

/** Without its ending: they run as they are, or built. */
const entries = { control: 'daemon/control-plane.', data: 'dataplane/process/main.' }
export type ProcessName = keyof typeof entries

/** Ids of those that run now, the oldest first; two while one takes the place of the other. */
export function processesOf({ pid }: { readonly pid: number }, which: ProcessName): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((each) => parentOf(each) === pid && commandOf(each).includes(entries[which]))
    .sort((a, b) => a - b)
}

/** The only one. */
export function processOf(daemon: { readonly pid: number }, which: ProcessName): number {
  const [only, ...others] = processesOf(daemon, which)
  if (only === undefined || others.length > 0) throw new Error(`${1 + others.length} processes: ${which}`)
  return only
}

/** Whether it runs; one that has ended and that nobody has asked about does not. */
export function isAlive(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`)
  return stat !== '' && !/^\d+ \(.*\) Z /s.test(stat)
}

/** Null once it is gone. */
function parentOf(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`)
  return stat === '' ? null : Number(/^\d+ \(.*\) \S (\d+)/s.exec(stat)![1])
}

const commandOf = (pid: number) => read(`/proc/${pid}/cmdline`)

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
