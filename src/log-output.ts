/** Standard output for the log of a process whose life must not depend on who reads it. */
import { constants, fstatSync, openSync } from 'node:fs'
import type { Syscalls } from './dataplane/listener/syscalls.ts'
import { type LineOutput, Output } from './telemetry/output.ts'
import { forPeople } from './telemetry/terminal-log.ts'

/** Commands of fcntl(2). */
const getFlags = 3
const setFlags = 4

/** Lines that wait for room at the end of the process are tried once more. */
export function openLogOutput(syscalls: Pick<Syscalls, 'fcntl'>, fd = 1): LineOutput {
  const output = new Output(withoutWaiting(syscalls, fd))
  process.once('exit', () => output.flush())
  return forPeople(output)
}

/**
 * A descriptor of the same on which nobody waits. As a rule it is another one, for whoever shares the first, such as a shell, may rely on
 * waiting. A socket can't be opened again, nor can a pipe of another user; those are for us alone.
 */
function withoutWaiting(syscalls: Pick<Syscalls, 'fcntl'>, fd: number): number {
  const kind = fstatSync(fd, { throwIfNoEntry: false })
  if (kind === undefined || kind.isFile()) return fd
  const { O_WRONLY, O_NOCTTY, O_NONBLOCK } = constants
  try {
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NOCTTY | O_NONBLOCK)
  } catch {
    // A terminal is its shell's, too.
    if (!kind.isCharacterDevice()) syscalls.fcntl(fd, setFlags, syscalls.fcntl(fd, getFlags, 0) | O_NONBLOCK)
    return fd
  }
}
