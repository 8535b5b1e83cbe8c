/**
 * Keeps a second process off the embedded database: PGlite has one writer and no lock of its own.
 *
 * The lock is a file that names its holder: process id, and (on Linux) the boot and the tick in which that process
 * started. A process id alone is not enough: in a container the daemon is process 1 at every start, so a file left
 * behind by a killed one would look alive. Taking it is one link(2), which fails when the file exists. A file whose
 * holder is gone is moved away first, and moved back when it turns out that somebody else had replaced it meanwhile.
 *
 * Rejected: flock(2), which Node lacks. Known gap: two containers that share the directory but not their process ids
 * can't see each other.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ControlError } from '../model/errors.ts'
import { pause } from '../timing/clock.ts'
import { preparePrivateDirectory } from './private-directory.ts'

interface Holder {
  readonly pid: number
  /** Null where the system doesn't tell. */
  readonly started: string | null
}

/** Where the lock of the embedded database of a data directory lies. */
export const lockPathIn = (directory: string) => join(directory, 'db.lock')

/** The process that has the embedded database open; null when none has. */
export function holderOf(directory: string): number | null {
  const path = lockPathIn(directory)
  const text = readText(path)
  const holder = text === null ? null : parseHolder(text)
  return holder !== null && isAlive(holder, path) ? holder.pid : null
}

/** Locks that this process holds, by path: opening the same directory twice in one process is refused too. */
const held = new Set<string>()

/**
 * Takes the lock file at `path`, whose folder is `directory` (made, or made private, when need be). Throws `conflict` naming
 * the process that holds it, `invalid` when the directory can't be used.
 */
export function lockDataDirectory(directory: string, path: string): Disposable {
  const own: Holder = { pid: process.pid, started: startOf(process.pid) }
  const scratch = `${path}.${process.pid}`
  preparePrivateDirectory(directory)
  try {
    writeFileSync(scratch, JSON.stringify(own), { mode: 0o600 })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ControlError('invalid', `the data directory ${directory} can't be written: ${reason}`, {
      cause: error,
    })
  }
  try {
    // Each round either takes the lock, refuses, or removes one stale file; rounds are bounded against an endless race.
    for (let round = 0; round < 10; round++) {
      if (tryLink(scratch, path)) {
        held.add(path)
        return {
          [Symbol.dispose]: () => {
            if (held.delete(path)) rmSync(path, { force: true })
          },
        }
      }
      removeStale(directory, path, `${scratch}.stale`)
    }
  } finally {
    rmSync(scratch, { force: true })
  }
  throw new ControlError('conflict', `the data directory ${directory} is being opened by other processes`)
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function removeStale(directory: string, path: string, aside: string): void {
  const judged = readText(path)
  if (judged === null) return
  const holder = parseHolder(judged)
  if (holder !== null && isAlive(holder, path)) {
    throw new ControlError(
      'conflict',
      `the data directory ${directory} is in use by process ${holder.pid} (lock file ${path})`,
    )
  }
  try {
    renameSync(path, aside)
  } catch {
    return // Somebody else was quicker; the next round sees what there is now.
  }
  const moved = readText(aside)
  if (moved !== judged) tryLink(aside, path)
  rmSync(aside, { force: true })
}

function isAlive(holder: Holder, path: string): boolean {
  if (holder.pid === process.pid) return held.has(path)
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  // Dead, and not yet asked for by its parent, which may never do so; it holds nothing any more.
  if (statOf(holder.pid)[0] === 'Z') return false
  const started = startOf(holder.pid)
  return started === null || holder.started === null || started === holder.started
}

/** Boot and tick in which a process started, null when unknown. */
function startOf(pid: number): string | null {
  const boot = readText('/proc/sys/kernel/random/boot_id')
  const tick = statOf(pid)[19]
  return boot === null || tick === undefined ? null : `${boot.trim()} ${tick}`
}

/** What the system tells of a process from its state on; nothing where it tells nothing. See proc(5): behind the name in brackets. */
function statOf(pid: number): readonly string[] {
  const stat = readText(`/proc/${pid}/stat`)
  return stat === null ? [] : stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function parseHolder(text: string): Holder | null {
  try {
    const { pid, started } = JSON.parse(text) as Partial<Holder>
    return Number.isSafeInteger(pid) && pid! > 0 ? { pid: pid!, started: started ?? null } : null
  } catch {
    return null
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/** Between two looks at a directory that another process holds. */
const lockPauseMs = 100

/** Does what needs the data directory, once the process that has it lets go. Throws `conflict` when it doesn't in time. */
export async function onceFree<T>(open: () => T, patienceMs: number): Promise<T> {
  const patience = AbortSignal.timeout(patienceMs)
  for (;;) {
    try {
      return open()
    } catch (error) {
      const isTaken = error instanceof ControlError && error.code === 'conflict'
      if (!isTaken || patience.aborted || patienceMs === 0) throw error
      await pause(lockPauseMs, patience).catch(() => undefined)
    }
  }
}
