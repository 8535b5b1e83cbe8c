/** Running a program as containers do: as a user who is nobody, without capabilities. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { node } from './daemon.ts'
import { findProgram } from './program.ts'

/** User and group of the image. */
export const unprivileged = 1000

/** A command that runs another as an unprivileged user without capabilities; empty when we are none who could. */
export async function dropPrivileges(): Promise<string[]> {
  if (process.getuid?.() !== 0 || findProgram('setpriv') === null) return []
  const through = [
    'setpriv',
    `--reuid=${unprivileged}`,
    `--regid=${unprivileged}`,
    '--clear-groups',
    '--no-new-privs',
    '--inh-caps=-all',
    '--bounding-set=-all',
  ]
  // The repository may lie where nobody else can read.
  const [command, ...args] = through
  const reachable = await promisify(execFile)(command!, [...args, 'test', '-x', node]).then(
    () => true,
    () => false,
  )
  return reachable ? through : []
}
